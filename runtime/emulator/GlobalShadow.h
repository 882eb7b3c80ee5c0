// What is known about memory that several blocks can write: who accessed it last in the launch that
// runs, and which blocks know of which others through atomics and fences. Finds races.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_RUNTIME_EMULATOR_GLOBALSHADOW_H
#define KVASIR_RUNTIME_EMULATOR_GLOBALSHADOW_H

#include <cstdint>

namespace kvasir::emulator {

/// The last write of two bytes and the last read, each a word: the unit that made it in the upper
/// half (a unit is one run of one block; they are counted from 1 as they start), then time (16
/// bits), flags (4), mask of bytes (2), thread (10). All zero: nobody. Other workers change cells
/// at any time, so words are read and written whole.
struct Cell {
  uint64_t writer, reader;
};
inline constexpr uint32_t cellBytes = 2;

/// Accesses of one block that are known to be over: all before time `all` (a barrier of the whole
/// block), and those of `threads` before time `released`. Times of a block start at 1.
struct Knowledge {
  uint32_t all, released;
  uint32_t threads[32];

  void add(const Knowledge &other);
  bool holds(uint32_t thread, uint32_t time) const {
    return time < all || (time < released && (threads[thread / 32] >> (thread % 32) & 1));
  }
};

/// Blocks of a launch whose handshakes are followed. A larger launch may have none.
inline constexpr uint32_t maxFollowed = 256;

/// An engine's, shared by its workers; all zero at first.
class GlobalShadow {
public:
  static constexpr uint32_t slotCount = 64;
  /// What blocks have released at the addresses of one class.
  struct Slot {
    uint32_t lock, base;
    Knowledge blocks[maxFollowed];
  };

  static uint64_t bytesNeeded();
  void place(unsigned char *memory);

  /// Before a step: what units have written in it is told apart by their numbers.
  void startStep();
  /// Called by each of the `workers` of a launch before its first block and after its last one;
  /// between two launches all workers meet. Returns the launch's first unit.
  uint32_t startLaunch();
  void endLaunch(int32_t workers);
  /// The unit of a block that starts. Units of a launch are consecutive.
  uint32_t startBlock(uint32_t base, uint32_t block);
  /// Number of the block that was `unit`, or ~0u if that is not known.
  uint32_t blockOf(uint32_t base, uint32_t unit) const {
    return unit - base < maxFollowed ? numbers[unit - base] : ~0u;
  }
  /// Cells of the `pageBytes` bytes of memory that hold `address`; null: there is no more room.
  Cell *page(uint64_t address);
  static constexpr uint64_t pageBytes = 4096;
  /// Room for 1 GB of memory that kernels write. Pages that nobody writes cost nothing.
  static constexpr uint32_t pageBits = 18;
  static constexpr uint64_t pageCount = uint64_t(1) << pageBits;
  static constexpr uint32_t probes = 64;
  /// The first of the `probes` places where the cells of an address may lie.
  static uint64_t placeOf(uint64_t address) {
    return (address / pageBytes + 1) * 0x9e3779b97f4a7c15 >> (64 - pageBits);
  }

  static uint32_t slotOf(uint64_t address) {
    return uint32_t((address >> 2) * 0x9e3779b97f4a7c15 >> 58);
  }
  /// A slot for the launch at hand; others wait until `unlock`.
  Slot &lock(uint32_t slot, uint32_t base);
  static void unlock(Slot &slot) { __atomic_store_n(&slot.lock, 0u, __ATOMIC_RELEASE); }

private:
  static void acquireLock(uint32_t &lock);
  void restartUnits();

  uint32_t launchLock, entered, left, launchBase;
  uint32_t units; // started so far
  uint32_t numbers[maxFollowed];
  uint64_t *pages; // [pageCount]: number of the page whose cells lie there; 0: free
  Cell *cells;     // [pageCount][pageBytes / cellBytes]
  Slot *slots;
};

} // namespace kvasir::emulator

#endif // KVASIR_RUNTIME_EMULATOR_GLOBALSHADOW_H
