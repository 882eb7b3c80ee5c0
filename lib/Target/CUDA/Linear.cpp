// Phases of linear layers, for up to 32 tokens: a block has 16 outputs, its warps divide K. Form
// and order of sums: docs/Rationale/CUDA.md. SPDX-License-Identifier: Apache-2.0 WITH
// LLVM-exception
#include "Linear.h"

using namespace mlir;
using namespace kvasir;
using namespace kvasir::cuda;

LogicalResult LinearEmitter::check() {
  for (Operation &op : e.phase.getBody().front()) {
    if (&op == linear.getOperation())
      break;
    if (!isa<step::ReadOp, step::InputOp>(op))
      return op.emitError("expected no work on rows before a linear layer in its phase; run "
                          "`schedule` with `blocks`");
  }
  if (cast<RankedTensorType>(linear.getX().getType()).getEncoding())
    return linear.emitError("linear layers whose inputs are rounded to 8 bits have no kernel yet; "
                            "compile with --activations exact");
  return success();
}

/// Tiles of 16 outputs are dealt to blocks, those of the next group after those of the one before.
FailureOr<Items> LinearEmitter::emit() {
  if (failed(check()))
    return failure();
  e.awaitKernels();
  count = e.extent(linear.getResult(0));
  SmallVector<LinearGroup> groups = emit::linearGroups(linear);
  size_t most = 0;
  for (const LinearGroup &group : groups)
    most = std::max<size_t>(most, group.results.size());
  partials = e.shared(most * resultBytes());
  int64_t tiles = 0;
  for (const LinearGroup &group : groups) {
    emitGroup(group, tiles);
    tiles += outputTiles(group);
  }
  return Items{tiles, 0, 0, 0};
}

/// The first item of a block among those that come after `before` others.
Value LinearEmitter::firstItem(Value before) {
  return e.rem(e.sub(e.add(e.block, e.grid), e.rem(before, e.grid)), e.grid);
}

void LinearEmitter::emitGroup(const LinearGroup &group, int64_t before) {
  if (!canBeWide(weightsOf(group, e.c(0))))
    return emitNarrow(group, before);
  e.either(
      e.less(e.c(mostColumns * mmaTokens), count), [&] { emitWide(group, before); },
      [&] { emitNarrow(group, before); });
}

void LinearEmitter::emitNarrow(const LinearGroup &group, int64_t before) {
  e.loopBy(firstItem(e.c(before)), e.c(outputTiles(group)), e.grid, [&](Value tile) {
    e.loop(e.c(0), count, mostColumns * mmaTokens, [&](Value token) {
      Value left = e.sub(count, token);
      e.either(
          e.less(e.c(mmaTokens), left),
          [&] {
            e.either(
                e.less(e.c(2 * mmaTokens), left),
                [&] { emitTile(group, tile, token, mostColumns); },
                [&] { emitTile(group, tile, token, 2); });
          },
          [&] { emitTile(group, tile, token, 1); });
    });
  });
}

/// 16 outputs of each result for 8 * `columns` tokens, by all warps of the block.
void LinearEmitter::emitTile(const LinearGroup &group, Value tile, Value firstToken,
                             int64_t columns) {
  SmallVector<Value> sums = emitSums(group, tile, firstToken, columns);
  e.barrier(); // whoever still reads the partial sums of the tile before
  storeSums(group, sums, columns);
  e.barrier();
  emitEpilogue(group, tile, firstToken, columns);
}

//===----------------------------------------------------------------------===//
// Sums of a warp
//===----------------------------------------------------------------------===//

/// The lane's 8 columns of one token in the tile at `step`. Beyond the last column there are zeros,
/// whatever lies in memory.
SmallVector<Value> LinearEmitter::loadInputs(Value x, Value step, LaneColumns which) {
  int64_t columns = featuresOf(linear.getX());
  bool eight = which == LaneColumns::eight;
  Value q = e.andBits(e.lane, 3);
  Value first = e.add(e.mul(step, e.c(Mma16::columns)), e.mul(q, e.c(eight ? 8 : 4)));
  int64_t together = columns % 4 == 0 ? 4 : 1; // that are inside or outside as one
  SmallVector<Value> values;
  for (int64_t i = 0; i < 8; i += together) {
    Value column = e.add(first, e.c(eight || i < 4 ? i : 12 + i)), inside;
    if (columns % Mma16::columns != 0) {
      inside = e.less(column, e.c(columns));
      column = e.select(inside, column, e.c(0));
    }
    Value address = e.at(x, e.mul(column, e.c(4)));
    Type type = together == 1 ? e.f32() : Type(e.vec(together));
    Value loaded = e.load(type, address, 4 * together);
    if (inside)
      loaded = e.select(inside, loaded, e.constant(type, 0));
    for (int64_t j = 0; j < together; ++j)
      values.push_back(together == 1 ? loaded
                                     : LLVM::ExtractElementOp::create(e.b, loaded, e.c(j)));
  }
  return values;
}

