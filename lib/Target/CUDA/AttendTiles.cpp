// Attention on tensor cores: caches of 16-bit floats, heads of a multiple of 16. Form and order of
// sums: docs/Rationale/CUDA.md.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "Attend.h"
#include "Mma.h"

#include "kvasir-c/abi.h"
#include "llvm/Support/MathExtras.h"

#include <limits>

using namespace mlir;
using namespace kvasir;
using namespace kvasir::cuda;

namespace {

constexpr int64_t tileKeys = KVASIR_PAGE_TOKENS;
constexpr double negativeInfinity = -std::numeric_limits<double>::infinity();
/// Query rows (token, head of the group) of a block: the rows of a matrix instruction.
constexpr int64_t blockRows = 16;
/// Tiles of a pass: one for each warp, together a partition.
static_assert(blockWarps * tileKeys == KVASIR_PARTITION_TOKENS);

/// What a tile contributes to the lane's rows, lane / 4 and 8 below.
struct TileResult {
  Value maxima[2], sums[2];
  SmallVector<Value> outputs; ///< [size / 8][4], as an instruction's result
};

/// Emits the phase. An item is (attention block, kv head, chunk of 16 query rows).
class TilesEmitter {
public:
  explicit TilesEmitter(KernelEmitter &e)
      : e(e), op(*e.phase.getBody().front().getOps<kv::AttendOp>().begin()),
        type(cast<kv::PagedType>(op.getCache().getType())), element(type.getElementType()),
        size(type.getHeadSize()), group(op.getHeads() / type.getHeads()),
        parts(llvm::divideCeil(size, 64)), width(size / parts) {}
  Items emit();

private:
  void emitItem(Value first, Value count, Value head, Value chunk);
  void setRows(Value first, Value count, Value head, Value chunk);
  void storeQueries();
  Fragment queryOf(int64_t dims, int64_t step, bool wide);
  TileResult emitTile(Value tile);
  SmallVector<Fragment> emitScores(Value keys);
  void emitSoftmax(SmallVector<Fragment> &scores, Value start, TileResult &result);
  SmallVector<Value> emitOutputs(ArrayRef<Fragment> weights, Value values, Value limit);
  SmallVector<Value> loadWords(Value address, int64_t words);
  SmallVector<Value> emitPass(Value pass, ValueRange totals);
  void emitFactors();
  void writeTotals(ValueRange totals);

  Value q() { return e.andBits(e.lane, 3); }
  Value g() { return e.shiftRight(e.lane, 2); }
  Value entry(Value array, Value i) { return e.at(array, e.mul(i, e.c(4))); }
  Value finite(Value m) { // the maximum, or 0 where nothing is seen
    Value none = arith::CmpFOp::create(e.b, arith::CmpFPredicate::OEQ, m, e.f(negativeInfinity));
    return e.select(none, e.f(0), m);
  }
  /// Outputs of a part that a thread sums, and the row and column of the n-th.
  int64_t outputsOfThread() { return llvm::divideCeil(blockRows * width, blockThreads); }
  Value outputOf(int64_t n) { return e.add(e.thread, e.c(n * blockThreads)); }
  Value rowOf(Value output) { return e.minimum(e.div(output, e.c(width)), e.c(blockRows - 1)); }

  KernelEmitter &e;
  kv::AttendOp op;
  kv::PagedType type;
  Type element;
  int64_t size, group;
  int64_t parts, width; ///< columns of the output are summed over warps in parts of so many

  // In shared memory.
  Value queries;                  ///< [size / 16][lane] operands A of 16 bytes
  Value tileMaxima, tileSums;     ///< [warp][row]
  Value tileFactors;              ///< [warp][row]
  Value maxima, sums, oldFactors; ///< [row], of all keys so far
  Value partials;                 ///< [warp][row][width + 8]

