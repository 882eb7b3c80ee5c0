// Copying weights from the artifact to the device.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_RUNTIME_CUDA_WEIGHTS_H
#define KVASIR_RUNTIME_CUDA_WEIGHTS_H

#include "artifact/Artifact.h"
#include "cuda/Context.h"
#include "memory/Plan.h"

#include <functional>

namespace kvasir::rt::cuda {

/// Copies the weights that have a place in `plan` to `target`. While one buffer is on its way to
/// the device, the other is filled from the file. `progress` gets bytes done and in all. The
/// context must be current; on return everything has arrived.
Status copyWeights(const Context &context, const Artifact &artifact, const MemoryPlan &plan,
                   CUdeviceptr target, const std::function<void(uint64_t, uint64_t)> &progress);

} // namespace kvasir::rt::cuda

#endif // KVASIR_RUNTIME_CUDA_WEIGHTS_H
