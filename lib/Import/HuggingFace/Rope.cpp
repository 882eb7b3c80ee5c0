// Rotary position embedding in the configurations of transformers 4 and 5.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "Family.h"
#include "llvm/ADT/STLExtras.h"
#include <cmath>

using namespace kvasir;
using namespace kvasir::hf;
using llvm::StringRef;
using llvm::Twine;
using nlohmann::json;

namespace {

constexpr int64_t maxPositions = int64_t(1) << 31;

/// The parameters in their own object (`rope_parameters`, before transformers 5
/// `rope_scaling`) and in the configuration around it.
class RopeReader {
public:
  RopeReader(const Family &family, Config &config, Config &own, int64_t headSize,
             int64_t maxContext)
      : phi3(family.ropeRules == RopeRules::phi3), family(family), config(config), own(own),
        headSize(headSize), maxContext(maxContext) {}

  std::optional<RopeDescription> read();

private:
  std::optional<int64_t> rotatedFeatures();
  int64_t originalContext();
  std::optional<RopeDescription> readType(StringRef type);
  std::optional<RopeDescription> readLlama3();
  std::optional<RopeDescription> readYarn();
  std::optional<RopeDescription> readLong();

  bool phi3;
  const Family &family;
  Config &config, &own;
  int64_t headSize, maxContext;
  double theta = 10000;
  int64_t dim = 0;     ///< rotated features of a head
  int64_t context = 0; ///< that the model was first trained with
};

} // namespace

static bool isFinite(const RopeDescription &rope) {
  auto finite = [](float value) { return std::isfinite(value); };
  return llvm::all_of(rope.frequencies, finite) && llvm::all_of(rope.longFrequencies, finite) &&
         finite(rope.magnitude);
}

std::optional<RopeDescription> RopeReader::read() {
  std::optional<std::string> newName = own.text("rope_type"), oldName = own.text("type");
  std::string type = newName ? *newName : oldName.value_or("default");
  if (phi3 && (type == "su" || type == "yarn"))
    type = "longrope"; // what early Phi-3 checkpoints call it
  std::optional<double> inner = own.numberAbove("rope_theta", 1),
                        outer = config.numberAbove("rope_theta", 1);
  theta = inner ? *inner : outer.value_or(theta);
  std::optional<int64_t> rotated = rotatedFeatures();
  if (!rotated)
    return std::nullopt;
  dim = *rotated;
  context = originalContext();
  std::optional<RopeDescription> rope = readType(type);
  if (!rope)
    return std::nullopt;
  own.refuseUnknown([](StringRef key, const json &) { return key == "finetuned"; });
  if (isFinite(*rope))
    return rope;
  own.problem("rope_type", "= '" + Twine(type) +
                               "' with these parameters gives frequencies that are not finite");
  return std::nullopt;
}

std::optional<int64_t> RopeReader::rotatedFeatures() {
  std::optional<double> inner = own.numberAbove("partial_rotary_factor", 0);
  std::optional<double> outer = config.numberAbove("partial_rotary_factor", 0);
  double part = inner ? *inner : outer.value_or(1.0);
  double features = headSize * part;
  if (!phi3 && part != 1.0) {
    own.problem("partial_rotary_factor", "should be 1 for model_type '" + family.modelType +
                                             "', but is " + json(part).dump());
    return std::nullopt;
  }
  if (!(features >= 2 && features <= headSize) || static_cast<int64_t>(features) % 2) {
    own.problem("partial_rotary_factor",
                "= " + Twine(json(part).dump()) + " of the head size " + Twine(headSize) +
                    " should be an even number of features, from 2 to the head size");
    return std::nullopt;
  }
  return static_cast<int64_t>(features);
}

/// The value beside the rope parameters has priority; Phi-3 always has one.
int64_t RopeReader::originalContext() {
  std::optional<int64_t> outer =
      config.integer("original_max_position_embeddings", 2, maxPositions);
  std::optional<int64_t> inner = own.integer("original_max_position_embeddings", 2, maxPositions);
  if (outer)
    return *outer;
  return phi3 ? 4096 : inner.value_or(maxContext);
}