  // Of the item.
  Value cache, table, firstTile, endTile, endKey;
  Value rowTokens[2], rowHeads[2]; ///< of the lane's rows
  Value rowBegins[2], rowEnds[2];  ///< keys that they see
  Value itemFirst, itemRows, itemHead, itemChunk;
};

} // namespace

bool cuda::attendsInTiles(kv::PagedType type) {
  Type element = type.getElementType();
  return (element.isBF16() || element.isF16()) && type.getHeadSize() % 16 == 0 &&
         type.getHeadSize() <= 256 &&
         type.getHeadSize() / llvm::divideCeil(type.getHeadSize(), 64) % 8 == 0;
}

Items TilesEmitter::emit() {
  queries = e.shared(size / 16 * warpLanes * 16);
  for (Value *array : {&tileMaxima, &tileSums, &tileFactors})
    *array = e.shared(blockWarps * blockRows * 4);
  for (Value *array : {&maxima, &sums, &oldFactors})
    *array = e.shared(blockRows * 4);
  partials = e.shared(blockWarps * blockRows * (width + 8) * 4);
  int64_t chunks = llvm::divideCeil(KVASIR_BLOCK_TOKENS * group, blockRows);
  int64_t items = type.getHeads() * chunks;
  e.forItems(e.mul(e.blocks, e.c(items)), [&](Value item) {
    Value block = e.div(item, e.c(items)), rest = e.rem(item, e.c(items));
    Value first = e.loadInt(e.argsField(offsetof(kvasir_step_args, block_token)), block);
    Value count = e.loadInt(e.argsField(offsetof(kvasir_step_args, block_tokens)), block);
    Value head = e.div(rest, e.c(chunks)), chunk = e.rem(rest, e.c(chunks));
    Value some = e.less(e.mul(chunk, e.c(blockRows)), e.mul(count, e.c(group)));
    e.when(some, [&] { emitItem(first, count, head, chunk); });
  });
  return Items{0, 0, 0, items};
}

//===----------------------------------------------------------------------===//
// An item
//===----------------------------------------------------------------------===//

/// Rows are tokens times heads of the group, heads fastest.
void TilesEmitter::setRows(Value first, Value count, Value head, Value chunk) {
  itemFirst = first;
  itemRows = e.mul(count, e.c(group));
  itemHead = head;
  itemChunk = chunk;
  Value positions = e.argsField(offsetof(kvasir_step_args, positions));
  auto beginOf = [&](Value end) {
    return type.getWindow() ? e.maximum(e.sub(end, e.c(type.getWindow())), e.c(0)) : e.c(0);
  };
  for (int64_t i = 0; i < 2; ++i) {
    Value row = e.add(e.mul(chunk, e.c(blockRows)), e.add(g(), e.c(8 * i)));
    Value exists = e.less(row, itemRows);
    row = e.minimum(row, e.sub(itemRows, e.c(1)));
    rowTokens[i] = e.add(first, e.div(row, e.c(group)));
    rowHeads[i] = e.add(e.mul(head, e.c(group)), e.rem(row, e.c(group)));
    Value end = e.add(e.loadInt(positions, rowTokens[i]), e.c(1));
    rowEnds[i] = e.select(exists, end, e.c(0)); // a row that is not there sees nothing
    rowBegins[i] = e.select(exists, beginOf(end), e.c(0));
  }
  // Positions ascend, so the chunk's first row begins first and its last ends last.
  Value firstToken = e.add(first, e.div(e.mul(chunk, e.c(blockRows)), e.c(group)));
  Value lastRow = e.minimum(e.mul(e.add(chunk, e.c(1)), e.c(blockRows)), itemRows);
  Value lastToken = e.add(first, e.div(e.sub(lastRow, e.c(1)), e.c(group)));
  endKey = e.add(e.loadInt(positions, lastToken), e.c(1));
  firstTile = e.div(beginOf(e.add(e.loadInt(positions, firstToken), e.c(1))), e.c(tileKeys));
  endTile = e.div(e.add(endKey, e.c(tileKeys - 1)), e.c(tileKeys));
}

