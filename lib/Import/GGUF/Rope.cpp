// Rotary position embedding: keys rope.*, and factors of frequencies that are tensors.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "Architecture.h"
#include "llvm/ADT/STLExtras.h"
#include <cmath>

using namespace kvasir;
using namespace kvasir::gguf;
using llvm::StringRef;
using llvm::Twine;

namespace {

class RopeReader {
public:
  RopeReader(Source &source, int64_t headSize, int64_t maxContext)
      : source(source), keys(source.keys), headSize(headSize), maxContext(maxContext) {}

  std::optional<RopeDescription> read();

private:
  bool readDimensions();
  std::optional<RopeDescription> readType();
  std::optional<RopeDescription> readYarn(double factor);
  std::optional<RopeDescription> readLong();
  std::optional<std::vector<double>> readFactors(StringRef tensor);
  bool divideFrequencies(RopeDescription &rope);

  Source &source;
  Keys &keys;
  int64_t headSize, maxContext;
  double theta = 10000;
  int64_t dim = 0; ///< rotated features of a head
};

} // namespace

bool RopeReader::readDimensions() {
  dim = keys.integer("rope.dimension_count", 1, maxHeadSize).value_or(headSize);
  if (dim % 2 || dim > headSize || (dim != headSize && !source.architecture.partialRope)) {
    keys.problem("rope.dimension_count",
                 "= " + Twine(dim) + " should be " +
                     (source.architecture.partialRope ? "an even number up to " : "even and ") +
                     "the head size " + Twine(headSize));
    return false;
  }
  return true;
}

/// What the frequencies are divided by: one factor for each pair, in a tensor that is read here.
std::optional<std::vector<double>> RopeReader::readFactors(StringRef tensor) {
  source.readTensors.push_back(tensor);
  const StoredTensor *stored = source.findTensor(tensor);
  std::optional<std::vector<float>> values;
  if (stored && stored->shape.size() == 1 && stored->shape[0] == dim / 2)
    values = readFloats(source.container, *stored);
  if (!values) {
    keys.problem("rope", "needs the tensor '" + tensor + "' of " + Twine(dim / 2) +
                             " floats, which is " +
                             (stored ? "of another shape or type" : "missing"));
    return std::nullopt;
  }
  if (!llvm::all_of(*values, [](float f) { return std::isfinite(f) && f > 0; })) {
    keys.problem("rope", "needs positive factors in the tensor '" + tensor + "'");
    return std::nullopt;
  }
  return std::vector<double>(values->begin(), values->end());
}

/// The scaling of Llama 3.1 is a tensor of factors.
bool RopeReader::divideFrequencies(RopeDescription &rope) {
  constexpr StringRef tensor = "rope_freqs.weight";
  if (!source.hasTensor(tensor))
    return true;
  std::optional<std::vector<double>> factors = readFactors(tensor);
  if (!factors)
    return false;
  for (auto [frequency, factor] : llvm::zip_equal(rope.frequencies, *factors))
    frequency /= static_cast<float>(factor);
  return true;
}

std::optional<RopeDescription> RopeReader::readYarn(double factor) {
  YarnScaling scaling;
  scaling.factor = factor;
  scaling.originalContext = keys.integer("rope.scaling.original_context_length", 2, maxContextSize)
                                .value_or(std::max<int64_t>(maxContext, 2));
  scaling.betaFast = keys.numberAbove("rope.scaling.yarn_beta_fast", 0).value_or(32);
  scaling.betaSlow = keys.numberAbove("rope.scaling.yarn_beta_slow", 0).value_or(1);
  RopeDescription rope = yarnRope(theta, dim, scaling);
  // A factor beside the one that follows from the extension of the context.
  rope.magnitude *= static_cast<float>(keys.numberAbove("rope.scaling.attn_factor", 0).value_or(1));
  return rope;
}

std::optional<RopeDescription> RopeReader::readLong() {
  LongScaling scaling;
  scaling.originalContext = keys.integer("rope.scaling.original_context_length", 2, maxContextSize)
                                .value_or(std::max<int64_t>(maxContext, 2));
  scaling.factor = static_cast<double>(maxContext) / scaling.originalContext;
  scaling.attentionFactor = keys.numberAbove("rope.scaling.attn_factor", 0);
  std::optional<std::vector<double>> shorter = readFactors("rope_factors_short.weight"),
                                     longer = readFactors("rope_factors_long.weight");
  if (!shorter || !longer)
    return std::nullopt;
  scaling.shortFactors = std::move(*shorter);
  scaling.longFactors = std::move(*longer);
  return longRope(theta, dim, scaling);
}

std::optional<RopeDescription> RopeReader::readType() {
  std::string type = keys.text("rope.scaling.type").value_or("");
  // Older files have the factor of linear scaling alone.
  std::optional<double> old = keys.numberAbove("rope.scale_linear", 0);
  double factor = keys.numberAbove("rope.scaling.factor", 0).value_or(old.value_or(1));
  bool factors =
      source.hasTensor("rope_factors_long.weight") || source.hasTensor("rope_factors_short.weight");
  if (type == "longrope" || (factors && (type.empty() || type == "none" || type == "yarn")))
    return readLong();
  if (type == "yarn")
    return readYarn(factor);
  keys.value("rope.scaling.original_context_length");
  if (type == "linear" || (type.empty() && factor != 1))
    return linearRope(theta, dim, factor);
  if (type.empty() || type == "none")
    return defaultRope(theta, dim);
  keys.problem("rope.scaling.type",
               "= '" + printable(type) +
                   "' is not understood; expected none, linear, yarn or longrope");
  return std::nullopt;
}

std::optional<RopeDescription> RopeReader::read() {
  theta = keys.numberAbove("rope.freq_base", 1).value_or(theta);
  if (!readDimensions())
    return std::nullopt;
  std::optional<RopeDescription> rope = readType();
  if (!rope || !divideFrequencies(*rope))
    return std::nullopt;
  auto finite = [](float value) { return std::isfinite(value); };
  if (llvm::all_of(rope->frequencies, finite) && llvm::all_of(rope->longFrequencies, finite) &&
      finite(rope->magnitude))
    return rope;
  keys.problem("rope.freq_base", "and its scaling give frequencies that are not finite");
  return std::nullopt;
}

std::optional<RopeDescription> gguf::readRope(Source &source, int64_t headSize,
                                              int64_t maxContext) {
  return RopeReader(source, headSize, maxContext).read();
}
