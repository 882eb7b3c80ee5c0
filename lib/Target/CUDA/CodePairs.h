// Codes of weights as operands of matrix instructions: two values of bf16 in a register, all exact.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_LIB_TARGET_CUDA_CODEPAIRS_H
#define KVASIR_LIB_TARGET_CUDA_CODEPAIRS_H

#include "KernelEmitter.h"

#include "kvasir/Encoding/Encoding.h"

namespace kvasir::cuda {

/// Registers of the columns (0, 2) and (1, 3) of a word that has four neighbouring columns.
using CodePairs = std::array<Value, 2>;

/// The bytes of `low` (0 to 3) and `high` (4 to 7) that the digits of `selector` name, the lowest
/// digit for the lowest byte; a digit of 8 and more is the highest bit of its byte eight times.
Value permuteBytes(KernelEmitter &e, Value low, Value high, Value selector);
Value permuteBytes(KernelEmitter &e, Value low, Value high, uint32_t selector);

/// Two bf16 in a register: `first` + `second`, `first` * `second`.
Value addPairs(KernelEmitter &e, Value first, Value second);
Value multiplyPairs(KernelEmitter &e, Value first, Value second);
/// A constant in both halves of a register.
Value twice(KernelEmitter &e, uint32_t half);

/// Bytes below 128 as 128 + byte: the bits of bf16's 128 with the byte in the lowest ones.
Value raised(KernelEmitter &e, Value bytes, uint32_t selector);

/// Codes of up to 6 bits, one in each byte, plus `offset` - 128 (two bf16).
CodePairs pairsOfBytes(KernelEmitter &e, Value word, Value offset);
/// Codes of 8 bits, less 128.
CodePairs pairsOfWholeBytes(KernelEmitter &e, Value word);
CodePairs pairsOfE4M3(KernelEmitter &e, Value word);
/// E2M1 in the low (high) halves of bytes; twice the value.
CodePairs pairsOfE2M1(KernelEmitter &e, Value word, bool high);
/// A codebook's integers for codes in the low (high) halves of bytes.
CodePairs pairsOfCodebook(KernelEmitter &e, const Encoding &encoding, Value word, bool high);

} // namespace kvasir::cuda

#endif // KVASIR_LIB_TARGET_CUDA_CODEPAIRS_H
