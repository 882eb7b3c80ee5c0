// Measures the barrier: nanoseconds from the arrival of the last worker to the
// next round.
//   kvasir-barrier-bench [WORKERS [SPIN_US]]
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "support/Clock.h"
#include "workers/WorkerPool.h"

#include <algorithm>
#include <cstdlib>

using namespace kvasir::rt;

static constexpr int rounds = 100000;

int main(int argc, char **argv) {
  int32_t workers = argc > 1 ? std::atoi(argv[1]) : 2;
  int32_t spin = argc > 2 ? std::atoi(argv[2]) : -1;
  auto pool = WorkerPool::create({workers, spin, true});
  if (!pool) {
    std::fprintf(stderr, "%s\n", pool.status().message().c_str());
    return 1;
  }
  double best = 1e9;
  for (int repeat = 0; repeat < 5; ++repeat) {
    double begin = now();
    (*pool)->run(
        [](void *context, int32_t) {
          Barrier &barrier = static_cast<WorkerPool *>(context)->barrier();
          for (int round = 0; round < rounds; ++round)
            barrier.wait();
        },
        pool->get());
    best = std::min(best, now() - begin);
  }
  std::printf("%d workers: %.0f ns per barrier (best of 5 x %d)\n", workers, best / rounds * 1e9,
              rounds);
}
