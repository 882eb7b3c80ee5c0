// Llama and the architectures that differ from it in what their table row says.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "Architecture.h"
#include <cmath>

using namespace kvasir;
using namespace kvasir::gguf;
using llvm::StringRef;
using llvm::Twine;

namespace {

class LlamaReader {
public:
  explicit LlamaReader(Source &source)
      : source(source), architecture(source.architecture), keys(source.keys) {}

  DecoderDescription read();

private:
  void readScalings();
  std::optional<int64_t> readWindow();
  LayerDescription describeLayer(const WeightNames &names);
  void describeNorms(LayerDescription &layer, const WeightNames &names);
  void describeProjections(LayerDescription &layer, const WeightNames &names);
  void describeMlp(LayerDescription &layer, const WeightNames &names);
  LinearDescription linear(const WeightNames &names, StringRef name, StringRef stored, int64_t rows,
                           int64_t columns, bool bias = false);
  LinearDescription rotated(LinearDescription linear) const;
  LinearDescription slice(const WeightNames &names, StringRef name, StringRef stored, int64_t row,
                          int64_t rows, int64_t storedRows);

  Source &source;
  const Architecture &architecture;
  Keys &keys;
  DecoderDescription decoder;
  int64_t innerSize = 0;
  double epsilon = 1e-6, attentionScale = 1;
};

} // namespace

DecoderDescription LlamaReader::read() {
  readSizes(source, decoder);
  innerSize = keys.requiredInteger("feed_forward_length", 1, maxFeatures);
  readScalings();
  int64_t layers = keys.requiredInteger("block_count", 1, maxLayers);
  std::optional<int64_t> window = readWindow();
  if (std::optional<RopeDescription> rope = readRope(source, decoder.headSize, decoder.maxContext))
    decoder.ropes.push_back(*rope);
  describeHead(source, decoder);
  for (int64_t index = 0; index != layers; ++index) {
    decoder.layers.push_back(describeLayer(namesOfLayer(index)));
    decoder.layers.back().window = window;
  }
  decoder.finalNorm = WeightNames().rms("norm", "output_norm", decoder.hiddenSize, epsilon);
  return std::move(decoder);
}

void LlamaReader::readScalings() {
  constexpr StringRef epsilonKey = "attention.layer_norm_rms_epsilon";
  if (!keys.value(epsilonKey))
    keys.problem(epsilonKey, "is missing");
  epsilon = keys.numberAbove(epsilonKey, 0).value_or(epsilon);
  attentionScale = 1 / std::sqrt(static_cast<double>(decoder.headSize));
  if (!architecture.multipliers)
    return;
  // 0 stands for the usual scale.
  double scale = keys.number("attention.scale").value_or(0);
  if (scale != 0)
    attentionScale = scale;
  decoder.embeddingScale = keys.number("embedding_scale").value_or(1);
  decoder.residualScale = keys.number("residual_scale").value_or(1);
  decoder.logitsDivisor = keys.numberAbove("logit_scale", 1e-30).value_or(1);
}

std::optional<int64_t> LlamaReader::readWindow() {
  if (!architecture.window)
    return std::nullopt;
  std::optional<int64_t> window = keys.integer("attention.sliding_window", 0, maxContextSize);
  // A window that no context fills is no window.
  return window && *window > 0 && *window < decoder.maxContext ? window : std::nullopt;
}

LayerDescription LlamaReader::describeLayer(const WeightNames &names) {
  LayerDescription layer;
  layer.activation = Activation::silu;
  layer.attentionScale = attentionScale;
  if (!decoder.ropes.empty())
    layer.rope = 0;
  describeNorms(layer, names);
  describeProjections(layer, names);
  describeMlp(layer, names);
  return layer;
}

