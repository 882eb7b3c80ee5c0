// Special tokens and the checkpoint's own settings of generation.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "Model.h"
#include "llvm/ADT/STLExtras.h"

using namespace kvasir;
using namespace kvasir::hf;
using llvm::StringRef;
using llvm::Twine;
using nlohmann::json;

constexpr int64_t maxId = INT32_MAX;

/// Adds the ids of `eos_token_id`: a number or a list of numbers.
static void readEos(Config &config, DecoderDescription &decoder) {
  const json *value = config.value("eos_token_id");
  if (!value)
    return;
  json list = value->is_array() ? *value : json::array({*value});
  for (const json &entry : list) {
    if (!entry.is_number_integer() || entry < 0 || entry > maxId)
      return config.problem("eos_token_id", "should be an id or a list of ids, but is " +
                                                Twine(describeJson(*value)));
    // An id outside the vocabulary is never chosen, so it ends nothing.
    int64_t id = entry.get<int64_t>();
    if (id < decoder.vocabularySize && !llvm::is_contained(decoder.eos, id))
      decoder.eos.push_back(id);
  }
}

static void readBos(const Family &family, Config &config, Config &generation,
                    DecoderDescription &decoder) {
  std::optional<int64_t> own = config.integer("bos_token_id", 0, maxId);
  std::optional<int64_t> other = generation.integer("bos_token_id", 0, maxId);
  if (own || other) {
    decoder.bos = own ? *own : *other;
    if (decoder.bos >= decoder.vocabularySize)
      config.problem("bos_token_id", "= " + Twine(decoder.bos) + " is outside the vocabulary of " +
                                         Twine(decoder.vocabularySize) + " ids");
    return;
  }
  if (!config.contains("bos_token_id") && family.bos < decoder.vocabularySize)
    decoder.bos = family.bos;
}

static void readSettings(Config &generation, GenerationDefaults &settings) {
  if (std::optional<bool> sample = generation.boolean("do_sample"))
    settings["do_sample"] = *sample;
  if (std::optional<int64_t> k = generation.integer("top_k", 0, maxId))
    settings["top_k"] = *k;
  for (const char *key : {"temperature", "top_p", "min_p", "repetition_penalty"}) {
    std::optional<double> value = generation.number(key);
    if (value && *value < 0)
      generation.problem(key, "should not be negative");
    if (value)
      settings[key] = *value;
  }
}

void hf::readGeneration(const Family &family, Config &config, const json &generation,
                        DecoderDescription &decoder, Problems &problems) {
  Config own(generation, "generation_config.json", problems);
  readBos(family, config, own, decoder);
  readEos(config, decoder);
  readEos(own, decoder);
  if (!config.contains("eos_token_id") && !own.contains("eos_token_id"))
    for (int64_t id : family.eos)
      if (id < decoder.vocabularySize)
        decoder.eos.push_back(id);
  readSettings(own, decoder.generation);
}
