// Contexts that blocks share: which block has which partition, and how the last one folds them.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "Attend.h"
#include "Meeting.h"
#include "StoredRows.h"

#include "kvasir-c/abi.h"
#include "llvm/Support/MathExtras.h"

#include <limits>

using namespace mlir;
using namespace kvasir;
using namespace kvasir::cuda;

constexpr int64_t partitionKeys = KVASIR_PARTITION_TOKENS;
constexpr double negativeInfinity = -std::numeric_limits<double>::infinity();

Attention cuda::attentionOf(step::PhaseOp phase) {
  Block &body = phase.getBody().front();
  Attention result = {};
  for (auto write : body.getOps<step::WriteOp>()) {
    if (write.getValue().getDefiningOp<kv::AttendPartitionsOp>()) {
      result.parts = write.getBuffer();
      continue;
    }
    result.out = write.getBuffer();
    result.write = write;
  }
  auto set = [&](auto op) {
    result.type = cast<kv::PagedType>(op.getCache().getType());
    result.cache = op.getCache();
    result.q = op.getQ();
    result.heads = op.getHeads();
    result.scale = op.getScale().convertToFloat();
  };
  for (auto op : body.getOps<kv::AttendOp>())
    set(op);
  for (auto op : body.getOps<kv::AttendPartitionsOp>()) {
    set(op);
    result.partitions = op.getPartitions();
    result.counts = meetingBuffers(phase).front();
  }
  return result;
}

Value cuda::beginOf(KernelEmitter &e, int64_t window, Value end) {
  return window ? e.maximum(e.sub(end, e.c(window)), e.c(0)) : e.c(0);
}

//===----------------------------------------------------------------------===//
// Folding
//===----------------------------------------------------------------------===//

Value cuda::finiteMaximum(KernelEmitter &e, Value maximum) {
  Value none =
      arith::CmpFOp::create(e.b, arith::CmpFPredicate::OEQ, maximum, e.f(negativeInfinity));
  return e.select(none, e.f(0), maximum);
}

/// A row that sees a key has a weight of 1, or NaN.
PartitionFold cuda::foldPartition(KernelEmitter &e, Value maximum, Value partMaximum,
                                  Value partSum) {
  Value seen = arith::CmpFOp::create(e.b, arith::CmpFPredicate::UNE, partSum, e.f(0));
  Value most = e.fmax(maximum, partMaximum), base = finiteMaximum(e, most);
  return {seen, e.select(seen, most, maximum), emitExp(e, e.fsub(maximum, base)),
          emitExp(e, e.fsub(partMaximum, base))};
}

Value cuda::foldSum(KernelEmitter &e, const PartitionFold &fold, Value sum, Value part) {
  Value both = e.fma(part, fold.added, e.fmul(sum, fold.before));
  return e.select(fold.seen, both, sum);
}

//===----------------------------------------------------------------------===//
// Items
//===----------------------------------------------------------------------===//

static Items forWholeContexts(KernelEmitter &e, const Attention &op, int64_t rows,
                              llvm::function_ref<void(const AttendItem &)> body) {
  int64_t chunks = llvm::divideCeil(KVASIR_BLOCK_TOKENS * op.group(), rows);
  int64_t items = op.type.getHeads() * chunks;
  e.forItems(e.mul(e.blocks, e.c(items)), [&](Value index) {
    Value block = e.div(index, e.c(items)), rest = e.rem(index, e.c(items));
    AttendItem item;
    item.first = e.loadInt(e.argsField(offsetof(kvasir_step_args, block_token)), block);
    item.count = e.loadInt(e.argsField(offsetof(kvasir_step_args, block_tokens)), block);
    item.head = e.div(rest, e.c(chunks));
    item.chunk = e.rem(rest, e.c(chunks));
    Value some = e.less(e.mul(item.chunk, e.c(rows)), e.mul(item.count, e.c(op.group())));
    e.when(some, [&] { body(item); });
  });
  return Items{0, 0, 0, items};
}

namespace {
/// Attention blocks `base` to `base + 31`, one for each lane of every warp: how many items each
/// has, which depends on the length of its context. Kept in shared memory, since registers are what
/// attention lacks.
class Lanes {
public:
  Lanes(KernelEmitter &e, const Attention &op);
  /// Returns the number of items.
  Value fill(const Attention &op, int64_t rows, Value base);
  AttendItem find(Value index);

private:
  enum Field { first, count, firstPartition, partitions, chunks, begin, end, fields };
  Value place(Field field, Value lane) {
    return e.at(e.at(table, field * warpLanes * 4), e.mul(lane, e.c(4)));
  }

  KernelEmitter &e;
  int64_t heads;
  Value table; ///< [field][lane]
};
} // namespace

Lanes::Lanes(KernelEmitter &e, const Attention &op)
    : e(e), heads(op.type.getHeads()), table(e.shared(fields * warpLanes * 4)) {}

