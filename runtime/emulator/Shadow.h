// What is known about every byte of shared memory: whether it has a value, who wrote and who read
// it, and when. Finds reads of bytes without a value, and races.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_RUNTIME_EMULATOR_SHADOW_H
#define KVASIR_RUNTIME_EMULATOR_SHADOW_H

#include <cstdint>

namespace kvasir::emulator {

struct ThreadSet;

/// Time is the number of barriers that have completed since the worker started. An access is
/// ordered before what a thread does now if it was before the last barrier of the whole block, or
/// if the thread knows that its maker has synchronised since then: `known` is a vector clock, one
/// per thread, that barriers of less than a block carry on. Race detection after Flanagan and
/// Freund, FastTrack (PLDI 2009), with readers beyond the first kept by warp.
class Shadow {
public:
  enum Status : uint8_t { initialized = 1, inFlight = 2, atomicWrite = 4, atomicReads = 8 };
  enum class Problem { none, uninitialized, inFlight, raceWithWrite, raceWithRead };
  static constexpr uint16_t several = 0xffff;

  /// Bytes that the arrays need.
  static uint64_t bytesNeeded(uint32_t threads, uint32_t shared, bool partialBarriers);
  void place(unsigned char *memory, uint32_t threads, uint32_t shared, bool partialBarriers);

  /// A block starts: nothing has a value, nothing that was matters.
  void startBlock(uint32_t shared, uint32_t threads);
  /// A barrier of all threads has completed.
  void synchronizeBlock();
  /// A barrier of `arrived` has completed; `waiting` among them are ordered after all of them.
  void synchronize(const ThreadSet &arrived, const ThreadSet &waiting);

  /// Accounts for an access. At the first problem: which byte (`at`), and the other thread.
  uint32_t time() const { return now; }
  /// Time goes on without a barrier.
  void tick() { ++now; }
  /// Of the last barrier of the whole block: what was before it is over for all threads.
  uint32_t timeOfBarrier() const { return blockTime; }
  bool hasPartialBarriers() const { return known != nullptr; }
  /// Whether `thread` knows that what `other` did at that time is over.
  bool knows(uint32_t thread, uint32_t other, uint32_t when) const;
  /// Whether it knows of something that `other` has done since the last barrier of the block.
  bool knowsSince(uint32_t thread, uint32_t other) const {
    return other == thread || (known && knows(thread, other, blockTime));
  }

  /// `what`: flags of Access.
  Problem access(uint32_t thread, uint32_t offset, uint32_t bytes, uint32_t what, uint32_t &at,
                 uint32_t &other);
  /// A copy begins (checked like a write) or ends.
  Problem beginCopy(uint32_t thread, uint32_t offset, uint32_t bytes, uint32_t &at,
                    uint32_t &other);
  void endCopy(uint32_t thread, uint32_t offset, uint32_t bytes);

private:
  uint32_t unorderedReader(uint32_t thread, uint32_t byte) const;
  Problem read(uint32_t thread, uint32_t byte, bool atomic, uint32_t &other);
  Problem write(uint32_t thread, uint32_t byte, bool atomic, uint32_t &other);

  uint32_t now = 0;       // time
  uint32_t blockTime = 0; // of the last barrier of the whole block
  uint32_t threadCount = 0, warpCount = 0, sharedLimit = 0;
  uint8_t *status = nullptr; // these: one for each byte
  uint16_t *writer = nullptr, *reader = nullptr;
  uint32_t *writeTime = nullptr, *readTime = nullptr;
  // Only with barriers of less than a block:
  uint32_t *warpReadTime = nullptr; // [byte][warp]
  uint32_t *known = nullptr;        // [thread][thread]: accesses before that time are ordered
  uint32_t *knownSince = nullptr;   // [thread]: blockTime for which its row of `known` holds
  uint32_t *joined = nullptr;       // [thread]
  uint32_t rowLength = 0;           // of `known`
};

} // namespace kvasir::emulator

#endif // KVASIR_RUNTIME_EMULATOR_SHADOW_H
