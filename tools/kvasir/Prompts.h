// Lists of token ids in JSON, as `logits` and `eval` take them.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_TOOLS_KVASIR_PROMPTS_H
#define KVASIR_TOOLS_KVASIR_PROMPTS_H

#include "Common.h"

namespace kvasir::cli {

/// The lists of a file such as [[1,2,3],[4,5]], each with at least one id, all
/// ids in [0, vocabulary). Anything else fails with its place.
std::vector<std::vector<int32_t>> readPrompts(const std::string &path, int32_t vocabulary);

} // namespace kvasir::cli

#endif // KVASIR_TOOLS_KVASIR_PROMPTS_H
