// Linear layers with random weights, as numbers and as they lie in an artifact.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_TEST_TARGET_CUDA_LAYER_H
#define KVASIR_TEST_TARGET_CUDA_LAYER_H

#include <cstdint>
#include <string>
#include <vector>

namespace kvasir::test {

struct Layer {
  std::string element; ///< of !llm.weight
  int64_t n, k;
  std::vector<double> values;  ///< [n][k]
  std::vector<uint8_t> packed; ///< in layout mma16 or panel32
  int inputBits;               ///< of a significand, that inputs are rounded to
};

/// `element` is bf16, f16 or f32, or the name of an encoding.
Layer makeLayer(const std::string &element, int64_t n, int64_t k, unsigned seed);

/// `results` layers of the same shape and type with one input; two are the halves of a gated
/// activation (silu of the first times the second). Phases: "p" in the form for few tokens, "many",
/// and "prompt" with weights of 16 bits. `divided`: blocks may have a share of the columns each,
/// with memory for their sums and a counter as the last operands. `stored`: bf16 or f16, what
/// inputs are stored as; empty: f32. With `interleaved` in the order of codes.
std::string phasesOf(const Layer &layer, int results, bool divided, const std::string &stored = "",
                     bool interleaved = false);

/// Uniform in [-2, 2), multiples of 2^-22.
std::vector<float> randomFloats(size_t count, unsigned seed);

/// The nearest number with a significand of `bits` bits.
float roundTo(float value, int bits);

} // namespace kvasir::test

#endif // KVASIR_TEST_TARGET_CUDA_LAYER_H
