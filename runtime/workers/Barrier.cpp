// Waiting and waking.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "workers/Barrier.h"

#include <chrono>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace kvasir::rt {

static_assert(sizeof(std::atomic<uint32_t>) == sizeof(uint32_t) &&
                  std::atomic<uint32_t>::is_always_lock_free,
              "the epoch is used as a futex word");

static void futexWait(std::atomic<uint32_t> &word, uint32_t expected) {
  // Returns at once when the word has changed; a spurious return is harmless.
  syscall(SYS_futex, reinterpret_cast<uint32_t *>(&word), FUTEX_WAIT_PRIVATE, expected, nullptr,
          nullptr, 0);
}

static void futexWakeAll(std::atomic<uint32_t> &word) {
  syscall(SYS_futex, reinterpret_cast<uint32_t *>(&word), FUTEX_WAKE_PRIVATE, INT32_MAX, nullptr,
          nullptr, 0);
}

static inline void pauseCore() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("isb");
#endif
}

void Barrier::release() {
  // Nobody arrives again before the epoch moves, so the counter is ours.
  remaining.store(participants, std::memory_order_relaxed);
  // Sequentially consistent with waitForEpoch: either the sleeper sees the new
  // epoch before it sleeps, or we see the sleeper.
  epoch.fetch_add(1, std::memory_order_seq_cst);
  if (sleepers.load(std::memory_order_seq_cst) > 0)
    futexWakeAll(epoch);
}

void Barrier::waitForEpoch(uint32_t current) {
  using Clock = std::chrono::steady_clock;
  auto moved = [&] { return epoch.load(std::memory_order_acquire) != current; };
  if (spinNanoseconds > 0) {
    auto end = Clock::now() + std::chrono::nanoseconds(spinNanoseconds);
    do {
      for (int i = 0; i < 32; ++i) {
        if (moved())
          return;
        pauseCore();
      }
    } while (Clock::now() < end);
  }
  while (!moved()) {
    sleepers.fetch_add(1, std::memory_order_seq_cst);
    if (epoch.load(std::memory_order_seq_cst) == current)
      futexWait(epoch, current);
    sleepers.fetch_sub(1, std::memory_order_relaxed);
  }
}

} // namespace kvasir::rt
