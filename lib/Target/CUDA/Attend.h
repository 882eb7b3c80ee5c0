// The two kernels of attention, and how pages of a cache lie for each.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_LIB_TARGET_CUDA_ATTEND_H
#define KVASIR_LIB_TARGET_CUDA_ATTEND_H

#include "KernelEmitter.h"

namespace kvasir::cuda {

/// Whether tensor cores attend to a cache of this type. Its pages then hold, for each head, keys as
/// [64 tokens][head size] and values as [head size][64 tokens]; those of others the other way
/// round, as on a CPU.
bool attendsInTiles(kv::PagedType type);

Items emitAttendTiles(KernelEmitter &e);

} // namespace kvasir::cuda

#endif // KVASIR_LIB_TARGET_CUDA_ATTEND_H
