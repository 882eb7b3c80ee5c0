// The sixteen barriers of a block, whole or for some of its threads.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "emulator/Machine.h"

#include <bit>
#include <cstring>

namespace kvasir::emulator {

static uint32_t first(const ThreadSet &set) {
  for (uint32_t warp = 0; warp < maxWarps; ++warp)
    if (set.lanes[warp])
      return warp * warpSize + uint32_t(std::countr_zero(set.lanes[warp]));
  return 0;
}

/// What a thread says when it comes to a barrier.
struct Arrival {
  uint32_t barrier, threads; // 0 threads: the whole block
  BarrierReduction reduction;
  uint32_t predicate;
  bool waits;
  const char *where;
};

/// The barrier, after checking that the thread may arrive there like that.
static Barrier &check(Thread &thread, const Arrival &arrival) {
  Machine &machine = *thread.machine;
  if (arrival.barrier >= 16)
    machine.fail(thread, arrival.where, "barrier %u, expected 0 to 15", arrival.barrier);
  uint32_t expected = arrival.threads ? arrival.threads : machine.threadCount;
  if (arrival.threads % warpSize || expected > machine.threadCount)
    machine.fail(thread, arrival.where,
                 "barrier for %u threads, expected a multiple of %u up to "
                 "the block's %u",
                 arrival.threads, warpSize, machine.threadCount);
  Barrier &barrier = machine.barriers[arrival.barrier];
  if (!barrier.expected) {
    std::memset(&barrier, 0, sizeof barrier);
    barrier.expected = expected;
    barrier.where = arrival.where;
    barrier.wholeBlock = expected == machine.threadCount;
    barrier.all = 1;
    return barrier;
  }
  const uint32_t *id = machine.threads[first(barrier.arrived)].id;
  if (barrier.expected != expected)
    machine.fail(thread, arrival.where,
                 "divergent barrier: barrier %u for %u threads, but thread "
                 "(%u, %u, %u) is there for %u at %s",
                 arrival.barrier, expected, id[0], id[1], id[2], barrier.expected, barrier.where);
  if (!arrival.threads && barrier.where != arrival.where)
    machine.fail(thread, arrival.where,
                 "divergent barrier: thread (%u, %u, %u) waits at another one, %s", id[0], id[1],
                 id[2], barrier.where);
  if (barrier.arrived.contains(thread.index))
    machine.fail(thread, arrival.where, "it arrives at barrier %u again before all %u threads have",
                 arrival.barrier, barrier.expected);
  return barrier;
}

static uint32_t result(const Barrier &barrier, BarrierReduction reduction) {
  switch (reduction) {
  case BarrierReduction::count:
    return barrier.count;
  case BarrierReduction::all:
    return barrier.all;
  case BarrierReduction::any:
    return barrier.any;
  case BarrierReduction::none:
    break;
  }
  return 0;
}

static void complete(Machine &machine, Barrier &barrier, BarrierReduction reduction) {
  for (uint32_t i = 0; i < machine.threadCount; ++i)
    if (barrier.arrived.contains(i))
      machine.sawGridDependency |= barrier.wholeBlock && machine.threads[i].sawGridDependency;
  if (barrier.wholeBlock && barrier.waiting.count == machine.threadCount)
    machine.synchronizeBlock();
  else
    machine.synchronize(barrier.arrived, barrier.waiting);
  for (uint32_t i = 0; i < machine.threadCount; ++i)
    if (barrier.waiting.contains(i)) {
      machine.threads[i].barrierResult = result(barrier, reduction);
      machine.wake(machine.threads[i]);
    }
  barrier.expected = 0;
}

static uint32_t arrive(Thread &thread, const Arrival &arrival) {
  Machine &machine = *thread.machine;
  settle(thread);
  Barrier &barrier = check(thread, arrival);
  barrier.arrived.add(thread.index);
  bool predicate = arrival.predicate != 0;
  barrier.count += predicate;
  barrier.all &= predicate;
  barrier.any |= predicate;
  if (arrival.waits) {
    barrier.waiting.add(thread.index);
    thread.state = State::atBarrier;
    thread.waitsAt = arrival.where;
  }
  if (barrier.arrived.count == barrier.expected)
    complete(machine, barrier, arrival.reduction);
  if (arrival.waits)
    machine.suspend(thread); // the last one too: its turn comes again
  return thread.barrierResult;
}

} // namespace kvasir::emulator

using namespace kvasir::emulator;

extern "C" {

uint32_t kvasir_emu_barrier(Thread *thread, uint32_t barrier, uint32_t threads, uint32_t reduction,
                            uint32_t predicate, const char *where) {
  return arrive(*thread,
                {barrier, threads, BarrierReduction(reduction), predicate, /*waits=*/true, where});
}

void kvasir_emu_barrier_arrive(Thread *thread, uint32_t barrier, uint32_t threads,
                               const char *where) {
  arrive(*thread, {barrier, threads, BarrierReduction::none, 0, /*waits=*/false, where});
}

/// Later kernels of the stream may start; here they start when this one has ended.
void kvasir_emu_grid_wait(Thread *thread) { thread->sawGridDependency = true; }

} // extern "C"
