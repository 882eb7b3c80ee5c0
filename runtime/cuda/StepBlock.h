// The arguments of a step as one block of bytes that is copied to the device at once.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_RUNTIME_CUDA_STEPBLOCK_H
#define KVASIR_RUNTIME_CUDA_STEPBLOCK_H

#include "cuda/Context.h"
#include "kvasir-c/abi.h"
#include "memory/Plan.h"

namespace kvasir::rt::cuda {

/// The most of everything in a step of one bucket: T tokens, R requests, L rows of logits and B
/// attention blocks.
struct Bucket {
  int32_t tokens = 0, requests = 0, rows = 0, blocks = 0;

  /// Of steps with up to `tokens` tokens.
  Bucket(const MemoryPlan &plan, int32_t tokens);
};

/// Work counters (always zero) first, so that every step finds them so; then a kvasir_step_args
/// with device pointers, then its arrays, packed: where each lies changes from step to step, and no
/// byte lies behind bytes(bucket of the step).
class StepBlock {
public:
  /// `host` is pinned, `device` the same in device memory; both have plan.stepBytes.
  StepBlock(const MemoryPlan &plan, unsigned char *host, CUdeviceptr device)
      : plan(plan), host(host), device(device) {}

  /// Bytes to copy for any step of a bucket.
  static uint64_t bytes(const MemoryPlan &plan, const Bucket &bucket);

  void fill(const kvasir_step_args &args);

  const void *source() const { return host; }
  CUdeviceptr place() const { return device; }
  CUdeviceptr arguments() const { return device + plan.counterBytes; }
  /// Of counter `index` of a program.
  CUdeviceptr counter(uint64_t index) const { return device + index * KVASIR_ALIGNMENT; }

private:
  const MemoryPlan &plan;
  unsigned char *const host;
  const CUdeviceptr device;
};

} // namespace kvasir::rt::cuda

#endif // KVASIR_RUNTIME_CUDA_STEPBLOCK_H
