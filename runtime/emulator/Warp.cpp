// Operations among the lanes of a warp: shuffles, votes, reductions, barriers.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "emulator/Machine.h"
#include "emulator/Numbers.h"

#include <bit>

namespace kvasir::emulator {

/// Lanes of the thread's warp that exist and have not returned.
static uint32_t liveLanes(const Thread &thread) {
  const Machine &machine = *thread.machine;
  uint32_t threads = machine.threadCount - thread.warp() * warpSize;
  uint32_t existing = threads >= warpSize ? ~0u : (1u << threads) - 1;
  return existing & ~machine.exited[thread.warp()];
}

static Gathering &findGathering(Thread &thread, uint32_t mask, const char *where) {
  Machine &machine = *thread.machine;
  Gathering *all = machine.gatherings[thread.warp()];
  uint32_t &count = machine.gatheringCount[thread.warp()];
  for (uint32_t i = 0; i < count; ++i)
    if (all[i].where == where && all[i].mask == mask)
      return all[i];
  all[count] = {where, mask, 0}; // each has a lane that waits, so there are never more than lanes
  return all[count++];
}

static void removeGathering(Machine &machine, uint32_t warp, Gathering &gathering) {
  gathering = machine.gatherings[warp][--machine.gatheringCount[warp]];
}

bool gather(Thread &thread, uint32_t mask, const char *where) {
  Machine &machine = *thread.machine;
  if (!(mask >> thread.lane() & 1))
    machine.fail(thread, where, "its lane %u is not in the mask 0x%08x", thread.lane(), mask);
  thread.waitsAt = where;
  thread.waitMask = mask;
  thread.performs = false;
  Gathering &gathering = findGathering(thread, mask, where);
  gathering.arrived |= 1u << thread.lane();
  if ((mask & liveLanes(thread) & ~gathering.arrived) == 0) {
    removeGathering(machine, thread.warp(), gathering);
    return true;
  }
  thread.state = State::atWarp;
  machine.suspend(thread);
  return thread.performs;
}

void release(Thread &thread, uint32_t mask) {
  Machine &machine = *thread.machine;
  for (uint32_t lanes = mask & liveLanes(thread); lanes; lanes &= lanes - 1) {
    Thread &other = machine.threads[thread.warp() * warpSize + std::countr_zero(lanes)];
    if (other.state == State::atWarp && other.waitsAt == thread.waitsAt && other.waitMask == mask)
      machine.wake(other);
  }
}

void leaveWarp(Thread &thread) {
  Machine &machine = *thread.machine;
  uint32_t warp = thread.warp();
  for (uint32_t i = 0; i < machine.gatheringCount[warp];) {
    Gathering &gathering = machine.gatherings[warp][i];
    if (gathering.mask & liveLanes(thread) & ~gathering.arrived) {
      ++i;
      continue;
    }
    Thread &performer = machine.threads[warp * warpSize + std::countr_zero(gathering.arrived)];
    performer.performs = true;
    machine.wake(performer);
    removeGathering(machine, warp, gathering);
  }
}

void requireFullWarp(Thread &thread, const char *where) {
  if (liveLanes(thread) != ~0u)
    thread.machine->fail(thread, where,
                         "divergent warp: it needs all 32 lanes, but only 0x%08x are there",
                         liveLanes(thread));
}

namespace {
/// The lanes that take part in an operation, for the one that performs it.
struct Lanes {
  Thread &thread;
  uint32_t lanes;

  Lanes(Thread &thread, uint32_t mask) : thread(thread), lanes(mask & liveLanes(thread)) {}
  Thread &operator[](uint32_t lane) const {
    return thread.machine->threads[thread.warp() * warpSize + lane];
  }
  template <class Function> void forEach(Function function) const {
    for (uint32_t left = lanes; left; left &= left - 1)
      function((*this)[uint32_t(std::countr_zero(left))]);
  }
};
} // namespace

/// Runs `perform(lanes)` once when all have come; the result is in the thread's exchange.
template <class Function>
static uint64_t collect(Thread *thread, uint32_t mask, const char *where, Function perform) {
  if (gather(*thread, mask, where)) {
    perform(Lanes(*thread, mask));
    release(*thread, mask);
  }
  return thread->exchange.out[0];
}

/// Source lane of a shuffle and whether it is in range (PTX ISA, shfl.sync).
static bool sourceLane(Shuffle kind, uint32_t lane, uint32_t b, uint32_t c, uint32_t &source) {
  uint32_t offset = b & 31, clamp = c & 31, segment = c >> 8 & 31;
  uint32_t last = (lane & segment) | (clamp & ~segment);
  bool valid = false;
  switch (kind) {
  case Shuffle::up:
    source = lane - offset;
    valid = int32_t(source) >= int32_t(last);
    break;
  case Shuffle::down:
    source = lane + offset;
    valid = source <= last;
    break;
  case Shuffle::butterfly:
    source = lane ^ offset;
    valid = source <= last;
    break;
  case Shuffle::indexed:
    source = (lane & segment) | (offset & ~segment);
    valid = source <= last;
    break;
  }
  if (!valid)
    source = lane;
  return valid;
}

/// `flags`: 1 takes absolute values, 2 gives NaN if any is.
static uint32_t reduceFloats(uint32_t a, uint32_t b, Reduction kind, uint32_t flags) {
  float x = asFloat(a), y = asFloat(b);
  bool isNaN = (flags & 2) ? x != x || y != y : x != x && y != y;
  if (isNaN)
    return 0x7fffffff;
  if (x != x || y != y)
    return x != x ? b : a;
  if (x == y) // zeros: -0 is less than +0
    return kind == Reduction::fmin ? (a | b) : (a & b);
  return (kind == Reduction::fmin) == (x < y) ? a : b;
}

static uint32_t reduce(uint32_t a, uint32_t b, Reduction kind, uint32_t flags) {
  switch (kind) {
  case Reduction::add:
    return a + b;
  case Reduction::min:
    return int32_t(a) < int32_t(b) ? a : b;
  case Reduction::max:
    return int32_t(a) > int32_t(b) ? a : b;
  case Reduction::umin:
    return a < b ? a : b;
  case Reduction::umax:
    return a > b ? a : b;
  case Reduction::bitAnd:
    return a & b;
  case Reduction::bitOr:
    return a | b;
  case Reduction::bitXor:
    return a ^ b;
  case Reduction::fmin:
  case Reduction::fmax:
    break;
  }
  return reduceFloats(a, b, kind, flags);
}

} // namespace kvasir::emulator

