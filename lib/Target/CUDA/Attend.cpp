// Attention without tensor cores: caches of f32, and heads of any size. 64-key tiles at absolute
// positions, online softmax inside a partition of 512 keys, partitions folded left to right
// (docs/Rationale/Bits.md).
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "Attend.h"
#include "StoredRows.h"

#include "kvasir-c/abi.h"
#include "llvm/Support/MathExtras.h"

#include <limits>

using namespace mlir;
using namespace kvasir;
using namespace kvasir::cuda;

namespace {

constexpr int64_t tileKeys = KVASIR_PAGE_TOKENS;
constexpr int64_t partitionTiles = KVASIR_PARTITION_TOKENS / tileKeys;
constexpr double negativeInfinity = -std::numeric_limits<double>::infinity();
/// Query rows (token, head of the group) that a block computes together: one for each warp.
constexpr int64_t blockRows = blockWarps;

/// Emits the phase. An item is (attention block, kv head, chunk of blockRows query rows). Row r of
/// a chunk belongs to warp r for the softmax; scores and outputs are divided among all threads.
class AttendEmitter {
public:
  explicit AttendEmitter(KernelEmitter &e)
      : e(e), op(attentionOf(e.phase)), type(op.type), element(type.getElementType()),
        size(type.getHeadSize()), group(op.group()) {}
  Items emit();

private:
  void emitChunk(const AttendItem &item);
  SmallVector<Value> emitPartition(Value partition);
  SmallVector<Value> noPartition();
  SmallVector<Value> addPartition(ValueRange total, ValueRange part);
  void writePartition(const AttendItem &item, ValueRange part);
  void leavePartition(const AttendItem &item, ValueRange part);
  SmallVector<Value> emitTile(Value tile, ValueRange state);
  void emitScores(Value keys);
  SmallVector<Value> emitSoftmax(Value from, Value to, Value maximum, Value sum);
  SmallVector<Value> emitValues(Value values, Value start, ValueRange sums);
  void emitOutputs(ValueRange state);

  /// Row and column of the n-th output of this thread.
  int64_t outputsOfThread() const { return llvm::divideCeil(blockRows * size, blockThreads); }
  Value outputIndex(int64_t n) { return e.add(e.thread, e.c(n * blockThreads)); }
  Value rowOf(Value output) { return e.minimum(e.div(output, e.c(size)), e.c(blockRows - 1)); }
  Value columnOf(Value output) { return e.rem(output, e.c(size)); }
  Value entry(Value array, Value i) { return e.at(array, e.mul(i, e.c(4))); }

  KernelEmitter &e;
  Attention op;
  kv::PagedType type;
  Type element;
  int64_t size, group;

  // In shared memory, for each row of the chunk: the query; scores, then weights, of a tile; the
  // keys [begin, end) that it sees; the factor of its sums so far, and the row's denominator.
  Value queries, weights, begins, ends, factors;
  Value meeting;               ///< a word in shared memory, where contexts are split
  Value cache, table;          ///< keys of the head in page 0, the request's page table
  Value firstTile, endTile;    ///< tiles that any row sees
  Value ownBegin, ownEnd;      ///< of the warp's row
  Value tokenOfRow, headOfRow; ///< of the warp's row; the head in its group
};

} // namespace

Items AttendEmitter::emit() {
  queries = e.shared(blockRows * size * 4);
  weights = e.shared(blockRows * tileKeys * 4);
  begins = e.shared(blockRows * 4);
  ends = e.shared(blockRows * 4);
  factors = e.shared(blockRows * 4);
  if (op.partitions)
    meeting = e.shared(4);
  return forAttendItems(e, op, blockRows, [&](const AttendItem &item) { emitChunk(item); });
}

