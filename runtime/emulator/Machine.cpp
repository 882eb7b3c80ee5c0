// Blocks of a launch, one after the other, and their threads in turns.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "emulator/Machine.h"

#include "emulator/Layout.h"
#include "support/FloatingPoint.h"

#include <bit>
#include <cstdarg>
#include <cstdio>
#include <cstring>

namespace kvasir::emulator {

using boost::context::detail::jump_fcontext;
using boost::context::detail::make_fcontext;
using boost::context::detail::transfer_t;

/// Body of every fiber. It never returns: its stack is used again.
static void runThread(transfer_t from) {
  Thread &thread = *static_cast<Thread *>(from.data);
  Machine &machine = *thread.machine;
  machine.scheduler = from.fctx;
  machine.kernel->entry(&thread, machine.args, machine.operands);
  thread.state = State::done;
  --machine.live;
  machine.exited[thread.warp()] |= 1u << thread.lane();
  leaveWarp(thread);
  jump_fcontext(machine.scheduler, nullptr);
  __builtin_unreachable();
}

void Machine::suspend(Thread &thread) {
  scheduler = jump_fcontext(scheduler, nullptr).fctx;
  (void)thread;
}

void Machine::wake(Thread &thread) {
  thread.state = State::ready;
  ready[thread.warp()] |= 1u << thread.lane();
}

void Machine::startThreads() {
  live = threadCount;
  stopped = sawGridDependency = false;
  std::memset(exited, 0, sizeof exited);
  std::memset(gatheringCount, 0, sizeof gatheringCount);
  std::memset(barriers, 0, sizeof barriers);
  for (uint32_t i = 0; i < threadCount; ++i) {
    Thread &thread = threads[i];
    thread.id[0] = i % kernel->block[0];
    thread.id[1] = i / kernel->block[0] % kernel->block[1];
    thread.id[2] = i / kernel->block[0] / kernel->block[1];
    thread.sawGridDependency = false;
    thread.copyCount = thread.openGroup = 0;
    thread.released = {};
    thread.observedSlots = thread.acquiredSlots = 0;
    thread.context =
        make_fcontext(stacks + stackStride * (i + 1), stackStride - guardBytes, runThread);
    wake(thread);
  }
}

void Machine::schedule() {
  while (live && !stopped) {
    bool anyone = false;
    for (uint32_t warp = 0; warp < warpCount; ++warp)
      while (ready[warp] && !stopped) {
        uint32_t lane = uint32_t(std::countr_zero(ready[warp]));
        ready[warp] &= ready[warp] - 1;
        running = warp * warpSize + lane;
        threads[running].context = jump_fcontext(threads[running].context, &threads[running]).fctx;
        anyone = true;
      }
    if (!anyone)
      reportStall();
  }
}

void Machine::runBlock(uint64_t number) {
  blockId[0] = uint32_t(number % grid[0]);
  blockId[1] = uint32_t(number / grid[0] % grid[1]);
  blockId[2] = uint32_t(number / grid[0] / grid[1]);
  shadow.startBlock(sharedBytes, threadCount);
  startOrder(uint32_t(number));
  std::memset(ready, 0, sizeof ready);
  startThreads();
  schedule();
}

/// A permutation of [0, 2^bits): an odd multiplier and shifts are invertible.
static uint64_t permute(uint64_t value, uint32_t bits, uint64_t seed) {
  uint64_t mask = (uint64_t(1) << bits) - 1;
  for (int round = 0; round < 3; ++round) {
    value = (value * ((seed >> 7) | 1) + (seed ^ (seed >> 32))) & mask;
    value ^= value >> ((bits + 1) / 2);
    seed = seed * 0x9e3779b97f4a7c15 + 0x632be59bd9b4e019;
  }
  return value;
}

/// Sets the grid; returns the number of its blocks.
uint64_t Machine::chooseGrid() {
  std::memcpy(grid, kernel->grid, sizeof grid);
  if (kernel->items[0] >= 0) {
    const int64_t *items = kernel->items;
    int64_t wanted = items[0];
    if (args)
      wanted += items[1] * args->tokens + items[2] * args->rows + items[3] * args->blocks;
    wanted = wanted < kernel->mostBlocks ? wanted : kernel->mostBlocks;
    grid[0] = uint32_t(wanted < 1 ? 1 : wanted);
    grid[1] = grid[2] = 1;
  }
  return uint64_t(grid[0]) * grid[1] * grid[2];
}

void Machine::runBlocks(uint64_t blocks, int32_t worker, int32_t workers) {
  uint32_t bits = uint32_t(std::bit_width(blocks - 1));
  bool shuffled = kernel->seed && bits;
  uint64_t count = shuffled ? uint64_t(1) << bits : blocks;
  for (uint64_t i = uint64_t(worker); i < count; i += uint64_t(workers)) {
    uint64_t block = shuffled ? permute(i, bits, kernel->seed) : i;
    if (block >= blocks)
      continue;
    if (__atomic_load_n(&engine->found, __ATOMIC_RELAXED))
      return;
    runBlock(block);
  }
}

/// Buffers that begin with this row have no values: what is in their memory was another's. All
/// workers note the same.
void Machine::startBuffers() {
  for (uint32_t i = 0; i < kernel->operands; ++i) {
    if (extents[i].memory && extents[i].writable == 2)
      __atomic_store_n(engine->memories[extents[i].memory - 1].written, order.base,
                       __ATOMIC_RELAXED);
  }
}

void Machine::launch(const Kernel &which, const kvasir_step_args *step, void *const *pointers,
                     int32_t worker, int32_t workers) {
  rt::FloatingPointScope state;
  const auto &row = *static_cast<const kvasir_checked_row *>(pointers[which.operands]);
  kernel = &which;
  args = step;
  operands = pointers;
  extents = row.extents;
  threadCount = which.block[0] * which.block[1] * which.block[2];
  warpCount = (threadCount + warpSize - 1) / warpSize;
  sharedBytes = which.staticShared + which.dynamicShared;
  uint64_t blocks = chooseGrid();
  followed = uint32_t(blocks < maxFollowed ? blocks : maxFollowed);
  order.base = engine->global.startLaunch();
  startBuffers();
  runBlocks(blocks, worker, workers);
  engine->global.endLaunch(workers);
}

//===----------------------------------------------------------------------===//
// Findings
//===----------------------------------------------------------------------===//

/// Writes the message if it is the engine's first.
[[gnu::format(printf, 4, 0)]] static void record(Machine &machine, const Thread &thread,
                                                 const char *where, const char *pattern,
                                                 va_list arguments) {
  Engine &engine = *machine.engine;
  int32_t none = 0;
  if (!__atomic_compare_exchange_n(&engine.found, &none, 1, false, __ATOMIC_ACQ_REL,
                                   __ATOMIC_RELAXED))
    return;
  char *text = engine.message;
  size_t room = sizeof engine.message;
  int length =
      std::snprintf(text, room, "kernel '%s', block (%u, %u, %u), thread (%u, %u, %u), %s: ",
                    machine.kernel->name, machine.blockId[0], machine.blockId[1],
                    machine.blockId[2], thread.id[0], thread.id[1], thread.id[2], where);
  if (length > 0 && size_t(length) < room)
    std::vsnprintf(text + length, room - size_t(length), pattern, arguments);
  __atomic_store_n(&engine.found, 2, __ATOMIC_RELEASE);
}

void Machine::fail(const Thread &thread, const char *where, const char *pattern, ...) {
  va_list arguments;
  va_start(arguments, pattern);
  record(*this, thread, where, pattern, arguments);
  va_end(arguments);
  stopped = true;
  jump_fcontext(scheduler, nullptr);
  __builtin_unreachable();
}

[[gnu::format(printf, 4, 5)]] static void report(Machine &machine, const Thread &thread,
                                                 const char *where, const char *pattern, ...) {
  va_list arguments;
  va_start(arguments, pattern);
  record(machine, thread, where, pattern, arguments);
  va_end(arguments);
}

/// Whether `other` is one that the waiting `thread` needs.
static bool blocks(const Thread &other, const Thread &thread, const Machine &machine) {
  if (thread.state == State::atWarp)
    return other.warp() == thread.warp() && (thread.waitMask >> other.lane() & 1) &&
           (other.state != thread.state || other.waitsAt != thread.waitsAt ||
            other.waitMask != thread.waitMask);
  for (const Barrier &barrier : machine.barriers)
    if (barrier.expected && barrier.waiting.contains(thread.index))
      return !barrier.arrived.contains(other.index);
  return false;
}

/// Nobody can go on: names one thread that waits, and one that it waits for in vain.
void Machine::reportStall() {
  stopped = true;
  for (uint32_t i = 0; i < threadCount; ++i) {
    const Thread &thread = threads[i];
    if (thread.state != State::atBarrier && thread.state != State::atWarp)
      continue;
    const char *what = thread.state == State::atBarrier ? "divergent barrier" : "divergent warp";
    for (uint32_t j = 0; j < threadCount; ++j) {
      const Thread &other = threads[j];
      if (!blocks(other, thread, *this))
        continue;
      if (other.state == State::done)
        return report(*this, thread, thread.waitsAt,
                      "%s: it waits, but thread (%u, %u, %u) has returned", what, other.id[0],
                      other.id[1], other.id[2]);
      return report(*this, thread, thread.waitsAt,
                    "%s: it waits, but thread (%u, %u, %u) waits at %s", what, other.id[0],
                    other.id[1], other.id[2], other.waitsAt);
    }
    return report(*this, thread, thread.waitsAt, "%s: it waits for threads that do not exist",
                  what);
  }
}

} // namespace kvasir::emulator

extern "C" void kvasir_emu_launch(const kvasir::emulator::Kernel *kernel,
                                  const kvasir_step_args *args, void *const *operands,
                                  int32_t worker, int32_t workers) {
  using namespace kvasir::emulator;
  const auto *row = static_cast<const kvasir_checked_row *>(operands[kernel->operands]);
  static_cast<Engine *>(row->checker)
      ->machines[worker]
      .launch(*kernel, args, operands, worker, workers);
}