using namespace kvasir::emulator;

extern "C" {

void kvasir_emu_warp_sync(Thread *thread, uint32_t mask, const char *where) {
  settle(*thread);
  collect(thread, mask, where, [](const Lanes &lanes) {
    ThreadSet set = {};
    lanes.forEach([&](Thread &lane) { set.add(lane.index); });
    lanes.thread.machine->synchronize(set, set);
  });
}

/// The value, and in bit 32 whether the source lane was in range.
uint64_t kvasir_emu_shuffle(Thread *thread, uint32_t kind, uint32_t mask, uint32_t value,
                            uint32_t b, uint32_t c, const char *where) {
  uint64_t (&in)[12] = thread->exchange.in;
  in[0] = value;
  in[1] = b;
  in[2] = c;
  return collect(thread, mask, where, [&](const Lanes &lanes) {
    lanes.forEach([&](Thread &lane) {
      uint32_t source = 0;
      bool valid = sourceLane(Shuffle(kind), lane.lane(), uint32_t(lane.exchange.in[1]),
                              uint32_t(lane.exchange.in[2]), source);
      if (!(lanes.lanes >> source & 1))
        lane.machine->fail(lane, where,
                           "it takes the value of lane %u, which does not take part "
                           "(lanes 0x%08x do)",
                           source, lanes.lanes);
      lane.exchange.out[0] = (lanes[source].exchange.in[0] & 0xffffffff) | uint64_t(valid) << 32;
    });
  });
}

uint32_t kvasir_emu_vote(Thread *thread, uint32_t kind, uint32_t mask, uint32_t predicate,
                         const char *where) {
  thread->exchange.in[0] = predicate & 1;
  return uint32_t(collect(thread, mask, where, [&](const Lanes &lanes) {
    uint32_t ballot = 0;
    lanes.forEach([&](Thread &lane) { ballot |= uint32_t(lane.exchange.in[0]) << lane.lane(); });
    uint32_t result = ballot;
    if (Vote(kind) == Vote::any)
      result = ballot != 0;
    else if (Vote(kind) == Vote::all)
      result = ballot == lanes.lanes;
    else if (Vote(kind) == Vote::uniform)
      result = ballot == 0 || ballot == lanes.lanes;
    lanes.forEach([&](Thread &lane) { lane.exchange.out[0] = result; });
  }));
}

uint32_t kvasir_emu_reduce(Thread *thread, uint32_t kind, uint32_t mask, uint32_t value,
                           uint32_t flags, const char *where) {
  bool isFloat = Reduction(kind) >= Reduction::fmin;
  thread->exchange.in[0] = isFloat && (flags & 1) ? value & 0x7fffffff : value;
  return uint32_t(collect(thread, mask, where, [&](const Lanes &lanes) {
    bool first = true;
    uint32_t result = 0;
    lanes.forEach([&](Thread &lane) {
      uint32_t next = uint32_t(lane.exchange.in[0]);
      result = first ? next : reduce(result, next, Reduction(kind), flags);
      first = false;
    });
    lanes.forEach([&](Thread &lane) { lane.exchange.out[0] = result; });
  }));
}

/// Mask of the lanes with the same value; with `all`: the mask of all, and bit 32, or 0.
uint64_t kvasir_emu_match(Thread *thread, uint32_t all, uint32_t mask, uint64_t value,
                          const char *where) {
  thread->exchange.in[0] = value;
  return collect(thread, mask, where, [&](const Lanes &lanes) {
    lanes.forEach([&](Thread &lane) {
      uint64_t same = 0;
      lanes.forEach([&](Thread &other) {
        same |= uint64_t(other.exchange.in[0] == lane.exchange.in[0]) << other.lane();
      });
      if (all)
        same = same == lanes.lanes ? same | uint64_t(1) << 32 : 0;
      lane.exchange.out[0] = same;
    });
  });
}

/// Whether the thread is the elected lane: the lowest.
uint32_t kvasir_emu_elect(Thread *thread, uint32_t mask, const char *where) {
  return uint32_t(collect(thread, mask, where, [](const Lanes &lanes) {
    uint32_t leader = uint32_t(std::countr_zero(lanes.lanes));
    lanes.forEach([&](Thread &lane) { lane.exchange.out[0] = lane.lane() == leader; });
  }));
}

} // extern "C"
