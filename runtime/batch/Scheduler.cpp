// Continuous batching.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "batch/Scheduler.h"

#include <algorithm>

namespace kvasir::rt {

Scheduler::Scheduler(const MemoryPlan &plan, KvCache &cache)
    : maxRequests(plan.maxRequests), maxStepTokens(plan.maxStepTokens),
      maxLogitRows(plan.maxLogitRows), cache(cache) {
  active.reserve(maxRequests);
}

void Scheduler::enqueue(std::unique_ptr<Request> request) { queue.push_back(std::move(request)); }

int32_t Scheduler::pagesNeeded(int32_t total) const {
  return mostPages(total, maxStepTokens, cache.window());
}

/// Admitting more than the pages will soon hold would only lead to preemption,
/// so room is counted for what each running request is known to need.
bool Scheduler::hasRoomFor(const Request &request) const {
  auto missing = [&](const Request &r) {
    int32_t known = static_cast<int32_t>(r.tokens.size()) + 1;
    return std::max(0, pagesNeeded(known) - r.cached.heldPages());
  };
  int64_t needed = missing(request);
  for (const auto &other : active)
    needed += missing(*other);
  return needed <= cache.pages().free();
}

void Scheduler::admit() {
  while (!queue.empty() && active.size() < static_cast<size_t>(maxRequests) &&
         (active.empty() || hasRoomFor(*queue.front()))) {
    active.push_back(std::move(queue.front()));
    queue.pop_front();
  }
}

/// Requests that are decoding first, so that a long prompt does not make them
/// wait; then prompts.
void Scheduler::assignTokens() {
  int32_t tokens = maxStepTokens, rows = maxLogitRows;
  for (auto &request : active) {
    request->scheduled = 0;
    if (request->pending() != 1 || tokens == 0 || rows == 0)
      continue;
    request->scheduled = 1;
    --tokens;
    --rows;
  }
  for (auto &request : active) {
    int32_t pending = request->pending();
    if (pending == 1)
      continue;
    int32_t count = std::min(pending, tokens);
    // The last token of a prompt wants a row; without one it waits.
    if (count == pending && rows-- <= 0)
      --count;
    rows = std::max(rows, 0);
    request->scheduled = count;
    tokens -= count;
  }
}

void Scheduler::preemptYoungest() {
  std::unique_ptr<Request> request = std::move(active.back());
  active.pop_back();
  request->cached.clear(cache);
  request->scheduled = 0;
  ++request->preemptions;
  ++preempted;
  queue.push_front(std::move(request));
}

void Scheduler::takePages() {
  // Oldest first: whoever is preempted is younger than all that have been
  // served, so nothing that is scheduled is taken back.
  for (size_t i = 0; i < active.size(); ++i) {
    Request &request = *active[i];
    int32_t length = request.cached.length() + request.scheduled;
    while (!request.cached.grow(cache, length)) {
      if (active.size() == 1) {
        request.failure = error(Code::resourceExhausted,
                                format("no KV pages: the request needs %d more, %d are free, and "
                                       "the others belong to sequences",
                                       request.cached.missingPages(length), cache.pages().free()));
        request.scheduled = 0;
        return;
      }
      bool itself = i + 1 == active.size();
      preemptYoungest();
      if (itself)
        return;
    }
  }
}

void Scheduler::schedule() {
  admit();
  assignTokens();
  takePages();
}

std::unique_ptr<Request> Scheduler::remove(uint64_t id) {
  auto isIt = [&](const auto &request) { return request->id == id; };
  std::unique_ptr<Request> found;
  auto running = std::find_if(active.begin(), active.end(), isIt);
  auto waiting = std::find_if(queue.begin(), queue.end(), isIt);
  if (running != active.end()) {
    found = std::move(*running);
    active.erase(running);
  } else if (waiting != queue.end()) {
    found = std::move(*waiting);
    queue.erase(waiting);
  }
  if (found)
    found->cached.clear(cache);
  return found;
}

} // namespace kvasir::rt
