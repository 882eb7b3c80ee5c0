// Linear layers for more than 32 tokens: a block has 128 outputs, 16 for each warp, and 32 tokens
// (16 of two results), whose inputs are rounded once for all warps. The same sums in the same order
// as for few tokens.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "Linear.h"

using namespace mlir;
using namespace kvasir;
using namespace kvasir::cuda;

/// All results must want the same inputs.
bool LinearEmitter::canBeWide(ArrayRef<std::unique_ptr<TileWeights>> weights) {
  return weights.size() <= 2 && !weights.front()->hasTwoParts() &&
         llvm::all_of(weights,
                      [&](const auto &own) { return own->sharesInputs(*weights.front()); });
}

/// Items are (eight tiles of outputs, tile of tokens), tokens fastest, so that blocks of one time
/// share weights.
void LinearEmitter::emitWide(const LinearGroup &group, int64_t before) {
  int64_t tokens = columnsOfWide(group) * mmaTokens;
  int64_t bands = llvm::divideCeil(outputTiles(group), blockWarps);
  Value tokenTiles = e.div(e.add(count, e.c(tokens - 1)), e.c(tokens));
  Value skipped = e.mul(e.c(llvm::divideCeil(before, blockWarps)), tokenTiles);
  e.loopBy(firstItem(skipped), e.mul(e.c(bands), tokenTiles), e.grid, [&](Value item) {
    Value band = e.div(item, tokenTiles);
    emitWideTile(group, band, e.mul(e.rem(item, tokenTiles), e.c(tokens)));
  });
}

/// K in the 8 shares that warps have for few tokens: each is a chain of its own, and the chains are
/// added in their order. State: chains, totals, loaded weights, loaded inputs of the next tile.
void LinearEmitter::emitWideTile(const LinearGroup &group, Value band, Value firstToken) {
  int64_t columns = columnsOfWide(group), sums = group.results.size() * columns * 4;
  Value tile = e.add(e.mul(band, e.c(blockWarps)), e.warp);
  tile = e.minimum(tile, e.c(outputTiles(group) - 1)); // a warp too many repeats the last tile
  auto weights = weightsOf(group, tile);
  int64_t tiles = llvm::divideCeil(featuresOf(linear.getX()), Mma16::columns);
  // This thread's token: lane / 4 of the columns that its warp has, if it has any.
  Value token = e.add(firstToken, e.shiftRight(e.thread, 2));
  Value x = e.rowAddress(linear.getX(), e.minimum(token, e.sub(count, e.c(1))));

  SmallVector<Value> state(sums, e.f(0));
  state.append(sums, e.f(-0.0)); // which added to anything leaves it
  for (const auto &own : weights)
    llvm::append_range(state, own->load(e.c(0)));
  llvm::append_range(state, loadInputs(x, e.c(0), weights.front()->laneColumns()));
  e.barrier(); // whoever still reads the partial sums of the tile before
  state = e.fold(e.c(0), e.c(blockWarps), 1, state, [&](Value share, ValueRange before) {
    auto bound = [&](Value w) { return e.shiftRight(e.mul(w, e.c(tiles)), 3); };
    SmallVector<Value> inner(sums, e.f(0));
    llvm::append_range(inner, before.drop_front(sums));
    inner = e.fold(bound(share), bound(e.add(share, e.c(1))), 1, inner,
                   [&](Value step, ValueRange values) {
                     return emitWideStep(weights, step, x, columns, values);
                   });
    for (int64_t i = 0; i < sums; ++i)
      inner[sums + i] = e.fadd(inner[sums + i], inner[i]);
    return inner;
  });
  e.barrier(); // inputs are read no more
  storeWide(group, ArrayRef(state).slice(sums, sums));
  e.barrier();
  emitWideEpilogue(group, band, firstToken);
}

