// GPT-2: learned positions, layer norms, a plain MLP, matrices stored transposed.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "Describe.h"
#include <cmath>

using namespace kvasir;
using namespace kvasir::hf;
using llvm::StringRef;
using llvm::Twine;

namespace {

class Gpt2Reader {
public:
  Gpt2Reader(const Family &family, Config &config, const WeightTable &table)
      : family(family), config(config), table(table) {}

  DecoderDescription read();

private:
  int64_t size(StringRef key, StringRef alias, int64_t max);
  void readScalings();
  LayerDescription describeLayer(const WeightNames &names, int64_t index);
  LinearDescription linear(const WeightNames &names, StringRef name, StringRef stored, int64_t rows,
                           int64_t columns, int64_t row, int64_t storedRows);

  const Family &family;
  Config &config;
  const WeightTable &table;
  DecoderDescription decoder;
  int64_t innerSize = 0;
  double epsilon = 0;
  bool scaleByHead = true, scaleByLayer = false;
  Activation activation = Activation::geluTanh;
};

} // namespace

DecoderDescription Gpt2Reader::read() {
  decoder.architecture = family.modelType.str();
  decoder.hiddenSize = size("n_embd", "hidden_size", maxFeatures);
  decoder.vocabularySize = config.requiredInteger("vocab_size", 1, maxVocabulary);
  decoder.heads = decoder.kvHeads = size("n_head", "num_attention_heads", maxHeads);
  decoder.maxContext = size("n_positions", "max_position_embeddings", maxContextSize);
  int64_t layers = size("n_layer", "num_hidden_layers", maxLayers);
  innerSize = config.integer("n_inner", 1, maxFeatures).value_or(4 * decoder.hiddenSize);
  if (decoder.hiddenSize % decoder.heads)
    config.problem("n_embd", "= " + Twine(decoder.hiddenSize) + " is not a multiple of the " +
                                 Twine(decoder.heads) + " heads");
  decoder.headSize = std::max<int64_t>(decoder.hiddenSize / decoder.heads, 1);
  readScalings();

  WeightNames names{"", namePrefix(table, "transformer.", "wte.weight")};
  describeHead(decoder, config.boolean("tie_word_embeddings").value_or(true),
               names.tensor + "wte.weight", table);
  decoder.positionEmbedding =
      names.matrix("position_embed", "wpe.weight", decoder.maxContext, decoder.hiddenSize);
  for (int64_t index = 0; index != layers; ++index) {
    std::string number = std::to_string(index) + ".";
    decoder.layers.push_back(
        describeLayer({"layers." + number, names.tensor + "h." + number}, index));
  }
  decoder.finalNorm = names.layerNorm("norm", "ln_f", decoder.hiddenSize, epsilon);
  return std::move(decoder);
}

/// A size under GPT-2's own name, or under the one that other models use.
int64_t Gpt2Reader::size(StringRef key, StringRef alias, int64_t max) {
  std::optional<int64_t> own = config.integer(key, 1, max), other = config.integer(alias, 1, max);
  if (own && other && *own != *other)
    config.problem(alias, "= " + Twine(*other) + " contradicts " + key + " = " + Twine(*own));
  if (own || other)
    return own ? *own : *other;
  if (!config.value(key))
    config.problem(key, "is missing");
  return 1;
}

void Gpt2Reader::readScalings() {
  epsilon = config.numberAbove("layer_norm_epsilon", 0).value_or(family.epsilon);
  activation = readActivation(config, "activation_function", "gelu_new");
  scaleByHead = config.boolean("scale_attn_weights").value_or(true);
  scaleByLayer = config.boolean("scale_attn_by_inverse_layer_idx").value_or(false);
}

LayerDescription Gpt2Reader::describeLayer(const WeightNames &names, int64_t index) {
  LayerDescription layer;
  int64_t hidden = decoder.hiddenSize;
  layer.activation = activation;
  if (scaleByHead)
    layer.attentionScale = 1 / std::sqrt(static_cast<double>(decoder.headSize));
  if (scaleByLayer)
    layer.attentionScale /= index + 1;
  layer.attentionNorm = names.layerNorm("attention_norm", "ln_1", decoder.hiddenSize, epsilon);
  layer.query = linear(names, "q", "attn.c_attn", hidden, hidden, 0, 3 * hidden);
  layer.key = linear(names, "k", "attn.c_attn", hidden, hidden, hidden, 3 * hidden);
  layer.value = linear(names, "v", "attn.c_attn", hidden, hidden, 2 * hidden, 3 * hidden);
  layer.output = linear(names, "o", "attn.c_proj", hidden, hidden, 0, hidden);
  layer.mlpNorm = names.layerNorm("mlp_norm", "ln_2", decoder.hiddenSize, epsilon);
  layer.up = linear(names, "up", "mlp.c_fc", innerSize, hidden, 0, innerSize);
  layer.down = linear(names, "down", "mlp.c_proj", hidden, innerSize, 0, hidden);
  return layer;
}

/// `rows` outputs from `row` on of a layer that is stored as [inputs, outputs].
LinearDescription Gpt2Reader::linear(const WeightNames &names, StringRef name, StringRef stored,
                                     int64_t rows, int64_t columns, int64_t row,
                                     int64_t storedRows) {
  WeightDescription weight = names.matrix(name, stored.str() + ".weight", rows, columns);
  weight.stored = {columns, storedRows};
  weight.transpose = true;
  weight.row = row;
  WeightDescription bias = names.vector(name.str() + "_bias", stored.str() + ".bias", rows);
  bias.stored = {storedRows};
  bias.row = row;
  return {weight, bias};
}

DecoderDescription hf::describeGpt2(const Family &family, Config &config,
                                    const WeightTable &table) {
  return Gpt2Reader(family, config, table).read();
}
