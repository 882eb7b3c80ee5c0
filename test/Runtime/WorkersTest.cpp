// Barrier and worker pool: nobody passes early, with fewer, as many and more
// workers than cores.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "workers/WorkerPool.h"

#include <gtest/gtest.h>
#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

namespace kvasir::rt {
namespace {

struct Rounds {
  WorkerPool &pool;
  int rounds;
  std::vector<int> values; // one per worker, not atomic: the barrier orders them
  std::vector<int> errors;
};

void countTogether(void *context, int32_t worker) {
  auto &state = *static_cast<Rounds *>(context);
  for (int round = 1; round <= state.rounds; ++round) {
    state.values[worker] = round;
    state.pool.barrier().wait();
    for (int value : state.values)
      state.errors[worker] += value != round;
    state.pool.barrier().wait();
  }
}

class Workers : public testing::TestWithParam<std::tuple<int, int>> {};

TEST_P(Workers, MeetAtEveryBarrier) {
  auto [count, spin] = GetParam();
  auto pool = WorkerPool::create({count, spin, true});
  ASSERT_TRUE(pool) << pool.status().message();
  for (int job = 0; job < 3; ++job) {
    Rounds state = {**pool, 60, std::vector<int>(count), std::vector<int>(count)};
    (*pool)->run(countTogether, &state);
    EXPECT_EQ(state.errors, std::vector<int>(count));
  }
}

INSTANTIATE_TEST_SUITE_P(Counts, Workers,
                         testing::Combine(testing::Values(1, 2, 3, 9), testing::Values(-1, 0, 20)));

#if defined(__x86_64__)
TEST(WorkerPool, FloatingPointControlIsFixedInJobsAndKeptOutside) {
  auto pool = WorkerPool::create({2, -1, true});
  ASSERT_TRUE(pool);
  unsigned before = _mm_getcsr();
  _mm_setcsr(before | 0x8040); // flush to zero, denormals are zero
  unsigned seen[2] = {};
  (*pool)->run([](void *context,
                  int32_t worker) { static_cast<unsigned *>(context)[worker] = _mm_getcsr(); },
               seen);
  EXPECT_EQ(_mm_getcsr() & 0x8040, 0x8040u);
  _mm_setcsr(before);
  EXPECT_EQ(seen[0] & ~0x3fu, 0x1f80u);
  EXPECT_EQ(seen[1] & ~0x3fu, 0x1f80u);
}
#endif

} // namespace
} // namespace kvasir::rt
