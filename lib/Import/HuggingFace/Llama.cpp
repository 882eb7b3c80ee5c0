// Llama and the families that differ from it in what their table row says.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "Describe.h"
#include <cmath>

using namespace kvasir;
using namespace kvasir::hf;
using llvm::StringRef;
using llvm::Twine;
using nlohmann::json;

namespace {

class LlamaReader {
public:
  LlamaReader(const Family &family, Config &config, const WeightTable &table)
      : family(family), config(config), table(table) {}

  DecoderDescription read();

private:
  void readSizes();
  void readScalings();
  std::vector<std::optional<int64_t>> readWindows(size_t layers);
  std::vector<bool> readWindowedLayers(size_t layers, bool windows);
  bool readLayerType(const json &type, bool &windowed);

  LayerDescription describeLayer(const WeightNames &names);
  void describeProjections(LayerDescription &layer, const WeightNames &names);
  void describeFusedProjections(LayerDescription &layer, const WeightNames &names);
  LinearDescription linear(const WeightNames &names, StringRef name, StringRef stored, int64_t rows,
                           int64_t columns, bool bias);
  LinearDescription slice(const WeightNames &names, StringRef name, StringRef stored, int64_t row,
                          int64_t rows, int64_t storedRows);

  const Family &family;
  Config &config;
  const WeightTable &table;
  DecoderDescription decoder;
  int64_t intermediateSize = 0;
  double epsilon = 0, attentionScale = 1;
  bool projectionBias = false, outputBias = false, mlpBias = false;
  Activation activation = Activation::silu;
};

} // namespace

DecoderDescription LlamaReader::read() {
  decoder.architecture = family.modelType.str();
  readSizes();
  readScalings();
  int64_t layers = config.requiredInteger("num_hidden_layers", 1, maxLayers);
  std::vector<std::optional<int64_t>> windows = readWindows(layers);
  if (std::optional<RopeDescription> rope =
          readRope(family, config, decoder.headSize, decoder.maxContext))
    decoder.ropes.push_back(*rope);

  WeightNames names{"", namePrefix(table, "model.", "embed_tokens.weight")};
  describeHead(decoder, config.boolean("tie_word_embeddings").value_or(false),
               names.tensor + "embed_tokens.weight", table);
  for (int64_t index = 0; index != layers; ++index) {
    std::string start = "layers." + std::to_string(index) + ".";
    decoder.layers.push_back(describeLayer({start, names.tensor + start}));
    decoder.layers.back().window = windows[index];
  }
  decoder.finalNorm = names.rms("norm", "norm", decoder.hiddenSize, epsilon);
  return std::move(decoder);
}

void LlamaReader::readSizes() {
  decoder.hiddenSize = config.requiredInteger("hidden_size", 1, maxFeatures);
  decoder.vocabularySize = config.requiredInteger("vocab_size", 1, maxVocabulary);
  intermediateSize = config.requiredInteger("intermediate_size", 1, maxFeatures);
  decoder.maxContext =
      config.integer("max_position_embeddings", 1, maxContextSize).value_or(family.maxContext);
  decoder.heads = config.requiredInteger("num_attention_heads", 1, maxHeads);
  // A key that is there but null means as many as heads; the family's own
  // number counts only where the key is absent.
  bool silent = !config.contains("num_key_value_heads");
  std::optional<int64_t> kvHeads = config.integer("num_key_value_heads", 1, maxHeads);
  decoder.kvHeads = kvHeads.value_or(silent && family.kvHeads ? family.kvHeads : decoder.heads);
  if (decoder.heads % decoder.kvHeads)
    config.problem("num_key_value_heads", "= " + Twine(decoder.kvHeads) + " does not divide the " +
                                              Twine(decoder.heads) + " attention heads");
  silent = !config.contains("head_dim");
  std::optional<int64_t> headSize = config.integer("head_dim", 2, maxHeadSize);
  if (!headSize && silent && family.headSize)
    headSize = family.headSize;
  if (!headSize && (decoder.hiddenSize % decoder.heads || decoder.hiddenSize == decoder.heads))
    config.problem("hidden_size", "= " + Twine(decoder.hiddenSize) + " is not a multiple of the " +
                                      Twine(decoder.heads) +
                                      " attention heads, and head_dim is not given");
  decoder.headSize = headSize.value_or(std::max<int64_t>(decoder.hiddenSize / decoder.heads, 2));
}

