// Checks of every access: bounds, alignment, values, races, copies in flight.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "emulator/Layout.h"
#include "emulator/Machine.h"
#include "emulator/Numbers.h"

#include <cstring>

namespace kvasir::emulator {

static const char *verb(uint32_t what) {
  return what & fetch ? "updates" : what & write ? "writes" : "reads";
}

static void describeAndFail
    [[noreturn]] (Machine &machine, Thread &thread, Shadow::Problem problem, uint32_t at,
                  uint32_t other, uint32_t what, const char *where) {
  using Problem = Shadow::Problem;
  if (problem == Problem::uninitialized)
    machine.fail(thread, where,
                 "uninitialised shared memory: it %s the byte at offset %u, which "
                 "nobody has written",
                 verb(what), at);
  if (other >= machine.threadCount) // several readers, none known by name
    machine.fail(thread, where,
                 "race on shared memory: it %s the byte at offset %u, which several "
                 "threads have read since the last barrier",
                 verb(what), at);
  const uint32_t *id = machine.threads[other].id;
  if (problem == Problem::inFlight)
    machine.fail(thread, where,
                 "copy not waited for: it %s the byte at offset %u, to which a cp.async of thread "
                 "(%u, %u, %u) is in flight",
                 verb(what), at, id[0], id[1], id[2]);
  machine.fail(thread, where,
               "race on shared memory: it %s the byte at offset %u, which thread (%u, %u, %u) %s "
               "with no barrier between",
               verb(what), at, id[0], id[1], id[2],
               problem == Problem::raceWithRead ? "has read" : "has written");
}

static uint32_t alignment(uint32_t what) { return 1u << (what >> alignmentShift & 31); }

unsigned char *Machine::accessShared(Thread &thread, uint64_t offset, uint32_t bytes, uint32_t what,
                                     const char *where) {
  if (offset > sharedBytes || bytes > sharedBytes - offset)
    fail(thread, where,
         "out of bounds: it %s %u bytes at offset %lld of the block's %u bytes of shared memory",
         verb(what), bytes, static_cast<long long>(offset), sharedBytes);
  if (offset % alignment(what))
    fail(thread, where,
         "misaligned: it %s %u bytes at offset %llu of shared memory, expected a "
         "multiple of %u",
         verb(what), bytes, static_cast<unsigned long long>(offset), alignment(what));
  uint32_t at = 0, other = noThread;
  auto problem = shadow.access(thread.index, uint32_t(offset), bytes, what, at, other);
  if (problem != Shadow::Problem::none)
    describeAndFail(*this, thread, problem, at, other, what, where);
  return shared + offset;
}

namespace {
/// A range of global memory that a kernel may reach.
struct Range {
  uint64_t start, bytes;