void TilesEmitter::emitItem(Value first, Value count, Value head, Value chunk) {
  setRows(first, count, head, chunk);
  Value request = e.loadInt(e.argsField(offsetof(kvasir_step_args, token_request)), first);
  table = e.tableOf(request);
  cache = e.at(e.operand(op.getCache()), e.mul(head, e.c(4 * tileKeys * size)));
  e.barrier(); // whoever still reads the item before
  storeQueries();
  e.when(e.less(e.thread, e.c(blockRows)), [&] {
    e.store(e.f(negativeInfinity), entry(maxima, e.thread));
    e.store(e.f(0), entry(sums, e.thread));
  });
  e.barrier();
  SmallVector<Value> totals(parts * outputsOfThread(), e.f(0));
  Value firstPass = e.div(firstTile, e.c(blockWarps));
  Value endPass = e.div(e.add(endTile, e.c(blockWarps - 1)), e.c(blockWarps));
  totals = e.fold(firstPass, endPass, 1, totals,
                  [&](Value pass, ValueRange before) { return emitPass(pass, before); });
  writeTotals(totals);
}

/// Queries as operands A: one instruction's by a warp. Of 32 columns, a lane has 8 q .. 8 q + 7,
/// the first four in the first instruction; of the last 16, 4 q .. 4 q + 3.
void TilesEmitter::storeQueries() {
  for (int64_t dims = 0; dims < size; dims += 32) {
    bool wide = dims + 32 <= size;
    for (int64_t step = 0; step < (wide ? 2 : 1); ++step) {
      int64_t index = dims / 16 + step;
      e.when(e.equal(e.warp, e.c(index % blockWarps)), [&] {
        Fragment a = queryOf(dims, step, wide);
        Value words = LLVM::PoisonOp::create(e.b, e.vec(4, e.i32()));
        for (int64_t i = 0; i < 4; ++i)
          words = LLVM::InsertElementOp::create(e.b, words, a[i], e.c(i));
        Value to = e.at(queries, index * warpLanes * 16);
        e.store(words, e.at(to, e.mul(e.lane, e.c(16))), 16);
      });
    }
  }
}

Fragment TilesEmitter::queryOf(int64_t dims, int64_t step, bool wide) {
  Fragment rows[2];
  for (int64_t i = 0; i < 2; ++i) {
    Value column = e.add(e.mul(rowHeads[i], e.c(size)), e.c(dims + 4 * step));
    column = e.add(column, e.mul(q(), e.c(wide ? 8 : 4)));
    Value from = entry(e.rowAddress(op.getQ(), rowTokens[i]), column);
    Value four = e.load(e.vec(4), from, 16);
    SmallVector<Value> values;
    for (int64_t j = 0; j < 4; ++j)
      values.push_back(LLVM::ExtractElementOp::create(e.b, four, e.c(j)));
    rows[i] = {roundPair(e, element, values[0], values[1]),
               roundPair(e, element, values[2], values[3])};
  }
  return {rows[0][0], rows[1][0], rows[0][1], rows[1][1]};
}

//===----------------------------------------------------------------------===//
// A tile of a warp
//===----------------------------------------------------------------------===//

/// i32 words that lie one after the other, as one load.
SmallVector<Value> TilesEmitter::loadWords(Value address, int64_t words) {
  Value loaded = e.load(e.vec(words, e.i32()), address, words * 4);
  SmallVector<Value> list;
  for (int64_t i = 0; i < words; ++i)
    list.push_back(LLVM::ExtractElementOp::create(e.b, loaded, e.c(i)));
  return list;
}

