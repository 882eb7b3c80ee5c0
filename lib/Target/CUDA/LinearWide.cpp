// Linear layers for more than 8 tokens: a warp has two tile rows, so that what it loads of inputs
// meets 32 rows of weights, and a block 256 of them and 32 tokens. The same sums in the same order
// as for few tokens.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "Linear.h"

using namespace mlir;
using namespace kvasir;
using namespace kvasir::cuda;

/// Of shared memory, for the word that says who was last.
constexpr int64_t flagBytes = 128;

//===----------------------------------------------------------------------===//
// Items
//===----------------------------------------------------------------------===//

/// The two tile rows of a warp are of one result, or one of each of two.
bool LinearEmitter::canBeWide(const Plan &plan) {
  const TileWeights &first = *plan.weights.front(), &last = *plan.weights.back();
  return plan.weights.size() <= wideRows && !first.hasTwoParts() && first.sharesInputs(last);
}

/// Whether there is shared memory for sums of so many tokens, and for three stages of a tile.
/// (Codes would lack registers.)
bool LinearEmitter::fitsPrompts() {
  int64_t warpTotals = step::promptTokens * wideStride * 4;
  int64_t stage =
      blockWarps * wideRows * Mma16::tileBytes + step::promptTokens / mmaTokens * columnBytes;
  bool plain = llvm::none_of(plans, [](const Plan &plan) {
    return llvm::any_of(plan.weights, [](const auto &own) { return own->isEncoded(); });
  });
  return plain && flagBytes + blockWarps * warpTotals + 3 * stage <= e.architecture.blockShared;
}

int64_t LinearEmitter::bandsOf(const Plan &plan) {
  int64_t tiles = blockWarps * wideRows / plan.weights.size();
  return llvm::divideCeil(outputTiles(plan.group), tiles);
}

Value LinearEmitter::tokenTilesOf() {
  return e.div(e.add(count, e.c(tokenTile - 1)), e.c(tokenTile));
}

/// Shared memory: a word, sums, the ring.
LinearEmitter::Wide LinearEmitter::wideOf(const Plan &plan) {
  constexpr int64_t mostSlots = 16, fewestSlots = 4;
  Wide wide{plan, tokenTile / mmaTokens, plan.stageTiles, 0, memory, {}, {}, {}, {}, {}};
  int64_t warpTotals = wide.tokens() * wideStride * 4, before = flagBytes + blockWarps * warpTotals;
  for (;; wide.stageTiles /= 2) {
    for (const auto &own : plan.weights)
      own->setStage(wide.stageTiles, plan.stageTiles);
    wide.slots = std::min(mostSlots, (e.architecture.blockShared - before) / wide.slotBytes());
    if (wide.slots >= fewestSlots || wide.stageTiles == 1)
      break;
  }
  assert(wide.slots >= 2 && "one to read, one to copy to");
  wide.totals = e.at(e.at(memory, flagBytes), e.mul(e.warp, e.c(warpTotals)));
  wide.ring = e.at(memory, before);
  wide.tokenTiles = tokenTilesOf();
  int64_t bands = 0;
  for (const Plan &other : ArrayRef<Plan>(plans.data(), &plan))
    bands += other.wide ? bandsOf(other) : 0;
  wide.before = e.mul(e.c(bands), wide.tokenTiles);
  if (canDivide())
    wide.divided = dividesK();
  e.dynamicBytes = std::max(e.dynamicBytes, before + wide.slots * wide.slotBytes());
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
  result.tokenTile = e.sub(item, e.mul(slice, wide.tokenTiles));
  result.band = slice;
  result.share = e.c(0);
  result.shareEnd = e.c(blockWarps);
  if (wide.divided) {
    result.band = e.select(wide.divided, e.shiftRight(slice, 3), slice);
    result.share = e.select(wide.divided, e.andBits(slice, blockWarps - 1), e.c(0));
    result.shareEnd = e.select(wide.divided, e.add(result.share, e.c(1)), e.c(blockWarps));
  }
  result.unit = e.add(wide.before, e.add(e.mul(result.band, wide.tokenTiles), result.tokenTile));
  return result;
}

