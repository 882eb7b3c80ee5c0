// Runs compiled programs: the phase tables with every operand resolved to a
// pointer.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_RUNTIME_WORKERS_EXECUTOR_H
#define KVASIR_RUNTIME_WORKERS_EXECUTOR_H

#include "artifact/Artifact.h"
#include "device/StepExecutor.h"
#include "memory/Allocation.h"
#include "memory/Plan.h"
#include "workers/Checker.h"
#include "workers/WorkerPool.h"

namespace kvasir::rt {

class Executor final : public StepExecutor {
public:
  struct Memory {
    Allocation arena, counters, kv;
  };

  /// `functions` is in the order of Module.functions; everything outlives the
  /// executor. `checker`: for code that checks itself, else null.
  Executor(const Artifact &artifact, const std::vector<kvasir_phase_fn> &functions,
           const MemoryPlan &plan, Memory memory, std::unique_ptr<WorkerPool> pool, bool profile,
           std::unique_ptr<Checker> checker = nullptr);

  /// Fails only when code that checks itself has found something. All rows can be read.
  Result<StepResult> run(const Step &step) override;
  void poisonPage(int32_t page) override;
  bool wantsPoison() const override { return checker != nullptr; }

private:
  struct Range {
    const char *start;
    uint32_t bytes;
  };
  struct CompiledRow {
    kvasir_phase_fn function;
    uint32_t firstOperand; // index into a worker's pointers
    uint32_t firstRange;   // index into a worker's ranges
    uint32_t ranges;
  };
  struct CompiledProgram {
    const artifact::Program *source;
    uint32_t maxTokens; // 0: any number
    std::vector<CompiledRow> rows;
    std::vector<std::vector<void *>> operands; // [worker]
    std::vector<std::vector<Range>> ranges;    // [worker] weights to prefetch
    uint64_t counterBytes = 0;
    StepResult result;
  };

  struct Resolver;

  void compile(const artifact::Program &source, const std::vector<kvasir_phase_fn> &functions,
               Resolver resolver);
  void compileRow(const artifact::Row &row, kvasir_phase_fn function, Resolver &resolver,
                  CompiledProgram &result);
  void addRanges(const Resolver &resolver, const artifact::Operand &operand, uint64_t mostBytes,
                 CompiledProgram &result);
  void work(int32_t worker);
  void waitAndPrefetch(const CompiledRow &row, const std::vector<Range> &ranges);
  void addTime(size_t row);

  const Artifact &artifact;
  const MemoryPlan &plan;
  const Memory memory;
  const std::unique_ptr<WorkerPool> pool;
  const std::unique_ptr<Checker> checker;
  std::vector<CompiledProgram> programs;
  // The step in progress.
  const kvasir_step_args *args = nullptr;
  const CompiledProgram *program = nullptr;
  Timing *timing = nullptr;
  double lastTime = 0;
};

} // namespace kvasir::rt

#endif // KVASIR_RUNTIME_WORKERS_EXECUTOR_H
