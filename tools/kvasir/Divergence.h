// How well logits predict a text, and how far they are from other logits.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_TOOLS_KVASIR_DIVERGENCE_H
#define KVASIR_TOOLS_KVASIR_DIVERGENCE_H

#include <cstddef>
#include <cstdint>

namespace kvasir::cli {

/// Sums over positions, in nats; f32 logits, f64 sums.
struct Divergence {
  uint64_t positions = 0;
  double loss = 0;          ///< -log p(next id)
  double referenceLoss = 0; ///< the same by the reference
  double divergence = 0;    ///< KL(reference || model)
  double largest = 0;       ///< divergence of one position
  uint64_t agreed = 0;      ///< positions with the same most probable id

  /// Adds a position: logits of the model, of the reference (null: there is
  /// none), and the id that follows. False, and nothing is added, where a
  /// logit is NaN or infinite.
  bool add(const float *logits, const float *reference, size_t vocabulary, int32_t next);
};

} // namespace kvasir::cli

#endif // KVASIR_TOOLS_KVASIR_DIVERGENCE_H
