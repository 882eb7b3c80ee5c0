// Linear layers for more than 8 tokens: a block has 128 outputs, 16 for each warp, and 32 tokens
// (16 of two results), whose inputs are rounded once for all warps. The same sums in the same order
// as for few tokens.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "Linear.h"

#include "llvm/Support/SaveAndRestore.h"

using namespace mlir;
using namespace kvasir;
using namespace kvasir::cuda;

/// Bytes of 8 tokens' inputs of a tile, in the order in which lanes multiply them.
constexpr int64_t columnBytes = warpLanes * 16;
/// What a thread loads for all warps in a round, 8 inputs each.
constexpr int64_t roundParts = 1;

int64_t LinearEmitter::Wide::bufferBytes() const { return roundTiles * columns * columnBytes; }

int64_t LinearEmitter::Wide::bytes() const {
  return 2 * bufferBytes() + blockWarps * results() * totalsOfResult();
}

/// All results must want the same inputs.
bool LinearEmitter::canBeWide(const Weights &weights) {
  return weights.size() <= 2 && !weights.front()->hasTwoParts() &&
         llvm::all_of(weights,
                      [&](const auto &own) { return own->sharesInputs(*weights.front()); });
}

/// With heavy weights and more than 16 tokens registers would be spilled.
LinearEmitter::Wide LinearEmitter::wideOf(const Plan &plan) {
  int64_t columns = wideColumns / llvm::PowerOf2Ceil(plan.weights.size());
  if (llvm::any_of(plan.weights, [](const auto &own) { return own->isHeavy(); }))
    columns = std::min<int64_t>(columns, 2);
  Wide wide{plan, columns, std::min(plan.stageTiles, roundParts * blockWarps / columns), {}, {}};
  wide.inputs = memory;
  wide.totals = e.at(memory, 2 * wide.bufferBytes());
  return wide;
}

/// Items are (eight tiles of outputs, tile of tokens), tokens fastest, so that blocks of one time
/// share weights.
void LinearEmitter::emitWide(const Wide &wide) {
  // What is computed of the thread's index in both forms of a kernel would be computed once, in
  // registers that both lack then. So this form has an index that the compiler takes for another
  // one. (No step has 2^31 blocks.)
  Value nothing = e.shiftRight(e.blocks, 31);
  llvm::SaveAndRestore thread(e.thread, e.sub(e.thread, nothing));
  llvm::SaveAndRestore lane(e.lane, e.andBits(e.thread, warpLanes - 1));
  llvm::SaveAndRestore warp(e.warp, e.shiftRight(e.thread, 5));
  const Plan &plan = wide.plan;
  int64_t bands = llvm::divideCeil(outputTiles(plan.group), blockWarps);
  Value tokenTiles = e.div(e.add(count, e.c(wide.tokens() - 1)), e.c(wide.tokens()));
  Value items = e.mul(e.c(bands), tokenTiles);
  Value first = firstItem(e.mul(e.c(llvm::divideCeil(plan.before, blockWarps)), tokenTiles));
  WeightStream stream(e, plan.weights, ringAfter(wide.bytes()), ringBytes(wide.bytes()),
                      plan.stageTiles, e.c(0), e.c(tiles()), items, [&, tokenTiles](Value item) {
                        Value tile = e.add(e.mul(e.div(item, tokenTiles), e.c(blockWarps)), e.warp);
                        // A warp too many repeats the last tile.
                        return e.minimum(tile, e.c(outputTiles(plan.group) - 1));
                      });
  WeightStream::State state = stream.start(first);
  stream.saveRegisters();
  Value rest = e.sub(e.add(items, e.sub(e.grid, e.c(1))), first);
  e.fold(e.c(0), e.div(rest, e.grid), 1, state, [&](Value i, ValueRange values) {
    Value item = e.add(first, e.mul(i, e.grid));
    WeightStream::State now(values);
    Value token = e.mul(e.rem(item, tokenTiles), e.c(wide.tokens()));
    emitWideItem(wide, stream, item, e.div(item, tokenTiles), token, now);
    return now;
  });
}