  bool holds(uint64_t address, uint32_t size) const {
    return address >= start && address - start <= bytes && size <= bytes - (address - start);
  }
};
} // namespace

/// Whether the bytes are in the step arguments or one of their arrays.
static bool inArguments(const kvasir_step_args *args, uint64_t address, uint32_t bytes) {
  if (!args)
    return false;
  auto in = [&](const void *start, uint64_t size) {
    return Range{reinterpret_cast<uint64_t>(start), size}.holds(address, bytes);
  };
  auto inArray = [&](const int32_t *start, uint64_t count) {
    return start && in(start, count * sizeof(int32_t));
  };
  uint64_t tokens = uint64_t(args->tokens), requests = uint64_t(args->requests);
  uint64_t blocks = uint64_t(args->blocks);
  return in(args, args->struct_size) || inArray(args->ids, tokens) ||
         inArray(args->positions, tokens) || inArray(args->token_request, tokens) ||
         inArray(args->row_token, uint64_t(args->rows)) || inArray(args->request_total, requests) ||
         inArray(args->page_table, requests * uint64_t(args->page_stride)) ||
         inArray(args->block_token, blocks) || inArray(args->block_tokens, blocks);
}

static bool inConstants(uint64_t address, uint32_t bytes) {
  for (const ConstantRange *range = kvasir_emu_constants; range->bytes; ++range)
    if (Range{reinterpret_cast<uint64_t>(range->start), range->bytes}.holds(address, bytes))
      return true;
  return false;
}

uint32_t Machine::valuesSince(Thread &thread, const RaceSite &site) {
  uint32_t number = extents[site.operand].memory;
  if (!number)
    return 0;
  const kvasir_checked_memory &memory = engine->memories[number - 1];
  if (!memory.page_bytes)
    return __atomic_load_n(memory.written, __ATOMIC_RELAXED);
  // Within a page there are keys that nobody has written: tiles are loaded whole, and what no
  // token sees is masked afterwards. The runtime fills pages with NaN for that.
  uint64_t page = site.offset / memory.page_bytes;
  if (site.what & write)
    __atomic_store_n(&memory.written[page], 1u, __ATOMIC_RELAXED);
  else if (!__atomic_load_n(&memory.written[page], __ATOMIC_RELAXED))
    fail(thread, site.where,
         "uninitialised global memory: it reads the byte at offset %llu of operand %u, in page "
         "%llu of a cache, in which nobody has written since its request has it",
         static_cast<unsigned long long>(site.offset), site.operand,
         static_cast<unsigned long long>(page));
  return 0;
}

void Machine::checkGlobal(Thread &thread, uint64_t address, uint32_t bytes, uint32_t what,
                          const char *where) {
  if (address % alignment(what))
    fail(thread, where, "misaligned: it %s %u bytes at an address that is %llu modulo %u",
         verb(what), bytes, static_cast<unsigned long long>(address % alignment(what)),
         alignment(what));
  bool isWrite = what & write, readOnly = false;
  for (uint32_t i = 0; i < kernel->operands; ++i) {
    Range range = {reinterpret_cast<uint64_t>(operands[i]), extents[i].bytes};
    if (!range.holds(address, bytes))
      continue;
    if (isWrite && !extents[i].writable) {
      readOnly = true;
      continue;
    }
    if (kernel->waitsForGrid && extents[i].writable && !sawGridDependency &&
        !thread.sawGridDependency)
      fail(thread, where, "it %s operand %u before griddepcontrol.wait", verb(what), i);
    if (extents[i].writable) {
      RaceSite site = {what, i, address - range.start, where, 0};
      site.firstUnit = valuesSince(thread, site);
      checkRace(thread, address, bytes, site);
    }
    return;
  }
  if (inArguments(args, address, bytes) || inConstants(address, bytes)) {
    if (!isWrite)
      return;
    readOnly = true;
  }
  if (readOnly)
    fail(thread, where,
         "it %s memory that is read-only (a weight, a constant, or the step's arguments)",
         verb(what));
  // Helps most: past the end of which operand.
  uint32_t nearest = noThread;
  uint64_t distance = 64 << 10;
  for (uint32_t i = 0; i < kernel->operands; ++i) {
    uint64_t start = reinterpret_cast<uint64_t>(operands[i]);
    if (address >= start && address + bytes - start - extents[i].bytes < distance) {
      distance = address + bytes - start - extents[i].bytes;
      nearest = i;
    }
  }
  if (nearest != noThread)
    fail(thread, where,
         "out of bounds: it %s %u bytes at offset %llu of operand %u, which has %llu bytes",
         verb(what), bytes,
         static_cast<unsigned long long>(address - reinterpret_cast<uint64_t>(operands[nearest])),
         nearest, static_cast<unsigned long long>(extents[nearest].bytes));
  fail(thread, where,
       "out of bounds: it %s %u bytes at 0x%llx, which is in no operand of the phase", verb(what),
       bytes, static_cast<unsigned long long>(address));
}

unsigned char *Machine::access(Thread &thread, uint64_t address, uint32_t bytes, uint32_t what,
                               const char *where) {
  uint32_t space = what & spaceMask;
  if (space == Space::shared)
    return accessShared(thread, address, bytes, what, where);
  uint64_t base = reinterpret_cast<uint64_t>(shared);
  if (space == Space::generic && address - base < sharedBytes)
    return accessShared(thread, address - base, bytes, what, where);
  checkGlobal(thread, address, bytes, what, where);
  return reinterpret_cast<unsigned char *>(address);
}

//===----------------------------------------------------------------------===//
// cp.async
//===----------------------------------------------------------------------===//

static void beginCopy(Thread &thread, const PendingCopy &copy, uint64_t source, const char *where) {
  Machine &machine = *thread.machine;
  uint32_t align = uint32_t(__builtin_ctz(copy.bytes)) << alignmentShift;
  if (copy.sourceBytes > copy.bytes)
    machine.fail(thread, where, "it copies %u bytes, but %u are read", copy.bytes,
                 copy.sourceBytes);
  if (copy.sourceBytes) // nothing is read: the address does not matter
    machine.checkGlobal(thread, source, copy.sourceBytes, read | align, where);
  if (copy.target % copy.bytes)
    machine.fail(thread, where, "misaligned: it copies %u bytes to offset %u of shared memory",
                 copy.bytes, copy.target);
  if (copy.target > machine.sharedBytes || copy.bytes > machine.sharedBytes - copy.target)
    machine.fail(thread, where,
                 "out of bounds: it copies %u bytes to offset %u of the block's %u "
                 "bytes of shared memory",
                 copy.bytes, copy.target, machine.sharedBytes);
  uint32_t at = 0, other = noThread;
  auto problem = machine.shadow.beginCopy(thread.index, copy.target, copy.bytes, at, other);
  if (problem != Shadow::Problem::none)
    describeAndFail(machine, thread, problem, at, other, write, where);
}

} // namespace kvasir::emulator