void LlamaReader::readScalings() {
  epsilon = config.numberAbove("rms_norm_eps", 0).value_or(family.epsilon);
  activation = readActivation(config, "hidden_act", "silu");
  attentionScale = 1 / std::sqrt(static_cast<double>(decoder.headSize));
  projectionBias = family.attentionBias == Bias::always;
  if (family.attentionBias == Bias::byConfig)
    projectionBias = outputBias = config.boolean("attention_bias").value_or(false);
  if (family.mlpBias)
    mlpBias = config.boolean("mlp_bias").value_or(false);
  if (!family.multipliers)
    return;
  attentionScale = config.number("attention_multiplier").value_or(1);
  decoder.embeddingScale = config.number("embedding_multiplier").value_or(1);
  decoder.residualScale = config.number("residual_multiplier").value_or(1);
  decoder.logitsDivisor = config.numberAbove("logits_scaling", 1e-30).value_or(1);
}

std::vector<std::optional<int64_t>> LlamaReader::readWindows(size_t layers) {
  std::vector<std::optional<int64_t>> windows(layers);
  if (family.window == Window::none)
    return windows;
  bool silent = !config.contains("sliding_window");
  std::optional<int64_t> window = config.integer("sliding_window", 1, maxContextSize);
  if (silent)
    window = family.defaultWindow;
  if (family.window == Window::byLayer && !config.boolean("use_sliding_window").value_or(false))
    window = std::nullopt;
  std::vector<bool> windowed = readWindowedLayers(layers, window.has_value());
  // A window that no context fills is no window.
  for (size_t index = 0; index != layers; ++index)
    if (windowed[index] && window && *window < decoder.maxContext)
      windows[index] = window;
  return windows;
}

/// Which layers have the window.
std::vector<bool> LlamaReader::readWindowedLayers(size_t layers, bool windows) {
  std::vector<bool> windowed(layers, windows);
  bool byLayer = family.window == Window::byLayer;
  int64_t first = byLayer ? config.integer("max_window_layers", 0, INT32_MAX).value_or(28) : 0;
  for (size_t index = 0; index != layers; ++index)
    windowed[index] = windows && static_cast<int64_t>(index) >= first;
  const json *types = config.value("layer_types");
  if (!types)
    return windowed;
  if (!types->is_array() || types->size() != layers) {
    config.problem("layer_types",
                   "should be a list of " + Twine(layers) + " types, one for each layer");
    return windowed;
  }
  for (size_t index = 0; index != layers; ++index) {
    bool type = false;
    if (!readLayerType((*types)[index], type))
      return windowed;
    if (type && !windows) {
      config.problem("layer_types", "asks for sliding_attention, but there is no sliding window");
      return windowed;
    }
    if (!byLayer && type != windows) {
      config.problem("layer_types",
                     "mixes attention with and without a window, which model_type '" +
                         family.modelType + "' does not have");
      return windowed;
    }
    windowed[index] = type;
  }
  return windowed;
}

bool LlamaReader::readLayerType(const json &type, bool &windowed) {
  windowed = type == "sliding_attention";
  if (windowed || type == "full_attention" || type == "attention")
    return true;
  config.problem("layer_types", "has the type " + Twine(describeJson(type)) +
                                    "; expected full_attention or sliding_attention");
  return false;
}

