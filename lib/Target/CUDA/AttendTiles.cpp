// Attention on tensor cores: caches of 16-bit floats, heads of a multiple of 16. Items and passes.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "AttendTiles.h"
#include "StoredRows.h"

using namespace mlir;
using namespace kvasir;
using namespace kvasir::cuda;

bool cuda::attendsInTiles(kv::PagedType type) {
  Type element = type.getElementType();
  return (element.isBF16() || element.isF16() || type.isQuantized()) &&
         type.getHeadSize() % 16 == 0 && type.getHeadSize() <= 256 &&
         type.getHeadSize() / llvm::divideCeil(type.getHeadSize(), 64) % 8 == 0;
}

FailureOr<Items> TilesEmitter::emit() {
  queries = e.shared(size / 16 * warpLanes * 16);
  for (Value *array : {&tileMaxima, &tileSums, &tileFactors})
    *array = e.shared(blockWarps * blockRows * 4);
  for (Value *array : {&passMaxima, &passSums, &maxima, &sums, &oldFactors, &passFactors, &rowEnds})
    *array = e.shared(blockRows * 4);
  if (type.getWindow())
    rowBegins = e.shared(blockRows * 4);
  seen = e.shared((boundCount + 1) * 4);
  if (op.partitions)
    meeting = e.shared(4);
  partials = e.shared(blockWarps * blockRows * stride() * 4);
  return forAttendItems(e, op, blockRows, [&](const AttendItem &item) { emitItem(item); });
}

//===----------------------------------------------------------------------===//
// An item
//===----------------------------------------------------------------------===//

/// Rows are tokens times heads of the group, heads fastest.
void TilesEmitter::setRows(const AttendItem &chosen) {
  item = chosen;
  itemRows = e.mul(item.count, e.c(group));
  for (int64_t i = 0; i < 2; ++i) {
    Value row = e.minimum(e.add(firstRow(), e.add(g(), e.c(8 * i))), e.sub(itemRows, e.c(1)));
    rowTokens[i] = e.add(item.first, e.div(row, e.c(group)));
    rowHeads[i] = e.add(e.mul(item.head, e.c(group)), e.rem(row, e.c(group)));
  }
  // Positions ascend, so the chunk's first row begins first and its last ends last.
  Value lastRow = e.sub(e.minimum(e.add(firstRow(), e.c(blockRows)), itemRows), e.c(1));
  Value first = endOf(firstRow()), last = endOf(lastRow);
  bounds[beginKey] = beginOf(e, type.getWindow(), first);
  bounds[beginAll] = beginOf(e, type.getWindow(), last);
  bounds[endAll] = first;
  bounds[endKey] = last;
  firstTile = e.div(bounds[beginKey], e.c(tileKeys));
  endTile = e.div(e.add(last, e.c(tileKeys - 1)), e.c(tileKeys));
}

/// The first key that row `row` of the item does not see.
Value TilesEmitter::endOf(Value row) {
  Value token = e.add(item.first, e.div(row, e.c(group)));
  return e.add(e.loadInt(e.argsField(offsetof(kvasir_step_args, positions)), token), e.c(1));
}

/// What each row sees, a thread for each; nothing, if it is not there. And what all see.
void TilesEmitter::storeRows() {
  e.when(e.less(e.thread, e.c(blockRows)), [&] {
    Value row = e.add(firstRow(), e.thread), exists = e.less(row, itemRows);
    Value end = endOf(e.minimum(row, e.sub(itemRows, e.c(1))));
    e.store(e.select(exists, end, e.c(0)), entry(rowEnds, e.thread));
    if (type.getWindow())
      e.store(e.select(exists, beginOf(e, type.getWindow(), end), e.c(0)),
              entry(rowBegins, e.thread));
    e.store(e.f(negativeInfinity), entry(maxima, e.thread));
    e.store(e.f(0), entry(sums, e.thread));
  });
  e.when(e.equal(e.thread, e.c(0)), [&] {
    for (int64_t i = 0; i < boundCount; ++i)
      e.store(bounds[i], e.at(seen, i * 4));
    if (item.partitions)
      e.store(item.partitions, e.at(seen, boundCount * 4));
  });
}

void TilesEmitter::emitItem(const AttendItem &chosen) {
  KernelEmitter::FreshThread fresh(e);
  setRows(chosen);
  Value request = e.loadInt(e.argsField(offsetof(kvasir_step_args, token_request)), item.first);
  table = e.tableOf(request);
  cache = e.at(e.operand(op.cache), e.mul(item.head, e.c(type.getHeadBytes())));
  e.barrier(); // whoever still reads the item before
  storeQueries();
  storeRows();
  e.barrier();
  if (item.partition)
    return writePass(item.partition);
  SmallVector<Value> totals(parts * outputsOfThread(), e.f(0));
  Value firstPass = e.div(firstTile, e.c(blockWarps));
  Value endPass = e.div(e.add(endTile, e.c(blockWarps - 1)), e.c(blockWarps));
  totals = e.fold(firstPass, endPass, 1, totals,
                  [&](Value pass, ValueRange before) { return foldPass(pass, before); });
  writeTotals(totals);
}