using namespace kvasir::emulator;

extern "C" {

void *kvasir_emu_access(Thread *thread, uint64_t address, uint32_t bytes, uint32_t what,
                        const char *where) {
  return thread->machine->access(*thread, address, bytes, what, where);
}

/// atom.add.f32: in global memory subnormal numbers are zeros of their sign, in shared memory they
/// are not (PTX ISA, atom). `place` is the host's.
float kvasir_emu_atomic_add_f32(Thread *thread, void *place, float value) {
  const Machine &machine = *thread->machine;
  bool flushes = reinterpret_cast<uint64_t>(place) - reinterpret_cast<uint64_t>(machine.shared) >=
                 machine.sharedBytes;
  auto *bits = static_cast<uint32_t *>(place);
  uint32_t old = __atomic_load_n(bits, __ATOMIC_RELAXED), sum = 0;
  do {
    sum =
        flushes ? asBits(flush(flush(asFloat(old)) + flush(value))) : asBits(asFloat(old) + value);
  } while (
      !__atomic_compare_exchange_n(bits, &old, sum, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED));
  return asFloat(old);
}

/// Addresses between spaces: shared memory has its own, and a window in the generic space.
uint64_t kvasir_emu_from_shared(Thread *thread, uint64_t offset) {
  return reinterpret_cast<uint64_t>(thread->machine->shared) + offset;
}
uint64_t kvasir_emu_to_shared(Thread *thread, uint64_t address) {
  return address - reinterpret_cast<uint64_t>(thread->machine->shared);
}

void kvasir_emu_copy_async(Thread *thread, uint64_t target, uint64_t source, uint32_t bytes,
                           uint32_t sourceBytes, const char *where) {
  Machine &machine = *thread->machine;
  if (target > machine.sharedBytes)
    machine.fail(*thread, where,
                 "out of bounds: it copies %u bytes to offset %lld of the block's "
                 "%u bytes of shared memory",
                 bytes, static_cast<long long>(target), machine.sharedBytes);
  if (thread->copyCount == maxCopies)
    machine.fail(*thread, where, "more than %u copies of one thread are in flight",
                 thread->copyCount);
  PendingCopy copy = {uint32_t(target), bytes, sourceBytes, thread->openGroup,
                      reinterpret_cast<const unsigned char *>(source)};
  beginCopy(*thread, copy, source, where);
  thread->copies[thread->copyCount++] = copy;
}

void kvasir_emu_copy_commit(Thread *thread) { ++thread->openGroup; }

/// Until at most the `pending` latest groups are in flight. This is when the bytes arrive: as late
/// as they may on a GPU.
void kvasir_emu_copy_wait(Thread *thread, uint32_t pending) {
  Machine &machine = *thread->machine;
  uint32_t kept = 0;
  for (uint32_t i = 0; i < thread->copyCount; ++i) {
    const PendingCopy copy = thread->copies[i];
    if (copy.group + pending >= thread->openGroup) {
      thread->copies[kept++] = copy;
      continue;
    }
    unsigned char *target = machine.shared + copy.target;
    std::memcpy(target, copy.source, copy.sourceBytes);
    std::memset(target + copy.sourceBytes, 0, copy.bytes - copy.sourceBytes);
    machine.shadow.endCopy(thread->index, copy.target, copy.bytes);
  }
  thread->copyCount = kept;
}

} // extern "C"
