// Everything that one step needs, made once: the plan, what runs it, KV pages and step arrays.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_RUNTIME_BATCH_STEPRUNNER_H
#define KVASIR_RUNTIME_BATCH_STEPRUNNER_H

#include "batch/StepBuilder.h"
#include "model/Model.h"

namespace kvasir::rt {

class StepRunner {
public:
  /// Refuses what does not fit before anything is allocated.
  static Result<std::unique_ptr<StepRunner>> create(const Model &model, const EngineConfig &config);

  const MemoryPlan &plan() const { return *memoryPlan; }
  KvCache &cache() { return kv; }
  StepBuilder &builder() { return step; }
  StepExecutor &executor() { return *programs; }

  /// Runs what the builder holds. No allocation.
  Result<StepResult> run() { return programs->run({step.arguments(), step.hostRows()}); }

private:
  StepRunner(std::unique_ptr<MemoryPlan> plan, std::unique_ptr<StepExecutor> programs, KvCache kv)
      : memoryPlan(std::move(plan)), programs(std::move(programs)), kv(std::move(kv)),
        step(*memoryPlan) {}

  std::unique_ptr<const MemoryPlan> memoryPlan; // the executor keeps a reference
  std::unique_ptr<StepExecutor> programs;
  KvCache kv;
  StepBuilder step;
};

} // namespace kvasir::rt

#endif // KVASIR_RUNTIME_BATCH_STEPRUNNER_H