void LlamaReader::describeNorms(LayerDescription &layer, const WeightNames &names) {
  int64_t hidden = decoder.hiddenSize, head = decoder.headSize;
  if (architecture.normAfter) {
    layer.attentionOutputNorm =
        names.rms("attention_output_norm", "post_attention_norm", hidden, epsilon);
    layer.mlpOutputNorm = names.rms("mlp_output_norm", "post_ffw_norm", hidden, epsilon);
  } else {
    layer.attentionNorm = names.rms("attention_norm", "attn_norm", hidden, epsilon);
    layer.mlpNorm = names.rms("mlp_norm", "ffn_norm", hidden, epsilon);
  }
  if (architecture.queryKeyNorm == QueryKeyNorm::none)
    return;
  bool row = architecture.queryKeyNorm == QueryKeyNorm::row;
  layer.queryNorm = names.rms("q_norm", "attn_q_norm", row ? decoder.heads * head : head, epsilon);
  layer.keyNorm = names.rms("k_norm", "attn_k_norm", row ? decoder.kvHeads * head : head, epsilon);
}

void LlamaReader::describeProjections(LayerDescription &layer, const WeightNames &names) {
  int64_t hidden = decoder.hiddenSize;
  int64_t q = decoder.heads * decoder.headSize, kv = decoder.kvHeads * decoder.headSize;
  if (architecture.fused && source.hasTensor(names.tensor + "attn_qkv.weight")) {
    layer.query = slice(names, "q", "attn_qkv", 0, q, q + 2 * kv);
    layer.key = slice(names, "k", "attn_qkv", q, kv, q + 2 * kv);
    layer.value = slice(names, "v", "attn_qkv", q + kv, kv, q + 2 * kv);
  } else {
    bool bias = architecture.projectionBias;
    layer.query = rotated(linear(names, "q", "attn_q", q, hidden, bias));
    layer.key = rotated(linear(names, "k", "attn_k", kv, hidden, bias));
    layer.value = linear(names, "v", "attn_v", kv, hidden, bias);
  }
  layer.output = linear(names, "o", "attn_output", hidden, q);
}

void LlamaReader::describeMlp(LayerDescription &layer, const WeightNames &names) {
  int64_t hidden = decoder.hiddenSize;
  if (architecture.fused) {
    layer.gate = slice(names, "gate", "ffn_up", 0, innerSize, 2 * innerSize);
    layer.up = slice(names, "up", "ffn_up", innerSize, innerSize, 2 * innerSize);
  } else {
    layer.gate = linear(names, "gate", "ffn_gate", innerSize, hidden);
    layer.up = linear(names, "up", "ffn_up", innerSize, hidden);
  }
  layer.down = linear(names, "down", "ffn_down", hidden, innerSize);
}

/// A linear layer, with a bias where it is asked for or there is one.
LinearDescription LlamaReader::linear(const WeightNames &names, StringRef name, StringRef stored,
                                      int64_t rows, int64_t columns, bool bias) {
  LinearDescription result{names.matrix(name, stored.str() + ".weight", rows, columns),
                           std::nullopt};
  std::string biasTensor = stored.str() + ".bias";
  if (bias || source.hasTensor(names.tensor + biasTensor))
    result.bias = names.vector(name.str() + "_bias", biasTensor, rows);
  return result;
}

LinearDescription LlamaReader::rotated(LinearDescription linear) const {
  if (!architecture.interleaved)
    return linear;
  linear.weight.interleaved = decoder.headSize;
  if (linear.bias)
    linear.bias->interleaved = decoder.headSize;
  return linear;
}

LinearDescription LlamaReader::slice(const WeightNames &names, StringRef name, StringRef stored,
                                     int64_t row, int64_t rows, int64_t storedRows) {
  LinearDescription result = linear(names, name, stored, rows, decoder.hiddenSize);
  auto cut = [&](WeightDescription &weight) {
    weight.stored[0] = storedRows;
    weight.row = row;
  };
  cut(result.weight);
  if (result.bias)
    cut(*result.bias);
  return result;
}

DecoderDescription gguf::describeLlama(Source &source) { return LlamaReader(source).read(); }