/// Adds the products of one tile of each result's weights. Sums: [result][column][4].
SmallVector<Value> LinearEmitter::emitStep(ArrayRef<std::unique_ptr<TileWeights>> weights,
                                           ValueRange loaded, Value step, ValueRange x,
                                           ValueRange sums) {
  SmallVector<Value> next(sums);
  std::vector<DecodedTile> tiles;
  for (const auto &own : weights) {
    tiles.push_back(own->decode(loaded.take_front(own->values())));
    loaded = loaded.drop_front(own->values());
  }
  for (auto [column, address] : llvm::enumerate(x))
    for (auto [result, own] : llvm::enumerate(weights)) {
      Value *sum = &next[(result * x.size() + column) * 4];
      SmallVector<Value> inputs = loadInputs(address, step, own->laneColumns());
      RoundedInputs rounded = own->round(inputs);
      llvm::copy(own->multiply(tiles[result], rounded, Fragment(sum, sum + 4)), sum);
    }
  return next;
}

/// How many tiles of each result a warp loads ahead: a power of two that divides its share.
int64_t LinearEmitter::tilesInFlight(ArrayRef<std::unique_ptr<TileWeights>> weights,
                                     int64_t tiles) {
  if (tiles % blockWarps != 0)
    return 1;
  int64_t registers = 0, inFlight = 1;
  for (const auto &own : weights)
    registers += own->registers();
  while (tiles / blockWarps % (2 * inFlight) == 0 && 2 * inFlight * registers <= registersInFlight)
    inFlight *= 2;
  return inFlight;
}

SmallVector<std::unique_ptr<TileWeights>> LinearEmitter::weightsOf(const LinearGroup &group,
                                                                   Value tile) {
  SmallVector<std::unique_ptr<TileWeights>> weights;
  for (unsigned result : group.results) {
    Value base = e.operand(linear.getWeights()[result]);
    weights.push_back(TileWeights::create(e, weightType(result), base));
    weights.back()->moveTo(tile);
  }
  return weights;
}

/// A warp's share of K: tiles [S w / 8, S (w + 1) / 8) of the S tiles in a row. Tiles are loaded
/// one round ahead.
SmallVector<Value> LinearEmitter::emitSums(const LinearGroup &group, Value tile, Value firstToken,
                                           int64_t columns) {
  SmallVector<std::unique_ptr<TileWeights>> weights = weightsOf(group, tile);
  int64_t values = 0;
  for (const auto &own : weights)
    values += own->values();
  int64_t tiles = llvm::divideCeil(featuresOf(linear.getX()), Mma16::columns);
  int64_t inFlight = tilesInFlight(weights, tiles);
  auto bound = [&](Value w) { return e.shiftRight(e.mul(w, e.c(tiles)), 3); };
  Value begin = bound(e.warp), end = bound(e.add(e.warp, e.c(1)));
  Value last = e.maximum(e.sub(end, e.c(1)), e.c(0));

  SmallVector<Value> x;
  for (int64_t column = 0; column < columns; ++column) {
    Value token = e.add(firstToken, e.add(e.shiftRight(e.lane, 2), e.c(column * mmaTokens)));
    // A column that no token has repeats the last one; nobody stores it.
    token = e.minimum(token, e.sub(count, e.c(1)));
    x.push_back(e.rowAddress(linear.getX(), token));
  }
  auto loadRound = [&](Value step) {
    SmallVector<Value> all;
    for (int64_t i = 0; i < inFlight; ++i)
      for (const auto &own : weights)
        llvm::append_range(all, own->load(e.minimum(e.add(step, e.c(i)), last)));
    return all;
  };
  SmallVector<Value> state(group.results.size() * columns * 4, e.f(0));
  size_t sums = state.size();
  llvm::append_range(state, loadRound(begin));
  state = e.fold(begin, end, inFlight, state, [&](Value step, ValueRange before) {
    SmallVector<Value> next = loadRound(e.add(step, e.c(inFlight)));
    SmallVector<Value> total(before.take_front(sums));
    for (int64_t i = 0; i < inFlight; ++i)
      total =
          emitStep(weights, before.slice(sums + i * values, values), e.add(step, e.c(i)), x, total);
    llvm::append_range(total, next);
    return total;
  });
  state.truncate(sums);
  return state;
}

