// How many tokens a block of a GPU takes at a time.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_DIALECTS_STEP_TOKENTILE_H
#define KVASIR_DIALECTS_STEP_TOKENTILE_H

#include "llvm/ADT/StringRef.h"

#include <cstdint>

namespace kvasir::step {

/// An i64 on the `llm.linear` of a phase for GPUs: the form of its kernel. All forms give the same
/// bits for any number of tokens; each reads least for some. `promptTokens` is for weights of 16
/// bits, and taken as `manyTokens` where a block has too little shared memory. Without it:
/// `fewTokens`.
constexpr llvm::StringLiteral tokenTileAttribute("step.token_tile");

constexpr int64_t fewTokens = 8, manyTokens = 32, promptTokens = 64;

/// Most tokens of a step for which `fewTokens` reads least: from 3 on each block's inputs are as
/// many bytes as weights of 4 bits.
constexpr int64_t fewSteps = 2;

} // namespace kvasir::step

#endif // KVASIR_DIALECTS_STEP_TOKENTILE_H