/// Rows are tokens times heads of the group, heads fastest. All threads; the tiles that any row
/// sees.
void AttendEmitter::emitChunk(const AttendItem &item) {
  Value rows = e.mul(item.count, e.c(group));
  Value row = e.add(e.mul(item.chunk, e.c(blockRows)), e.warp);
  Value exists = e.less(row, rows);
  Value some = e.select(exists, row, e.sub(rows, e.c(1)));
  tokenOfRow = e.add(item.first, e.div(some, e.c(group)));
  headOfRow = e.add(e.mul(item.head, e.c(group)), e.rem(some, e.c(group)));

  Value request = e.loadInt(e.argsField(offsetof(kvasir_step_args, token_request)), item.first);
  Value positions = e.argsField(offsetof(kvasir_step_args, positions));
  table = e.tableOf(request);
  cache = e.at(e.operand(op.cache), e.mul(item.head, e.c(type.getHeadBytes())));
  Value end = e.add(e.loadInt(positions, tokenOfRow), e.c(1));
  ownEnd = e.select(exists, end, e.c(0)); // a row that is not there sees nothing
  ownBegin = e.select(exists, beginOf(e, type.getWindow(), end), e.c(0));

  e.barrier(); // whoever still reads the item before
  e.when(e.equal(e.lane, e.c(0)), [&] {
    e.store(ownBegin, entry(begins, e.warp));
    e.store(ownEnd, entry(ends, e.warp));
  });
  Value q = e.rowAddress(op.q, tokenOfRow);
  e.loop(e.lane, e.c(size), warpLanes, [&](Value i) {
    Value x = e.load(e.f32(), entry(q, e.add(e.mul(headOfRow, e.c(size)), i)));
    e.store(x, entry(queries, e.add(e.mul(e.warp, e.c(size)), i)));
  });

  // Positions ascend, so the chunk's first row begins first and its last ends last.
  Value firstRow = e.mul(item.chunk, e.c(blockRows));
  Value lastRow = e.sub(e.minimum(e.add(firstRow, e.c(blockRows)), rows), e.c(1));
  Value firstToken = e.add(item.first, e.div(firstRow, e.c(group)));
  Value lastToken = e.add(item.first, e.div(lastRow, e.c(group)));
  Value from = beginOf(e, type.getWindow(), e.add(e.loadInt(positions, firstToken), e.c(1)));
  Value to = e.add(e.loadInt(positions, lastToken), e.c(1));
  firstTile = e.div(from, e.c(tileKeys));
  endTile = e.div(e.add(to, e.c(tileKeys - 1)), e.c(tileKeys));
  if (item.partition)
    return writePartition(item, emitPartition(item.partition));

  Value firstPartition = e.div(firstTile, e.c(partitionTiles));
  Value endPartition = e.div(e.add(endTile, e.c(partitionTiles - 1)), e.c(partitionTiles));
  emitOutputs(e.fold(firstPartition, endPartition, 1, noPartition(),
                     [&](Value partition, ValueRange total) {
                       return addPartition(total, emitPartition(partition));
                     }));
}

/// The warp's row: maximum and sum; then this thread's outputs.
SmallVector<Value> AttendEmitter::noPartition() {
  SmallVector<Value> state = {e.f(negativeInfinity), e.f(0)};
  state.append(outputsOfThread(), e.f(0));
  return state;
}

SmallVector<Value> AttendEmitter::emitPartition(Value partition) {
  SmallVector<Value> part = noPartition();
  Value start = e.mul(partition, e.c(partitionTiles));
  return e.fold(e.maximum(firstTile, start), e.minimum(endTile, e.add(start, e.c(partitionTiles))),
                1, part, [&](Value tile, ValueRange sums) { return emitTile(tile, sums); });
}

/// A partition in which the row sees nothing changes nothing.
SmallVector<Value> AttendEmitter::addPartition(ValueRange total, ValueRange part) {
  PartitionFold fold = foldPartition(e, total[0], part[0], part[1]);
  e.barrier(); // factors and weights of the last tile are read no more
  e.when(e.equal(e.lane, e.c(0)), [&] {
    e.store(fold.before, entry(factors, e.warp));
    e.store(fold.added, entry(weights, e.warp));
    e.store(part[1], entry(weights, e.add(e.warp, e.c(blockRows))));
  });
  e.barrier();
  SmallVector<Value> next = {fold.maximum, foldSum(e, fold, total[1], part[1])};
  for (int64_t n = 0; n < outputsOfThread(); ++n) {
    Value row = rowOf(outputIndex(n));
    PartitionFold ofRow;
    ofRow.before = e.load(e.f32(), entry(factors, row));
    ofRow.added = e.load(e.f32(), entry(weights, row));
    Value sum = e.load(e.f32(), entry(weights, e.add(row, e.c(blockRows))));
    ofRow.seen = arith::CmpFOp::create(e.b, arith::CmpFPredicate::UNE, sum, e.f(0));
    next.push_back(foldSum(e, ofRow, total[2 + n], part[2 + n]));
  }
  return next;
}

