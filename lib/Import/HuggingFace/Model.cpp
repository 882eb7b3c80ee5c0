// Decides whether a model is understood, and says all that is not.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "Model.h"
#include "kvasir/Model/CheckWeights.h"
#include "kvasir/Model/RandomWeights.h"

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

/// What is done about the tensors of a description. `leftOver`: ends of names
/// that need no use.
using HandleTensors =
    llvm::function_ref<void(const DecoderDescription &decoder, Config &config,
                            llvm::ArrayRef<StringRef> leftOver, Problems &problems)>;

static DecoderDescription describe(const Family &family, Config &config, const json &generation,
                                   const WeightTable &table, HandleTensors handleTensors,
                                   Problems &problems) {
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
  handleTensors(decoder, config, leftOver, problems);
  return decoder;
}

/// The family is not known: what sets the model apart from Llama, which most
/// architectures descend from, is the list of what is missing here.
static void refuseUnknownModel(const std::optional<std::string> &modelType, const json &object,
                               const json &generation, const WeightTable &table,
                               HandleTensors handleTensors, Problems &problems) {
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
  describe(family, config, generation, table, handleTensors, differences);
  for (const std::string &line : differences.get())
    problems.add("unlike llama: " + line);
}

static DecoderDescription describeWith(StringRef configText, StringRef generationText,
                                       const WeightTable &table, HandleTensors handleTensors,
                                       Problems &problems) {
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
    return describe(*family, config, generation, table, handleTensors, problems);
  refuseUnknownModel(modelType, object, generation, table, handleTensors, problems);
  return {};
}

DecoderDescription hf::describeModel(StringRef configText, StringRef generationText,
                                     const WeightTable &table, Problems &problems) {
  auto check = [&](const DecoderDescription &decoder, Config &, llvm::ArrayRef<StringRef> leftOver,
                   Problems &problems) { checkWeights(decoder, table, leftOver, problems); };
  return describeWith(configText, generationText, table, check, problems);
}

/// The type that the weights would have been saved with; f32 where nothing is
/// said, as in transformers.
static GeneratedFile::Type readType(Config &config) {
  static const std::pair<StringRef, GeneratedFile::Type> names[] = {
      {"float32", GeneratedFile::Type::f32},
      {"float16", GeneratedFile::Type::f16},
      {"bfloat16", GeneratedFile::Type::bf16}};
  StringRef key = config.contains("dtype") ? "dtype" : "torch_dtype";
  std::string name = config.text(key).value_or("float32");
  StringRef plain = name;
  plain.consume_front("torch.");
  for (auto &[known, type] : names)
    if (known == plain)
      return type;
  config.problem(key, "= '" + Twine(name) +
                          "' is not a type of weights that can be made up; expected float32, "
                          "float16 or bfloat16");
  return GeneratedFile::Type::f32;
}

DecoderDescription hf::describeRandomModel(StringRef configText, StringRef generationText,
                                           uint64_t seed, WeightTable &table, Problems &problems) {
  auto make = [&](const DecoderDescription &decoder, Config &config, llvm::ArrayRef<StringRef>,
                  Problems &problems) {
    GeneratedFile::Type type = readType(config);
    if (problems.empty())
      table = makeRandomWeights(decoder, type, seed, problems);
  };
  // No table: it decides where names differ, and these will be the usual ones.
  return describeWith(configText, generationText, {}, make, problems);
}