/// K in the 8 shares that warps have for few tokens: each is a chain of its own, and the chains are
/// added in their order, to totals in shared memory. Values: the stream's state, this thread's
/// inputs of the next round, chains.
void LinearEmitter::emitWideItem(const Wide &wide, WeightStream &stream, Value item, Value band,
                                 Value firstToken, WeightStream::State &state) {
  const Plan &plan = wide.plan;
  int64_t sums = wide.results() * wide.columns * 4;
  // This thread's token: lane / 4 of the columns that its warp has.
  Value column = e.rem(e.warp, e.c(wide.columns));
  Value token = e.add(firstToken, e.add(e.mul(column, e.c(mmaTokens)), e.shiftRight(e.lane, 2)));
  Value x = e.rowAddress(linear.getX(), e.minimum(token, e.sub(count, e.c(1))));
  SmallVector<RowPair> scales = rowScales(plan, stream.band(item));
  SmallVector<Value> all(state);
  llvm::append_range(all, loadOwnInputs(wide, x, e.c(0)));
  e.barrier(); // whoever still reads the totals of the item before
  eachTotal(wide, [&](size_t, Value) { return e.f(-0.0); }); // which added to anything leaves it
  all = e.fold(e.c(0), e.c(blockWarps), 1, all, [&](Value share, ValueRange before) {
    SmallVector<Value> inner(before);
    inner.append(sums, e.f(0));
    inner = e.fold(shareBound(plan, share), shareBound(plan, e.add(share, e.c(1))), plan.stageTiles,
                   inner, [&](Value step, ValueRange values) {
                     return emitWideStage(wide, stream, step, x, values);
                   });
    MutableArrayRef<Value> chains = MutableArrayRef(inner).take_back(sums);
    scaleRows(chains, scales, wide.columns);
    eachTotal(wide,
              [&](size_t i, Value place) { return e.fadd(e.load(e.f32(), place), chains[i]); });
    inner.truncate(inner.size() - sums);
    return inner;
  });
  state.assign(all.begin(), all.begin() + WeightStream::stateValues);
  e.barrier();
  emitWideEpilogue(wide, band, firstToken);
}

//===----------------------------------------------------------------------===//
// Inputs
//===----------------------------------------------------------------------===//

/// Of the round's tiles times columns, 8 tokens of a tile each, warp w has number w and w + 8: of
/// one column, since their number divides 8.
SmallVector<Value> LinearEmitter::loadOwnInputs(const Wide &wide, Value x, Value step) {
  int64_t parts = wide.roundTiles * wide.columns;
  SmallVector<Value> inputs;
  for (int64_t i = 0; i < llvm::divideCeil(parts, blockWarps); ++i) {
    Value tile = e.div(e.add(e.warp, e.c(i * blockWarps)), e.c(wide.columns));
    tile = e.minimum(e.add(step, tile), e.c(tiles() - 1));
    llvm::append_range(inputs, loadInputs(x, tile, 0, wide.plan.weights.front()->laneColumns()));
  }
  return inputs;
}

void LinearEmitter::shareInputs(const Wide &wide, ArrayRef<Value> inputs, Value buffer) {
  int64_t parts = wide.roundTiles * wide.columns;
  for (int64_t i = 0; i < parts; i += blockWarps) {
    auto share = [&] {
      RoundedInputs rounded = wide.plan.weights.front()->round(inputs.slice(i / blockWarps * 8, 8));
      Value words = LLVM::PoisonOp::create(e.b, e.vec(4, e.i32()));
      for (int64_t j = 0; j < 4; ++j)
        words = LLVM::InsertElementOp::create(e.b, words, rounded.first[j], e.c(j));
      Value own = e.add(e.mul(e.thread, e.c(16)), e.c(i * columnBytes));
      e.store(words, e.at(buffer, own), 16);
    };
    if (parts - i >= blockWarps)
      share();
    else
      e.when(e.less(e.warp, e.c(parts - i)), share);
  }
}

//===----------------------------------------------------------------------===//
// Products
//===----------------------------------------------------------------------===//

