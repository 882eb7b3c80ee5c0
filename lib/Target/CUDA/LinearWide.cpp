// Linear layers for more than 8 tokens: a block has 128 outputs, 16 for each warp, and 32 tokens,
// whose inputs are rounded once for all warps. The same sums in the same order as for few tokens.
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

//===----------------------------------------------------------------------===//
// Items
//===----------------------------------------------------------------------===//

/// Warps run the same code, on weights of one type or the other result's, which has the same type.
bool LinearEmitter::canBeWide(const Plan &plan) {
  ArrayRef<unsigned> results = plan.group.results;
  return results.size() <= 2 && !plan.weights.front()->hasTwoParts() &&
         weightType(results.front()) == weightType(results.back());
}

/// With heavy weights and more than 16 tokens registers would be spilled.
int64_t LinearEmitter::columnsOf(const Plan &plan) {
  return plan.weights.front()->isHeavy() ? 2 : wideColumns;
}

int64_t LinearEmitter::bandsOf(const Plan &plan) {
  return llvm::divideCeil(outputTiles(plan.group), blockWarps / plan.weights.size());
}

Value LinearEmitter::tokenTilesOf(const Plan &plan) {
  int64_t tokens = columnsOf(plan) * mmaTokens;
  return e.div(e.add(count, e.c(tokens - 1)), e.c(tokens));
}

LinearEmitter::Wide LinearEmitter::wideOf(const Plan &plan) {
  int64_t columns = columnsOf(plan);
  int64_t roundTiles = std::min(plan.stageTiles, roundParts * blockWarps / columns);
  Wide wide{plan, {}, columns, roundTiles, {}, {}, {}, {}, {}};
  wide.inputs = memory;
  wide.totals = e.at(memory, 2 * wide.bufferBytes());
  wide.tokenTiles = tokenTilesOf(plan);
  wide.before = e.c(0);
  for (const Plan &other : ArrayRef<Plan>(plans.data(), &plan))
    if (other.wide)
      wide.before = e.add(wide.before, e.mul(e.c(bandsOf(other)), tokenTilesOf(other)));
  if (canDivide())
    wide.divided = dividesK();
  Value base = e.operand(linear.getWeights()[plan.group.results.front()]);
  if (wide.results() > 1)
    base = e.select(e.less(e.warp, e.c(wide.bandTiles())), base,
                    e.operand(linear.getWeights()[plan.group.results.back()]));
  wide.weights.push_back(TileWeights::create(e, weightType(plan.group.results.front()), base));
  wide.weights.front()->setStage(plan.stageTiles);
  return wide;
}

/// Units are (band of outputs, tile of tokens); an item is a unit, or a share of K of one.
Value LinearEmitter::itemsOf(const Wide &wide) {
  Value units = e.mul(e.c(bandsOf(wide.plan)), wide.tokenTiles);
  return wide.divided ? e.select(wide.divided, e.shiftLeft(units, 3), units) : units;
}

Value LinearEmitter::firstItem(const Wide &wide) {
  Value before = wide.before;
  if (wide.divided)
    before = e.select(wide.divided, e.shiftLeft(before, 3), before);
  return firstItem(before);
}

/// Tokens fastest, so that blocks of one time share weights.
LinearEmitter::WideItem LinearEmitter::itemAt(const Wide &wide, Value item) {
  WideItem result;
  Value slice = e.div(item, wide.tokenTiles);
  Value tokenTile = e.sub(item, e.mul(slice, wide.tokenTiles));
  result.band = slice;
  result.share = e.c(0);
  result.shareEnd = e.c(blockWarps);
  if (wide.divided) {
    result.band = e.select(wide.divided, e.shiftRight(slice, 3), slice);
    result.share = e.select(wide.divided, e.andBits(slice, blockWarps - 1), e.c(0));
    result.shareEnd = e.select(wide.divided, e.add(result.share, e.c(1)), e.c(blockWarps));
  }
  result.firstToken = e.mul(tokenTile, e.c(wide.tokens()));
  result.unit = e.add(wide.before, e.add(e.mul(result.band, wide.tokenTiles), tokenTile));
  return result;
}

/// The tile of 16 outputs that the warp has; a warp too many repeats the last one.
Value LinearEmitter::bandOf(const Wide &wide, const WideItem &item) {
  Value band =
      e.add(e.mul(item.band, e.c(wide.bandTiles())), e.andBits(e.warp, wide.bandTiles() - 1));
  return e.minimum(band, e.c(outputTiles(wide.plan.group) - 1));
}

