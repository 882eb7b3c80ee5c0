// Everything that one step needs, allocated once: workspace, KV pages, workers,
// step arrays. SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_RUNTIME_BATCH_STEPRUNNER_H
#define KVASIR_RUNTIME_BATCH_STEPRUNNER_H

#include "batch/StepBuilder.h"
#include "model/Model.h"
#include "workers/Executor.h"

namespace kvasir::rt {

class StepRunner {
public:
  /// Refuses what does not fit before anything is allocated.
  static Result<std::unique_ptr<StepRunner>> create(const Model &model, const EngineConfig &config);

  const MemoryPlan &plan() const { return memoryPlan; }
  KvCache &cache() { return kv; }
  StepBuilder &builder() { return step; }
  Executor &executor() { return *programs; }

  /// Runs what the builder holds. No allocation.
  Result<Logits> run() { return programs->run(step.arguments()); }

private:
  StepRunner(MemoryPlan plan, KvCache kv)
      : memoryPlan(std::move(plan)), kv(std::move(kv)), step(memoryPlan) {}

  MemoryPlan memoryPlan;
  KvCache kv;
  StepBuilder step;
  Allocation arena;
  Allocation counters;
  std::unique_ptr<WorkerPool> pool;
  std::unique_ptr<Executor> programs;
};

} // namespace kvasir::rt

#endif // KVASIR_RUNTIME_BATCH_STEPRUNNER_H