/// The only partition of its context goes to no memory but the result's.
void AttendEmitter::writePartition(const AttendItem &item, ValueRange part) {
  e.either(
      e.equal(item.partitions, e.c(1)), [&] { emitOutputs(addPartition(noPartition(), part)); },
      [&] {
        leavePartition(item, part);
        mergePartitions(e, op, item, blockRows, item.partitions, meeting);
      });
}

void AttendEmitter::leavePartition(const AttendItem &item, ValueRange part) {
  Value firstRow = e.mul(item.chunk, e.c(blockRows));
  for (int64_t n = 0; n < outputsOfThread(); ++n) {
    Value output = outputIndex(n);
    PartitionPlace place = partitionPlace(e, op, item, e.add(firstRow, rowOf(output)));
    Value wanted = arith::AndIOp::create(e.b, place.wanted, e.less(output, e.c(blockRows * size)));
    e.when(wanted, [&] { e.store(part[2 + n], entry(place.sums, columnOf(output))); });
  }
  PartitionPlace place = partitionPlace(e, op, item, e.add(firstRow, e.warp));
  Value wanted = arith::AndIOp::create(e.b, place.wanted, e.equal(e.lane, e.c(0)));
  e.when(wanted, [&] {
    e.store(part[0], place.pair);
    e.store(part[1], e.at(place.pair, 4));
  });
}

/// Keys [64 tile, 64 tile + 64), one page.
SmallVector<Value> AttendEmitter::emitTile(Value tile, ValueRange state) {
  Value page = e.far(cache, e.loadInt(table, tile), type.getPageBytes());
  Value start = e.mul(tile, e.c(tileKeys));
  e.barrier(); // queries are there; weights of the tile before are read no more
  emitScores(page);
  e.barrier();
  SmallVector<Value> next =
      emitSoftmax(e.sub(ownBegin, start), e.sub(ownEnd, start), state[0], state[1]);
  e.barrier();
  Value values = e.at(page, type.getValuesOffset());
  llvm::append_range(next, emitValues(values, start, state.drop_front(2)));
  return next;
}

/// All scores of the tile, unscaled: one chain over the head size per score. Neighbouring threads
/// have neighbouring keys.
void AttendEmitter::emitScores(Value keys) {
  constexpr int64_t rowsOfThread = blockRows * tileKeys / blockThreads;
  Value key = e.andBits(e.thread, tileKeys - 1), row = e.shiftRight(e.thread, 6);
  Value line = e.at(keys, e.mul(key, e.c(bytesOf(element))));
  Value first = entry(queries, e.mul(row, e.c(size)));
  constexpr int64_t rowStep = blockThreads / tileKeys;
  SmallVector<Value> scores(rowsOfThread, e.f(0));
  int64_t unroll = size % 8 == 0 ? 8 : 1;
  scores = e.fold(e.c(0), e.c(size), unroll, scores, [&](Value i, ValueRange before) {
    SmallVector<Value> next(before);
    Value base = e.at(line, e.mul(i, e.c(tileKeys * bytesOf(element))));
    Value query = entry(first, i);
    for (int64_t u = 0; u < unroll; ++u) {
      Value k = e.loadAs(element, e.at(base, u * tileKeys * bytesOf(element)), 0);
      for (int64_t r = 0; r < rowsOfThread; ++r)
        next[r] = e.fma(k, e.load(e.f32(), e.at(query, (r * rowStep * size + u) * 4)), next[r]);
    }
    return next;
  });
  if (type.isQuantized()) {
    Value scale = e.load(e.f32(), entry(e.at(keys, type.getKeyScalesOffset()), key));
    for (Value &score : scores)
      score = e.fmul(score, scale);
  }
  Value to = entry(weights, e.thread); // row * 64 + key
  for (int64_t r = 0; r < rowsOfThread; ++r)
    e.store(scores[r], e.at(to, r * rowStep * tileKeys * 4));
}

