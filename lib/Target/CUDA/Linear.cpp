// Phases of linear layers, for up to 8 tokens: a block has 16 outputs, its warps divide K. Form and
// order of sums: docs/Rationale/CUDA.md.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "Linear.h"

#include <numeric>

using namespace mlir;
using namespace kvasir;
using namespace kvasir::cuda;

/// What inputs are rounded to for weights of `type`; f32: to two parts.
static Type inputTypeOf(llm::WeightType type) {
  return type.getEncoding() ? Type(BFloat16Type::get(type.getContext())) : type.getElementType();
}

LogicalResult LinearEmitter::check() {
  for (Operation &op : e.phase.getBody().front()) {
    if (&op == linear.getOperation())
      break;
    if (!isa<step::ReadOp, step::InputOp>(op))
      return op.emitError("expected no work on rows before a linear layer in its phase; run "
                          "`schedule` with `blocks`");
  }
  if (auto tile = linear->getAttrOfType<IntegerAttr>(step::tokenTileAttribute))
    tokenTile = tile.getInt();
  constexpr int64_t forms[] = {step::fewTokens, step::manyTokens, step::promptTokens};
  if (!llvm::is_contained(forms, tokenTile))
    return linear.emitError("expected ")
           << step::tokenTileAttribute << " to be " << forms[0] << ", " << forms[1] << " or "
           << forms[2] << ", but got " << tokenTile;
  if (cast<RankedTensorType>(linear.getX().getType()).getEncoding())
    return linear.emitError("linear layers whose inputs are rounded to 8 bits have no kernel yet; "
                            "compile with --activations exact");
  if (stored.type.isF32())
    return success();
  if (emit::featuresOf(linear.getX()) % Mma16::columns != 0)
    return linear.emitError("expected a multiple of ")
           << Mma16::columns << " inputs that are stored as " << stored.type << ", but got "
           << emit::featuresOf(linear.getX());
  for (unsigned result = 0; result < linear.getWeights().size(); ++result)
    if (Type type = inputTypeOf(weightType(result)); type != stored.type)
      return linear.emitError("expected inputs that are stored as ")
             << type << " or f32, but got " << stored.type;
  return success();
}

//===----------------------------------------------------------------------===//
// Plans
//===----------------------------------------------------------------------===//

/// Share w of K has the tiles [bound(w), bound(w + 1)): an eighth, in whole blocks of the layout.
int64_t LinearEmitter::shareBound(const Plan &plan, int64_t share) {
  int64_t blocks = llvm::divideCeil(tiles(), plan.alignment);
  return std::min(tiles(), blocks * share / blockWarps * plan.alignment);
}

Value LinearEmitter::shareBound(const Plan &plan, Value share) {
  int64_t blocks = llvm::divideCeil(tiles(), plan.alignment);
  Value bound = e.mul(e.shiftRight(e.mul(share, e.c(blocks)), 3), e.c(plan.alignment));
  return plan.alignment == 1 ? bound : e.minimum(bound, e.c(tiles()));
}

/// Bytes of a warp's ring when the block uses `others` for other things.
int64_t LinearEmitter::ringBytes(int64_t others) const {
  return (e.architecture.linearShared - others) / blockWarps / 128 * 128;
}

WeightStream::Ring LinearEmitter::ringAfter(int64_t others) {
  int64_t bytes = ringBytes(others);
  return {e.at(e.at(memory, others), e.mul(e.warp, e.c(bytes))), bytes};
}

