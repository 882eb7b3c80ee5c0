// The matrix instruction mma.m16n8k16 with sums in f32. A Fragment is what one lane has of an
// operand: A 4 registers, B 2, results and sums 4 (PTX ISA, "Matrix Fragments for mma.m16n8k16").
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_LIB_TARGET_CUDA_MMA_H
#define KVASIR_LIB_TARGET_CUDA_MMA_H

#include "KernelEmitter.h"

namespace kvasir::cuda {

/// i32 registers of an operand (a pair of values in each) or f32 registers of a result, of a lane.
using Fragment = llvm::SmallVector<Value>;

/// sums + A B, values being bf16 or f16.
Fragment emitMma(KernelEmitter &e, Type element, const Fragment &a, const Fragment &b,
                 const Fragment &sums);

/// Two f32, rounded, in a register; `low` in the low half.
Value roundPair(KernelEmitter &e, Type element, Value low, Value high);

} // namespace kvasir::cuda

#endif // KVASIR_LIB_TARGET_CUDA_MMA_H
