// All memory of an engine's emulation in one mapping, and the exported table.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "emulator/Layout.h"
#include "emulator/Machine.h"

#include <cstring>
#include <new>
#include <sys/mman.h>

namespace kvasir::emulator {

static constexpr uint64_t page = 4096;

static uint64_t roundUp(uint64_t bytes) { return (bytes + page - 1) / page * page; }

namespace {
/// Where the parts of one worker lie, from the start of its share.
struct Parts {
  uint64_t threads = 0, copies, shared, shadow, stacks, end;

  explicit Parts(const Limits &limits) {
    copies = roundUp(limits.threads * sizeof(Thread));
    shared = copies + roundUp(uint64_t(limits.threads) * maxCopies * sizeof(PendingCopy));
    shadow = shared + roundUp(limits.shared);
    stacks = shadow +
             roundUp(Shadow::bytesNeeded(limits.threads, limits.shared, limits.partialBarriers));
    end = stacks + limits.threads * stackStride;
  }
};
} // namespace

static bool placeMachine(Machine &machine, unsigned char *memory, const Parts &parts,
                         const Limits &limits) {
  machine.threads = reinterpret_cast<Thread *>(memory + parts.threads);
  auto *copies = reinterpret_cast<PendingCopy *>(memory + parts.copies);
  machine.shared = memory + parts.shared;
  machine.stacks = memory + parts.stacks;
  machine.shadow.place(memory + parts.shadow, limits.threads, limits.shared,
                       limits.partialBarriers);
  for (uint32_t i = 0; i < limits.threads; ++i) {
    Thread &thread = machine.threads[i];
    thread.machine = &machine;
    thread.index = i;
    thread.copies = copies + uint64_t(i) * maxCopies;
    if (mprotect(machine.stacks + i * stackStride, guardBytes, PROT_NONE) != 0)
      return false;
  }
  return true;
}

Engine *Engine::create(int32_t workers) {
  Parts parts(kvasir_emu_limits);
  uint64_t header = roundUp(sizeof(Engine) + sizeof(Machine) * uint64_t(workers));
  uint64_t machines = parts.end * uint64_t(workers);
  uint64_t bytes = header + machines + GlobalShadow::bytesNeeded();
  void *memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED)
    return nullptr;
  auto *engine = static_cast<Engine *>(memory); // all zero
  engine->workers = workers;
  engine->mapped = bytes;
  engine->global.place(static_cast<unsigned char *>(memory) + header + machines);
  for (int32_t worker = 0; worker < workers; ++worker) {
    Machine *machine = new (&engine->machines[worker]) Machine();
    machine->engine = engine;
    unsigned char *own = static_cast<unsigned char *>(memory) + header + parts.end * worker;
    if (!placeMachine(*machine, own, parts, kvasir_emu_limits)) {
      engine->destroy();
      return nullptr;
    }
  }
  return engine;
}

void Engine::destroy() { munmap(this, mapped); }

static void *create(int32_t workers) { return workers < 1 ? nullptr : Engine::create(workers); }
static void destroy(void *engine) { static_cast<Engine *>(engine)->destroy(); }
static const char *finding(const void *engine) {
  const auto *self = static_cast<const Engine *>(engine);
  return __atomic_load_n(&self->found, __ATOMIC_ACQUIRE) == 2 ? self->message : nullptr;
}
static void startStep(void *engine, const kvasir_checked_memory *memories) {
  auto *self = static_cast<Engine *>(engine);
  self->memories = memories;
  self->global.startStep();
}

} // namespace kvasir::emulator

extern "C" {
/// Under the name KVASIR_CHECKER_SYMBOL.
[[gnu::visibility("default")]] extern const ::kvasir_checker
    kvasir_checker_table __asm__(KVASIR_CHECKER_SYMBOL);
const ::kvasir_checker kvasir_checker_table = {sizeof(::kvasir_checker), kvasir::emulator::create,
                                               kvasir::emulator::destroy, kvasir::emulator::finding,
                                               kvasir::emulator::startStep};
}
