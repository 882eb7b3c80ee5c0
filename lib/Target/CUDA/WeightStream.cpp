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

WeightStream::WeightStream(KernelEmitter &e, Weights weights, Value ring, int64_t ringBytes,
                           int64_t stageTiles, Value begin, Value end, Value items, BandOf bandOf)
    : e(e), weights(weights), ring(ring), slotBytes(stageBytes(weights)),
      slots(std::min(ringBytes / slotBytes, mostSlots)), stageTiles(stageTiles), begin(begin),
      end(end), items(items), bandOf(std::move(bandOf)) {
  assert(slots >= 1 && "a stage fits the ring");
}

Value WeightStream::nextSlot(Value slot) {
  Value next = e.add(slot, e.c(1));
  return e.select(e.equal(next, e.c(slots)), e.c(0), next);
}

/// Past the last item nothing is copied, but the (empty) group counts.
void WeightStream::copyNext(State &state, Value condition) {
  Value wanted = arith::AndIOp::create(e.b, e.less(state[0], items), e.less(begin, end));
  if (condition)
    wanted = arith::AndIOp::create(e.b, wanted, condition);
  e.when(wanted, [&] {
    Value band = bandOf(state[0]), slot = slotAddress(state[2]);
    int64_t place = 0;
    for (const auto &own : weights) {
      own->copyStage(band, state[1], e.at(slot, place));
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
  Value tile = e.add(state[1], e.c(stageTiles)), done = e.less(tile, end);
  state[0] = e.select(done, state[0], e.add(state[0], e.grid));
  state[1] = e.select(done, tile, begin);
  state[2] = nextSlot(state[2]);
}

WeightStream::State WeightStream::start(Value firstItem, Value condition) {
  State state = {firstItem, begin, e.c(0)};
  state = e.fold(e.c(0), e.c(slots), 1, state, [&](Value, ValueRange values) {
    State next(values);
    copyNext(next, condition);
    return next;
  });
  state.push_back(e.c(0));
  return state;
}

void WeightStream::open(const State &) {
  e.awaitCopies(slots - 1);
  e.syncWarp(); // lanes read what other lanes copied
}

SmallVector<SmallVector<Value>> WeightStream::load(const State &state, int64_t tile) {
  SmallVector<SmallVector<Value>> loaded;
  Value slot = slotAddress(state[3]);
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
  state[3] = nextSlot(state[3]);
}