/// A power of two that divides every share, and of which the ring has some.
int64_t LinearEmitter::stageTilesOf(const Plan &plan) {
  // Two encoded results have as many codes in half a stage, and inputs of f32 take the registers.
  bool encoded = llvm::any_of(plan.weights, [](const auto &own) { return own->isEncoded(); });
  int64_t stage =
      mostStageTiles / (encoded && plan.weights.size() > 1 && stored.type.isF32() ? 2 : 1);
  for (int64_t share = 0; share < blockWarps; ++share)
    stage = std::gcd(stage, shareBound(plan, share + 1) - shareBound(plan, share));
  constexpr int64_t fewestSlots = 3;
  for (; stage > 1; stage /= 2) {
    for (const auto &own : plan.weights)
      own->setStage(stage, stage);
    int64_t bytes = WeightStream::stageBytes(plan.weights);
    if (fewestSlots * bytes <= ringBytes(plan.weights.size() * resultBytes()))
      break;
  }
  return stage;
}

SmallVector<LinearEmitter::Plan> LinearEmitter::makePlans() {
  SmallVector<Plan> plans;
  int64_t before = 0;
  for (const LinearGroup &group : emit::linearGroups(linear)) {
    Plan &plan = plans.emplace_back(Plan{group, {}, 1, 1, false, {}, {}});
    for (unsigned result : group.results) {
      Value base = e.operand(linear.getWeights()[result]);
      plan.weights.push_back(TileWeights::create(e, weightType(result), base));
      plan.alignment = std::max(plan.alignment, plan.weights.back()->alignment());
    }
    plan.stageTiles = stageTilesOf(plan);
    for (const auto &own : plan.weights)
      own->setStage(plan.stageTiles, plan.stageTiles);
    plan.wide = canBeWide(plan);
    plan.first = firstItem(e.c(before));
    before += outputTiles(group);
  }
  return plans;
}

FailureOr<Items> LinearEmitter::emit() {
  if (failed(check()))
    return failure();
  count = e.extent(linear.getResult(0));
  memory = partials = e.dynamicShared();
  plans = makePlans();
  if (tokenTile == step::promptTokens && !fitsPrompts())
    tokenTile = step::manyTokens;
  if (tokenTile > step::fewTokens &&
      llvm::any_of(plans, [](const Plan &plan) { return plan.wide; }))
    return emitManyTokens();
  return Items{emitFewTokens(), 0, 0, 0};
}

/// The first item of a block among those that come after `before` others.
Value LinearEmitter::firstItem(Value before) {
  return e.rem(e.sub(e.add(e.block, e.grid), e.rem(before, e.grid)), e.grid);
}

WeightStream LinearEmitter::streamOf(const Plan &plan) {
  return WeightStream(e, plan.weights, ringAfter(plan.weights.size() * resultBytes()),
                      plan.stageTiles, shareBound(plan, e.warp),
                      shareBound(plan, e.add(e.warp, e.c(1))), e.c(outputTiles(plan.group)));
}

/// Where kernels wait for those before them, the first weights of a block are copied meanwhile.
void LinearEmitter::startCopies() {
  if (!e.isDependent())
    return;
  Value others = e.less(e.c(0), e.c(0)); // whether a group before has an item for this block
  for (Plan &plan : plans) {
    Value has = e.less(plan.first, e.c(outputTiles(plan.group)));
    plan.started = e.select(others, e.less(e.c(0), e.c(0)), has);
    streamOf(plan).start(plan.first, plan.started);
    others = arith::OrIOp::create(e.b, others, has);
  }
}

//===----------------------------------------------------------------------===//
// Items
//===----------------------------------------------------------------------===//

/// Tiles of 16 outputs are dealt to blocks, those of the next group after those of the one before.
/// Returns how many there are.
int64_t LinearEmitter::emitFewTokens() {
  e.dynamicBytes = e.architecture.linearShared;
  int64_t items = 0;
  startCopies();
  e.awaitKernels();
  for (Plan &plan : plans) {
    emitNarrow(plan);
    plan.started = {};
    items += outputTiles(plan.group);
  }
  return items;
}

/// Weights that have no other form come again for every 8 tokens.
void LinearEmitter::emitNarrow(const Plan &plan) {
  e.loop(e.c(0), count, mmaTokens, [&](Value token) {
    Value copyFirst;
    if (plan.started)
      copyFirst = arith::OrIOp::create(e.b, e.less(e.c(0), token),
                                       e.equal(plan.started, e.integer(e.b.getI1Type(), 0)));
    emitItems(plan, token, copyFirst);
  });
}