LinearEmitter::Slice LinearEmitter::sliceOf(const Wide &wide, Value item) {
  WideItem all = itemAt(wide, item);
  return {all.band, e.mul(all.tokenTile, e.c(wide.tokens())), shareBound(wide.plan, all.share),
          shareBound(wide.plan, all.shareEnd)};
}

/// The tile of 16 outputs that is tile row `row` of the warp; one too many repeats the last one.
Value LinearEmitter::bandOf(const Wide &wide, Value band, int64_t row) {
  Value own = e.add(e.mul(band, e.c(blockWarps)), e.warp);
  if (wide.results() == 1)
    own = e.add(e.mul(own, e.c(wideRows)), e.c(row));
  return e.minimum(own, e.c(outputTiles(wide.plan.group) - 1));
}

/// Whether the warp has outputs at all; null: all warps have.
Value LinearEmitter::isPresent(const Wide &wide, Value band) {
  if (outputTiles(wide.plan.group) % wide.bandTiles() == 0)
    return {};
  Value own = e.add(e.mul(band, e.c(blockWarps)), e.warp);
  return e.less(e.mul(own, e.c(wide.rowsOfResult())), e.c(outputTiles(wide.plan.group)));
}

/// Tokens of a tile, all of which are there but in the last one.
Value LinearEmitter::tokensOf(const Wide &wide, Value tokenTile) {
  return e.minimum(e.sub(count, e.mul(tokenTile, e.c(wide.tokens()))), e.c(wide.tokens()));
}

/// The first group that has an item for the block copies its first weights before the kernel waits.
/// Groups without this form take 8 tokens at a time.
Items LinearEmitter::emitManyTokens() {
  e.blocksAtOnce = 1;
  SmallVector<Value> started(plans.size());
  Value never = e.less(e.c(0), e.c(0)), others = never;
  Items items;
  for (auto [plan, starts] : llvm::zip(plans, started)) {
    if (!plan.wide) {
      items.constant += outputTiles(plan.group);
      e.dynamicBytes = std::max(e.dynamicBytes, e.architecture.linearShared);
      continue;
    }
    items.constant += bandsOf(plan) * (canDivide() ? blockWarps : 1);
    items.token += llvm::divideCeil(bandsOf(plan), tokenTile);
    if (!e.isDependent())
      continue;
    Wide wide = wideOf(plan);
    Value first = firstItem(wide), has = e.less(first, itemsOf(wide));
    starts = e.select(others, never, has);
    startWeights(wide, first, starts);
    others = arith::OrIOp::create(e.b, others, has);
  }
  e.awaitKernels();
  for (auto [plan, starts] : llvm::zip(plans, started)) {
    if (&plan != &plans.front())
      e.barrier(); // whoever still reads the ring
    if (plan.wide)
      emitWide(wideOf(plan), starts);
    else
      emitNarrow(plan);
  }
  return items;
}

/// `started`: whether copies run already; null: no.
void LinearEmitter::emitWide(const Wide &wide, Value started) {
  Value items = itemsOf(wide), first = firstItem(wide);
  if (started)
    started = e.equal(started, e.integer(e.b.getI1Type(), 0));
  startWeights(wide, first, started);
  Ahead ahead = startInputs(wide, first);
  Value rest = e.sub(e.add(items, e.sub(e.grid, e.c(1))), first);
  e.fold(e.c(0), e.div(rest, e.grid), 1, ahead.values(), [&](Value i, ValueRange values) {
    Ahead now = Ahead::of(values);
    emitWideItem(wide, e.add(first, e.mul(i, e.grid)), now);
    return now.values();
  });
}

