// Rope scalings as formulas. Single precision wherever transformers uses it.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "kvasir/Model/Rope.h"
#include <algorithm>
#include <cassert>
#include <cmath>
#include <numbers>

using namespace kvasir;

/// `theta^(2i / dim)`, correctly rounded to f32 from an f32 base and exponent.
static std::vector<float> wavePeriods(double theta, int64_t dim) {
  assert(dim > 0 && dim % 2 == 0 && "pairs of features are rotated");
  std::vector<float> periods;
  float base = static_cast<float>(theta);
  for (int64_t i = 0; i < dim; i += 2) {
    float exponent = static_cast<float>(i) / static_cast<float>(dim);
    periods.push_back(
        static_cast<float>(std::pow(static_cast<double>(base), static_cast<double>(exponent))));
  }
  return periods;
}

RopeDescription kvasir::defaultRope(double theta, int64_t dim) {
  RopeDescription rope;
  for (float period : wavePeriods(theta, dim))
    rope.frequencies.push_back(1.0f / period);
  return rope;
}

RopeDescription kvasir::linearRope(double theta, int64_t dim, double factor) {
  RopeDescription rope = defaultRope(theta, dim);
  for (float &frequency : rope.frequencies)
    frequency /= static_cast<float>(factor);
  return rope;
}

RopeDescription kvasir::llama3Rope(double theta, int64_t dim, const Llama3Scaling &scaling) {
  RopeDescription rope = defaultRope(theta, dim);
  float context = static_cast<float>(scaling.originalContext);
  float factor = static_cast<float>(scaling.factor),
        low = static_cast<float>(scaling.lowFrequencyFactor);
  float longest = static_cast<float>(scaling.originalContext / scaling.lowFrequencyFactor);
  float shortest = static_cast<float>(scaling.originalContext / scaling.highFrequencyFactor);
  float span = static_cast<float>(scaling.highFrequencyFactor - scaling.lowFrequencyFactor);
  for (float &frequency : rope.frequencies) {
    float wavelength = (1.0f / frequency) * static_cast<float>(2 * std::numbers::pi);
    if (wavelength > longest) {
      frequency /= factor;
    } else if (!(wavelength < shortest)) {
      float smooth = ((1.0f / wavelength) * context - low) / span;
      frequency = (1.0f - smooth) * frequency / factor + smooth * frequency;
    }
  }
  return rope;
}

static double yarnMagnitude(double scale, double mscale) {
  return scale <= 1 ? 1.0 : 0.1 * mscale * std::log(scale) + 1.0;
}

static float yarnAttentionFactor(const YarnScaling &scaling) {
  if (scaling.attentionFactor)
    return static_cast<float>(*scaling.attentionFactor);
  double mscale = scaling.mscale.value_or(0), all = scaling.mscaleAllDim.value_or(0);
  if (mscale != 0 && all != 0)
    return static_cast<float>(yarnMagnitude(scaling.factor, mscale) /
                              yarnMagnitude(scaling.factor, all));
  return static_cast<float>(yarnMagnitude(scaling.factor, 1));
}

/// The pair that turns `rotations` times within the original context.
static double yarnPair(double rotations, double theta, int64_t dim, int64_t context) {
  return dim * std::log(context / (rotations * 2 * std::numbers::pi)) / (2 * std::log(theta));
}

RopeDescription kvasir::yarnRope(double theta, int64_t dim, const YarnScaling &scaling) {
  double first = yarnPair(scaling.betaFast, theta, dim, scaling.originalContext);
  double last = yarnPair(scaling.betaSlow, theta, dim, scaling.originalContext);
  if (scaling.truncate) {
    first = std::floor(first);
    last = std::ceil(last);
  }
  first = std::max(first, 0.0);
  last = std::min(last, static_cast<double>(dim - 1));
  if (first == last)
    last += 0.001; // the transition needs some width

  RopeDescription rope;
  rope.magnitude = yarnAttentionFactor(scaling);
  float factor = static_cast<float>(scaling.factor);
  float start = static_cast<float>(first), width = static_cast<float>(last - first);
  int64_t pair = 0;
  for (float period : wavePeriods(theta, dim)) {
    float ramp = std::clamp((static_cast<float>(pair++) - start) / width, 0.0f, 1.0f);
    float kept = 1.0f - ramp; // share of the unscaled frequency
    rope.frequencies.push_back((1.0f / (factor * period)) * (1.0f - kept) + (1.0f / period) * kept);
  }
  return rope;
}

RopeDescription kvasir::longRope(double theta, int64_t dim, const LongScaling &scaling) {
  assert(scaling.shortFactors.size() == size_t(dim / 2) &&
         scaling.longFactors.size() == size_t(dim / 2));
  RopeDescription rope;
  std::vector<float> periods = wavePeriods(theta, dim);
  for (size_t i = 0; i != periods.size(); ++i) {
    rope.frequencies.push_back(1.0f / (static_cast<float>(scaling.shortFactors[i]) * periods[i]));
    rope.longFrequencies.push_back(1.0f /
                                   (static_cast<float>(scaling.longFactors[i]) * periods[i]));
  }
  double magnitude = 1.0;
  if (scaling.attentionFactor)
    magnitude = *scaling.attentionFactor;
  else if (scaling.factor > 1.0)
    magnitude = std::sqrt(1 + std::log(scaling.factor) /
                                  std::log(static_cast<double>(scaling.originalContext)));
  // Both sets have the same magnitude; it depends on the model, not on the request.
  rope.magnitude = rope.longMagnitude = static_cast<float>(magnitude);
  rope.originalContext = scaling.originalContext;
  return rope;
}
