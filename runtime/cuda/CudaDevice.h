// An NVIDIA GPU with the code for it loaded.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_RUNTIME_CUDA_CUDADEVICE_H
#define KVASIR_RUNTIME_CUDA_CUDADEVICE_H

#include "cuda/Code.h"
#include "device/Device.h"

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

  const Context &context() const { return *primary; }
  const artifact::Module &module() const { return artifact.module(); }
  const Artifact &file() const { return artifact; }
  const artifact::Device &source() const { return code; }
  const std::vector<LoadedKernel> &kernels() const { return loaded.kernels; }
  Capability capability() const { return ability; }

private:
  CudaDevice(const Artifact &artifact, const artifact::Device &code)
      : artifact(artifact), code(code) {}
  Status describe(const Driver &driver, int number);
  Status load(std::shared_ptr<const Driver> driver, std::string_view variant);

  const Artifact &artifact;
  const artifact::Device &code;
  std::unique_ptr<Context> primary;
  LoadedCode loaded;
  CUdevice handle = 0;
  Capability ability;
  int multiprocessors = 0;
};

} // namespace kvasir::rt::cuda

#endif // KVASIR_RUNTIME_CUDA_CUDADEVICE_H
