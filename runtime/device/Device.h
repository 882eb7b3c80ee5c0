// What a model runs on: the cores of the CPU or an accelerator, with the artifact's code for it.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_RUNTIME_DEVICE_DEVICE_H
#define KVASIR_RUNTIME_DEVICE_DEVICE_H

#include "artifact/Artifact.h"
#include "device/StepExecutor.h"
#include "memory/Plan.h"

#include <memory>

namespace kvasir::rt {

/// Chosen when a model is loaded. Immutable, shared by threads.
class Device {
public:
  virtual ~Device() = default;

  /// "cpu", or the platform's name and a number: "cuda:0".
  const std::string &name() const { return ownName; }
  /// What its maker calls it; "" for CPUs.
  const std::string &product() const { return ownProduct; }
  /// The code in use: results have the same bits wherever this is the same.
  const std::string &variant() const { return ownVariant; }
  /// Memory of its own; 0 where it shares the host's.
  uint64_t memoryBytes() const { return ownMemory; }

  /// Programs, and what memory there is now. An error when the device cannot be asked.
  virtual Result<PlanTarget> planTarget() const = 0;

  /// Takes what `plan` says; it has been checked against the memory, and outlives the executor, as
  /// this device does.
  virtual Result<std::unique_ptr<StepExecutor>>
  createExecutor(const MemoryPlan &plan, const EngineConfig &config) const = 0;

  /// Bytes per second that its memory moves, read and written together. Takes memory for a moment.
  virtual Result<double> measureBandwidth() const {
    return error(Code::unsupported, "the bandwidth of " + ownName + " is not measured here");
  }

protected:
  std::string ownName, ownProduct, ownVariant;
  uint64_t ownMemory = 0;
};

} // namespace kvasir::rt

#endif // KVASIR_RUNTIME_DEVICE_DEVICE_H
