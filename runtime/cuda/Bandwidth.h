// How fast a device's memory is, for those who compare.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_RUNTIME_CUDA_BANDWIDTH_H
#define KVASIR_RUNTIME_CUDA_BANDWIDTH_H

#include "cuda/Context.h"

namespace kvasir::rt::cuda {

/// Bytes per second, read and written together, of the fastest of a few copies inside the device's
/// memory: up to 1 GiB each, far beyond its caches. The context must be current.
Result<double> measureBandwidth(const Context &context);

} // namespace kvasir::rt::cuda

#endif // KVASIR_RUNTIME_CUDA_BANDWIDTH_H
