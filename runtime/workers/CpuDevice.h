// The CPU as a device: worker threads, and the artifact's code for the features of this machine.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_RUNTIME_WORKERS_CPUDEVICE_H
#define KVASIR_RUNTIME_WORKERS_CPUDEVICE_H

#include "artifact/Resident.h"
#include "device/Device.h"
#include "loader/CodeObject.h"
#include "workers/WorkerPool.h"

namespace kvasir::rt {

class CpuDevice final : public Device {
public:
  /// `variant` is empty for the best one that runs here. The artifact outlives the device.
  static Result<std::unique_ptr<Device>> open(const Artifact &artifact, std::string_view variant);

  Result<PlanTarget> planTarget() const override;
  Result<std::unique_ptr<StepExecutor>> createExecutor(const MemoryPlan &plan,
                                                       const EngineConfig &config) const override;

private:
  Status moveWeights(WorkerPool &pool) const;
  CpuDevice(const Artifact &artifact, std::string variant, CodeObject code);

  const Artifact &artifact;
  const CodeObject compiled;
  mutable Resident weights;
};

} // namespace kvasir::rt

#endif // KVASIR_RUNTIME_WORKERS_CPUDEVICE_H
