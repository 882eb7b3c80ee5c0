// Stages of linear layers for many tokens: weights of each warp and inputs of all, in one ring.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "Linear.h"

using namespace mlir;
using namespace kvasir;
using namespace kvasir::cuda;

SmallVector<Value> LinearEmitter::Ahead::values() const {
  return {item, slot, slice.band, slice.firstToken, slice.begin, slice.end};
}

LinearEmitter::Ahead LinearEmitter::Ahead::of(ValueRange values) {
  return {values[0], values[1], {values[2], values[3], values[4], values[5]}};
}

Value LinearEmitter::slotAddress(const Wide &wide, Value slot) {
  return e.at(wide.ring, e.mul(slot, e.c(wide.slotBytes())));
}

Value LinearEmitter::nextSlot(const Wide &wide, Value slot) {
  Value next = e.add(slot, e.c(1));
  return e.select(e.equal(next, e.c(wide.slots)), e.c(0), next);
}

LinearEmitter::Ahead LinearEmitter::startAhead(const Wide &wide, Value first) {
  return {first, e.c(0), sliceOf(wide, first)};
}

/// A slice takes divisions, so it is found once for an item.
void LinearEmitter::advance(const Wide &wide, Ahead &ahead) {
  ahead.slot = nextSlot(wide, ahead.slot);
  Value tile = e.add(ahead.slice.begin, e.c(wide.stageTiles));
  Ahead same = ahead;
  same.slice.begin = tile;
  SmallVector<Value> next = e.choose(
      e.less(tile, ahead.slice.end), [&] { return same.values(); },
      [&] {
        Value item = e.add(ahead.item, e.grid);
        return Ahead{item, ahead.slot, sliceOf(wide, item)}.values();
      });
  ahead = Ahead::of(next);
}

//===----------------------------------------------------------------------===//
// Copies
//===----------------------------------------------------------------------===//

/// Past the last item nothing is copied. A warp without a tile row has no weights.
void LinearEmitter::copyWeights(const Wide &wide, const Ahead &ahead) {
  Value wanted = e.less(ahead.item, itemsOf(wide));
  if (Value present = isPresent(wide, ahead.slice.band))
    wanted = arith::AndIOp::create(e.b, wanted, present);
  e.when(wanted, [&] {
    Value to = e.at(slotAddress(wide, ahead.slot), wide.inputBytes());
    to = e.at(to, e.mul(e.warp, e.c(wide.warpBytes())));
    int64_t place = 0;
    for (int64_t row = 0; row < wideRows; ++row) {
      TileWeights &own = wide.weights(row);
      own.copyStage(bandOf(wide, ahead.slice.band, row), ahead.slice.begin, e.at(to, place));
      place += own.stageBytes();
    }
  });
}

/// What a lane multiplies of 8 tokens and a tile is 16 bytes; of these, each thread copies some for
/// all warps: always of one token, since the columns divide the warps. In columns that lack tokens
/// the last one is repeated; a tile of up to 8 has one column (multiplyStage).
void LinearEmitter::copyInputs(const Wide &wide, const Ahead &ahead) {
  Value column = e.mul(e.rem(e.warp, e.c(wide.columns)), e.c(mmaTokens));
  Value left = e.sub(count, ahead.slice.firstToken);
  Value used = arith::OrIOp::create(e.b, e.equal(column, e.c(0)), e.less(e.c(mmaTokens), left));
  e.when(arith::AndIOp::create(e.b, e.less(ahead.item, itemsOf(wide)), used), [&] {
    Value token = e.minimum(e.add(column, e.shiftRight(e.lane, 2)), e.sub(left, e.c(1)));
    token = e.add(ahead.slice.firstToken, token);
    Value row = e.rowAddress(linear.getX(), token);
    Value to = e.at(slotAddress(wide, ahead.slot), e.shiftLeft(e.thread, 4));
    int64_t parts = wide.stageTiles * wide.columns;
    for (int64_t first = 0; first < parts; first += blockWarps) {
      auto copy = [&] {
        Value tile = e.div(e.add(e.warp, e.c(first)), e.c(wide.columns));
        copyInput(wide, row, e.add(ahead.slice.begin, tile), e.at(to, first * columnBytes));
      };
      if (parts - first >= blockWarps)
        copy();
      else
        e.when(e.less(e.warp, e.c(parts - first)), copy);
    }
  });
}

/// What lies in memory as it is multiplied is not waited for.
void LinearEmitter::copyInput(const Wide &wide, Value row, Value tile, Value to) {
  TileWeights &weights = wide.weights(0);
  if (stored.type.isF32()) {
    RoundedInputs rounded = round(weights, loadInputs(row, tile, 0, weights.laneColumns()));
    Value words = LLVM::PoisonOp::create(e.b, e.vec(4, e.i32()));
    for (int64_t i = 0; i < 4; ++i)
      words = LLVM::InsertElementOp::create(e.b, words, rounded.first[i], e.c(i));
    return e.store(words, to, 16);
  }
  Value q = e.andBits(e.lane, 3);
  Value from = e.at(row, e.mul(tile, e.c(Mma16::columns * 2)));
  if (weights.laneColumns() == LaneColumns::eight)
    return e.copyAsync(to, e.at(from, e.shiftLeft(q, 4)));
  for (int64_t half = 0; half < 2; ++half)
    e.copyAsync(e.at(to, half * 8), e.at(e.at(from, e.shiftLeft(q, 3)), half * Mma16::columns), 8);
}

/// All of the ring but one stage, if `condition` holds (null: yes).
void LinearEmitter::startWeights(const Wide &wide, Value first, Value condition) {
  e.fold(e.c(0), e.c(wide.slots - 1), 1, startAhead(wide, first).values(),
         [&](Value, ValueRange values) {
           Ahead ahead = Ahead::of(values);
           auto copy = [&] {
             copyWeights(wide, ahead);
             e.commitCopies();
           };
           if (condition)
             e.when(condition, copy);
           else
             copy();
           advance(wide, ahead);
           return ahead.values();
         });
}

/// The same for inputs, a group of copies for each stage: after those of all the weights.
LinearEmitter::Ahead LinearEmitter::startInputs(const Wide &wide, Value first) {
  SmallVector<Value> values = e.fold(e.c(0), e.c(wide.slots - 1), 1,
                                     startAhead(wide, first).values(), [&](Value, ValueRange now) {
                                       Ahead ahead = Ahead::of(now);
                                       copyInputs(wide, ahead);
                                       e.commitCopies();
                                       advance(wide, ahead);
                                       return ahead.values();
                                     });
  return Ahead::of(values);
}

/// Waits until the next stage has arrived, for all warps; all have read the one before, so its
/// place is copied to. Returns where the stage lies.
Value LinearEmitter::openStage(const Wide &wide, Ahead &ahead) {
  e.awaitCopies(wide.slots - 2);
  e.barrier();
  copyWeights(wide, ahead);
  copyInputs(wide, ahead);
  e.commitCopies();
  advance(wide, ahead);
  return slotAddress(wide, ahead.slot);
}