/// Warp w rounds the inputs of tokens 8 w .. 8 w + 7 for all. There are two buffers, so one barrier
/// is enough: what is written was read two barriers ago.
SmallVector<Value> LinearEmitter::emitWideStep(ArrayRef<std::unique_ptr<TileWeights>> weights,
                                               Value step, Value x, int64_t columns,
                                               ValueRange state) {
  int64_t sums = weights.size() * columns * 4, columnBytes = warpLanes * 16;
  ValueRange loaded = state.drop_front(2 * sums);
  ValueRange inputs = loaded.take_back(8);
  Value buffer = e.at(partials, e.mul(e.andBits(step, 1), e.c(wideColumns * columnBytes)));
  e.when(e.less(e.warp, e.c(columns)), [&] {
    RoundedInputs rounded = weights.front()->round(SmallVector<Value>(inputs));
    Value words = LLVM::PoisonOp::create(e.b, e.vec(4, e.i32()));
    for (int64_t i = 0; i < 4; ++i)
      words = LLVM::InsertElementOp::create(e.b, words, rounded.first[i], e.c(i));
    e.store(words, e.at(buffer, e.mul(e.thread, e.c(16))), 16);
  });
  int64_t tiles = llvm::divideCeil(featuresOf(linear.getX()), Mma16::columns);
  Value following = e.minimum(e.add(step, e.c(1)), e.c(tiles - 1));
  SmallVector<Value> next;
  for (const auto &own : weights)
    llvm::append_range(next, own->load(following));
  llvm::append_range(next, loadInputs(x, following, weights.front()->laneColumns()));
  e.barrier();

  std::vector<DecodedTile> decoded;
  for (const auto &own : weights) {
    decoded.push_back(own->decode(loaded.take_front(own->values())));
    loaded = loaded.drop_front(own->values());
  }
  SmallVector<Value> all(state.take_front(2 * sums));
  for (int64_t column = 0; column < columns; ++column) {
    Value from = e.at(e.at(buffer, column * columnBytes), e.mul(e.lane, e.c(16)));
    Value words = e.load(e.vec(4, e.i32()), from, 16);
    RoundedInputs rounded;
    for (int64_t i = 0; i < 4; ++i)
      rounded.first.push_back(LLVM::ExtractElementOp::create(e.b, words, e.c(i)));
    for (auto [result, own] : llvm::enumerate(weights)) {
      Value *sum = &all[(result * columns + column) * 4];
      llvm::copy(own->multiply(decoded[result], rounded, Fragment(sum, sum + 4)), sum);
    }
  }
  llvm::append_range(all, next);
  return all;
}

/// [warp][result][token][tokenStride]: the totals of the warp's 16 outputs.
void LinearEmitter::storeWide(const LinearGroup &group, ValueRange totals) {
  int64_t columns = columnsOfWide(group), own = columns * mmaTokens * tokenStride * 4;
  Value row = e.shiftRight(e.lane, 2), token = e.shiftLeft(e.andBits(e.lane, 3), 1);
  Value to = e.at(partials, e.mul(e.warp, e.c(own * int64_t(group.results.size()))));
  to = e.at(to, e.mul(e.add(e.mul(token, e.c(tokenStride)), row), e.c(4)));
  for (size_t result = 0; result < group.results.size(); ++result)
    for (int64_t column = 0; column < columns; ++column)
      for (int64_t i = 0; i < 4; ++i) {
        int64_t offset = (column * mmaTokens + i % 2) * tokenStride + i / 2 * 8;
        e.store(totals[(result * columns + column) * 4 + i], e.at(to, result * own + offset * 4));
      }
}

void LinearEmitter::emitWideEpilogue(const LinearGroup &group, Value band, Value firstToken) {
  int64_t tokens = columnsOfWide(group) * mmaTokens, own = tokens * tokenStride * 4;
  constexpr int64_t outputs = blockWarps * Mma16::rows;
  e.forThreads(tokens * outputs, [&](Value i) {
    Value row = e.andBits(i, outputs - 1), column = e.div(i, e.c(outputs));
    Value output = e.add(e.mul(band, e.c(outputs)), row);
    Value token = e.add(firstToken, column);
    Value wanted =
        arith::AndIOp::create(e.b, e.less(token, count), e.less(output, e.c(group.outputs)));
    e.when(wanted, [&] {
      Value from =
          e.at(partials, e.mul(e.shiftRight(row, 4), e.c(own * int64_t(group.results.size()))));
      Value place = e.add(e.mul(column, e.c(tokenStride)), e.andBits(row, Mma16::rows - 1));
      from = e.at(from, e.mul(place, e.c(4)));
      SmallVector<Value> sums;
      for (size_t result = 0; result < group.results.size(); ++result)
        sums.push_back(e.load(e.f32(), e.at(from, result * own)));
      emitOutput(group, sums, output, token);
    });
  });
}
