// An NVIDIA GPU, and the artifact's code for it.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_RUNTIME_CUDA_CUDADEVICE_H
#define KVASIR_RUNTIME_CUDA_CUDADEVICE_H

#include "cuda/Code.h"
#include "cuda/Weights.h"
#include "device/Device.h"

#include <mutex>

namespace kvasir::rt::cuda {

class CudaDevice final : public Device {
public:
  /// Device `number` of the driver, with the code called `variant` or the best. Code::unavailable
  /// when there is no such device or no code that it runs.
  static Result<std::unique_ptr<Device>> open(std::shared_ptr<const Driver> driver, int number,
                                              const Artifact &artifact,
                                              const artifact::Device &code,
                                              std::string_view variant);

  Result<PlanTarget> planTarget() const override;
  Result<std::unique_ptr<StepExecutor>> createExecutor(const MemoryPlan &plan,
                                                       const EngineConfig &config) const override;
  Result<double> measureBandwidth() const override;

  // After one of these has succeeded.
  const Context &context() const { return *primary; }
  const artifact::Module &module() const { return artifact.module(); }
  const Artifact &file() const { return artifact; }
  const artifact::Device &source() const { return code; }
  const std::vector<LoadedKernel> &kernels() const { return loaded.kernels; }
  DeviceWeights &weights() const { return copied; }
  Capability capability() const { return ability; }

private:
  CudaDevice(std::shared_ptr<const Driver> driver, const Artifact &artifact,
             const artifact::Device &code)
      : driver(std::move(driver)), artifact(artifact), code(code) {}
  Status describe(int number);
  Status load() const;
  Status loadOnce() const;

  const std::shared_ptr<const Driver> driver;
  const Artifact &artifact;
  const artifact::Device &code;
  const artifact::DeviceCode *chosen = nullptr;
  CUdevice handle = 0;
  Capability ability;
  int multiprocessors = 0;
  // A context takes time and memory, so it is there when the first engine is planned: a model that
  // is only described has none. It stays; what failed is tried again.
  mutable std::mutex loading;
  mutable std::unique_ptr<Context> primary;
  mutable LoadedCode loaded;
  mutable DeviceWeights copied;
};

} // namespace kvasir::rt::cuda

#endif // KVASIR_RUNTIME_CUDA_CUDADEVICE_H
