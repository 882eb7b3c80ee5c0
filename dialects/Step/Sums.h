// Memory in which blocks of a GPU meet that have shares of one linear layer's columns.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_DIALECTS_STEP_SUMS_H
#define KVASIR_DIALECTS_STEP_SUMS_H

#include <cstdint>

namespace kvasir::step {

/// A unit is 256 rows of weights and a tile of up to 32 tokens; 8 blocks have a share of its
/// columns each, and leave their sums in `!step.buffer<one, ...>` of `bytes` bytes:
/// [unit][share][sums of f32].
struct SharedSums {
  static constexpr int64_t outputs = 256, tokens = 32, shares = 8;
  /// Most units of a step that divides columns. A work counter, 64 bytes, has room for twice as
  /// many counts of 4 bits.
  static constexpr int64_t units = 64;
  static constexpr int64_t shareBytes = outputs * tokens * 4, unitBytes = shares * shareBytes,
                           bytes = units * unitBytes;
};

} // namespace kvasir::step

#endif // KVASIR_DIALECTS_STEP_SUMS_H