WeightStream LinearEmitter::streamOf(const Wide &wide) {
  auto slice = [this, &wide](Value index) -> WeightStream::Slice {
    WideItem item = itemAt(wide, index);
    return {bandOf(wide, item), shareBound(wide.plan, item.share),
            shareBound(wide.plan, item.shareEnd)};
  };
  WeightStream stream(e, wide.weights, ringAfter(wide.bytes()), wide.plan.stageTiles, itemsOf(wide),
                      slice);
  stream.saveRegisters();
  return stream;
}

/// The first group that has an item for the block copies its first weights before the kernel waits.
/// Groups without this form take 8 tokens at a time.
void LinearEmitter::emitManyTokens() {
  // What is computed of the thread's index in both forms of a kernel would be computed once, in
  // registers that both lack then. So this form has an index that the compiler takes for another
  // one. (No step has 2^31 blocks.)
  Value nothing = e.shiftRight(e.blocks, 31);
  llvm::SaveAndRestore thread(e.thread, e.sub(e.thread, nothing));
  llvm::SaveAndRestore lane(e.lane, e.andBits(e.thread, warpLanes - 1));
  llvm::SaveAndRestore warp(e.warp, e.shiftRight(e.thread, 5));
  SmallVector<Value> started(plans.size());
  if (e.isDependent()) {
    Value never = e.less(e.c(0), e.c(0)), others = never;
    for (auto [plan, starts] : llvm::zip(plans, started))
      if (plan.wide) {
        Wide wide = wideOf(plan);
        Value first = firstItem(wide), has = e.less(first, itemsOf(wide));
        starts = e.select(others, never, has);
        streamOf(wide).start(first, starts);
        others = arith::OrIOp::create(e.b, others, has);
      }
  }
  e.awaitKernels();
  for (auto [plan, starts] : llvm::zip(plans, started))
    if (plan.wide)
      emitWide(wideOf(plan), starts);
    else
      emitNarrow(plan);
}

/// `started`: whether copies run already; null: no.
void LinearEmitter::emitWide(const Wide &wide, Value started) {
  Value items = itemsOf(wide), first = firstItem(wide);
  WeightStream stream = streamOf(wide);
  if (started)
    started = e.equal(started, e.integer(e.b.getI1Type(), 0));
  WeightStream::State state = stream.start(first, started);
  Value rest = e.sub(e.add(items, e.sub(e.grid, e.c(1))), first);
  e.fold(e.c(0), e.div(rest, e.grid), 1, state, [&](Value i, ValueRange values) {
    WeightStream::State now(values);
    emitWideItem(wide, stream, e.add(first, e.mul(i, e.grid)), now);
    return now;
  });
}