/// Scores of 16 rows and 64 keys, unscaled: [8][4] results. Column n of result 4 k + j is key
/// 32 k + 8 (n / 2) + 2 j + n % 2, so that a lane's 8 columns of 32 keys are 8 q .. 8 q + 7.
SmallVector<Fragment> TilesEmitter::emitScores(Value keys) {
  SmallVector<Fragment> scores(8, Fragment(4, e.f(0)));
  Value pairs = e.shiftRight(g(), 1), key = e.add(e.shiftLeft(pairs, 3), e.andBits(g(), 1));
  Value own = e.at(keys, e.mul(key, e.c(size * 2)));
  for (int64_t dims = 0; dims < size; dims += 32) {
    bool wide = dims + 32 <= size;
    Value column = e.at(own, e.add(e.c(dims * 2), e.mul(q(), e.c(wide ? 16 : 8))));
    SmallVector<Fragment> a;
    for (int64_t step = 0; step < (wide ? 2 : 1); ++step) {
      Value from = e.at(queries, (dims / 16 + step) * warpLanes * 16);
      a.push_back(Fragment(loadWords(e.at(from, e.mul(e.lane, e.c(16))), 4)));
    }
    for (int64_t n = 0; n < 8; ++n) {
      int64_t first = n / 4 * 32 + n % 4 * 2;
      SmallVector<Value> words = loadWords(e.at(column, first * size * 2), wide ? 4 : 2);
      for (size_t step = 0; step < a.size(); ++step)
        scores[n] = emitMma(e, element, a[step], {words[2 * step], words[2 * step + 1]}, scores[n]);
    }
  }
  return scores;
}

/// Scores become weights; keys that a row does not see get 0, and so does all of a row that sees
/// none.
void TilesEmitter::emitSoftmax(SmallVector<Fragment> &scores, Value start, TileResult &result) {
  Value scale = e.f(op.getScale().convertToFloat());
  for (int64_t i = 0; i < 2; ++i) {
    Value from = e.sub(rowBegins[i], start), to = e.sub(rowEnds[i], start);
    Value most = e.f(negativeInfinity);
    for (int64_t n = 0; n < 8; ++n)
      for (int64_t j = 0; j < 2; ++j) {
        Value key = e.add(e.mul(q(), e.c(8)), e.c(n / 4 * 32 + n % 4 * 2 + j));
        Value above = arith::CmpIOp::create(e.b, arith::CmpIPredicate::sge, key, from);
        Value inside = arith::AndIOp::create(e.b, above, e.less(key, to));
        Value &score = scores[n][2 * i + j];
        score = e.select(inside, e.fmul(score, scale), e.f(negativeInfinity));
        most = e.fmax(most, score);
      }
    for (int64_t mask : {1, 2})
      most = e.fmax(most, e.shuffleXor(most, mask));
    Value base = finite(most), sum = e.f(0);
    for (int64_t n = 0; n < 8; ++n)
      for (int64_t j = 0; j < 2; ++j) {
        Value &score = scores[n][2 * i + j];
        score = emitExp(e, e.fsub(score, base));
        sum = e.fadd(sum, score);
      }
    for (int64_t mask : {1, 2})
      sum = e.fadd(sum, e.shuffleXor(sum, mask));
    result.maxima[i] = most;
    result.sums[i] = sum;
  }
}

