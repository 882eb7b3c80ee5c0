// The memory plan: affine in the engine's limits, with checked arithmetic.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "memory/Plan.h"

#include "kvasir-c/abi.h"
#include "memory/Machine.h"

#include <algorithm>
#include <cinttypes>

namespace kvasir::rt {

using namespace artifact;

/// Sums and products that remember whether one of them overflowed.
struct Checked {
  bool overflow = false;

  uint64_t add(uint64_t a, uint64_t b) {
    overflow |= __builtin_add_overflow(a, b, &a);
    return a;
  }
  uint64_t multiply(uint64_t a, uint64_t b) {
    overflow |= __builtin_mul_overflow(a, b, &a);
    return a;
  }
  uint64_t roundUp(uint64_t a, uint64_t to) { return add(a, to - 1) / to * to; }
};

static constexpr uint64_t cacheAlignment = uint64_t(2) << 20;
static constexpr int32_t maxThreads = 1024;

static Status limit(const char *name, int32_t &value, int32_t chosen, uint32_t fallback,
                    uint32_t most) {
  if (chosen < 0 || static_cast<uint32_t>(chosen) > most)
    return error(Code::outOfRange, format("engine option %s is %d, expected 1 to %u (the limit "
                                          "fixed when compiling) or 0 for the default",
                                          name, chosen, most));
  value = chosen ? chosen : static_cast<int32_t>(std::min(fallback, most));
  return Status::ok();
}

static Status chooseLimits(const Limits &bounds, const EngineConfig &config, MemoryPlan &plan) {
  if (config.threads < 0 || config.threads > maxThreads)
    return error(Code::outOfRange, format("engine option threads is %d, expected 0 to %d",
                                          config.threads, maxThreads));
  plan.threads = config.threads ? config.threads : std::min<int32_t>(usableThreads(), maxThreads);
  if (Status s =
          limit("max_requests", plan.maxRequests, config.maxRequests, 8, bounds.max_requests());
      !s)
    return s;
  if (Status s = limit("max_step_tokens", plan.maxStepTokens, config.maxStepTokens, 256,
                       bounds.max_step_tokens());
      !s)
    return s;
  if (Status s = limit("max_context", plan.maxContext, config.maxContext, bounds.max_context(),
                       bounds.max_context());
      !s)
    return s;
  return limit("max_logit_rows", plan.maxLogitRows, config.maxLogitRows,
               std::min(plan.maxRequests, plan.maxStepTokens), plan.maxStepTokens);
}

static Status planProgram(const Program &program, const MemoryPlan &limits, ProgramPlan &plan) {
  // Steps of this program never have more tokens than it admits, and each
  // row of logits belongs to a token.
  uint64_t tokens = limits.maxStepTokens;
  if (program.max_tokens())
    tokens = std::min<uint64_t>(tokens, program.max_tokens());
  uint64_t rows = std::min<uint64_t>(tokens, limits.maxLogitRows);
  Checked math;
  for (const Slot *slot : *program.slots()) {
    const Size &size = *slot->size();
    uint64_t bytes = math.add(size.constant(), math.add(math.multiply(size.per_token(), tokens),
                                                        math.multiply(size.per_row(), rows)));
    SlotPlace place = {plan.arenaBytes, math.roundUp(bytes, KVASIR_ALIGNMENT)};
    uint64_t copies = slot->per_worker() ? limits.threads : 1;
    plan.arenaBytes = math.add(plan.arenaBytes, math.multiply(place.stride, copies));
    plan.slots.push_back(place);
  }
  uint64_t logits = math.multiply(rows, uint64_t(program.logits_stride()) * sizeof(float));
  uint64_t chosen = rows * sizeof(int32_t);
  if (math.overflow)
    return error(Code::outOfRange,
                 format("memory of program '%s' overflows", program.name()->c_str()));
  if (plan.slots[program.logits_slot()].stride < logits)
    return error(Code::dataLoss,
                 format("program '%s' has %" PRIu64 " bytes for logits, "
                        "expected %" PRIu64,
                        program.name()->c_str(), plan.slots[program.logits_slot()].stride, logits));
  if (program.chosen_slot() >= 0 &&
      plan.slots[static_cast<size_t>(program.chosen_slot())].stride < chosen)
    return error(Code::dataLoss, format("program '%s' has too few bytes for the ids chosen",
                                        program.name()->c_str()));
  for (const Row *row : *program.rows())
    if (row->operands())
      for (const Operand *operand : *row->operands())
        plan.counters += operand->kind() == OperandKind::counter;
  return Status::ok();
}

static uint64_t stepArrayBytes(const MemoryPlan &plan, Checked &math) {
  uint64_t perToken = 5 * sizeof(int32_t); // ids, positions, requests, blocks
  uint64_t perRequest = sizeof(int32_t) * math.add(1, static_cast<uint64_t>(plan.pageStride));
  return math.add(math.add(perToken * plan.maxStepTokens,
                           sizeof(int32_t) * static_cast<uint64_t>(plan.maxLogitRows)),
                  math.multiply(perRequest, plan.maxRequests));
}

/// Pages when the caller names neither tokens nor bytes.
static uint64_t defaultPages(const MemoryPlan &plan, Checked &math) {
  uint64_t wanted = math.multiply(static_cast<uint64_t>(plan.pageStride), plan.maxRequests);
  if (plan.pageBytes == 0)
    return wanted;
  uint64_t fixed = math.add(math.add(plan.weightBytes, plan.arenaBytes), plan.stepBytes);
  uint64_t half = plan.availableBytes / 2;
  uint64_t room = half - std::min(half, fixed);
  return std::clamp<uint64_t>(room / plan.pageBytes, 1, wanted);
}

static Status planCaches(const Module &module, const EngineConfig &config, MemoryPlan &plan) {
  Checked math;
  if (module.caches())
    for (const Cache *cache : *module.caches())
      plan.pageBytes = math.add(plan.pageBytes, cache->page_bytes());
  plan.stepBytes = math.add(stepArrayBytes(plan, math), plan.counterBytes);
  if (config.kvTokens && config.kvBytes)
    return error(Code::invalidArgument,
                 "engine options kv_tokens and kv_bytes are both set, expected "
                 "at most one");
  if (config.kvTokens)
    plan.pages = (config.kvTokens - 1) / KVASIR_PAGE_TOKENS + 1;
  else if (config.kvBytes && plan.pageBytes)
    plan.pages = config.kvBytes / plan.pageBytes;
  else
    plan.pages = defaultPages(plan, math);
  if (plan.pages == 0)
    return error(Code::resourceExhausted,
                 format("kv_bytes of %" PRIu64 " holds no page, one page of %d "
                        "tokens has %" PRIu64 " bytes",
                        config.kvBytes, KVASIR_PAGE_TOKENS, plan.pageBytes));
  if (plan.pages > INT32_MAX)
    return error(Code::outOfRange, format("%" PRIu64 " KV pages, expected at "
                                          "most %d",
                                          plan.pages, INT32_MAX));
  if (module.caches())
    for (const Cache *cache : *module.caches()) {
      plan.cacheOffsets.push_back(plan.kvBytes);
      // Large caches start at huge pages; small ones do not waste them.
      uint64_t bytes = math.multiply(cache->page_bytes(), plan.pages);
      uint64_t to = bytes >= cacheAlignment ? cacheAlignment : 4096;
      plan.kvBytes = math.roundUp(math.add(plan.kvBytes, bytes), to);
    }
  plan.totalBytes =
      math.add(math.add(plan.weightBytes, plan.arenaBytes), math.add(plan.stepBytes, plan.kvBytes));
  if (math.overflow)
    return error(Code::outOfRange, "memory of the engine overflows 64 bits");
  return Status::ok();
}

using Programs = flatbuffers::Vector<flatbuffers::Offset<Program>>;

static const Programs &programsOf(const Module &module, const Device *device) {
  bool forCPUs = module.programs() && module.programs()->size() > 0;
  if (!device && !forCPUs)
    device = module.devices()->Get(0);
  return device ? *device->programs() : *module.programs();
}

std::vector<bool> usedWeights(const Module &module, const Programs &programs) {
  std::vector<bool> used(module.weights() ? module.weights()->size() : 0);
  for (const Program *program : programs)
    for (const Row *row : *program->rows())
      if (row->operands())
        for (const Operand *operand : *row->operands())
          if (operand->kind() == OperandKind::weight)
            used[operand->index()] = true;
  return used;
}

/// The whole section when one target reads it; of several targets' weights, those read.
static uint64_t weightBytes(const Module &module, const Programs &programs) {
  if (!module.devices() || module.devices()->size() == 0)
    return module.weights_section()->size();
  Checked math;
  uint64_t bytes = 0;
  std::vector<bool> used = usedWeights(module, programs);
  for (uint32_t i = 0; i < used.size(); ++i)
    if (used[i])
      bytes = math.add(bytes, math.roundUp(module.weights()->Get(i)->size(), KVASIR_ALIGNMENT));
  return math.overflow ? UINT64_MAX : bytes; // which overflows the plan's sum
}

Result<MemoryPlan> planMemory(const Module &module, const EngineConfig &config,
                              const Device *device) {
  MemoryPlan plan;
  const Programs &programs = programsOf(module, device);
  if (Status s = chooseLimits(*module.limits(), config, plan); !s)
    return s;
  plan.pageStride = (plan.maxContext + KVASIR_PAGE_TOKENS - 1) / KVASIR_PAGE_TOKENS;
  plan.weightBytes = weightBytes(module, programs);
  plan.availableBytes = config.memoryBytes ? config.memoryBytes : availableMemory();
  uint64_t counters = 0;
  for (const Program *program : programs) {
    plan.programs.emplace_back();
    ProgramPlan &last = plan.programs.back();
    if (Status s = planProgram(*program, plan, last); !s)
      return s;
    plan.arenaBytes = std::max(plan.arenaBytes, last.arenaBytes);
    counters = std::max(counters, last.counters);
  }
  plan.counterBytes = counters * KVASIR_ALIGNMENT;
  if (Status s = planCaches(module, config, plan); !s)
    return s;
  return plan;
}

Status doesNotFit(const MemoryPlan &plan) {
  return error(Code::resourceExhausted,
               format("the engine does not fit: weights %" PRIu64 " + workspace %" PRIu64
                      " + KV %" PRIu64 " (%" PRIu64 " pages of %d tokens) = %" PRIu64
                      " bytes, but %" PRIu64
                      " are available; lower kv_tokens, max_requests or max_step_tokens",
                      plan.weightBytes, plan.arenaBytes + plan.stepBytes, plan.kvBytes, plan.pages,
                      KVASIR_PAGE_TOKENS, plan.totalBytes, plan.availableBytes));
}

} // namespace kvasir::rt
