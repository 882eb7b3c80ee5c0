// The barrier between phases: one counter, one epoch; waiters spin for a while
// and then sleep.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_RUNTIME_WORKERS_BARRIER_H
#define KVASIR_RUNTIME_WORKERS_BARRIER_H

#include <atomic>
#include <cstdint>

namespace kvasir::rt {

/// All memory operations before a wait happen before those after it, in every
/// participant.
class Barrier {
public:
  Barrier(int32_t participants, int64_t spinNanoseconds)
      : participants(participants), spinNanoseconds(spinNanoseconds), remaining(participants) {}

  /// Returns when all participants have arrived. Who has to wait first calls
  /// `idle(released)` once: useful work that should end soon after `released()`
  /// becomes true.
  template <class Idle> void wait(Idle &&idle) {
    // The epoch cannot move before this participant has arrived.
    uint32_t current = epoch.load(std::memory_order_relaxed);
    if (arrive(1))
      return;
    idle([&] { return epoch.load(std::memory_order_acquire) != current; });
    waitForEpoch(current);
  }

  void wait() {
    wait([](auto) {});
  }

  /// Arrives for `count` participants without waiting. True when they were the
  /// last.
  bool arrive(int32_t count) {
    if (remaining.fetch_sub(count, std::memory_order_acq_rel) != count)
      return false;
    release();
    return true;
  }

private:
  void release();
  void waitForEpoch(uint32_t current);

  const int32_t participants;
  const int64_t spinNanoseconds;
  alignas(64) std::atomic<int32_t> remaining;
  alignas(64) std::atomic<uint32_t> epoch{0};
  alignas(64) std::atomic<int32_t> sleepers{0};
};

} // namespace kvasir::rt

#endif // KVASIR_RUNTIME_WORKERS_BARRIER_H