/// Queries as operands A: one instruction's by a warp. Of 32 columns, a lane has 8 q .. 8 q + 7,
/// the first four in the first instruction; of the last 16, 4 q .. 4 q + 3.
void TilesEmitter::storeQueries() {
  auto store = [&](Value index, bool wide) {
    Fragment a = queryOf(index, wide);
    Value words = LLVM::PoisonOp::create(e.b, e.vec(4, e.i32()));
    for (int64_t i = 0; i < 4; ++i)
      words = LLVM::InsertElementOp::create(e.b, words, a[i], e.c(i));
    Value to = e.add(e.mul(index, e.c(warpLanes)), e.lane);
    e.store(words, e.at(queries, e.mul(to, e.c(16))), 16);
  };
  int64_t wide = size / 32 * 2;
  e.loop(e.warp, e.c(wide), blockWarps, [&](Value index) { store(index, /*wide=*/true); });
  if (size % 32)
    e.when(e.equal(e.warp, e.c(wide % blockWarps)), [&] { store(e.c(wide), /*wide=*/false); });
}

Fragment TilesEmitter::queryOf(Value index, bool wide) {
  // The first of the 16 or 32 columns; then the lane's.
  Value first = wide ? e.mul(e.shiftRight(index, 1), e.c(32)) : e.mul(index, e.c(16));
  if (wide)
    first = e.add(first, e.mul(e.andBits(index, 1), e.c(4)));
  first = e.add(first, e.mul(q(), e.c(wide ? 8 : 4)));
  std::array<Value, 2> rows[2];
  for (int64_t i = 0; i < 2; ++i) {
    Value column = e.add(e.mul(rowHeads[i], e.c(size)), first);
    Value from = entry(e.rowAddress(op.q, rowTokens[i]), column);
    Value four = e.load(e.vec(4), from, 16);
    SmallVector<Value> values;
    for (int64_t j = 0; j < 4; ++j)
      values.push_back(LLVM::ExtractElementOp::create(e.b, four, e.c(j)));
    rows[i] = roundFour(values);
  }
  return {rows[0][0], rows[1][0], rows[0][1], rows[1][1]};
}

//===----------------------------------------------------------------------===//
// A pass: a tile for each warp
//===----------------------------------------------------------------------===//

/// A thread for each warp's tile and row: with which factor it enters the pass. Threads of the
/// first 16 also have the row's maximum and sum, of the pass and of all passes so far.
void TilesEmitter::emitFactors() {
  Value row = e.andBits(e.thread, blockRows - 1);
  Value mine = e.less(e.thread, e.c(blockWarps * blockRows));
  Value index = e.minimum(e.thread, e.c(blockWarps * blockRows - 1));
  Value most = e.f(negativeInfinity);
  for (int64_t w = 0; w < blockWarps; ++w)
    most = e.fmax(most, e.load(e.f32(), entry(e.at(tileMaxima, w * blockRows * 4), row)));
  Value own = e.load(e.f32(), entry(tileMaxima, index));
  Value factor = emitExp(e, e.fsub(own, finiteMaximum(e, most)));
  e.when(mine, [&] { e.store(factor, entry(tileFactors, index)); });
  e.barrier(); // all factors are there
  e.when(e.less(e.thread, e.c(blockRows)), [&] {
    Value sum = e.f(0);
    for (int64_t w = 0; w < blockWarps; ++w) {
      Value part = e.load(e.f32(), entry(e.at(tileSums, w * blockRows * 4), row));
      sum = e.fma(part, e.load(e.f32(), entry(e.at(tileFactors, w * blockRows * 4), row)), sum);
    }
    e.store(most, entry(passMaxima, row));
    e.store(sum, entry(passSums, row));
    auto fold = [&] {
      PartitionFold fold = foldPartition(e, e.load(e.f32(), entry(maxima, row)), most, sum);
      Value before = e.load(e.f32(), entry(sums, row));
      e.store(fold.maximum, entry(maxima, row));
      e.store(foldSum(e, fold, before, sum), entry(sums, row));
      e.store(fold.before, entry(oldFactors, row));
      e.store(fold.added, entry(passFactors, row));
    };
    if (op.partitions) // one of several is folded later
      e.when(e.equal(itemPartitions(), e.c(1)), fold);
    else
      fold();
  });
}

