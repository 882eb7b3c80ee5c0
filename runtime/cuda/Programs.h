// Programs whose operands are device pointers, and the graphs that run them.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_RUNTIME_CUDA_PROGRAMS_H
#define KVASIR_RUNTIME_CUDA_PROGRAMS_H

#include "cuda/CudaDevice.h"
#include "cuda/StepBlock.h"

namespace kvasir::rt::cuda {

/// Where the parts of an engine's one allocation begin.
struct DeviceLayout {
  CUdeviceptr arena, step, kv;

  DeviceLayout(const MemoryPlan &plan, CUdeviceptr start)
      : arena(start), step(arena + plan.arenaBytes), kv(step + plan.stepBytes) {}
};

/// One row of the phase table, ready to be launched.
struct Launch {
  const LoadedKernel *kernel;
  std::vector<CUdeviceptr> parameters; // the step's arguments, then the operands

  unsigned int grid(const Bucket &bucket) const;
};

struct DeviceProgram {
  const artifact::Program *source;
  std::vector<Launch> launches;
  CUdeviceptr logits; // [L][stride] f32
  size_t stride;
  CUdeviceptr chosen; // [L] int32; 0: the program does not choose
};

std::vector<DeviceProgram> resolvePrograms(const CudaDevice &device, const MemoryPlan &plan,
                                           CUdeviceptr weights, const DeviceLayout &layout,
                                           const StepBlock &block);

/// The most tokens of each bucket, ascending: powers of two, the most of each program, and of a
/// step.
std::vector<int32_t> bucketTokens(const artifact::Device &device, const MemoryPlan &plan);

/// Index of the program that runs steps of this many tokens.
size_t programFor(const artifact::Device &device, int32_t tokens);

/// What the driver takes of the device's memory for the graphs of all buckets, generously.
uint64_t graphBytes(const artifact::Device &device, const MemoryPlan &plan);

/// A step of one bucket: copies the arguments, runs the kernels one after the other, and copies the
/// ids chosen to `chosen` (pinned) if the program has them. The context must be current.
Result<GraphExec> buildGraph(const CudaDevice &device, const DeviceProgram &program,
                             const Bucket &bucket, const MemoryPlan &plan, const StepBlock &block,
                             int32_t *chosen);

/// The array `extra` of a launch, which hands the parameters over as one buffer.
class LaunchParameters {
public:
  explicit LaunchParameters(const Launch &launch)
      : bytes(launch.parameters.size() * sizeof(CUdeviceptr)),
        entries{reinterpret_cast<void *>(CU_LAUNCH_PARAM_BUFFER_POINTER_AS_INT),
                const_cast<CUdeviceptr *>(launch.parameters.data()),
                reinterpret_cast<void *>(CU_LAUNCH_PARAM_BUFFER_SIZE_AS_INT), &bytes,
                reinterpret_cast<void *>(CU_LAUNCH_PARAM_END_AS_INT)} {}
  LaunchParameters(const LaunchParameters &) = delete;
  LaunchParameters &operator=(const LaunchParameters &) = delete;

  void **extra() { return entries; }

private:
  size_t bytes;
  void *entries[5];
};

} // namespace kvasir::rt::cuda

#endif // KVASIR_RUNTIME_CUDA_PROGRAMS_H
