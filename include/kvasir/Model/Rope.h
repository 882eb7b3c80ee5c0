// Rotary position embedding: published scalings, resolved into frequencies.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_MODEL_ROPE_H
#define KVASIR_MODEL_ROPE_H

#include "llvm/ADT/ArrayRef.h"
#include <cstdint>
#include <optional>
#include <vector>

namespace kvasir {

/// What `llm.rope_table` needs. The arithmetic is that of Hugging Face's
/// transformers (f32, the same order), because a frequency that is off by one
/// rounding is a visible angle at position 100000.
struct RopeDescription {
  std::vector<float> frequencies; ///< of the pairs (i, i + n) of each head
  float magnitude = 1.0f;         ///< factor of cosines and sines
  /// longrope: used instead by a request longer than `originalContext` tokens.
  std::vector<float> longFrequencies;
  float longMagnitude = 1.0f;
  int64_t originalContext = 0;

  friend bool operator==(const RopeDescription &, const RopeDescription &) = default;
};

/// `theta^(-2i / dim)` for i in 0 .. dim/2-1. `dim` is the number of rotated
/// features of a head, even and positive.
RopeDescription defaultRope(double theta, int64_t dim);

/// Positions divided by `factor`.
RopeDescription linearRope(double theta, int64_t dim, double factor);

/// Llama 3.1: low frequencies divided by `factor`, high ones kept, a smooth
/// transition between.
struct Llama3Scaling {
  double factor, lowFrequencyFactor, highFrequencyFactor;
  int64_t originalContext;
};
RopeDescription llama3Rope(double theta, int64_t dim, const Llama3Scaling &scaling);

/// YaRN (Peng et al., 2023).
struct YarnScaling {
  double factor;
  int64_t originalContext;
  double betaFast = 32, betaSlow = 1;
  std::optional<double> attentionFactor;      ///< otherwise computed
  std::optional<double> mscale, mscaleAllDim; ///< used when both are there and not 0
  bool truncate = true;                       ///< round the ends of the transition to whole pairs
};
RopeDescription yarnRope(double theta, int64_t dim, const YarnScaling &scaling);

/// LongRoPE (Ding et al., 2024): one divisor per pair, a set for short requests
/// and a set for long ones, each of dim/2 values.
struct LongScaling {
  std::vector<double> shortFactors, longFactors;
  double factor; ///< extension of the context, for the magnitude
  int64_t originalContext;
  std::optional<double> attentionFactor;
};
RopeDescription longRope(double theta, int64_t dim, const LongScaling &scaling);

} // namespace kvasir

#endif // KVASIR_MODEL_ROPE_H
