// Threads that walk a phase table together. The thread that calls run is worker
// 0.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_RUNTIME_WORKERS_WORKERPOOL_H
#define KVASIR_RUNTIME_WORKERS_WORKERPOOL_H

#include "support/Status.h"
#include "workers/Barrier.h"

#include <memory>
#include <thread>
#include <vector>

namespace kvasir::rt {

class WorkerPool {
public:
  struct Options {
    int32_t workers = 1;
    int32_t spinMicroseconds = -1; // -1: 200, or 0 with more workers than cores
    bool pin = true;               // each to a core of its own, if there are enough
  };

  static Result<std::unique_ptr<WorkerPool>> create(const Options &options);
  ~WorkerPool();

  int32_t workers() const { return count; }

  /// Runs `job(context, worker)` on every worker and returns when all have
  /// returned. Within the job workers meet at barrier(), each equally often.
  /// Floating-point control is set to its default state for the job (round to
  /// nearest, no flush to zero) and put back on the caller.
  using Job = void (*)(void *context, int32_t worker);
  void run(Job job, void *context);

  Barrier &barrier() { return meeting; }

private:
  WorkerPool(int32_t workers, int64_t spinNanoseconds);
  bool startThreads();
  void pinTo(const std::vector<int> &cores);
  void loop(int32_t worker);

  const int32_t count;
  Barrier meeting;
  std::vector<std::thread> threads; // workers 1 and up
  int callerCore = -1;              // where worker 0 runs during a job; -1: anywhere
  // Written by worker 0 before the barrier that starts a job, read after it.
  Job job = nullptr;
  void *context = nullptr;
};

} // namespace kvasir::rt

#endif // KVASIR_RUNTIME_WORKERS_WORKERPOOL_H