/// A stage of weights, in one or more rounds of inputs. There are two buffers of these, so one
/// barrier for a round is enough: what is written was read two barriers ago.
SmallVector<Value> LinearEmitter::emitWideStage(const Wide &wide, WeightStream &stream, Value step,
                                                Value x, ValueRange values) {
  int64_t sums = wide.results() * wide.columns * 4;
  WeightStream::State now(values.take_front(WeightStream::stateValues));
  SmallVector<Value> inputs(values.drop_front(now.size()).drop_back(sums));
  std::vector<Chains> chains(wide.results() * wide.columns);
  for (auto [i, chain] : llvm::enumerate(chains))
    chain.sum = Fragment(values.take_back(sums).slice(4 * i, 4));
  for (int64_t first = 0; first < wide.plan.stageTiles; first += wide.roundTiles) {
    Value round = e.add(e.div(step, e.c(wide.roundTiles)), e.c(first / wide.roundTiles));
    Value buffer = e.at(wide.inputs, e.mul(e.andBits(round, 1), e.c(wide.bufferBytes())));
    shareInputs(wide, inputs, buffer);
    inputs = loadOwnInputs(wide, x, e.add(step, e.c(first + wide.roundTiles)));
    e.barrier();
    if (first == 0)
      stream.open(now);
    for (int64_t tile = 0; tile < wide.roundTiles; ++tile)
      multiply(wide, decode(wide.plan, stream, now, first + tile),
               e.at(buffer, tile * wide.columns * columnBytes), chains);
  }
  stream.close(now);
  llvm::append_range(now, inputs);
  for (const Chains &chain : chains)
    llvm::append_range(now, chain.sum);
  return now;
}

/// A tile of each result times the inputs of all columns.
void LinearEmitter::multiply(const Wide &wide, ArrayRef<DecodedTile> tiles, Value inputs,
                             MutableArrayRef<Chains> chains) {
  Value own = e.at(inputs, e.mul(e.lane, e.c(16)));
  for (int64_t column = 0; column < wide.columns; ++column) {
    Value words = e.load(e.vec(4, e.i32()), e.at(own, column * columnBytes), 16);
    RoundedInputs rounded;
    for (int64_t i = 0; i < 4; ++i)
      rounded.first.push_back(LLVM::ExtractElementOp::create(e.b, words, e.c(i)));
    for (auto [result, weights] : llvm::enumerate(wide.plan.weights))
      weights->multiply(tiles[result], rounded, chains[result * wide.columns + column]);
  }
}

/// Replaces this thread's totals, number i of [result][column][4] at its place, by what `body`
/// says.
void LinearEmitter::eachTotal(const Wide &wide, llvm::function_ref<Value(size_t, Value)> body) {
  Value token = e.shiftLeft(e.andBits(e.lane, 3), 1);
  Value own = e.at(wide.totals, e.mul(e.warp, e.c(wide.results() * wide.totalsOfResult())));
  for (auto [result, weights] : llvm::enumerate(wide.plan.weights))
    for (int64_t i = 0; i < wide.columns * 4; ++i) {
      Value place = e.add(e.mul(token, e.c(tokenStride)), weights->outputOf(i % 4 / 2));
      int64_t after = (i / 4 * mmaTokens + i % 2) * tokenStride * 4;
      place = e.at(e.at(own, e.shiftLeft(place, 2)), result * wide.totalsOfResult() + after);
      e.store(body(result * wide.columns * 4 + i, place), place);
    }
}

void LinearEmitter::emitWideEpilogue(const Wide &wide, Value band, Value firstToken) {
  const Plan &plan = wide.plan;
  constexpr int64_t outputs = blockWarps * Mma16::rows;
  e.forThreads(wide.tokens() * outputs, [&](Value i) {
    Value row = e.andBits(i, outputs - 1), column = e.div(i, e.c(outputs));
    Value output = e.add(e.mul(band, e.c(outputs)), row);
    Value token = e.add(firstToken, column);
    Value wanted =
        arith::AndIOp::create(e.b, e.less(token, count), e.less(output, e.c(plan.group.outputs)));
    e.when(wanted, [&] {
      Value warp = e.mul(e.shiftRight(row, 4), e.c(wide.results() * wide.totalsOfResult()));
      Value place = e.add(e.mul(column, e.c(tokenStride)), e.andBits(row, Mma16::rows - 1));
      Value from = e.at(e.at(wide.totals, warp), e.mul(place, e.c(4)));
      SmallVector<Value> sums;
      for (int64_t result = 0; result < wide.results(); ++result)
        sums.push_back(e.load(e.f32(), e.at(from, result * wide.totalsOfResult())));
      emitOutput(plan.group, sums, output, token);
    });
  });
}
