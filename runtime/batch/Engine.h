// An engine: requests in, events out, one step at a time; and the step itself
// for embedders.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_RUNTIME_BATCH_ENGINE_H
#define KVASIR_RUNTIME_BATCH_ENGINE_H

#include "batch/Scheduler.h"
#include "batch/StepRunner.h"

#include <condition_variable>
#include <mutex>
#include <thread>

namespace kvasir::rt {

class Engine;

/// A text whose steps its owner drives. Its pages belong to the engine, which
/// it keeps alive.
struct Sequence {
  std::shared_ptr<Engine> engine;
  CachedTokens cached;
  uint64_t lastForward = 0; // to find one that is named twice
};

/// Any thread may call anything; steps run one at a time. Two locks: `stepping`
/// is held for a whole step, `state` only to exchange requests and events, and
/// is taken second.
class Engine : public std::enable_shared_from_this<Engine> {
public:
  static Result<std::shared_ptr<Engine>> create(std::shared_ptr<const Model> model,
                                                const EngineConfig &config);
  ~Engine();

  const Model &model() const { return *source; }
  const MemoryPlan &plan() const { return runner->plan(); }

  /// Checks the request against the limits; the number of the new request.
  Result<uint64_t> submit(RequestSpec spec);
  void cancel(uint64_t request);
  Status step(bool &more);
  /// The next event, or one of kind NONE; valid until the next poll.
  const Event &poll();
  bool wait(double seconds);
  Status start();
  Status stop();
  void fillStats(kvasir_engine_stats &stats);

  Result<std::unique_ptr<Sequence>> createSequence(int32_t total);
  void freeSequence(Sequence &sequence);
  Status truncate(Sequence &sequence, int32_t length);
  Status forward(std::span<const kvasir_forward_item> items, std::span<Sequence *const> sequences,
                 kvasir_logits *logits);

  Status copyProfile(int32_t program, kvasir_profile_row *rows, size_t capacity, size_t &count);
  void resetProfile();

private:
  Engine(std::shared_ptr<const Model> model, std::unique_ptr<StepRunner> step);

  Status prepare(RequestSpec &spec) const;
  void intake();
  void finish(uint64_t id, kvasir_finish_reason reason);
  void finishFailed();
  bool buildStep();
  void chooseTokens(const StepResult &result);
  void chooseToken(Request &request, const StepResult &result, size_t row);
  Result<StepResult> runStep(bool decodeOnly);
  void publish();
  Status checkForward(std::span<const kvasir_forward_item> items,
                      std::span<Sequence *const> sequences);
  Status stepUnlocked(bool &more);
  void help();

  const std::shared_ptr<const Model> source;
  const std::unique_ptr<StepRunner> runner;

  std::mutex stepping;
  // Guarded by `stepping`.
  Scheduler scheduler;
  Sampler sampler;
  kvasir_engine_stats totals = {};
  std::vector<Event> produced; // events of the step in progress
  std::vector<std::pair<uint64_t, kvasir_finish_reason>> ended;
  uint64_t forwards = 0;

  std::mutex state;
  // Guarded by `state`.
  std::condition_variable workArrived, eventArrived;
  std::vector<std::unique_ptr<Request>> inbox;
  std::vector<uint64_t> cancellations;
  std::deque<Event> events;
  kvasir_engine_stats published = {};
  uint64_t lastRequest = 0;
  bool helping = false, stopHelper = false;
  Status helperFailure;

  Event polled; // belongs to the polling thread
  std::thread helper;
};

} // namespace kvasir::rt

#endif // KVASIR_RUNTIME_BATCH_ENGINE_H