/// All items of the block for 8 tokens. Inputs of a lane are loaded a stage ahead.
void LinearEmitter::emitItems(const Plan &plan, Value firstToken, Value copyFirst) {
  WeightStream stream = streamOf(plan);
  WeightStream::State state = stream.start(plan.first, copyFirst);
  // A column that no token has repeats the last one; nobody stores it.
  Value token = e.add(firstToken, e.shiftRight(e.lane, 2));
  Value x = e.rowAddress(linear.getX(), e.minimum(token, e.sub(count, e.c(1))));
  // A warp without a share loads something, too.
  Value begin = e.minimum(shareBound(plan, e.warp), e.c(tiles() - plan.stageTiles));
  llvm::append_range(state, roundStage(plan, loadStage(plan, x, begin)));
  Value rest = e.sub(e.add(e.c(outputTiles(plan.group) - 1), e.grid), plan.first);
  e.fold(e.c(0), e.div(rest, e.grid), 1, state, [&](Value i, ValueRange values) {
    Value tile = e.add(plan.first, e.mul(i, e.grid));
    SmallVector<RowPair> scales = rowScales(plan, tile);
    WeightStream::State now(values.take_front(WeightStream::stateSize));
    SmallVector<Value> inputs(values.drop_front(WeightStream::stateSize));
    SmallVector<Value> sums = emitShare(plan, stream, x, inputs, now);
    scaleRows(sums, scales);
    e.barrier(); // whoever still reads the partial sums before
    storeSums(plan, sums);
    e.barrier();
    emitEpilogue(plan, tile, firstToken);
    llvm::append_range(now, inputs);
    return now;
  });
}

//===----------------------------------------------------------------------===//
// Sums of a warp
//===----------------------------------------------------------------------===//

/// The lane's 8 columns of one token in the tile `ahead` of `tile`. Beyond the last column there
/// are zeros, whatever lies in memory.
SmallVector<Value> LinearEmitter::loadInputs(Value x, Value tile, int64_t ahead,
                                             LaneColumns which) {
  return stored.type.isF32() ? loadFloats(x, tile, ahead, which)
                             : loadRounded(x, tile, ahead, which);
}

SmallVector<Value> LinearEmitter::loadRounded(Value x, Value tile, int64_t ahead,
                                              LaneColumns which) {
  bool eight = which == LaneColumns::eight;
  Value lanes = e.mul(e.andBits(e.lane, 3), e.c(eight ? 8 : 4));
  Value first = e.add(e.mul(tile, e.c(Mma16::columns)), lanes), own = e.at(x, e.mul(first, e.c(2)));
  int64_t words = eight ? 4 : 2; // that lie together
  SmallVector<Value> values;
  for (int64_t part = 0; part < 4 / words; ++part) {
    Value address = e.at(own, (ahead * Mma16::columns + part * Mma16::columns / 2) * 2);
    Value loaded = e.load(e.vec(words, e.i32()), address, words * 4);
    for (int64_t i = 0; i < words; ++i)
      values.push_back(LLVM::ExtractElementOp::create(e.b, loaded, e.c(i)));
  }
  return values;
}

