// Decides whether a model is understood, and says all that is not.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "Model.h"
#include "kvasir/Model/CheckWeights.h"

using namespace kvasir;
using namespace kvasir::hf;
using llvm::StringRef;
using llvm::Twine;
using nlohmann::json;

/// A JSON object, or an empty one and a problem.
static json parseObject(StringRef text, StringRef name, Problems &problems) {
  auto parsed = parseJson(text, name);
  if (!parsed)
    problems.add(llvm::toString(parsed.takeError()));
  else if (parsed->is_object())
    return std::move(*parsed);
  else
    problems.add(name + ": expected a JSON object");
  return json::object();
}

static void checkArchitecture(const Family &family, Config &config) {
  const json *list = config.value("architectures");
  if (!list || !list->is_array() || list->empty() || family.architectures.empty())
    return;
  std::string expected;
  for (StringRef name : family.architectures) {
    for (const json &entry : *list)
      if (entry == name.str())
        return;
    expected += (expected.empty() ? "" : " or ") + name.str();
  }
  config.problem("architectures", "= " + Twine(describeJson(*list)) +
                                      " is not a model that generates text; expected " + expected);
}

static DecoderDescription describe(const Family &family, Config &config, const json &generation,
                                   const WeightTable &table, Problems &problems) {
  checkArchitecture(family, config);
  for (StringRef key : {"quantization_config", "compression_config"})
    config.value(key); // see foldQuantized
  DecoderDescription decoder = family.shape == Shape::gpt2 ? describeGpt2(family, config, table)
                                                           : describeLlama(family, config, table);
  readGeneration(family, config, generation, decoder, problems);
  config.refuseUnknown(
      [&](StringRef key, const json &value) { return isNeutralKey(family, key, value); });
  std::vector<StringRef> leftOver = family.leftOverTensors;
  if (decoder.head.symbol == decoder.embedding.symbol)
    leftOver.push_back("lm_head.weight"); // tied, but stored all the same
  checkWeights(decoder, table, leftOver, problems);
  return decoder;
}

/// The family is not known: what sets the model apart from Llama, which most
/// architectures descend from, is the list of what is missing here.
static void refuseUnknownModel(const std::optional<std::string> &modelType, const json &object,
                               const json &generation, const WeightTable &table,
                               Problems &problems) {
  std::string supported;
  for (const Family &family : families())
    supported += (supported.empty() ? "" : ", ") + family.modelType.str();
  problems.add(modelType ? "unknown model_type '" + *modelType + "'; supported: " + supported
                         : "config.json does not say its model_type; supported: " + supported);
  Family family = *findFamily("llama");
  family.architectures.clear();
  Problems differences;
  Config config(object, "config.json", differences);
  config.value("model_type");
  describe(family, config, generation, table, differences);
  for (const std::string &line : differences.get())
    problems.add("unlike llama: " + line);
}

DecoderDescription hf::describeModel(StringRef configText, StringRef generationText,
                                     const WeightTable &table, Problems &problems) {
  size_t before = problems.size();
  json object = parseObject(configText, "config.json", problems);
  json generation = json::object();
  if (!generationText.empty())
    generation = parseObject(generationText, "generation_config.json", problems);
  if (problems.size() != before)
    return {};
  Config config(object, "config.json", problems);
  std::optional<std::string> modelType = config.text("model_type");
  if (const Family *family = modelType ? findFamily(*modelType) : nullptr)
    return describe(*family, config, generation, table, problems);
  refuseUnknownModel(modelType, object, generation, table, problems);
  return {};
}
