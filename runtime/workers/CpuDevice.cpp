// Choosing code by CPU features; taking what the plan says.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "workers/CpuDevice.h"

#include "loader/CpuFeatures.h"
#include "memory/Machine.h"
#include "workers/Executor.h"

#include <algorithm>
#include <cstring>

namespace kvasir::rt {

CpuDevice::CpuDevice(const Artifact &artifact, std::string variant, CodeObject code)
    : artifact(artifact), compiled(std::move(code)) {
  ownName = "cpu";
  ownVariant = std::move(variant);
}

Result<std::unique_ptr<Device>> CpuDevice::open(const Artifact &artifact,
                                                std::string_view variant) {
  const artifact::Module &module = artifact.module();
  auto code = chooseVariant(module, variant, cpuFeatures());
  if (!code)
    return code.status();
  std::string name = (*code)->variant()->str();
  Result<CodeObject> compiled =
      CodeObject::load(artifact.bytes(*(*code)->section()), name, module.functions());
  if (!compiled)
    return compiled.status();
  return std::unique_ptr<Device>(new CpuDevice(artifact, std::move(name), std::move(*compiled)));
}

Result<PlanTarget> CpuDevice::planTarget() const {
  // Weights that have been moved are part of what is planned again.
  uint64_t available = availableMemory(), moved = weights.bytes();
  available += std::min(UINT64_MAX - available, moved);
  return PlanTarget{artifact.module().programs(), available, /*isDevice=*/false, {}};
}

/// Where the weights that CPUs read lie in the file: [first, second).
static std::pair<uint64_t, uint64_t> weightRange(const artifact::Module &module) {
  uint64_t begin = UINT64_MAX, end = 0;
  for (const artifact::Program *program : *module.programs())
    for (const artifact::Row *row : *program->rows())
      for (uint32_t i = 0; row->operands() && i < row->operands()->size(); ++i) {
        const artifact::Operand &operand = *row->operands()->Get(i);
        if (operand.kind() != artifact::OperandKind::weight)
          continue;
        const artifact::Weight &weight = *module.weights()->Get(operand.index());
        begin = std::min(begin, weight.offset());
        end = std::max(end, weight.offset() + weight.size());
      }
  uint64_t section = module.weights_section()->offset();
  return {section + std::min(begin, end), section + end};
}

Status CpuDevice::moveWeights(WorkerPool &pool) const {
  auto [begin, end] = weightRange(artifact.module());
  using Part = std::function<void(int32_t)>;
  return weights.move(artifact.file(), begin, end - begin, pool.workers(), [&](const Part &part) {
    pool.run([](void *job, int32_t worker) { (*static_cast<const Part *>(job))(worker); },
             const_cast<Part *>(&part));
  });
}

static Result<Executor::Memory> takeMemory(const MemoryPlan &plan) {
  Executor::Memory memory;
  Result<Allocation> arena = Allocation::create(plan.arenaBytes, "the workspace");
  if (!arena)
    return arena.status();
  // Touched now, so that no step waits for the system to find memory.
  std::memset(arena->data(), 0, arena->size());
  memory.arena = std::move(*arena);
  Result<Allocation> counters = Allocation::create(plan.counterBytes, "the work counters");
  if (!counters)
    return counters.status();
  memory.counters = std::move(*counters);
  Result<Allocation> kv = Allocation::create(plan.kvBytes, "the KV cache");
  if (!kv)
    return kv.status();
  memory.kv = std::move(*kv);
  return memory;
}

Result<std::unique_ptr<StepExecutor>> CpuDevice::createExecutor(const MemoryPlan &plan,
                                                                const EngineConfig &config) const {
  // Who says that more memory may be planned than there is gets no copy on top.
  bool movesWeights = !config.sharedWeights && plan.totalBytes <= planTarget()->availableBytes;
  Result<Executor::Memory> memory = takeMemory(plan);
  if (!memory)
    return memory.status();
  auto pool = WorkerPool::create({plan.threads, config.spinMicroseconds, config.pinWorkers});
  if (!pool)
    return pool.status();
  if (movesWeights)
    if (Status s = moveWeights(**pool); !s)
      return s;
  std::unique_ptr<Checker> checker;
  if (const kvasir_checker *functions = compiled.checker()) {
    auto created = Checker::create(*functions, artifact.module(), plan);
    if (!created)
      return created.status();
    checker = std::move(*created);
  }
  return std::unique_ptr<StepExecutor>(new Executor(artifact, compiled.functions(), plan,
                                                    std::move(*memory), std::move(*pool),
                                                    config.profile, std::move(checker)));
}

} // namespace kvasir::rt
