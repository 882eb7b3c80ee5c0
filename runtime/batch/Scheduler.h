// Decides which tokens of which requests are in the next step, and who gives up
// pages when they run out. Order is that of submission throughout.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_RUNTIME_BATCH_SCHEDULER_H
#define KVASIR_RUNTIME_BATCH_SCHEDULER_H

#include "batch/Request.h"

#include <deque>

namespace kvasir::rt {

class Scheduler {
public:
  Scheduler(const MemoryPlan &plan, KvCache &cache);

  void enqueue(std::unique_ptr<Request> request);

  /// Chooses the tokens of the next step (Request::scheduled) and takes their
  /// pages. Requests with nothing scheduled stay. A request that cannot go on
  /// has its `failure` set.
  void schedule();

  /// Those that hold a place in the batch, oldest first.
  const std::vector<std::unique_ptr<Request>> &running() const { return active; }
  size_t waiting() const { return queue.size(); }
  bool idle() const { return active.empty() && queue.empty(); }
  uint64_t preemptions() const { return preempted; }

  /// Takes a request out, wherever it is, and gives its pages back. Null when
  /// it is not here.
  std::unique_ptr<Request> remove(uint64_t id);

  /// The most pages that a request of `total` tokens ever holds.
  int32_t pagesNeeded(int32_t total) const;

private:
  void admit();
  bool hasRoomFor(const Request &request) const;
  void assignTokens();
  void takePages();
  void preemptYoungest();

  const int32_t maxRequests, maxStepTokens, maxLogitRows;
  KvCache &cache;
  std::deque<std::unique_ptr<Request>> queue;   // ascending id, all above those of `active`
  std::vector<std::unique_ptr<Request>> active; // ascending id
  uint64_t preempted = 0;
};

} // namespace kvasir::rt

#endif // KVASIR_RUNTIME_BATCH_SCHEDULER_H