Value Lanes::fill(const Attention &op, int64_t rows, Value base) {
  Value block = e.add(base, e.lane), exists = e.less(block, e.blocks);
  block = e.minimum(block, e.sub(e.blocks, e.c(1)));
  Value positions = e.argsField(offsetof(kvasir_step_args, positions));
  Value own[fields];
  own[first] = e.loadInt(e.argsField(offsetof(kvasir_step_args, block_token)), block);
  own[count] = e.loadInt(e.argsField(offsetof(kvasir_step_args, block_tokens)), block);
  Value last = e.loadInt(positions, e.sub(e.add(own[first], own[count]), e.c(1)));
  Value firstEnd = e.add(e.loadInt(positions, own[first]), e.c(1));
  own[firstPartition] = e.div(beginOf(e, op.type.getWindow(), firstEnd), e.c(partitionKeys));
  Value endPartition = e.add(e.div(last, e.c(partitionKeys)), e.c(1));
  own[chunks] = e.div(e.add(e.mul(own[count], e.c(op.group())), e.c(rows - 1)), e.c(rows));
  own[partitions] = e.sub(endPartition, own[firstPartition]);
  Value items = e.mul(e.mul(own[chunks], e.c(heads)), own[partitions]);
  items = e.select(exists, items, e.c(0));
  Value sum = items;
  for (int64_t distance = 1; distance < warpLanes; distance *= 2) {
    Value before = e.shuffle(sum, e.maximum(e.sub(e.lane, e.c(distance)), e.c(0)));
    sum = e.add(sum, e.select(e.less(e.lane, e.c(distance)), e.c(0), before));
  }
  own[begin] = e.sub(sum, items);
  own[end] = sum;
  e.barrier(); // whoever still reads what was there before
  e.when(e.equal(e.warp, e.c(0)), [&] {
    for (int64_t field = 0; field < fields; ++field)
      e.store(own[field], place(Field(field), e.lane));
  });
  e.barrier();
  return e.shuffle(sum, e.c(warpLanes - 1));
}

AttendItem Lanes::find(Value index) {
  auto read = [&](Field field, Value lane) { return e.load(e.i32(), place(field, lane)); };
  // As many lanes as have all their items before it.
  Value lane = e.select(e.less(index, read(end, e.lane)), e.c(0), e.c(1));
  for (int64_t mask = warpLanes / 2; mask > 0; mask /= 2)
    lane = e.add(lane, e.shuffleXor(lane, mask));
  Value rest = e.sub(index, read(begin, lane)), chunkCount = read(chunks, lane);
  AttendItem item;
  item.first = read(first, lane);
  item.count = read(count, lane);
  item.chunk = e.rem(rest, chunkCount);
  rest = e.div(rest, chunkCount);
  item.head = e.rem(rest, e.c(heads));
  item.partition = e.add(read(firstPartition, lane), e.div(rest, e.c(heads)));
  item.partitions = read(partitions, lane);
  return item;
}

Items cuda::forAttendItems(KernelEmitter &e, const Attention &op, int64_t rows,
                           llvm::function_ref<void(const AttendItem &)> body) {
  if (op.partitions == 0)
    return forWholeContexts(e, op, rows, body);
  Lanes lanes(e, op);
  e.loop(e.c(0), e.blocks, warpLanes, [&](Value base) {
    Value total = lanes.fill(op, rows, base);
    e.forItems(total, [&](Value index) { body(lanes.find(index)); });
  });
  int64_t chunks = llvm::divideCeil(KVASIR_BLOCK_TOKENS * op.group(), rows);
  return Items{0, 0, 0, op.type.getHeads() * chunks * op.partitions};
}

//===----------------------------------------------------------------------===//
// Results of partitions
//===----------------------------------------------------------------------===//

namespace {
/// Address of head `head`, partition `partition` in a token's row of results.
struct Place {
  Value sums; ///< of values
  Value pair; ///< the maximum, the sum of weights
};
/// Of a row of queries of an item.
struct Row {
  Value token, head;
};
} // namespace

static Place placeOf(KernelEmitter &e, const Attention &op, Value parts, Value head,
                     Value partition) {
  int64_t size = op.type.getHeadSize();
  Value slot = e.add(e.mul(head, e.c(op.partitions)), e.rem(partition, e.c(op.partitions)));
  Value pairs = e.at(parts, op.heads * op.partitions * size * 4);
  return {e.at(parts, e.mul(slot, e.c(size * 4))), e.at(pairs, e.mul(slot, e.c(8)))};
}

static Row rowOf(KernelEmitter &e, const Attention &op, const AttendItem &item, Value row) {
  Value head = e.add(e.mul(item.head, e.c(op.group())), e.rem(row, e.c(op.group())));
  return {e.add(item.first, e.div(row, e.c(op.group()))), head};
}

static Value endOf(KernelEmitter &e, Value token) {
  Value positions = e.argsField(offsetof(kvasir_step_args, positions));
  return e.add(e.loadInt(positions, token), e.c(1));
}

