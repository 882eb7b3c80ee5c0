// Taking what the plan says.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "batch/StepRunner.h"

#include <cstring>

namespace kvasir::rt {

Result<std::unique_ptr<StepRunner>> StepRunner::create(const Model &model,
                                                       const EngineConfig &config) {
  if (!model.artifact().isForHost())
    return error(Code::unavailable,
                 format("the artifact has code for %s only, and this runtime runs code for CPUs; "
                        "compile the model with --target cpu",
                        model.variant().c_str()));
  Result<MemoryPlan> plan = planMemory(model.module(), config);
  if (!plan)
    return plan.status();
  if (!plan->fits())
    return doesNotFit(*plan);
  Result<KvCache> kv = KvCache::create(model.module(), *plan, config.poisonPages);
  if (!kv)
    return kv.status();
  std::unique_ptr<StepRunner> runner(new StepRunner(std::move(*plan), std::move(*kv)));
  const MemoryPlan &taken = runner->memoryPlan;
  Result<Allocation> arena = Allocation::create(taken.arenaBytes, "the workspace");
  if (!arena)
    return arena.status();
  runner->arena = std::move(*arena);
  // Touched now, so that no step waits for the system to find memory.
  std::memset(runner->arena.data(), 0, runner->arena.size());
  Result<Allocation> counters = Allocation::create(taken.counterBytes, "the work counters");
  if (!counters)
    return counters.status();
  runner->counters = std::move(*counters);
  auto pool = WorkerPool::create({taken.threads, config.spinMicroseconds, config.pinWorkers});
  if (!pool)
    return pool.status();
  runner->pool = std::move(*pool);
  std::unique_ptr<Checker> checker;
  if (const kvasir_checker *functions = model.code().checker()) {
    auto created = Checker::create(*functions, model.module(), taken);
    if (!created)
      return created.status();
    checker = std::move(*created);
  }
  runner->programs = std::make_unique<Executor>(
      model.artifact(), model.code().functions(), taken,
      Executor::Memory{runner->arena.data(), runner->counters.data(), runner->kv.data()},
      *runner->pool, config.profile, std::move(checker));
  return runner;
}

} // namespace kvasir::rt
