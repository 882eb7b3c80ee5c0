// Taking what the plan says.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "batch/StepRunner.h"

namespace kvasir::rt {

Result<std::unique_ptr<StepRunner>> StepRunner::create(const Model &model,
                                                       const EngineConfig &config) {
  Result<MemoryPlan> made = model.plan(config);
  if (!made)
    return made.status();
  if (!made->fits())
    return doesNotFit(*made);
  auto plan = std::make_unique<MemoryPlan>(std::move(*made));
  auto executor = model.device().createExecutor(*plan, config);
  if (!executor)
    return executor.status();
  bool poisons = config.poisonPages || (*executor)->wantsPoison();
  KvCache kv(model.module(), *plan, poisons ? executor->get() : nullptr);
  return std::unique_ptr<StepRunner>(
      new StepRunner(std::move(plan), std::move(*executor), std::move(kv)));
}

} // namespace kvasir::rt
