// Copies of weights that run ahead of products.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "WeightStream.h"

#include "llvm/Support/SaveAndRestore.h"

using namespace mlir;
using namespace kvasir;
using namespace kvasir::cuda;

/// More stages ahead than this are no use: they would only take longer to start.
constexpr int64_t mostSlots = 16;

int64_t WeightStream::stageBytes(Weights weights) {
  int64_t bytes = 0;
  for (const auto &own : weights)
    bytes += own->stageBytes();
  return bytes;
}

WeightStream::WeightStream(KernelEmitter &e, Weights weights, Ring ring, int64_t stageTiles,
                           Value begin, Value end, Value items)
    : e(e), weights(weights), ring(ring.memory), slotBytes(stageBytes(weights)),
      slots(std::min(ring.bytes / slotBytes, mostSlots)), stageTiles(stageTiles), begin(begin),
      end(end), items(items) {
  assert(slots >= 1 && "a stage fits the ring");
}

WeightStream::WeightStream(KernelEmitter &e, Weights weights, Ring ring, int64_t stageTiles,
                           Value items, SliceOf slices)
    : WeightStream(e, weights, ring, stageTiles, {}, {}, items) {
  sliceOf = std::move(slices);
}

Value WeightStream::nextSlot(Value slot) {
  Value next = e.add(slot, e.c(1));
  return e.select(e.equal(next, e.c(slots)), e.c(0), next);
}

/// What is copied next.
WeightStream::Slice WeightStream::sliceAt(const State &state) const {
  if (sliceOf)
    return {state[3], state[1], state[4]};
  return {state[0], state[1], end};
}

/// Past the last item nothing is copied, but the (empty) group counts.
void WeightStream::copyNext(State &state, Value condition) {
  Slice slice = sliceAt(state);
  Value wanted =
      arith::AndIOp::create(e.b, e.less(state[0], items), e.less(slice.begin, slice.end));
  if (condition)
    wanted = arith::AndIOp::create(e.b, wanted, condition);
  e.when(wanted, [&] {
    Value slot = slotAddress(state[2]);
    int64_t place = 0;
    for (const auto &own : weights) {
      own->copyStage(slice.band, slice.begin, e.at(slot, place));
      place += own->stageBytes();
    }
  });
  if (!condition) {
    e.commitCopies();
  } else {
    e.when(condition, [&] { e.commitCopies(); });
  }
  advance(state);
}

void WeightStream::advance(State &state) {
  Value tile = e.add(state[1], e.c(stageTiles));
  Value more = e.less(tile, sliceAt(state).end);
  state[2] = nextSlot(state[2]);
  if (!sliceOf) {
    state[0] = e.select(more, state[0], e.add(state[0], e.grid));
    state[1] = e.select(more, tile, begin);
    return;
  }
  // A slice takes divisions, so it is found once for an item.
  State next = e.choose(
      more, [&] { return State{state[0], tile, state[3], state[4]}; },
      [&] {
        Value item = e.add(state[0], e.grid);
        Slice slice = sliceOf(item);
        return State{item, slice.begin, slice.band, slice.end};
      });
  state = {next[0], next[1], state[2], next[2], next[3]};
}

/// The whole ring is copied, so the slot to read first is the one to copy to next.
WeightStream::State WeightStream::start(Value firstItem, Value condition) {
  State state = {firstItem, begin, e.c(0)};
  if (sliceOf) {
    Slice slice = sliceOf(firstItem);
    state[1] = slice.begin;
    state.append({slice.band, slice.end});
  }
  state = e.fold(e.c(0), e.c(slots), 1, state, [&](Value, ValueRange values) {
    State next(values);
    copyNext(next, condition);
    return next;
  });
  state[2] = e.c(0);
  return state;
}

void WeightStream::open(const State &) {
  e.awaitCopies(slots - 1);
  e.syncWarp(); // lanes read what other lanes copied
}

SmallVector<SmallVector<Value>> WeightStream::load(const State &state, int64_t tile) {
  SmallVector<SmallVector<Value>> loaded;
  Value slot = slotAddress(state[2]);
  int64_t place = 0;
  for (const auto &own : weights) {
    loaded.push_back(own->load(e.at(slot, place), tile));
    place += own->stageBytes();
  }
  return loaded;
}

void WeightStream::close(State &state) {
  e.syncWarp(); // all have read
  // A lane that the compiler takes for another one in each stage. (No item has a number of 2^31.)
  Value nothing = lacksRegisters ? e.shiftRight(state[0], 31) : e.c(0);
  llvm::SaveAndRestore lane(e.lane, e.sub(e.lane, nothing));
  copyNext(state, {});
}
