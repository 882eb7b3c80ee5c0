// Copies of weights that run ahead of products.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "WeightStream.h"

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

Value WeightStream::nextSlot(Value slot) {
  Value next = e.add(slot, e.c(1));
  return e.select(e.equal(next, e.c(slots)), e.c(0), next);
}

/// Past the last item nothing is copied, but the (empty) group counts.
void WeightStream::copyNext(State &state, Value condition) {
  Value wanted = arith::AndIOp::create(e.b, e.less(state[0], items), e.less(state[1], end));
  if (condition)
    wanted = arith::AndIOp::create(e.b, wanted, condition);
  e.when(wanted, [&] {
    Value slot = slotAddress(state[2]);
    int64_t place = 0;
    for (const auto &own : weights) {
      own->copyStage(state[0], state[1], e.at(slot, place));
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
  Value tile = e.add(state[1], e.c(stageTiles)), more = e.less(tile, end);
  state[0] = e.select(more, state[0], e.add(state[0], e.grid));
  state[1] = e.select(more, tile, begin);
  state[2] = nextSlot(state[2]);
}

/// The whole ring is copied, so the slot to read first is the one to copy to next.
WeightStream::State WeightStream::start(Value firstItem, Value condition) {
  State state = {firstItem, begin, e.c(0)};
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
  copyNext(state, {});
}
