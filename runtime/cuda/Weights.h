// Copying weights from the artifact to the device.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_RUNTIME_CUDA_WEIGHTS_H
#define KVASIR_RUNTIME_CUDA_WEIGHTS_H

#include "artifact/Artifact.h"
#include "cuda/Context.h"
#include "memory/Plan.h"

#include <functional>
#include <mutex>

namespace kvasir::rt::cuda {

/// A model's weights on its device: one copy, which its engines share. It is given back with the
/// last of them.
class DeviceWeights {
public:
  using Copy = std::shared_ptr<const DeviceMemory>;
  using Progress = std::function<void(uint64_t done, uint64_t total)>;

  /// The copy that is there, or a new one of the weights that have a place in `plan` (the same in
  /// every plan of a model). Who comes meanwhile waits for it. While one buffer is on its way to
  /// the device, the other is filled from the file. The context must be current; on return
  /// everything has arrived.
  Result<Copy> take(const Context &context, const Artifact &artifact, const MemoryPlan &plan,
                    const Progress &progress);

  /// What the copy takes now.
  uint64_t bytes() const;

private:
  mutable std::mutex copying;
  std::weak_ptr<const DeviceMemory> copy;
  uint64_t size = 0;
};

} // namespace kvasir::rt::cuda

#endif // KVASIR_RUNTIME_CUDA_WEIGHTS_H