/// K in the 8 shares that warps have for few tokens, or in one of them: each is a chain of its own,
/// and the chains are added in their order, to totals in shared memory. Values: the stream's state,
/// this thread's inputs of the next round, chains.
void LinearEmitter::emitWideItem(const Wide &wide, WeightStream &stream, Value index,
                                 WeightStream::State &state) {
  const Plan &plan = wide.plan;
  WideItem item = itemAt(wide, index);
  int64_t sums = wide.columns * 4;
  // This thread's token: lane / 4 of the columns that its warp has.
  Value column = e.rem(e.warp, e.c(wide.columns));
  Value token =
      e.add(item.firstToken, e.add(e.mul(column, e.c(mmaTokens)), e.shiftRight(e.lane, 2)));
  Value x = e.rowAddress(linear.getX(), e.minimum(token, e.sub(count, e.c(1))));
  SmallVector<RowPair> scales = {wide.weights.front()->rowScales(bandOf(wide, item))};
  SmallVector<Value> all(state);
  llvm::append_range(all, loadOwnInputs(wide, x, shareBound(plan, item.share)));
  e.barrier(); // whoever still reads the totals of the item before
  eachTotal(wide, [&](size_t, Value) { return e.f(-0.0); }); // which added to anything leaves it
  all = e.fold(item.share, item.shareEnd, 1, all, [&](Value share, ValueRange before) {
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
  state.assign(all.begin(), all.begin() + stream.stateSize());
  e.barrier();
  // Found again, from a number that the compiler takes for another one, so that it takes no
  // registers meanwhile. (No item has a number of 2^31.)
  item = itemAt(wide, e.sub(index, e.shiftRight(index, 31)));
  if (!wide.divided)
    return emitWideEpilogue(wide, item);
  Value complete = e.choose(
      wide.divided, [&] { return SmallVector<Value>{addShares(wide, item)}; },
      [&] { return SmallVector<Value>{e.less(e.c(0), e.c(1))}; })[0];
  e.when(complete, [&] { emitWideEpilogue(wide, item); });
}

//===----------------------------------------------------------------------===//
// Inputs
//===----------------------------------------------------------------------===//

/// Of the round's tiles times columns, 8 tokens of a tile each, warp w has number w and w + 8: of
/// one column, since their number divides 8.
SmallVector<Value> LinearEmitter::loadOwnInputs(const Wide &wide, Value x, Value step) {
  int64_t parts = wide.roundTiles * wide.columns;
  SmallVector<Value> inputs;
  for (int64_t i = 0; i * blockWarps < parts; ++i) {
    Value tile = e.div(e.add(e.warp, e.c(i * blockWarps)), e.c(wide.columns));
    tile = e.minimum(e.add(step, tile), e.c(tiles() - 1));
    llvm::append_range(inputs, loadInputs(x, tile, 0, wide.weights.front()->laneColumns()));
  }
  return inputs;
}

void LinearEmitter::shareInputs(const Wide &wide, ArrayRef<Value> inputs, Value buffer) {
  int64_t parts = wide.roundTiles * wide.columns;
  for (int64_t i = 0; i < parts; i += blockWarps) {
    auto share = [&] {
      RoundedInputs rounded =
          wide.weights.front()->round(inputs.slice(i / blockWarps * inputValues(), inputValues()));
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
  int64_t sums = wide.columns * 4;
  WeightStream::State now(values.take_front(stream.stateSize()));
  SmallVector<Value> inputs(values.drop_front(now.size()).drop_back(sums));
  std::vector<Chains> chains(wide.columns);
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
      multiply(wide, decode(wide.weights, stream, now, first + tile).front(),
               e.at(buffer, tile * wide.columns * columnBytes), chains);
  }
  stream.close(now);
  llvm::append_range(now, inputs);
  for (const Chains &chain : chains)
    llvm::append_range(now, chain.sum);
  return now;
}

/// A tile times the inputs of all columns.
void LinearEmitter::multiply(const Wide &wide, const DecodedTile &tile, Value inputs,
                             MutableArrayRef<Chains> chains) {
  Value own = e.at(inputs, e.mul(e.lane, e.c(16)));
  for (int64_t column = 0; column < wide.columns; ++column) {
    Value words = e.load(e.vec(4, e.i32()), e.at(own, column * columnBytes), 16);
    RoundedInputs rounded;
    for (int64_t i = 0; i < 4; ++i)
      rounded.first.push_back(LLVM::ExtractElementOp::create(e.b, words, e.c(i)));
    wide.weights.front()->multiply(tile, rounded, chains[column]);
  }
}

/// Replaces this thread's totals, number i of [column][4] at its place, by what `body` says.
void LinearEmitter::eachTotal(const Wide &wide, llvm::function_ref<Value(size_t, Value)> body) {
  Value token = e.shiftLeft(e.andBits(e.lane, 3), 1);
  Value own = e.at(wide.totals, e.mul(e.warp, e.c(wide.warpTotals())));
  for (int64_t i = 0; i < wide.columns * 4; ++i) {
    Value place = e.add(e.mul(token, e.c(tokenStride)), wide.weights.front()->outputOf(i % 4 / 2));
    int64_t after = (i / 4 * mmaTokens + i % 2) * tokenStride * 4;
    place = e.at(e.at(own, e.shiftLeft(place, 2)), after);
    e.store(body(i, place), place);
  }
}

void LinearEmitter::emitWideEpilogue(const Wide &wide, const WideItem &item) {
  const Plan &plan = wide.plan;
  int64_t outputs = wide.bandTiles() * Mma16::rows;
  e.forThreads(wide.tokens() * outputs, [&](Value i) {
    Value row = e.andBits(i, outputs - 1), column = e.div(i, e.c(outputs));
    Value output = e.add(e.mul(item.band, e.c(outputs)), row);
    Value token = e.add(item.firstToken, column);
    Value wanted =
        arith::AndIOp::create(e.b, e.less(token, count), e.less(output, e.c(plan.group.outputs)));
    e.when(wanted, [&] {
      Value warp = e.mul(e.shiftRight(row, 4), e.c(wide.warpTotals()));
      Value place = e.add(e.mul(column, e.c(tokenStride)), e.andBits(row, Mma16::rows - 1));
      Value from = e.at(e.at(wide.totals, warp), e.mul(place, e.c(4)));
      SmallVector<Value> sums;
      for (int64_t result = 0; result < wide.results(); ++result)
        sums.push_back(e.load(e.f32(), e.at(from, result * wide.bandTiles() * wide.warpTotals())));
      emitOutput(plan.group, sums, output, token);
    });
  });
}
