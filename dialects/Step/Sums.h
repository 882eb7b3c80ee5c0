// Memory in which blocks of a GPU meet that have shares of one linear layer's columns.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_DIALECTS_STEP_SUMS_H
#define KVASIR_DIALECTS_STEP_SUMS_H

#include <cstdint>

namespace kvasir::step {

/// A unit is 256 rows of weights and a tile of tokens; 8 blocks have a share of its columns each,
/// and leave their sums in `!step.buffer<one, ...>` of `bytes` bytes: [unit][share][sums of f32].
struct SharedSums {
  static constexpr int64_t outputs = 256, shares = 8, bytes = int64_t(16) << 20;
  /// `tokens`: of a tile.
  static constexpr int64_t shareBytes(int64_t tokens) { return outputs * tokens * 4; }
  /// Most units of a step that divides columns.
  static constexpr int64_t units(int64_t tokens) { return bytes / shares / shareBytes(tokens); }
};

} // namespace kvasir::step

#endif // KVASIR_DIALECTS_STEP_SUMS_H
