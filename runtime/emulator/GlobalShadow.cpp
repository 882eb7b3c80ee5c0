// Cells by page, launches, and slots of handshakes.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "emulator/GlobalShadow.h"

#include <cstring>
#include <sys/mman.h>

namespace kvasir::emulator {

static constexpr uint64_t cellsPerPage = GlobalShadow::pageBytes / cellBytes;

void Knowledge::add(const Knowledge &other) {
  all = all < other.all ? other.all : all;
  released = released < other.released ? other.released : released;
  for (uint32_t i = 0; i < 32; ++i)
    threads[i] |= other.threads[i];
}

uint64_t GlobalShadow::bytesNeeded() {
  return pageCount * (sizeof(uint64_t) + cellsPerPage * sizeof(Cell)) +
         (slotCount * sizeof(Slot) + 4095) / 4096 * 4096;
}

void GlobalShadow::place(unsigned char *memory) {
  cells = reinterpret_cast<Cell *>(memory);
  pages = reinterpret_cast<uint64_t *>(cells + pageCount * cellsPerPage);
  slots = reinterpret_cast<Slot *>(pages + pageCount);
}

void GlobalShadow::acquireLock(uint32_t &lock) {
  while (__atomic_exchange_n(&lock, 1u, __ATOMIC_ACQUIRE))
    while (__atomic_load_n(&lock, __ATOMIC_RELAXED))
      __builtin_ia32_pause();
}

void GlobalShadow::restartUnits() {
  madvise(cells, pageCount * cellsPerPage * sizeof(Cell), MADV_DONTNEED);
  units = 0;
}

void GlobalShadow::startStep() {
  if (units > 0xe0000000u)
    restartUnits();
}

uint32_t GlobalShadow::startLaunch() {
  acquireLock(launchLock);
  if (entered == 0) {
    if (units > 0xf0000000u) // long before units would start again; not within a step that was
      restartUnits();        // announced
    launchBase = units + 1;
  }
  ++entered;
  uint32_t base = launchBase;
  __atomic_store_n(&launchLock, 0u, __ATOMIC_RELEASE);
  return base;
}

void GlobalShadow::endLaunch(int32_t workers) {
  acquireLock(launchLock);
  if (++left == uint32_t(workers))
    entered = left = 0;
  __atomic_store_n(&launchLock, 0u, __ATOMIC_RELEASE);
}

uint32_t GlobalShadow::startBlock(uint32_t base, uint32_t block) {
  uint32_t unit = __atomic_add_fetch(&units, 1, __ATOMIC_RELAXED);
  if (unit - base < maxFollowed)
    __atomic_store_n(&numbers[unit - base], block, __ATOMIC_RELAXED);
  return unit;
}

Cell *GlobalShadow::page(uint64_t address) {
  uint64_t wanted = address / pageBytes + 1, at = placeOf(address);
  for (uint32_t probe = 0; probe < probes; ++probe, at = (at + 1) % pageCount) {
    uint64_t found = __atomic_load_n(&pages[at], __ATOMIC_RELAXED);
    if (found == 0 && __atomic_compare_exchange_n(&pages[at], &found, wanted, false,
                                                  __ATOMIC_RELAXED, __ATOMIC_RELAXED))
      found = wanted;
    if (found == wanted)
      return cells + at * cellsPerPage;
  }
  return nullptr;
}

GlobalShadow::Slot &GlobalShadow::lock(uint32_t slot, uint32_t base) {
  Slot &chosen = slots[slot];
  acquireLock(chosen.lock);
  if (chosen.base != base) { // of an earlier launch
    std::memset(chosen.blocks, 0, sizeof chosen.blocks);
    chosen.base = base;
  }
  return chosen;
}

} // namespace kvasir::emulator
