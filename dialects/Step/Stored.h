// Rows that are stored in 16 bits.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_DIALECTS_STEP_STORED_H
#define KVASIR_DIALECTS_STEP_STORED_H

#include "llvm/ADT/StringRef.h"

namespace kvasir::step {

/// A type on `step.write` and `step.read`: bf16 or f16 values lie in the buffer, each row from
/// where a row of f32 would begin. What is written is rounded, to the nearest, ties to even. Only
/// for GPUs, and only for what the readers would round in the same way.
constexpr llvm::StringLiteral storedAttribute("step.stored");

/// A unit attribute beside it: of each 4 neighbouring values the second and the third change
/// places. So words pair columns 0 and 2, 1 and 3, as codes of weights come out of their words.
constexpr llvm::StringLiteral interleavedAttribute("step.interleaved");

} // namespace kvasir::step

#endif // KVASIR_DIALECTS_STEP_STORED_H
