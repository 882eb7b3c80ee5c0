// Token sequences straight through kvasir_engine_forward: logits of every
// position and greedy continuations, for `logits` and `verify`.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_TOOLS_KVASIR_FORWARD_H
#define KVASIR_TOOLS_KVASIR_FORWARD_H

#include "Common.h"

#include <functional>
#include <vector>

namespace kvasir::cli {

struct ForwardOptions {
  int threads = 0;
  int chunk = 0;  ///< most tokens of one prompt in one step; 0: no bound
  int greedy = 0; ///< ids to choose after each prompt
  bool oneByOne = false;
  bool poison = false; // pages are full of NaN when they are handed out
  bool progress = false;
};

/// `count` rows of logits of prompt `prompt`, from position `first` on;
/// rows are `stride` floats apart.
using RowSink = std::function<void(size_t prompt, uint64_t first, size_t count, const float *data,
                                   size_t stride)>;

/// Runs all prompts, as one ragged batch or one after the other, and gives the
/// rows to `sink` as they come. Returns the greedy ids of each prompt.
std::vector<std::vector<int32_t>> forwardAll(kvasir_model *model,
                                             const std::vector<std::vector<int32_t>> &prompts,
                                             const ForwardOptions &options, const RowSink &sink);

} // namespace kvasir::cli

#endif // KVASIR_TOOLS_KVASIR_FORWARD_H
