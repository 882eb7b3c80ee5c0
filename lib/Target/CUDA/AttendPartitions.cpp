// Contexts that blocks share: which block has which partition, and how partitions are folded.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "Attend.h"
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
  enum Field { first, count, firstPartition, chunks, begin, end, fields };
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
  Value items = e.mul(e.mul(own[chunks], e.c(heads)), e.sub(endPartition, own[firstPartition]));
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

/// Address of head `head`, partition `partition` in a row of results: of the sums, of the pair.
static std::pair<Value, Value> placeOf(KernelEmitter &e, Value row, int64_t heads,
                                       int64_t partitions, int64_t size, Value head,
                                       Value partition) {
  Value slot = e.add(e.mul(head, e.c(partitions)), e.rem(partition, e.c(partitions)));
  Value sums = e.at(row, e.mul(slot, e.c(size * 4)));
  Value pair = e.at(e.at(row, heads * partitions * size * 4), e.mul(slot, e.c(8)));
  return {sums, pair};
}

PartitionPlace cuda::partitionPlace(KernelEmitter &e, const Attention &op, const AttendItem &item,
                                    Value row) {
  Value exists = e.less(row, e.mul(item.count, e.c(op.group())));
  Value token = e.add(item.first, e.div(e.select(exists, row, e.c(0)), e.c(op.group())));
  Value head = e.add(e.mul(item.head, e.c(op.group())), e.rem(row, e.c(op.group())));
  Value end = e.loadInt(e.argsField(offsetof(kvasir_step_args, positions)), token);
  end = e.add(end, e.c(1));
  Value start = e.mul(item.partition, e.c(partitionKeys));
  Value wanted = arith::AndIOp::create(e.b, exists, e.less(start, end));
  if (int64_t window = op.type.getWindow())
    wanted = arith::AndIOp::create(
        e.b, wanted, e.less(beginOf(e, window, end), e.add(start, e.c(partitionKeys))));
  auto [sums, pair] = placeOf(e, e.bufferRow(op.out, token), op.heads, op.partitions,
                              op.type.getHeadSize(), head, item.partition);
  return {wanted, sums, pair};
}

namespace {
/// Emits `kv.merge_partitions`: a thread for each output.
class MergeEmitter {
public:
  explicit MergeEmitter(KernelEmitter &e)
      : e(e), op(*e.phase.getBody().front().getOps<kv::MergePartitionsOp>().begin()),
        columns(featuresOf(op.getResult())), heads(op.getHeads()), size(columns / heads),
        partitions(op.getPartitions()) {}
  Items emit();

private:
  using State = SmallVector<Value>; ///< maximum, sum of weights, sum of values
  State fold(ValueRange state, Value first, int64_t count);
  void emitOutput(Value token, Value column);

  KernelEmitter &e;
  kv::MergePartitionsOp op;
  int64_t columns, heads, size, partitions;
  Value row, head, within; ///< of the output
};
} // namespace

/// `count` partitions, all loaded before the first is used.
MergeEmitter::State MergeEmitter::fold(ValueRange state, Value first, int64_t count) {
  SmallVector<State> loaded;
  for (int64_t i = 0; i < count; ++i) {
    auto [sums, pair] = placeOf(e, row, heads, partitions, size, head, e.add(first, e.c(i)));
    loaded.push_back({e.load(e.f32(), pair), e.load(e.f32(), e.at(pair, 4)),
                      e.load(e.f32(), e.at(sums, e.mul(within, e.c(4))))});
  }
  State next(state);
  for (const State &part : loaded) {
    PartitionFold fold = foldPartition(e, next[0], part[0], part[1]);
    next = {fold.maximum, foldSum(e, fold, next[1], part[1]), foldSum(e, fold, next[2], part[2])};
  }
  return next;
}

void MergeEmitter::emitOutput(Value token, Value column) {
  constexpr int64_t ahead = 8; // a trip to memory for so many partitions
  row = e.rowAddress(op.getParts(), token);
  head = e.div(column, e.c(size));
  within = e.rem(column, e.c(size));
  Value end = e.loadInt(e.inputArray(step::InputKind::positions), token);
  end = e.add(end, e.c(1));
  Value from = e.div(beginOf(e, op.getWindow(), end), e.c(partitionKeys));
  Value to = e.div(e.add(end, e.c(partitionKeys - 1)), e.c(partitionKeys));
  Value whole = e.add(from, e.mul(e.div(e.sub(to, from), e.c(ahead)), e.c(ahead)));
  State state = {e.f(negativeInfinity), e.f(0), e.f(0)};
  state = e.fold(from, whole, ahead, state,
                 [&](Value p, ValueRange before) { return fold(before, p, ahead); });
  state =
      e.fold(whole, to, 1, state, [&](Value p, ValueRange before) { return fold(before, p, 1); });
  Value out = e.rowAddress(op.getResult(), token);
  storeColumn(e, storedAtHome(e, op.getResult()), e.fdiv(state[2], state[1]), out, column);
}

Items MergeEmitter::emit() {
  int64_t pieces = llvm::divideCeil(columns, blockThreads);
  e.forItems(e.mul(e.tokens, e.c(pieces)), [&](Value item) {
    Value token = e.div(item, e.c(pieces));
    Value column = e.add(e.mul(e.rem(item, e.c(pieces)), e.c(blockThreads)), e.thread);
    e.when(e.less(column, e.c(columns)), [&] { emitOutput(token, column); });
  });
  return Items{0, pieces, 0, 0};
}

Items cuda::emitMerge(KernelEmitter &e) { return MergeEmitter(e).emit(); }
