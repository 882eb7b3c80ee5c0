// Resolving operands once, walking the table for each step.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "workers/Executor.h"

#include "support/Clock.h"

#include <algorithm>
#include <cassert>
#include <cstring>

namespace kvasir::rt {

using namespace artifact;

/// Weights of the next row that a worker asks for while it waits: enough to
/// cover the barrier, and little enough to stay in its second-level cache.
static constexpr uint64_t prefetchBytes = 128 << 10;

/// What the operands of one program point to.
struct Executor::Resolver {
  const Artifact &artifact;
  const Program &source;
  const MemoryPlan &plan;
  const ProgramPlan &places;
  const Memory &memory;
  uint64_t counterBytes = 0;

  const Weight &weight(const Operand &operand) const {
    return *artifact.module().weights()->Get(operand.index());
  }

  void *pointer(const Operand &operand, int32_t worker) const {
    switch (operand.kind()) {
    case OperandKind::slot: {
      const SlotPlace &place = places.slots[operand.index()];
      bool own = source.slots()->Get(operand.index())->per_worker();
      return memory.arena.data() + place.offset + (own ? place.stride * worker : 0);
    }
    case OperandKind::weight:
      return const_cast<unsigned char *>(artifact.weight(weight(operand)));
    case OperandKind::cache:
      return memory.kv.data() + plan.cacheOffsets[operand.index()];
    case OperandKind::counter:
      break;
    }
    return memory.counters.data() + counterBytes;
  }
};

Executor::Executor(const Artifact &artifact, const std::vector<kvasir_phase_fn> &functions,
                   const MemoryPlan &plan, Memory taken, std::unique_ptr<WorkerPool> workers,
                   bool profile, std::unique_ptr<Checker> checker)
    : artifact(artifact), plan(plan), memory(std::move(taken)), pool(std::move(workers)),
      checker(std::move(checker)) {
  const auto &sources = *artifact.module().programs();
  programs.reserve(sources.size());
  for (uint32_t i = 0; i < sources.size(); ++i) {
    compile(*sources.Get(i), functions,
            {artifact, *sources.Get(i), plan, plan.programs[i], memory});
    if (!profile)
      continue;
    profiles.emplace_back();
    profiles.back().rows.resize(programs.back().rows.size());
  }
}

void Executor::compile(const Program &source, const std::vector<kvasir_phase_fn> &functions,
                       Resolver resolver) {
  programs.emplace_back();
  CompiledProgram &result = programs.back();
  result.source = &source;
  result.maxTokens = source.max_tokens();
  result.operands.resize(pool->workers());
  result.ranges.resize(pool->workers());
  uint64_t logits = resolver.places.slots[source.logits_slot()].offset;
  result.result = {reinterpret_cast<const float *>(memory.arena.data() + logits),
                   source.logits_stride(), nullptr};
  for (const Row *row : *source.rows())
    compileRow(*row, functions[row->function()], resolver, result);
  result.counterBytes = resolver.counterBytes;
}

static bool isStreamed(const Operand *operand) {
  return operand->kind() == OperandKind::weight && operand->units() != 0;
}

void Executor::compileRow(const Row &row, kvasir_phase_fn function, Resolver &resolver,
                          CompiledProgram &result) {
  CompiledRow compiled = {function, static_cast<uint32_t>(result.operands[0].size()),
                          static_cast<uint32_t>(result.ranges[0].size()), 0};
  if (const auto *operands = row.operands()) {
    compiled.ranges =
        static_cast<uint32_t>(std::count_if(operands->begin(), operands->end(), isStreamed));
    for (const Operand *operand : *operands) {
      for (int32_t worker = 0; worker < pool->workers(); ++worker)
        result.operands[worker].push_back(resolver.pointer(*operand, worker));
      if (operand->kind() == OperandKind::counter)
        resolver.counterBytes += KVASIR_ALIGNMENT;
      if (isStreamed(operand))
        addRanges(resolver, *operand, prefetchBytes / compiled.ranges, result);
    }
  }
  if (checker) {
    void *checked = checker->addRow(*result.source, row);
    for (std::vector<void *> &operands : result.operands)
      operands.push_back(checked);
  }
  result.rows.push_back(compiled);
}

void Executor::addRanges(const Resolver &resolver, const Operand &operand, uint64_t mostBytes,
                         CompiledProgram &result) {
  const Weight &weight = resolver.weight(operand);
  const char *start = reinterpret_cast<const char *>(resolver.artifact.weight(weight));
  uint64_t units = operand.units(), workers = pool->workers();
  uint64_t unitBytes = weight.size() / units;
  // Each starts with its piece of the first half; the rest is shared out while they work.
  uint64_t first = units > workers ? units - units / 2 : units;
  for (uint64_t worker = 0; worker < workers; ++worker) {
    uint64_t begin = first * worker / workers;
    uint64_t end = first * (worker + 1) / workers;
    uint64_t bytes = std::min((end - begin) * unitBytes, mostBytes);
    result.ranges[worker].push_back({start + begin * unitBytes, static_cast<uint32_t>(bytes)});
  }
}

Result<StepResult> Executor::run(const Step &step) {
  size_t chosen = 0;
  while (programs[chosen].maxTokens &&
         programs[chosen].maxTokens < static_cast<uint32_t>(step.args.tokens))
    ++chosen;
  assert(chosen < programs.size() && "checked when loading");
  args = &step.args;
  program = &programs[chosen];
  timing = profiles.empty() ? nullptr : &profiles[chosen];
  std::memset(memory.counters.data(), 0, program->counterBytes);
  if (checker)
    checker->startStep(*program->source, step.args);
  if (timing)
    lastTime = now();
  pool->run([](void *self, int32_t worker) { static_cast<Executor *>(self)->work(worker); }, this);
  if (timing)
    addTime(program->rows.size() - 1);
  if (checker)
    if (Status status = checker->status(); !status)
      return status;
  return program->result;
}

void Executor::poisonPage(int32_t page) {
  const auto *caches = artifact.module().caches();
  for (uint32_t i = 0; caches && i < caches->size(); ++i) {
    uint64_t bytes = caches->Get(i)->page_bytes();
    std::memset(memory.kv.data() + plan.cacheOffsets[i] + bytes * page, 0xff, bytes);
  }
  if (checker)
    checker->takePage(page);
}

void Executor::addTime(size_t row) {
  double time = now();
  timing->rows[row].seconds += time - lastTime;
  timing->rows[row].calls += 1;
  lastTime = time;
}

void Executor::waitAndPrefetch(const CompiledRow &row, const std::vector<Range> &ranges) {
  pool->barrier().wait([&](auto released) {
    for (uint32_t i = 0; i < row.ranges; ++i) {
      const Range &range = ranges[row.firstRange + i];
      for (uint32_t at = 0; at < range.bytes; at += 64) {
        if (at % 4096 == 0 && released())
          return;
        __builtin_prefetch(range.start + at, /*write=*/0, /*locality=*/2);
      }
    }
  });
}

void Executor::work(int32_t worker) {
  const CompiledProgram &table = *program;
  void *const *operands = table.operands[worker].data();
  int32_t workers = pool->workers();
  for (size_t i = 0; i < table.rows.size(); ++i) {
    const CompiledRow &row = table.rows[i];
    row.function(args, operands + row.firstOperand, worker, workers);
    // The end of the job is the barrier after the last row.
    if (i + 1 == table.rows.size())
      break;
    waitAndPrefetch(table.rows[i + 1], table.ranges[worker]);
    if (timing && worker == 0)
      addTime(i);
  }
}

} // namespace kvasir::rt