PartitionPlace cuda::partitionPlace(KernelEmitter &e, const Attention &op, const AttendItem &item,
                                    Value row) {
  Value exists = e.less(row, e.mul(item.count, e.c(op.group())));
  auto [token, head] = rowOf(e, op, item, e.select(exists, row, e.c(0)));
  Value end = endOf(e, token);
  Value start = e.mul(item.partition, e.c(partitionKeys));
  Value wanted = arith::AndIOp::create(e.b, exists, e.less(start, end));
  if (int64_t window = op.type.getWindow())
    wanted = arith::AndIOp::create(
        e.b, wanted, e.less(beginOf(e, window, end), e.add(start, e.c(partitionKeys))));
  Place place = placeOf(e, op, e.bufferRow(op.parts, token), head, item.partition);
  return {wanted, place.sums, place.pair};
}

/// Where items that share a context count themselves: the word of their first row of queries.
static Value countOf(KernelEmitter &e, const Attention &op, const AttendItem &item, int64_t rows) {
  auto [token, head] = rowOf(e, op, item, e.mul(item.chunk, e.c(rows)));
  return e.at(e.bufferRow(op.counts, token), e.mul(head, e.c(4)));
}

//===----------------------------------------------------------------------===//
// The merge
//===----------------------------------------------------------------------===//

namespace {
/// Folds what partitions have left: a thread has `width` neighbouring columns of a head.
class MergeEmitter {
public:
  MergeEmitter(KernelEmitter &e, const Attention &op)
      : e(e), op(op), size(op.type.getHeadSize()), width(size % 4 == 0 ? 4 : 1) {}
  void emit(const AttendItem &item, int64_t rows);

private:
  using State = SmallVector<Value>; ///< maximum, sum of weights, sums of values
  State load(Value partition, Value end);
  State fold(ValueRange state, Value first, Value end);
  void emitColumns(const Row &row, Value column);

  KernelEmitter &e;
  const Attention &op;
  int64_t size, width;
  Value parts, head, within; ///< the token's row of results; the first column
};
} // namespace

/// One that is not there, from `end` on, is one of which nothing is seen.
MergeEmitter::State MergeEmitter::load(Value partition, Value end) {
  Value exists = e.less(partition, end);
  Place place = placeOf(e, op, parts, head, e.select(exists, partition, e.sub(end, e.c(1))));
  Value sum = e.load(e.f32(), e.at(place.pair, 4));
  State state = {e.load(e.f32(), place.pair), e.select(exists, sum, e.f(0))};
  Value from = e.at(place.sums, e.mul(within, e.c(4)));
  if (width == 1) {
    state.push_back(e.load(e.f32(), from));
    return state;
  }
  Value values = e.load(e.vec(width), from, width * 4);
  for (int64_t i = 0; i < width; ++i)
    state.push_back(LLVM::ExtractElementOp::create(e.b, values, e.c(i)));
  return state;
}

/// As many partitions as one trip to memory brings: all are loaded before the first is used.
constexpr int64_t partitionsAhead = 8;

MergeEmitter::State MergeEmitter::fold(ValueRange state, Value first, Value end) {
  SmallVector<State> loaded;
  for (int64_t i = 0; i < partitionsAhead; ++i)
    loaded.push_back(load(e.add(first, e.c(i)), end));
  State next(state);
  for (const State &part : loaded) {
    PartitionFold fold = foldPartition(e, next[0], part[0], part[1]);
    next[0] = fold.maximum;
    for (size_t i = 1; i < next.size(); ++i)
      next[i] = foldSum(e, fold, next[i], part[i]);
  }
  return next;
}

void MergeEmitter::emitColumns(const Row &row, Value column) {
  parts = e.bufferRow(op.parts, row.token);
  head = row.head;
  within = column;
  Value end = endOf(e, row.token);
  Value from = e.div(beginOf(e, op.type.getWindow(), end), e.c(partitionKeys));
  Value to = e.div(e.add(end, e.c(partitionKeys - 1)), e.c(partitionKeys));
  State state(2 + width, e.f(0));
  state[0] = e.f(negativeInfinity);
  state = e.fold(from, to, partitionsAhead, state,
                 [&](Value first, ValueRange before) { return fold(before, first, to); });
  Value out = e.bufferRow(op.out, row.token);
  for (int64_t i = 0; i < width; ++i)
    storeColumn(e, storedBy(e, op.write), e.fdiv(state[2 + i], state[1]), out,
                e.add(e.mul(head, e.c(size)), e.add(column, e.c(i))));
}

void MergeEmitter::emit(const AttendItem &item, int64_t rows) {
  Value firstRow = e.mul(item.chunk, e.c(rows));
  Value count = e.minimum(e.c(rows), e.sub(e.mul(item.count, e.c(op.group())), firstRow));
  int64_t pieces = size / width;
  e.forThreads(e.mul(count, e.c(pieces)), [&](Value i) {
    Row row = rowOf(e, op, item, e.add(firstRow, e.div(i, e.c(pieces))));
    emitColumns(row, e.mul(e.rem(i, e.c(pieces)), e.c(width)));
  });
}

void cuda::mergePartitions(KernelEmitter &e, const Attention &op, const AttendItem &item,
                           int64_t rows, Value partitions, Value shared) {
  Value before = countBlock(e, countOf(e, op, item, rows), e.c(1), shared);
  e.when(e.equal(before, e.sub(partitions, e.c(1))), [&] { MergeEmitter(e, op).emit(item, rows); });
}
