// Worker threads: start, pinning, floating-point control, jobs.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "workers/WorkerPool.h"

#include "memory/Machine.h"
#include "support/FloatingPoint.h"

#include <exception>
#include <pthread.h>
#include <sched.h>

namespace kvasir::rt {

static void bindTo(pthread_t thread, int core) {
  if (core < 0 || core >= CPU_SETSIZE)
    return;
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(core, &set);
  // Where binding is not permitted the system places the thread.
  pthread_setaffinity_np(thread, sizeof(set), &set);
}

/// Binds the calling thread to a core for a while.
class PinScope {
public:
  explicit PinScope(int core) {
    if (core < 0 || pthread_getaffinity_np(pthread_self(), sizeof(saved), &saved) != 0)
      return;
    bound = true;
    bindTo(pthread_self(), core);
  }
  ~PinScope() {
    if (bound)
      pthread_setaffinity_np(pthread_self(), sizeof(saved), &saved);
  }

private:
  cpu_set_t saved;
  bool bound = false;
};

WorkerPool::WorkerPool(int32_t workers, int64_t spinNanoseconds)
    : count(workers), meeting(workers, spinNanoseconds) {}

Result<std::unique_ptr<WorkerPool>> WorkerPool::create(const Options &options) {
  std::vector<int> cores = usableCores();
  bool enough = options.workers <= usableThreads();
  int64_t spin = options.spinMicroseconds;
  if (spin < 0)
    spin = enough ? 200 : 0;
  std::unique_ptr<WorkerPool> pool(new WorkerPool(options.workers, spin * 1000));
  if (!pool->startThreads())
    return error(Code::resourceExhausted,
                 format("cannot start %d worker threads", options.workers - 1));
  // One worker runs where its caller runs.
  if (options.pin && enough && options.workers > 1 &&
      static_cast<size_t>(options.workers) <= cores.size())
    pool->pinTo(cores);
  return pool;
}

bool WorkerPool::startThreads() {
  int32_t worker = 1;
  try {
    threads.reserve(count - 1);
    for (; worker < count; ++worker)
      threads.emplace_back([this, worker] { loop(worker); });
  } catch (const std::exception &) { // no thread, or no memory for one
    // Stand in for those that could not be started: the destructor's job
    // (none: stop) then reaches the others.
    meeting.arrive(count - worker);
    return false;
  }
  return true;
}

void WorkerPool::pinTo(const std::vector<int> &cores) {
  callerCore = cores[0];
  for (int32_t worker = 1; worker < count; ++worker)
    bindTo(threads[worker - 1].native_handle(), cores[worker]);
}

WorkerPool::~WorkerPool() {
  job = nullptr;
  meeting.wait();
  for (std::thread &thread : threads)
    thread.join();
}

void WorkerPool::loop(int32_t worker) {
  FloatingPointScope floatingPoint;
  while (true) {
    meeting.wait();
    if (!job)
      return;
    job(context, worker);
    meeting.wait();
  }
}

void WorkerPool::run(Job newJob, void *newContext) {
  PinScope pin(callerCore);
  FloatingPointScope floatingPoint;
  job = newJob;
  context = newContext;
  meeting.wait();
  job(context, 0);
  meeting.wait();
}

} // namespace kvasir::rt