/// Weights times values. Values of keys from `limit` on are not looked at: they may be anything.
SmallVector<Value> TilesEmitter::emitOutputs(ArrayRef<Fragment> weights, Value values,
                                             Value limit) {
  SmallVector<Value> outputs(size / 8 * 4, e.f(0));
  for (int64_t half = 0; half < 2; ++half) {
    SmallVector<Value> masks; // of pairs of keys 8 q + 2 i
    for (int64_t i = 0; i < 4; ++i) {
      Value key = e.add(e.mul(q(), e.c(8)), e.c(32 * half + 2 * i));
      Value low = e.select(e.less(key, limit), e.integer(e.i32(), 0xffff), e.c(0));
      Value both = e.less(e.add(key, e.c(1)), limit);
      masks.push_back(e.select(both, e.integer(e.i32(), -1), low));
    }
    Fragment a[2];
    for (int64_t step = 0; step < 2; ++step) {
      const Fragment &left = weights[4 * half + 2 * step],
                     &right = weights[4 * half + 2 * step + 1];
      a[step] = {roundPair(e, element, left[0], left[1]), roundPair(e, element, left[2], left[3]),
                 roundPair(e, element, right[0], right[1]),
                 roundPair(e, element, right[2], right[3])};
    }
    Value own = e.at(values, e.add(e.mul(g(), e.c(tileKeys * 2)), e.mul(q(), e.c(16))));
    for (int64_t n = 0; n < size / 8; ++n) {
      SmallVector<Value> words = loadWords(e.at(own, n * 8 * tileKeys * 2 + half * 64), 4);
      for (int64_t i = 0; i < 4; ++i)
        words[i] = arith::AndIOp::create(e.b, words[i], masks[i]);
      Fragment sum(outputs.begin() + 4 * n, outputs.begin() + 4 * n + 4);
      for (int64_t step = 0; step < 2; ++step)
        sum = emitMma(e, element, a[step], {words[2 * step], words[2 * step + 1]}, sum);
      llvm::copy(sum, outputs.begin() + 4 * n);
    }
  }
  return outputs;
}

TileResult TilesEmitter::emitTile(Value tile) {
  TileResult result;
  Value page = e.far(cache, e.loadInt(table, tile), type.getPageBytes());
  Value start = e.mul(tile, e.c(tileKeys));
  SmallVector<Fragment> scores = emitScores(page);
  emitSoftmax(scores, start, result);
  result.outputs = emitOutputs(scores, e.at(page, tileKeys * size * 2), e.sub(endKey, start));
  return result;
}

//===----------------------------------------------------------------------===//
// A pass: a tile for each warp
//===----------------------------------------------------------------------===//

/// A thread for each warp's tile and row: with which factor it enters the sum. Threads of the first
/// 16 also have the row's maximum and sum over all keys so far.
void TilesEmitter::emitFactors() {
  Value row = e.andBits(e.thread, blockRows - 1);
  Value mine = e.less(e.thread, e.c(blockWarps * blockRows));
  Value index = e.minimum(e.thread, e.c(blockWarps * blockRows - 1));
  Value old = e.load(e.f32(), entry(maxima, row)), most = old;
  for (int64_t w = 0; w < blockWarps; ++w)
    most = e.fmax(most, e.load(e.f32(), entry(e.at(tileMaxima, w * blockRows * 4), row)));
  Value base = finite(most);
  Value factor = emitExp(e, e.fsub(e.load(e.f32(), entry(tileMaxima, index)), base));
  e.when(mine, [&] { e.store(factor, entry(tileFactors, index)); });
  e.barrier(); // all factors are there, old maxima are read no more
  e.when(e.less(e.thread, e.c(blockRows)), [&] {
    Value alpha = emitExp(e, e.fsub(old, base));
    Value sum = e.fmul(e.load(e.f32(), entry(sums, row)), alpha);
    for (int64_t w = 0; w < blockWarps; ++w) {
      Value part = e.load(e.f32(), entry(e.at(tileSums, w * blockRows * 4), row));
      sum = e.fma(part, e.load(e.f32(), entry(e.at(tileFactors, w * blockRows * 4), row)), sum);
    }
    e.store(most, entry(maxima, row));
    e.store(sum, entry(sums, row));
    e.store(alpha, entry(oldFactors, row));
  });
}

