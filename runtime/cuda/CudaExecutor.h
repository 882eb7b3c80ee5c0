// Steps on a GPU: one graph for each bucket of token counts, made when the engine is.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_RUNTIME_CUDA_CUDAEXECUTOR_H
#define KVASIR_RUNTIME_CUDA_CUDAEXECUTOR_H

#include "cuda/Programs.h"

#include <optional>

namespace kvasir::rt::cuda {

class CudaExecutor final : public StepExecutor {
public:
  /// Takes all memory, and copies the weights unless another engine of the model has.
  static Result<std::unique_ptr<StepExecutor>>
  create(const CudaDevice &device, const MemoryPlan &plan, const EngineConfig &config);
  ~CudaExecutor() override;

  Result<StepResult> run(const Step &step) override;
  void poisonPage(int32_t page) override;

private:
  struct BucketGraph {
    Bucket bucket;
    size_t program;
    GraphExec graph; // none when profiling
  };

  CudaExecutor(const CudaDevice &device, const MemoryPlan &plan) : device(device), plan(plan) {}

  Status takeMemory();
  Status takeWeights(const EngineConfig &config);
  Status prepare(const EngineConfig &config);
  Status prepareProfile();
  Status addBucket(int32_t tokens, bool profile);
  Status enqueue(const BucketGraph &graph, const Step &step);
  Status launchOneByOne(const BucketGraph &graph);
  Status copyRows(const DeviceProgram &program, const Step &step);
  Status addTimes(size_t program);

  const CudaDevice &device;
  const MemoryPlan &plan;
  DeviceWeights::Copy weights;
  DeviceMemory memory; // one allocation, as DeviceLayout divides it
  PinnedMemory host;   // step block, ids chosen, rows of logits
  Stream stream;
  std::optional<DeviceLayout> layout;
  std::optional<StepBlock> block;
  int32_t *chosen = nullptr; // in `host`
  float *logits = nullptr;   // in `host`
  std::vector<DeviceProgram> programs;
  std::vector<BucketGraph> graphs; // ascending
  std::vector<Event> events;       // of profiling: before each row, and after the last
  Status failure;                  // of the first step that failed
};

} // namespace kvasir::rt::cuda

#endif // KVASIR_RUNTIME_CUDA_CUDAEXECUTOR_H