/// K in the 8 shares that warps have for few tokens, or in one of them: each is a chain of its own,
/// and the chains are added in their order, to totals in shared memory.
void LinearEmitter::emitWideItem(const Wide &wide, Value index, Ahead &ahead) {
  const Plan &plan = wide.plan;
  WideItem item = itemAt(wide, index);
  SmallVector<RowPair> scales;
  for (int64_t row = 0; row < wideRows; ++row)
    scales.push_back(wide.weights(row).rowScales(bandOf(wide, item.band, row)));
  Present present = {isPresent(wide, item.band), tokensOf(wide, item.tokenTile)};
  size_t sums = wideRows * wide.columns * 4;
  e.syncWarp(); // whoever still reads the totals of the item before
  eachTotal(wide, [&](size_t, Value) { return e.f(-0.0); }); // which added to anything leaves it
  SmallVector<Value> all = ahead.values();
  all = e.fold(item.share, item.shareEnd, 1, all, [&](Value share, ValueRange before) {
    SmallVector<Value> inner(before);
    inner.append(sums, e.f(0));
    inner = e.fold(shareBound(plan, share), shareBound(plan, e.add(share, e.c(1))), plan.stageTiles,
                   inner,
                   [&](Value, ValueRange values) { return emitWideStages(wide, present, values); });
    MutableArrayRef<Value> chains = MutableArrayRef(inner).take_back(sums);
    scaleRows(chains, scales);
    eachTotal(wide,
              [&](size_t i, Value place) { return e.fadd(e.load(e.f32(), place), chains[i]); });
    inner.truncate(inner.size() - sums);
    return inner;
  });
  ahead = Ahead::of(all);
  e.syncWarp();
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
// Products
//===----------------------------------------------------------------------===//

/// Stages that are multiplied together. Values: what is copied ahead, chains [column][row][4].
SmallVector<Value> LinearEmitter::emitWideStages(const Wide &wide, Present present,
                                                 ValueRange values) {
  Ahead ahead = Ahead::of(values);
  ValueRange sums = values.drop_front(Ahead::count);
  std::vector<Chains> chains(wideRows * wide.columns);
  for (auto [i, chain] : llvm::enumerate(chains))
    chain.sum = Fragment(sums.slice(4 * i, 4));
  for (int64_t first = 0; first < wide.plan.stageTiles; first += wide.stageTiles) {
    Value slot = openStage(wide, ahead);
    multiplyStage(wide, present, slot, first, chains);
  }
  SmallVector<Value> next = ahead.values();
  for (const Chains &chain : chains)
    llvm::append_range(next, chain.sum);
  return next;
}

/// What `yes` does to the chains if `condition` holds, else what `no` does, which may leave out
/// some. A group that only `yes` has begun is read by nobody else.
void LinearEmitter::chooseProducts(Value condition, MutableArrayRef<Chains> chains, Products yes,
                                   Products no) {
  std::vector<Chains> most(chains.begin(), chains.end()), least(most);
  auto all = [&] {
    yes(most);
    SmallVector<Value> values;
    for (Chains &chain : most)
      for (Fragment *part : chain.parts())
        llvm::append_range(values, *part);
    return values;
  };
  auto some = [&] {
    no(least);
    Value any = LLVM::PoisonOp::create(e.b, e.f32());
    SmallVector<Value> values;
    for (auto [chain, like] : llvm::zip(least, most))
      for (auto [part, size] : llvm::zip(chain.parts(), like.parts())) {
        part->resize(size->size(), any);
        llvm::append_range(values, *part);
      }
    return values;
  };
  SmallVector<Value> values = e.choose(condition, all, some);
  Value *next = values.begin();
  for (Chains &chain : most)
    for (Fragment *part : chain.parts())
      for (Value &value : *part)
        value = *next++;
  llvm::copy(most, chains.begin());
}

/// A stage, which begins with tile `first` of those that are multiplied together, times the inputs
/// of all columns, or of the only one that has tokens. A warp without outputs has no weights there.
void LinearEmitter::multiplyStage(const Wide &wide, Present present, Value slot, int64_t first,
                                  MutableArrayRef<Chains> chains) {
  auto multiplyColumns = [&](int64_t columns) {
    return [this, &wide, slot, first, columns](MutableArrayRef<Chains> after) {
      for (int64_t tile = 0; tile < wide.stageTiles; ++tile)
        multiply(wide, slot, first, tile, after.take_front(columns * wideRows));
    };
  };
  auto multiplyTokens = [&](MutableArrayRef<Chains> after) {
    chooseProducts(e.less(e.c(mmaTokens), present.tokens), after, multiplyColumns(wide.columns),
                   multiplyColumns(1));
  };
  if (present.warp)
    chooseProducts(present.warp, chains, multiplyTokens, [](MutableArrayRef<Chains>) {});
  else
    multiplyTokens(chains);
}

/// Tile `tile` of the stage times the inputs of the columns whose chains are given.
void LinearEmitter::multiply(const Wide &wide, Value slot, int64_t first, int64_t tile,
                             MutableArrayRef<Chains> chains) {
  Value own = e.at(e.at(slot, wide.inputBytes()), e.mul(e.warp, e.c(wide.warpBytes())));
  std::vector<DecodedTile> tiles;
  for (int64_t row = 0; row < wideRows; ++row) {
    TileWeights &weights = wide.weights(row);
    tiles.push_back(weights.decode(weights.load(own, tile), first + tile));
    own = e.at(own, weights.stageBytes());
  }
  Value inputs = e.at(slot, e.shiftLeft(e.lane, 4));
  for (size_t column = 0; column < chains.size() / wideRows; ++column) {
    Value place = e.at(inputs, (tile * wide.columns + column) * columnBytes);
    multiplyColumn(wide, tiles, place, chains.slice(column * wideRows, wideRows));
  }
}

void LinearEmitter::multiplyColumn(const Wide &wide, ArrayRef<DecodedTile> tiles, Value place,
                                   MutableArrayRef<Chains> chains) {
  Value words = e.load(e.vec(4, e.i32()), place, 16);
  SmallVector<Value> parts;
  for (int64_t i = 0; i < 4; ++i)
    parts.push_back(LLVM::ExtractElementOp::create(e.b, words, e.c(i)));
  // What was rounded here lies as it is multiplied.
  RoundedInputs rounded =
      stored.type.isF32() ? RoundedInputs{Fragment(parts), {}} : round(wide.weights(0), parts);
  ArrayRef<unsigned> results = wide.plan.group.results;
  bool alike = weightType(results.front()) == weightType(results.back());
  for (int64_t f = 0; f < 2; ++f)
    for (int64_t row = 0; row < wideRows; ++row)
      wide.weights(row).multiplyHalf(tiles[row], f, rounded, chains[row],
                                     row > 0 && alike ? &chains.front() : nullptr);
}

/// Replaces the lane's totals, number i of [column][row][4] at its place, by what `body` says.
void LinearEmitter::eachTotal(const Wide &wide, llvm::function_ref<Value(size_t, Value)> body) {
  Value token = e.mul(e.shiftLeft(e.andBits(e.lane, 3), 1), e.c(wideStride));
  for (int64_t i = 0; i < wideRows * wide.columns * 4; ++i) {
    int64_t column = i / (wideRows * 4), row = i / 4 % wideRows;
    Value place = e.add(token, wide.weights(row).outputOf(i % 4 / 2));
    int64_t after = (column * mmaTokens + i % 2) * wideStride + row * Mma16::rows;
    place = e.at(e.at(wide.totals, e.shiftLeft(place, 2)), after * 4);
    e.store(body(i, place), place);
  }
}

/// A lane for each output of the warp and token.
void LinearEmitter::emitWideEpilogue(const Wide &wide, const WideItem &item) {
  const Plan &plan = wide.plan;
  int64_t outputs = wide.rowsOfResult() * Mma16::rows;
  Value before = e.mul(e.add(e.mul(item.band, e.c(blockWarps)), e.warp), e.c(outputs));
  Value all = e.mul(tokensOf(wide, item.tokenTile), e.c(outputs));
  e.loop(e.lane, all, warpLanes, [&](Value i) {
    Value row = e.andBits(i, outputs - 1), column = e.div(i, e.c(outputs));
    Value output = e.add(before, row);
    Value token = e.add(e.mul(item.tokenTile, e.c(wide.tokens())), column);
    e.when(e.less(output, e.c(plan.group.outputs)), [&] {
      Value place = e.add(e.mul(column, e.c(wideStride)), row);
      Value from = e.at(wide.totals, e.shiftLeft(place, 2));
      SmallVector<Value> sums;
      for (int64_t result = 0; result < wide.results(); ++result)
        sums.push_back(e.load(e.f32(), e.at(from, result * outputs * 4)));
      emitOutput(plan.group, sums, output, token);
    });
  });
}
