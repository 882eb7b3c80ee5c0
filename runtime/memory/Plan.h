// Every byte that an engine will take, computed before any is taken.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_RUNTIME_MEMORY_PLAN_H
#define KVASIR_RUNTIME_MEMORY_PLAN_H

#include "kvasir/Artifact/Module_generated.h"
#include "support/Status.h"

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace kvasir::rt {

/// What the caller wants; 0 (or -1 for spinMicroseconds) means the default. See
/// kvasir.h.
struct EngineConfig {
  int32_t threads = 0;
  int32_t maxRequests = 0;
  int32_t maxStepTokens = 0;
  int32_t maxContext = 0;
  int32_t maxLogitRows = 0;
  uint64_t kvTokens = 0;
  uint64_t kvBytes = 0;
  uint64_t memoryBytes = 0;
  int32_t spinMicroseconds = -1;
  bool pinWorkers = true;
  bool profile = false;
  bool poisonPages = false;
  bool sharedWeights = false;
  /// Of copying weights to a device: bytes done and in all.
  std::function<void(uint64_t, uint64_t)> progress;
};

struct MemoryPlan;
using ProgramList = flatbuffers::Vector<flatbuffers::Offset<artifact::Program>>;

/// What an engine's memory is planned for.
struct PlanTarget {
  const ProgramList *programs = nullptr;
  uint64_t availableBytes = 0; // now; EngineConfig::memoryBytes goes before it
  /// A device with memory of its own: weights are copied to it, and there is one worker.
  bool isDevice = false;
  std::string place; // for messages: " on cuda:0 (NVIDIA H200)"
  /// What a device's driver takes for an engine, of one whose limits are known; may be empty.
  std::function<uint64_t(const MemoryPlan &)> driverBytes = nullptr;
};

/// Where one slot of a program lies in the arena. Copies of per-worker slots
/// follow each other at `stride`.
struct SlotPlace {
  uint64_t offset = 0;
  uint64_t stride = 0;
};

struct ProgramPlan {
  std::vector<SlotPlace> slots;
  uint64_t arenaBytes = 0;
  uint64_t counters = 0; // counter operands of all rows
};

struct MemoryPlan {
  int32_t threads = 0;
  int32_t maxRequests = 0;
  int32_t maxStepTokens = 0;
  int32_t maxContext = 0;
  int32_t maxLogitRows = 0;
  int32_t pageStride = 0; // entries of the page table per request
  std::vector<ProgramPlan> programs;
  std::vector<uint64_t> cacheOffsets; // of each cache in the KV allocation
  /// Of devices: place of each weight among those copied, noWeight for those that no program uses.
  std::vector<uint64_t> weightOffsets;
  uint64_t weightBytes = 0;  // of those that the programs use
  uint64_t arenaBytes = 0;   // the largest of the programs: they share one arena
  uint64_t counterBytes = 0; // 64 each: no two share a cache line
  uint64_t stepBytes = 0;    // arrays of the step arguments, and counters
  uint64_t pageBytes = 0;    // of all caches
  uint64_t pages = 0;
  uint64_t kvBytes = 0; // with the alignment between caches
  uint64_t totalBytes = 0;
  uint64_t availableBytes = 0;
  uint64_t driverBytes = 0; // of devices: see PlanTarget
  uint64_t hostBytes = 0;   // of devices: pinned host memory for step arrays and results
  std::string place;        // see PlanTarget

  static constexpr uint64_t noWeight = UINT64_MAX;

  bool fits() const { return totalBytes <= availableBytes; }
  /// What an engine takes for itself: all but the weights and what the driver takes.
  uint64_t ownBytes() const { return arenaBytes + stepBytes + kvBytes; }
};

/// Refuses limits above the module's and sums that overflow; whether it fits is
/// the caller's question.
Result<MemoryPlan> planMemory(const artifact::Module &module, const EngineConfig &config,
                              const PlanTarget &target);

/// The refusal of a plan that does not fit, with its numbers.
Status doesNotFit(const MemoryPlan &plan);

} // namespace kvasir::rt

#endif // KVASIR_RUNTIME_MEMORY_PLAN_H
