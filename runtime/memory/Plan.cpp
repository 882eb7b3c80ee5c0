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
/// Parts of a device's one allocation start at multiples of it.
static constexpr uint64_t deviceAlignment = 4096;
/// The step's arguments in device memory, and what its arrays lose to alignment.
static constexpr uint64_t deviceStepBytes = 1024;

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

/// The weights that programs use, in the order of the file.
static std::vector<uint32_t> usedWeights(const Module &module, const ProgramList &programs) {
  std::vector<bool> used(module.weights() ? module.weights()->size() : 0);
  for (const Program *program : programs)
    for (const Row *row : *program->rows())
      for (uint32_t i = 0; row->operands() && i < row->operands()->size(); ++i)
        if (row->operands()->Get(i)->kind() == OperandKind::weight)
          used[row->operands()->Get(i)->index()] = true;
  std::vector<uint32_t> indices;
  for (uint32_t i = 0; i < used.size(); ++i)
    if (used[i])
      indices.push_back(i);
  auto place = [&](uint32_t index) {
    return std::pair(module.weights()->Get(index)->offset(), index);
  };
  std::sort(indices.begin(), indices.end(),
            [&](uint32_t a, uint32_t b) { return place(a) < place(b); });
  return indices;
}

static void planWeights(const Module &module, const PlanTarget &target, MemoryPlan &plan,
                        Checked &math) {
  if (target.isDevice)
    plan.weightOffsets.assign(module.weights() ? module.weights()->size() : 0,
                              MemoryPlan::noWeight);
  for (uint32_t index : usedWeights(module, *target.programs)) {
    if (target.isDevice)
      plan.weightOffsets[index] = plan.weightBytes;
    plan.weightBytes = math.add(
        plan.weightBytes, math.roundUp(module.weights()->Get(index)->size(), KVASIR_ALIGNMENT));
  }
  // Mapped weights may share bytes, and the last one ends where the section does.
  if (!target.isDevice)
    plan.weightBytes = std::min(plan.weightBytes, module.weights_section()->size());
}

/// Pages when the caller names neither tokens nor bytes.
static uint64_t defaultPages(const MemoryPlan &plan, bool isDevice, Checked &math) {
  uint64_t wanted = math.multiply(static_cast<uint64_t>(plan.pageStride), plan.maxRequests);
  if (plan.pageBytes == 0)
    return wanted;
  uint64_t fixed = math.add(math.add(plan.weightBytes, plan.arenaBytes),
                            math.add(plan.stepBytes, plan.driverBytes));
  // A machine's memory is there for others too, a device's hardly.
  uint64_t share = isDevice ? plan.availableBytes / 10 * 9 : plan.availableBytes / 2;
  uint64_t room = share - std::min(share, fixed);
  return std::clamp<uint64_t>(room / plan.pageBytes, 1, wanted);
}

/// The step block, the largest rows of logits, the ids chosen.
static uint64_t hostBytes(const ProgramList &programs, const MemoryPlan &plan, Checked &math) {
  uint64_t stride = 0, rows = static_cast<uint64_t>(plan.maxLogitRows);
  for (const Program *program : programs)
    stride = std::max<uint64_t>(stride, program->logits_stride());
  return math.add(plan.stepBytes, math.multiply(rows, (stride + 1) * sizeof(float)));
}

static Status planCaches(const Module &module, const EngineConfig &config, bool isDevice,
                         MemoryPlan &plan, Checked &math) {
  if (module.caches())
    for (const Cache *cache : *module.caches())
      plan.pageBytes = math.add(plan.pageBytes, cache->page_bytes());
  plan.stepBytes = math.add(stepArrayBytes(plan, math), plan.counterBytes);
  if (isDevice) {
    plan.stepBytes = math.roundUp(math.add(plan.stepBytes, deviceStepBytes), deviceAlignment);
    plan.weightBytes = math.roundUp(plan.weightBytes, deviceAlignment);
    plan.arenaBytes = math.roundUp(plan.arenaBytes, deviceAlignment);
  }
  if (config.kvTokens && config.kvBytes)
    return error(Code::invalidArgument,
                 "engine options kv_tokens and kv_bytes are both set, expected "
                 "at most one");
  if (config.kvTokens)
    plan.pages = (config.kvTokens - 1) / KVASIR_PAGE_TOKENS + 1;
  else if (config.kvBytes && plan.pageBytes)
    plan.pages = config.kvBytes / plan.pageBytes;
  else
    plan.pages = defaultPages(plan, isDevice, math);
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
  plan.totalBytes = plan.weightBytes;
  for (uint64_t bytes : {plan.arenaBytes, plan.stepBytes, plan.kvBytes, plan.driverBytes})
    plan.totalBytes = math.add(plan.totalBytes, bytes);
  if (math.overflow)
    return error(Code::outOfRange, "memory of the engine overflows 64 bits");
  return Status::ok();
}

Result<MemoryPlan> planMemory(const Module &module, const EngineConfig &config,
                              const PlanTarget &target) {
  MemoryPlan plan;
  Checked math;
  plan.place = target.place;
  if (Status s = chooseLimits(*module.limits(), config, plan); !s)
    return s;
  if (target.isDevice)
    plan.threads = 1;
  if (target.driverBytes)
    plan.driverBytes = target.driverBytes(plan);
  plan.pageStride = (plan.maxContext + KVASIR_PAGE_TOKENS - 1) / KVASIR_PAGE_TOKENS;
  planWeights(module, target, plan, math);
  plan.availableBytes = config.memoryBytes ? config.memoryBytes : target.availableBytes;
  uint64_t counters = 0;
  for (const Program *program : *target.programs) {
    plan.programs.emplace_back();
    ProgramPlan &last = plan.programs.back();
    if (Status s = planProgram(*program, plan, last); !s)
      return s;
    plan.arenaBytes = std::max(plan.arenaBytes, last.arenaBytes);
    counters = std::max(counters, last.counters);
  }
  plan.counterBytes = counters * KVASIR_ALIGNMENT;
  if (Status s = planCaches(module, config, target.isDevice, plan, math); !s)
    return s;
  if (target.isDevice)
    plan.hostBytes = hostBytes(*target.programs, plan, math);
  return plan;
}

Status doesNotFit(const MemoryPlan &plan) {
  std::string driver =
      plan.driverBytes ? format(" + the driver's %" PRIu64, plan.driverBytes) : std::string();
  return error(
      Code::resourceExhausted,
      format("the engine does not fit%s: weights %" PRIu64 " + workspace %" PRIu64 " + KV %" PRIu64
             " (%" PRIu64 " pages of %d tokens)%s = %" PRIu64 " bytes, but %" PRIu64
             " are available; lower kv_tokens, max_requests or max_step_tokens",
             plan.place.c_str(), plan.weightBytes, plan.arenaBytes + plan.stepBytes, plan.kvBytes,
             plan.pages, KVASIR_PAGE_TOKENS, driver.c_str(), plan.totalBytes, plan.availableBytes));
}

} // namespace kvasir::rt