/// Warp w has tile 8 pass + w. Hands out the sums of the pass: of each part of the columns, the
/// outputs of the thread.
void TilesEmitter::emitPass(Value pass,
                            llvm::function_ref<void(int64_t part, ValueRange sums)> take) {
  Tile tile = emitTile(e.add(e.mul(pass, e.c(blockWarps)), e.warp));
  e.when(e.equal(q(), e.c(0)), [&] {
    Value index = e.add(e.mul(e.warp, e.c(blockRows)), g());
    for (int64_t i = 0; i < 2; ++i) {
      e.store(tile.maxima[i], e.at(entry(tileMaxima, index), i * 32));
      e.store(tile.sums[i], e.at(entry(tileSums, index), i * 32));
    }
  });
  e.barrier();
  emitFactors();

  for (int64_t part = 0; part < parts; ++part) {
    KernelEmitter::FreshThread fresh(e);
    emitPart(tile, part);
    e.barrier();
    SmallVector<Value> outputs;
    for (int64_t n = 0; n < outputsOfThread(); ++n) {
      Value output = outputOf(n), row = rowOf(output), column = e.rem(output, e.c(width));
      Value from = entry(partials, e.add(e.mul(row, e.c(stride())), column)), sum = e.f(0);
      for (int64_t w = 0; w < blockWarps; ++w)
        sum = e.fma(e.load(e.f32(), e.at(from, w * blockRows * stride() * 4)),
                    e.load(e.f32(), entry(e.at(tileFactors, w * blockRows * 4), row)), sum);
      outputs.push_back(sum);
    }
    take(part, outputs);
    e.barrier(); // partial sums and factors are read no more
  }
}

/// How the pass enters the totals of a row of the chunk.
PartitionFold TilesEmitter::foldOfPass(Value row) {
  PartitionFold fold;
  Value sum = e.load(e.f32(), entry(passSums, row));
  fold.seen = arith::CmpFOp::create(e.b, arith::CmpFPredicate::UNE, sum, e.f(0));
  fold.before = e.load(e.f32(), entry(oldFactors, row));
  fold.added = e.load(e.f32(), entry(passFactors, row));
  return fold;
}

/// Totals: [part][outputs of the thread].
SmallVector<Value> TilesEmitter::foldPass(Value pass, ValueRange totals) {
  SmallVector<Value> next;
  emitPass(pass, [&](int64_t part, ValueRange sums) {
    for (auto [n, sum] : llvm::enumerate(sums)) {
      PartitionFold fold = foldOfPass(rowOf(outputOf(n)));
      next.push_back(foldSum(e, fold, totals[part * outputsOfThread() + n], sum));
    }
  });
  return next;
}

/// The pass is a partition of its own. The only one of its context goes to no memory but the
/// result's.
void TilesEmitter::writePass(Value pass) {
  emitPass(pass, [&](int64_t part, ValueRange sums) {
    auto write = [&] {
      for (auto [n, sum] : llvm::enumerate(sums))
        writeTotal(part, n, foldSum(e, foldOfPass(rowOf(outputOf(n))), e.f(0), sum));
    };
    auto leave = [&] {
      for (auto [n, sum] : llvm::enumerate(sums))
        leaveSum(part, n, sum);
    };
    e.either(e.equal(itemPartitions(), e.c(1)), write, leave);
  });
  e.when(e.less(e.c(1), itemPartitions()), [&] {
    KernelEmitter::FreshThread fresh(e);
    leavePair();
    mergePartitions(e, op, item, blockRows, itemPartitions(), meeting);
  });
}

void TilesEmitter::leaveSum(int64_t part, int64_t n, Value sum) {
  Value output = outputOf(n), column = e.rem(output, e.c(width));
  PartitionPlace place = partitionPlace(e, op, item, e.add(firstRow(), rowOf(output)));
  Value wanted = arith::AndIOp::create(e.b, place.wanted, e.less(output, e.c(blockRows * width)));
  e.when(wanted, [&] { e.store(sum, e.at(entry(place.sums, column), part * width * 4)); });
}

void TilesEmitter::leavePair() {
  Value row = e.minimum(e.thread, e.c(blockRows - 1));
  PartitionPlace place = partitionPlace(e, op, item, e.add(firstRow(), row));
  Value wanted = arith::AndIOp::create(e.b, place.wanted, e.less(e.thread, e.c(blockRows)));
  e.when(wanted, [&] {
    e.store(e.load(e.f32(), entry(passMaxima, row)), place.pair);
    e.store(e.load(e.f32(), entry(passSums, row)), e.at(place.pair, 4));
  });
}

void TilesEmitter::writeTotals(ValueRange totals) {
  for (int64_t part = 0; part < parts; ++part)
    for (int64_t n = 0; n < outputsOfThread(); ++n)
      writeTotal(part, n, totals[part * outputsOfThread() + n]);
}

void TilesEmitter::writeTotal(int64_t part, int64_t n, Value total) {
  Value output = outputOf(n), inChunk = rowOf(output);
  Value row = e.add(firstRow(), inChunk);
  Value wanted =
      arith::AndIOp::create(e.b, e.less(output, e.c(blockRows * width)), e.less(row, itemRows));
  e.when(wanted, [&] {
    Value to = e.bufferRow(op.out, e.add(item.first, e.div(row, e.c(group))));
    Value head = e.add(e.mul(item.head, e.c(group)), e.rem(row, e.c(group)));
    Value column = e.add(e.mul(head, e.c(size)), e.rem(output, e.c(width)));
    Value sum = e.load(e.f32(), entry(sums, inChunk));
    storeColumn(e, storedBy(e, op.write), e.fdiv(total, sum), to, e.add(column, e.c(part * width)));
  });
}

FailureOr<Items> cuda::emitAttendTiles(KernelEmitter &e) { return TilesEmitter(e).emit(); }