//===----------------------------------------------------------------------===//
// Sums of the block
//===----------------------------------------------------------------------===//

/// Fragments of results (PTX ISA, mma.m16n8k16): registers 0 and 1 are row lane / 4, columns
/// 2 (lane % 4) and the next; registers 2 and 3 are 8 rows below.
void LinearEmitter::storeSums(const LinearGroup &group, ValueRange sums, int64_t columns) {
  Value row = e.shiftRight(e.lane, 2), token = e.shiftLeft(e.andBits(e.lane, 3), 1);
  Value own = e.at(partials, e.mul(e.warp, e.c(resultBytes() / blockWarps)));
  own = e.at(own, e.mul(e.add(e.mul(token, e.c(tokenStride)), row), e.c(4)));
  for (size_t result = 0; result < group.results.size(); ++result)
    for (int64_t column = 0; column < columns; ++column)
      for (int64_t i = 0; i < 4; ++i) {
        int64_t offset = (column * mmaTokens + i % 2) * tokenStride + i / 2 * 8;
        e.store(sums[(result * columns + column) * 4 + i],
                e.at(own, result * resultBytes() + offset * 4));
      }
}

/// A thread for each output and token: the warps' sums in the order of warps, then the epilogue.
void LinearEmitter::emitEpilogue(const LinearGroup &group, Value tile, Value firstToken,
                                 int64_t columns) {
  int64_t outputs = group.outputs;
  e.forThreads(columns * mmaTokens * Mma16::rows, [&](Value i) {
    Value row = e.andBits(i, Mma16::rows - 1), column = e.shiftRight(i, 4);
    Value output = e.add(e.mul(tile, e.c(Mma16::rows)), row);
    Value token = e.add(firstToken, column);
    Value wanted = e.less(token, count);
    if (outputs % Mma16::rows != 0)
      wanted = arith::AndIOp::create(e.b, wanted, e.less(output, e.c(outputs)));
    e.when(wanted, [&] {
      Value own = e.at(partials, e.mul(e.add(e.mul(column, e.c(tokenStride)), row), e.c(4)));
      SmallVector<Value> sums;
      for (size_t result = 0; result < group.results.size(); ++result) {
        auto part = [&](int64_t w) {
          return e.load(e.f32(),
                        e.at(own, result * resultBytes() + w * (resultBytes() / blockWarps)));
        };
        Value sum = part(0);
        for (int64_t w = 1; w < blockWarps; ++w)
          sum = e.fadd(sum, part(w));
        sums.push_back(sum);
      }
      emitOutput(group, sums, output, token);
    });
  });
}

/// Bias, epilogue ops and writes of one output of each result.
void LinearEmitter::emitOutput(const LinearGroup &group, ArrayRef<Value> sums, Value output,
                               Value token) {
  DenseMap<Value, Value> known;
  Value offset = e.mul(output, e.c(4));
  for (auto [index, result] : llvm::enumerate(group.results)) {
    Value sum = sums[index];
    if (!linear.getBiases().empty())
      sum =
          e.fadd(sum, e.loadConstant(e.f32(), e.at(e.operand(linear.getBiases()[result]), offset)));
    known[linear.getResult(result)] = sum;
  }
  for (Operation *op : group.epilogue) {
    SmallVector<Value> operands;
    for (Value operand : op->getOperands()) {
      Value &value = known[operand];
      if (!value)
        value = e.load(e.f32(), e.at(e.rowAddress(operand, token), offset));
      operands.push_back(value);
    }
    known[op->getResult(0)] = emit::emitElementwise(e, op, operands);
  }
  for (auto write : e.phase.getBody().front().getOps<step::WriteOp>())
    if (Value value = known.lookup(write.getValue());
        value && !write.getValue().getDefiningOp<step::ReadOp>())
      e.store(value, e.at(e.bufferRow(write.getBuffer(), token), offset));
}

FailureOr<Items> cuda::emitLinear(KernelEmitter &e) { return LinearEmitter(e).emit(); }