LayerDescription LlamaReader::describeLayer(const WeightNames &names) {
  LayerDescription layer;
  int64_t hidden = decoder.hiddenSize, q = decoder.heads * decoder.headSize;
  layer.activation = activation;
  layer.attentionScale = attentionScale;
  if (!decoder.ropes.empty())
    layer.rope = 0;
  if (family.normAfter) {
    layer.attentionOutputNorm =
        names.rms("attention_output_norm", "post_attention_layernorm", hidden, epsilon);
    layer.mlpOutputNorm =
        names.rms("mlp_output_norm", "post_feedforward_layernorm", hidden, epsilon);
  } else {
    layer.attentionNorm = names.rms("attention_norm", "input_layernorm", hidden, epsilon);
    layer.mlpNorm = names.rms("mlp_norm", "post_attention_layernorm", hidden, epsilon);
  }
  if (family.fused)
    describeFusedProjections(layer, names);
  else
    describeProjections(layer, names);
  layer.output = linear(names, "o", "self_attn.o_proj", hidden, q, outputBias);
  layer.down = linear(names, "down", "mlp.down_proj", hidden, intermediateSize, mlpBias);
  return layer;
}

void LlamaReader::describeProjections(LayerDescription &layer, const WeightNames &names) {
  int64_t hidden = decoder.hiddenSize, head = decoder.headSize;
  int64_t q = decoder.heads * head, kv = decoder.kvHeads * head;
  layer.query = linear(names, "q", "self_attn.q_proj", q, hidden, projectionBias);
  layer.key = linear(names, "k", "self_attn.k_proj", kv, hidden, projectionBias);
  layer.value = linear(names, "v", "self_attn.v_proj", kv, hidden, projectionBias);
  layer.gate = linear(names, "gate", "mlp.gate_proj", intermediateSize, hidden, mlpBias);
  layer.up = linear(names, "up", "mlp.up_proj", intermediateSize, hidden, mlpBias);
  if (family.queryKeyNorm == QueryKeyNorm::none)
    return;
  bool row = family.queryKeyNorm == QueryKeyNorm::row;
  layer.queryNorm = names.rms("q_norm", "self_attn.q_norm", row ? q : head, epsilon);
  layer.keyNorm = names.rms("k_norm", "self_attn.k_norm", row ? kv : head, epsilon);
}

void LlamaReader::describeFusedProjections(LayerDescription &layer, const WeightNames &names) {
  int64_t q = decoder.heads * decoder.headSize, kv = decoder.kvHeads * decoder.headSize;
  StringRef attention = "self_attn.qkv_proj", mlp = "mlp.gate_up_proj";
  layer.query = slice(names, "q", attention, 0, q, q + 2 * kv);
  layer.key = slice(names, "k", attention, q, kv, q + 2 * kv);
  layer.value = slice(names, "v", attention, q + kv, kv, q + 2 * kv);
  layer.gate = slice(names, "gate", mlp, 0, intermediateSize, 2 * intermediateSize);
  layer.up = slice(names, "up", mlp, intermediateSize, intermediateSize, 2 * intermediateSize);
}

LinearDescription LlamaReader::linear(const WeightNames &names, StringRef name, StringRef stored,
                                      int64_t rows, int64_t columns, bool bias) {
  LinearDescription result{names.matrix(name, stored.str() + ".weight", rows, columns),
                           std::nullopt};
  if (bias)
    result.bias = names.vector(name.str() + "_bias", stored.str() + ".bias", rows);
  return result;
}

LinearDescription LlamaReader::slice(const WeightNames &names, StringRef name, StringRef stored,
                                     int64_t row, int64_t rows, int64_t storedRows) {
  LinearDescription result = linear(names, name, stored, rows, decoder.hiddenSize, false);
  result.weight.stored[0] = storedRows;
  result.weight.row = row;
  return result;
}

DecoderDescription hf::describeLlama(const Family &family, Config &config,
                                     const WeightTable &table) {
  return LlamaReader(family, config, table).read();
}