/// Warp w has tile 8 pass + w. Totals: [part][outputs of the thread].
SmallVector<Value> TilesEmitter::emitPass(Value pass, ValueRange totals) {
  Value tile = e.add(e.mul(pass, e.c(blockWarps)), e.warp);
  Value inside = arith::AndIOp::create(
      e.b, arith::CmpIOp::create(e.b, arith::CmpIPredicate::sge, tile, firstTile),
      e.less(tile, endTile));
  SmallVector<Type> types(4 + size / 2, e.f32());
  auto branch = scf::IfOp::create(e.b, types, inside, /*withElseRegion=*/true);
  {
    OpBuilder::InsertionGuard guard(e.b);
    e.b.setInsertionPointToEnd(branch.thenBlock());
    TileResult result = emitTile(tile);
    SmallVector<Value> all = {result.maxima[0], result.maxima[1], result.sums[0], result.sums[1]};
    llvm::append_range(all, result.outputs);
    scf::YieldOp::create(e.b, all);
    e.b.setInsertionPointToEnd(branch.elseBlock());
    SmallVector<Value> none = {e.f(negativeInfinity), e.f(negativeInfinity)};
    none.append(types.size() - 2, e.f(0));
    scf::YieldOp::create(e.b, none);
  }
  e.when(e.equal(q(), e.c(0)), [&] {
    Value index = e.add(e.mul(e.warp, e.c(blockRows)), g());
    for (int64_t i = 0; i < 2; ++i) {
      e.store(branch.getResult(i), e.at(entry(tileMaxima, index), i * 32));
      e.store(branch.getResult(2 + i), e.at(entry(tileSums, index), i * 32));
    }
  });
  e.barrier();
  emitFactors();

  int64_t stride = width + 8; // rows in other banks
  Value own = e.at(partials, e.mul(e.warp, e.c(blockRows * stride * 4)));
  own = e.at(own, e.mul(e.add(e.mul(g(), e.c(stride)), e.shiftLeft(q(), 1)), e.c(4)));
  SmallVector<Value> next;
  for (int64_t part = 0; part < parts; ++part) {
    for (int64_t n = 0; n < width / 8; ++n)
      for (int64_t i = 0; i < 4; ++i)
        e.store(branch.getResult(4 + (part * width / 8 + n) * 4 + i),
                e.at(own, (i / 2 * 8 * stride + n * 8 + i % 2) * 4));
    e.barrier();
    for (int64_t n = 0; n < outputsOfThread(); ++n) {
      Value output = outputOf(n), row = rowOf(output), column = e.rem(output, e.c(width));
      Value from = entry(partials, e.add(e.mul(row, e.c(stride)), column));
      Value sum =
          e.fmul(totals[part * outputsOfThread() + n], e.load(e.f32(), entry(oldFactors, row)));
      for (int64_t w = 0; w < blockWarps; ++w)
        sum = e.fma(e.load(e.f32(), e.at(from, w * blockRows * stride * 4)),
                    e.load(e.f32(), entry(e.at(tileFactors, w * blockRows * 4), row)), sum);
      next.push_back(sum);
    }
    e.barrier(); // partial sums and factors are read no more
  }
  return next;
}

void TilesEmitter::writeTotals(ValueRange totals) {
  Value out;
  for (auto write : e.phase.getBody().front().getOps<step::WriteOp>())
    out = write.getBuffer();
  for (int64_t part = 0; part < parts; ++part)
    for (int64_t n = 0; n < outputsOfThread(); ++n) {
      Value output = outputOf(n), inChunk = rowOf(output);
      Value row = e.add(e.mul(itemChunk, e.c(blockRows)), inChunk);
      Value wanted =
          arith::AndIOp::create(e.b, e.less(output, e.c(blockRows * width)), e.less(row, itemRows));
      e.when(wanted, [&] {
        Value to = e.bufferRow(out, e.add(itemFirst, e.div(row, e.c(group))));
        Value head = e.add(e.mul(itemHead, e.c(group)), e.rem(row, e.c(group)));
        Value column = e.add(e.mul(head, e.c(size)), e.rem(output, e.c(width)));
        Value sum = e.load(e.f32(), entry(sums, inChunk));
        e.store(e.fdiv(totals[part * outputsOfThread() + n], sum),
                e.at(entry(to, column), part * width * 4));
      });
    }
}

Items cuda::emitAttendTiles(KernelEmitter &e) { return TilesEmitter(e).emit(); }