/// The warp's row: scores of the tile's keys [from, to) become weights. Returns the new maximum and
/// sum; the factor of what was summed before goes to `factors`. Keys outside are never looked at;
/// a tile in which the row sees none changes nothing.
SmallVector<Value> AttendEmitter::emitSoftmax(Value from, Value to, Value maximum, Value sum) {
  Value own = e.at(weights, e.mul(e.warp, e.c(tileKeys * 4)));
  Value scale = e.f(op.scale);
  SmallVector<Value> keys, scores;
  for (int64_t i = 0; i < tileKeys / warpLanes; ++i) {
    Value key = e.add(e.lane, e.c(i * warpLanes));
    Value above = arith::CmpIOp::create(e.b, arith::CmpIPredicate::sge, key, from);
    Value inside = arith::AndIOp::create(e.b, above, e.less(key, to));
    keys.push_back(key);
    scores.push_back(
        e.select(inside, e.fmul(e.load(e.f32(), entry(own, key)), scale), e.f(negativeInfinity)));
  }
  Value seen = arith::AndIOp::create(e.b, e.less(e.c(0), to), e.less(from, e.c(tileKeys)));
  Value most = e.maxWarp(e.fmax(scores[0], scores[1]));
  Value m = e.fmax(maximum, most);
  SmallVector<Value> p;
  for (auto [key, score] : llvm::zip(keys, scores)) {
    p.push_back(emitExp(e, e.fsub(score, m)));
    e.store(p.back(), entry(own, key));
  }
  Value added = e.sumWarp(e.fadd(p[0], p[1]));
  Value factor = e.select(seen, emitExp(e, e.fsub(maximum, m)), e.f(1));
  e.when(e.equal(e.lane, e.c(0)), [&] { e.store(factor, entry(factors, e.warp)); });
  return {e.select(seen, m, maximum), e.select(seen, e.fma(sum, factor, added), sum)};
}

/// sums * factor + weights . values, keys ascending; a row reads only values that it sees.
SmallVector<Value> AttendEmitter::emitValues(Value values, Value start, ValueRange sums) {
  SmallVector<Value> next;
  Value scales = e.at(values, type.getValueScalesOffset() - type.getValuesOffset());
  for (int64_t n = 0; n < outputsOfThread(); ++n) {
    Value output = outputIndex(n), row = rowOf(output);
    Value from = e.maximum(e.sub(e.loadInt(begins, row), start), e.c(0));
    Value to = e.minimum(e.sub(e.loadInt(ends, row), start), e.c(tileKeys));
    Value column = e.at(values, e.mul(columnOf(output), e.c(bytesOf(element))));
    Value own = e.at(weights, e.mul(row, e.c(tileKeys * 4)));
    Value scaled = e.fmul(sums[n], e.load(e.f32(), entry(factors, row)));
    next.push_back(
        e.fold(from, to, 1, {scaled}, [&](Value key, ValueRange sum) -> SmallVector<Value> {
          Value v = e.loadAs(element, e.at(column, e.mul(key, e.c(size * bytesOf(element)))), 0);
          if (type.isQuantized())
            v = e.fmul(v, e.load(e.f32(), entry(scales, key)));
          return {e.fma(v, e.load(e.f32(), entry(own, key)), sum[0])};
        })[0]);
  }
  return next;
}

void AttendEmitter::emitOutputs(ValueRange state) {
  e.barrier();
  e.when(e.equal(e.lane, e.c(0)), [&] {
    e.store(state[1], entry(factors, e.warp));
    e.store(tokenOfRow, entry(begins, e.warp));
    e.store(headOfRow, entry(weights, e.warp));
  });
  e.barrier();
  for (int64_t n = 0; n < outputsOfThread(); ++n) {
    Value output = outputIndex(n), row = rowOf(output);
    // A row that is not there has no end.
    Value wanted = arith::AndIOp::create(e.b, e.less(output, e.c(blockRows * size)),
                                         e.less(e.c(0), e.loadInt(ends, row)));
    e.when(wanted, [&] {
      Value sum = e.load(e.f32(), entry(factors, row));
      Value head = e.mul(e.loadInt(weights, row), e.c(size));
      Value to = e.bufferRow(op.out, e.loadInt(begins, row));
      Value column = e.add(head, columnOf(output));
      storeColumn(e, storedBy(e, op.write), e.fdiv(state[2 + n], sum), to, column);
    });
  }
}

FailureOr<Items> cuda::emitAttend(KernelEmitter &e) {
  if (attendsInTiles(attentionOf(e.phase).type))
    return emitAttendTiles(e);
  return AttendEmitter(e).emit();
}
