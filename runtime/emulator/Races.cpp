// Races in global memory between the blocks of a launch and between threads of a block, and what
// atomics and fences order: the PTX ISA manual's memory consistency model, with one class of
// addresses in place of each address.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "emulator/Machine.h"

#include <cstring>

namespace kvasir::emulator {

namespace {
enum Flag : uint32_t {
  threadMask = 1023,
  maskShift = 10,
  bothBytes = 3 << maskShift,
  isAtomic = 1 << 12,
  ofDevice = 1 << 13,    // an atomic one that other blocks see
  manyThreads = 1 << 14, // of the block have read
  manyBlocks = 1 << 15,  // have read
  timeShift = 16
};
} // namespace

static uint32_t unitOf(uint64_t word) { return uint32_t(word >> 32); }
static uint32_t timeOf(uint64_t word) { return uint32_t(word) >> timeShift; }

/// Time of the block for what happens now; from 1.
static uint32_t ownTime(const Machine &machine) {
  return machine.shadow.time() - machine.order.startTime + 1;
}
/// In a word: 0 stands for times that are too large, which count as long ago.
static uint32_t timeBits(uint32_t time) { return time <= 0xffff ? time << timeShift : 0; }

//===----------------------------------------------------------------------===//
// What a block knows
//===----------------------------------------------------------------------===//

void Machine::startOrder(uint32_t block) {
  if (order.acquired) {
    std::memset(order.known, 0, sizeof order.known);
    std::memset(order.latest, 0, sizeof order.latest);
  }
  std::memset(order.sees, 0, sizeof order.sees);
  order.acquired = order.pending = false;
  order.unit = engine->global.startBlock(order.base, block);
  order.startTime = shadow.time();
}

static bool seesLatest(const BlockOrder &order, uint32_t thread) {
  return order.sees[thread / warpSize] >> (thread % warpSize) & 1;
}

void Machine::synchronizeBlock() {
  shadow.synchronizeBlock();
  if (!order.pending)
    return;
  std::memcpy(order.known, order.latest, sizeof order.known);
  std::memset(order.sees, 0, sizeof order.sees);
  order.pending = false;
}

void Machine::synchronize(const ThreadSet &arrived, const ThreadSet &waiting) {
  shadow.synchronize(arrived, waiting);
  if (!order.pending)
    return;
  bool someoneSees = false;
  for (uint32_t warp = 0; warp < warpCount; ++warp)
    someoneSees |= (order.sees[warp] & arrived.lanes[warp]) != 0;
  for (uint32_t warp = 0; someoneSees && warp < warpCount; ++warp)
    order.sees[warp] |= waiting.lanes[warp];
}

/// Takes over what was released in these slots.
static void take(Machine &machine, Thread &thread, uint64_t slots) {
  BlockOrder &order = machine.order;
  GlobalShadow &global = machine.engine->global;
  uint64_t blocks = uint64_t(machine.grid[0]) * machine.grid[1] * machine.grid[2];
  if (blocks > maxFollowed)
    machine.fail(thread, "a fence or an atomic operation",
                 "it is to order this block after others of the launch, which has %llu blocks; "
                 "this can be checked for up to %u of them",
                 static_cast<unsigned long long>(blocks), maxFollowed);
  for (; slots; slots &= slots - 1) {
    GlobalShadow::Slot &slot = global.lock(uint32_t(__builtin_ctzll(slots)), order.base);
    for (uint32_t i = 0; i < machine.followed; ++i)
      order.latest[i].add(slot.blocks[i]);
    GlobalShadow::unlock(slot);
  }
  order.sees[thread.warp()] |= 1u << thread.lane();
  order.pending = order.acquired = true;
}

void settle(Thread &thread) {
  if (!thread.acquiredSlots)
    return;
  take(*thread.machine, thread, thread.acquiredSlots);
  thread.acquiredSlots = 0;
}

/// What others may rely on who come after what the thread does now.
static Released releaseNow(Machine &machine) {
  machine.shadow.tick(); // what comes later is not part of it
  return {machine.shadow.timeOfBarrier() - machine.order.startTime + 1, ownTime(machine)};
}

static void publish(Machine &machine, const Thread &thread, uint32_t slotNumber,
                    const Released &released) {
  const BlockOrder &order = machine.order;
  GlobalShadow::Slot &slot = machine.engine->global.lock(slotNumber, order.base);
  const Knowledge *knowledge = seesLatest(order, thread.index) ? order.latest : order.known;
  for (uint32_t i = 0; order.acquired && i < machine.followed; ++i)
    slot.blocks[i].add(knowledge[i]);
  if (uint32_t index = order.unit - order.base; index < machine.followed) {
    Knowledge own = {released.all, released.own, {}};
    for (uint32_t other = 0; other < machine.threadCount; ++other)
      if (machine.shadow.knowsSince(thread.index, other))
        own.threads[other / warpSize] |= 1u << (other % warpSize);
    slot.blocks[index].add(own);
  }
  GlobalShadow::unlock(slot);
}

void Machine::noteAtomic(Thread &thread, uint64_t address, uint32_t what) {
  if (!(what & device))
    return;
  uint32_t slot = GlobalShadow::slotOf(address);
  if ((what & fetch) || !(what & write))
    (what & acquires ? thread.acquiredSlots : thread.observedSlots) |= uint64_t(1) << slot;
  if (!(what & write))
    return;
  if (what & releases)
    publish(*this, thread, slot, releaseNow(*this));
  else if (thread.released.own)
    publish(*this, thread, slot, thread.released);
}

//===----------------------------------------------------------------------===//
// Races
//===----------------------------------------------------------------------===//

/// Whether what `old` says happened before what the thread does now.
static bool isOrdered(const Machine &machine, const Thread &thread, uint64_t old) {
  const BlockOrder &order = machine.order;
  uint32_t other = old & threadMask, time = timeOf(old), index = unitOf(old) - order.base;
  if (time == 0)
    return true;
  if (old & manyBlocks)
    return order.acquired;
  bool own = unitOf(old) == order.unit;
  if (own && (old & manyThreads))
    return machine.shadow.hasPartialBarriers() ||
           time + order.startTime - 1 < machine.shadow.timeOfBarrier();
  if (own && machine.shadow.knows(thread.index, other, time + order.startTime - 1))
    return true;
  if (!order.acquired)
    return false;
  if (index >= machine.followed)
    return true;
  const Knowledge &knowledge =
      (seesLatest(order, thread.index) ? order.latest : order.known)[index];
  // An atomic write to an address that the block has read is before that, also without its fence.
  if (old & (isAtomic | manyThreads))
    return knowledge.all || knowledge.released;
  return knowledge.holds(other, time);
}

/// Whether `old`, of this launch, and the access `now` are a race.
static bool isRace(const Machine &machine, const Thread &thread, uint64_t old, uint32_t now) {
  if (unitOf(old) < machine.order.base || !(old & now & bothBytes))
    return false;
  bool own = unitOf(old) == machine.order.unit && !(old & manyBlocks);
  if (own && !(old & manyThreads) && (old & threadMask) == thread.index)
    return false;
  if ((old & now & isAtomic) && (own || (old & now & ofDevice)))
    return false;
  return !isOrdered(machine, thread, old);
}

static void noteRead(const Machine &machine, Cell &cell, uint64_t now) {
  constexpr uint64_t kinds = isAtomic | ofDevice, many = manyThreads | manyBlocks;
  uint64_t old = __atomic_load_n(&cell.reader, __ATOMIC_RELAXED), next;
  do {
    next = now;
    if (unitOf(old) >= machine.order.base) {
      bool own = unitOf(old) == unitOf(now);
      if (own && !((old ^ now) & threadMask))
        next |= old & many;
      else
        next |= (old & many) | (own ? manyThreads : manyBlocks);
      next |= old & bothBytes;
      next &= ~kinds | (old & kinds);
      if ((next & manyBlocks) && (old & manyBlocks) && !((old ^ next) & (kinds | bothBytes)))
        return; // all that matters is there
    }
    if (next == old)
      return;
  } while (!__atomic_compare_exchange_n(&cell.reader, &old, next, false, __ATOMIC_SEQ_CST,
                                        __ATOMIC_RELAXED));
}

[[noreturn]] static void reportRace(Machine &machine, Thread &thread, const RaceSite &site,
                                    uint64_t old, bool wasRead) {
  const uint32_t *id = machine.threads[old & threadMask].id;
  const char *verb = site.what & fetch ? "updates" : site.what & write ? "writes" : "reads";
  const char *did = wasRead ? "has read" : "has written";
  auto offset = static_cast<unsigned long long>(site.offset);
  if (unitOf(old) == machine.order.unit && !(old & manyBlocks))
    machine.fail(thread, site.where,
                 "race on global memory: it %s the byte at offset %llu of operand %u, which thread "
                 "(%u, %u, %u) of the block %s with no barrier between",
                 verb, offset, site.operand, id[0], id[1], id[2], did);
  uint32_t block = machine.engine->global.blockOf(machine.order.base, unitOf(old));
  const uint32_t *grid = machine.grid;
  if (block == ~0u || (old & (manyBlocks | manyThreads)))
    machine.fail(thread, site.where,
                 "race on global memory: it %s the byte at offset %llu of operand %u, which "
                 "another block %s in the same launch with no atomic operation and fence between",
                 verb, offset, site.operand, did);
  machine.fail(thread, site.where,
               "race on global memory: it %s the byte at offset %llu of operand %u, which block "
               "(%u, %u, %u), thread (%u, %u, %u) %s in the same launch with no atomic operation "
               "and fence between",
               verb, offset, site.operand, block % grid[0], block / grid[0] % grid[1],
               block / grid[0] / grid[1], id[0], id[1], id[2], did);
}

[[noreturn]] static void reportNoValue(Machine &machine, Thread &thread, const RaceSite &site) {
  machine.fail(
      thread, site.where,
      "uninitialised global memory: it %s the byte at offset %llu of operand %u, a buffer in "
      "which no kernel has written it in this step",
      site.what & fetch ? "updates" : "reads", static_cast<unsigned long long>(site.offset),
      site.operand);
}

Cell *Machine::cellsOf(uint64_t address) {
  uint64_t number = address / GlobalShadow::pageBytes;
  CellPage &cached = cellPages[number % cellPageCount];
  if (cached.number != number || !cached.cells)
    cached = {number, engine->global.page(address)};
  return cached.cells;
}

void Machine::checkRace(Thread &thread, uint64_t address, uint32_t bytes, RaceSite site) {
  settle(thread);
  uint32_t flags = thread.index | timeBits(ownTime(*this));
  if (site.what & atomic)
    flags |= isAtomic | (site.what & device ? ofDevice : 0);
  uint64_t start = site.offset, end = address + bytes, own = uint64_t(order.unit) << 32;
  bool needsValue = !(site.what & write) || (site.what & fetch);
  Cell *cells = nullptr;
  for (uint64_t at = address & ~uint64_t(1); at < end; at += cellBytes) {
    if (!cells || at % GlobalShadow::pageBytes == 0)
      cells = cellsOf(at);
    if (!cells)
      fail(
          thread, site.where,
          "more than about %llu MB of memory that kernels write, which is all that can be checked; "
          "run a smaller model, fewer tokens in a step, or less memory for keys and values",
          static_cast<unsigned long long>(GlobalShadow::pageCount * GlobalShadow::pageBytes >> 20));
    Cell &cell = cells[at % GlobalShadow::pageBytes / cellBytes];
    uint32_t mask = (at >= address ? 1u : 0) | (at + 1 < end ? 2u : 0);
    uint32_t now = flags | mask << maskShift;
    site.offset = at > address ? start + (at - address) : start;
    if (!(site.what & write))
      noteRead(*this, cell, own | now);
    uint64_t writer = site.what & write
                          ? __atomic_exchange_n(&cell.writer, own | now, __ATOMIC_SEQ_CST)
                          : __atomic_load_n(&cell.writer, __ATOMIC_SEQ_CST);
    if (needsValue && unitOf(writer) < site.firstUnit)
      reportNoValue(*this, thread, site);
    if (isRace(*this, thread, writer, now))
      reportRace(*this, thread, site, writer, /*wasRead=*/false);
    if (!(site.what & write))
      continue;
    uint64_t reader = __atomic_load_n(&cell.reader, __ATOMIC_SEQ_CST);
    if (isRace(*this, thread, reader, now))
      reportRace(*this, thread, site, reader, /*wasRead=*/true);
  }
  if (site.what & atomic)
    noteAtomic(thread, address, site.what);
}

} // namespace kvasir::emulator

using namespace kvasir::emulator;

/// Threads of a block take turns on one core; blocks on other cores see what was before.
extern "C" void kvasir_emu_fence(Thread *thread, uint32_t scope) {
  __atomic_thread_fence(__ATOMIC_SEQ_CST);
  if (!(scope & device))
    return;
  thread->acquiredSlots |= thread->observedSlots;
  thread->observedSlots = 0;
  settle(*thread);
  thread->released = releaseNow(*thread->machine);
}