SmallVector<Value> LinearEmitter::loadFloats(Value x, Value tile, int64_t ahead,
                                             LaneColumns which) {
  int64_t columns = featuresOf(linear.getX()), after = ahead * Mma16::columns;
  bool eight = which == LaneColumns::eight;
  Value lanes = e.mul(e.andBits(e.lane, 3), e.c(eight ? 8 : 4));
  Value first = e.add(e.mul(tile, e.c(Mma16::columns)), lanes), own = e.at(x, e.mul(first, e.c(4)));
  int64_t together = columns % 4 == 0 ? 4 : 1; // that are inside or outside as one
  SmallVector<Value> values;
  for (int64_t i = 0; i < 8; i += together) {
    int64_t column = after + (eight || i < 4 ? i : 12 + i);
    Value address = e.at(own, column * 4), inside;
    if (columns % Mma16::columns != 0) {
      inside = e.less(e.add(first, e.c(column)), e.c(columns));
      address = e.select(inside, address, x);
    }
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

/// The lane's inputs in the tiles of a stage, as the first result wants them: [tile][inputValues].
SmallVector<Value> LinearEmitter::loadStage(const Plan &plan, Value x, Value first) {
  SmallVector<Value> all;
  for (int64_t i = 0; i < plan.stageTiles; ++i)
    llvm::append_range(all, loadInputs(x, first, i, plan.weights.front()->laneColumns()));
  return all;
}

/// The same, rounded: registers of one tile after the other.
SmallVector<Value> LinearEmitter::roundStage(const Plan &plan, ArrayRef<Value> inputs) {
  SmallVector<Value> all;
  for (int64_t i = 0; i < plan.stageTiles; ++i) {
    RoundedInputs rounded =
        round(*plan.weights.front(), inputs.slice(i * inputValues(), inputValues()));
    llvm::append_range(all, rounded.first);
    llvm::append_range(all, rounded.second);
  }
  return all;
}

std::vector<DecodedTile> LinearEmitter::decode(const Weights &weights, WeightStream &stream,
                                               const WeightStream::State &state, int64_t tile) {
  std::vector<DecodedTile> decoded;
  for (auto [own, loaded] : llvm::zip(weights, stream.load(state, tile)))
    decoded.push_back(own->decode(loaded, tile));
  return decoded;
}

/// Adds the products of tile `index` of a stage. `rounded` is what `roundStage` gave: a result that
/// wants other inputs loads them here.
void LinearEmitter::multiplyTile(const Plan &plan, ArrayRef<DecodedTile> tiles,
                                 ArrayRef<Value> rounded, Value x, Value step, int64_t index,
                                 MutableArrayRef<Chains> chains) {
  TileWeights &first = *plan.weights.front();
  size_t registers = first.hasTwoParts() ? 8 : 4;
  ArrayRef<Value> own = rounded.slice(index * registers, registers);
  RoundedInputs common{Fragment(own.take_front(4)), Fragment(own.drop_front(4))};
  for (auto [result, weights] : llvm::enumerate(plan.weights)) {
    RoundedInputs inputs = common;
    if (!weights->sharesInputs(first))
      inputs = round(*weights, loadInputs(x, step, index, weights->laneColumns()));
    weights->multiply(tiles[result], inputs, chains[result]);
  }
}

/// The warp's share of K of one item. `inputs` are those of the first stage, and in the end those
/// of the first stage again, for the next item. Sums: [result][4].
SmallVector<Value> LinearEmitter::emitShare(const Plan &plan, WeightStream &stream, Value x,
                                            SmallVector<Value> &inputs,
                                            WeightStream::State &state) {
  Value begin = shareBound(plan, e.warp), end = shareBound(plan, e.add(e.warp, e.c(1)));
  size_t results = plan.weights.size(), count = inputs.size(), sums = results * 4;
  SmallVector<Value> all(state);
  llvm::append_range(all, inputs);
  all.append(sums, e.f(0));
  all = e.fold(begin, end, plan.stageTiles, all, [&](Value step, ValueRange values) {
    WeightStream::State now(values.take_front(WeightStream::stateSize));
    SmallVector<Value> own(values.drop_front(now.size()).take_front(count));
    std::vector<Chains> chains(results);
    for (auto [i, chain] : llvm::enumerate(chains))
      chain.sum = Fragment(values.take_back(sums).slice(4 * i, 4));
    Value following = e.add(step, e.c(plan.stageTiles));
    following = e.select(e.less(following, end), following, begin);
    SmallVector<Value> next;
    stream.open(now);
    for (int64_t i = 0; i < plan.stageTiles; ++i) {
      multiplyTile(plan, decode(plan.weights, stream, now, i), own, x, step, i, chains);
      // Only now, so that they can take the registers of those that were multiplied.
      llvm::append_range(next, loadInputs(x, following, i, plan.weights.front()->laneColumns()));
    }
    stream.close(now);
    llvm::append_range(now, roundStage(plan, next)); // last: they have arrived by now
    for (const Chains &chain : chains)
      llvm::append_range(now, chain.sum);
    return now;
  });
  state.assign(all.begin(), all.begin() + WeightStream::stateSize);
  inputs.assign(all.begin() + state.size(), all.begin() + state.size() + count);
  return SmallVector<Value>(ArrayRef(all).take_back(sums));
}

SmallVector<RowPair> LinearEmitter::rowScales(const Plan &plan, Value band) {
  SmallVector<RowPair> scales;
  for (const auto &own : plan.weights)
    scales.push_back(own->rowScales(band));
  return scales;
}

/// Sums: [column of tokens][result or tile row][4].
void LinearEmitter::scaleRows(MutableArrayRef<Value> sums, ArrayRef<RowPair> scales) {
  for (auto [i, sum] : llvm::enumerate(sums))
    if (const RowPair &scale = scales[i / 4 % scales.size()]; scale[0])
      sum = e.fmul(sum, scale[i % 4 / 2]);
}

//===----------------------------------------------------------------------===//
// Sums of the block
//===----------------------------------------------------------------------===//

/// Tokens of results (PTX ISA, mma.m16n8k16): registers 0 and 2 are column 2 (lane % 4), 1 and 3
/// the next.
void LinearEmitter::storeSums(const Plan &plan, ArrayRef<Value> sums) {
  Value token = e.shiftLeft(e.andBits(e.lane, 3), 1);
  Value own = e.at(partials, e.mul(e.warp, e.c(resultBytes() / blockWarps)));
  for (auto [result, weights] : llvm::enumerate(plan.weights))
    for (int64_t i = 0; i < 4; ++i) {
      Value place = e.mul(e.add(token, e.c(i % 2)), e.c(tokenStride));
      place = e.shiftLeft(e.add(place, weights->outputOf(i / 2)), 2);
      e.store(sums[result * 4 + i], e.at(e.at(own, result * resultBytes()), place));
    }
}

/// A thread for each output and token of 8: the warps' sums in the order of warps, then the
/// epilogue.
void LinearEmitter::emitEpilogue(const Plan &plan, Value tile, Value firstToken) {
  int64_t outputs = plan.group.outputs;
  e.forThreads(mmaTokens * Mma16::rows, [&](Value i) {
    Value row = e.andBits(i, Mma16::rows - 1), column = e.shiftRight(i, 4);
    Value output = e.add(e.mul(tile, e.c(Mma16::rows)), row);
    Value token = e.add(firstToken, column);
    Value wanted = e.less(token, count);
    if (outputs % Mma16::rows != 0)
      wanted = arith::AndIOp::create(e.b, wanted, e.less(output, e.c(outputs)));
    e.when(wanted, [&] {
      Value own = e.at(partials, e.mul(e.add(e.mul(column, e.c(tokenStride)), row), e.c(4)));
      SmallVector<Value> sums;
      for (size_t result = 0; result < plan.group.results.size(); ++result) {
        auto part = [&](int64_t w) {
          return e.load(e.f32(),
                        e.at(own, result * resultBytes() + w * (resultBytes() / blockWarps)));
        };
        Value sum = part(0);
        for (int64_t w = 1; w < blockWarps; ++w)
          sum = e.fadd(sum, part(w));
        sums.push_back(sum);
      }
      emitOutput(plan.group, sums, output, token);
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
      storeColumn(e, storedBy(e, write), value, e.bufferRow(write.getBuffer(), token), output);
}

FailureOr<Items> cuda::emitLinear(KernelEmitter &e) { return LinearEmitter(e).emit(); }