std::optional<RopeDescription> RopeReader::readType(StringRef type) {
  if (type == "default")
    return defaultRope(theta, dim);
  if (type == "longrope")
    return readLong();
  if (type == "dynamic") {
    own.problem(
        "rope_type",
        "= 'dynamic' (NTK) is not supported: its frequencies change as the context grows, so "
        "that keys already in the cache would have to be computed again");
    return std::nullopt;
  }
  if (!phi3 && type == "linear") {
    std::optional<double> factor = own.requiredNumberAbove("factor", 0);
    return factor ? std::optional(linearRope(theta, dim, *factor)) : std::nullopt;
  }
  if (!phi3 && type == "llama3")
    return readLlama3();
  if (!phi3 && type == "yarn")
    return readYarn();
  own.problem("rope_type",
              "= '" + type + "' is not understood; expected " +
                  (phi3 ? "default or longrope" : "default, linear, llama3, yarn or longrope"));
  return std::nullopt;
}

std::optional<RopeDescription> RopeReader::readLlama3() {
  std::optional<double> factor = own.requiredNumberAbove("factor", 0);
  std::optional<double> low = own.requiredNumberAbove("low_freq_factor", 0);
  std::optional<double> high = own.requiredNumberAbove("high_freq_factor", 0);
  if (!factor || !low || !high)
    return std::nullopt;
  if (*high <= *low) {
    own.problem("high_freq_factor", "should be greater than low_freq_factor");
    return std::nullopt;
  }
  return llama3Rope(theta, dim, {*factor, *low, *high, context});
}

std::optional<RopeDescription> RopeReader::readYarn() {
  YarnScaling scaling;
  scaling.originalContext = context;
  std::optional<double> factor = own.numberAbove("factor", 0);
  scaling.factor = factor.value_or(static_cast<double>(maxContext) / scaling.originalContext);
  scaling.betaFast = own.numberAbove("beta_fast", 0).value_or(32);
  scaling.betaSlow = own.numberAbove("beta_slow", 0).value_or(1);
  scaling.attentionFactor = own.numberAbove("attention_factor", 0);
  scaling.mscale = own.number("mscale");
  scaling.mscaleAllDim = own.number("mscale_all_dim");
  scaling.truncate = own.boolean("truncate").value_or(true);
  return yarnRope(theta, dim, scaling);
}

std::optional<RopeDescription> RopeReader::readLong() {
  LongScaling scaling;
  scaling.originalContext = context;
  std::optional<double> factor = own.numberAbove("factor", 0);
  scaling.factor = factor.value_or(static_cast<double>(maxContext) / scaling.originalContext);
  scaling.attentionFactor = own.numberAbove("attention_factor", 0);
  auto factors = [&](StringRef key) -> std::vector<double> {
    std::optional<std::vector<double>> values = own.numbers(key);
    if (!own.value(key))
      own.problem(key, "is missing");
    else if (values && values->size() != static_cast<size_t>(dim / 2))
      own.problem(key, "should have " + Twine(dim / 2) +
                           " values, one for each pair of rotated features, but has " +
                           Twine(values->size()));
    else if (values)
      return *values;
    return {};
  };
  scaling.shortFactors = factors("short_factor");
  scaling.longFactors = factors("long_factor");
  if (scaling.shortFactors.empty() || scaling.longFactors.empty())
    return std::nullopt;
  return longRope(theta, dim, scaling);
}

std::optional<RopeDescription> hf::readRope(const Family &family, Config &config, int64_t headSize,
                                            int64_t maxContext) {
  static const json none = json::object();
  StringRef key = "rope_scaling";
  const json *parameters = config.value("rope_scaling"), *newer = config.value("rope_parameters");
  if (!parameters || parameters->empty()) {
    parameters = newer;
    key = "rope_parameters";
  }
  if (parameters && !parameters->is_object()) {
    config.problem(key, "should be an object, but is " + Twine(describeJson(*parameters)));
    return std::nullopt;
  }
  Config own = config.inner(parameters ? *parameters : none, key);
  return RopeReader(family, config, own, headSize, maxContext).read();
}
