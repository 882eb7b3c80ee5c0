// GPT-2: learned positions, layer norms, a plain MLP.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "Architecture.h"
#include <cmath>

using namespace kvasir;
using namespace kvasir::gguf;
using llvm::StringRef;

namespace {

class Gpt2Reader {
public:
  explicit Gpt2Reader(Source &source) : source(source), keys(source.keys) {}

  DecoderDescription read();

private:
  LayerDescription describeLayer(const WeightNames &names);
  LinearDescription linear(const WeightNames &names, StringRef name, StringRef stored, int64_t rows,
                           int64_t columns, int64_t row, int64_t storedRows);

  Source &source;
  Keys &keys;
  DecoderDescription decoder;
  int64_t innerSize = 0;
  double epsilon = 1e-5;
};

} // namespace

DecoderDescription Gpt2Reader::read() {
  readSizes(source, decoder);
  innerSize = keys.requiredInteger("feed_forward_length", 1, maxFeatures);
  epsilon = keys.numberAbove("attention.layer_norm_epsilon", 0).value_or(epsilon);
  int64_t layers = keys.requiredInteger("block_count", 1, maxLayers);
  describeHead(source, decoder);
  decoder.positionEmbedding = WeightNames().matrix("position_embed", "position_embd.weight",
                                                   decoder.maxContext, decoder.hiddenSize);
  for (int64_t index = 0; index != layers; ++index)
    decoder.layers.push_back(describeLayer(namesOfLayer(index)));
  decoder.finalNorm = WeightNames().layerNorm("norm", "output_norm", decoder.hiddenSize, epsilon);
  return std::move(decoder);
}

LayerDescription Gpt2Reader::describeLayer(const WeightNames &names) {
  LayerDescription layer;
  int64_t hidden = decoder.hiddenSize, q = decoder.heads * decoder.headSize,
          kv = decoder.kvHeads * decoder.headSize;
  layer.activation = Activation::geluTanh;
  layer.attentionScale = 1 / std::sqrt(static_cast<double>(decoder.headSize));
  layer.attentionNorm = names.layerNorm("attention_norm", "attn_norm", decoder.hiddenSize, epsilon);
  layer.query = linear(names, "q", "attn_qkv", q, hidden, 0, q + 2 * kv);
  layer.key = linear(names, "k", "attn_qkv", kv, hidden, q, q + 2 * kv);
  layer.value = linear(names, "v", "attn_qkv", kv, hidden, q + kv, q + 2 * kv);
  layer.output = linear(names, "o", "attn_output", hidden, q, 0, hidden);
  layer.mlpNorm = names.layerNorm("mlp_norm", "ffn_norm", decoder.hiddenSize, epsilon);
  layer.up = linear(names, "up", "ffn_up", innerSize, hidden, 0, innerSize);
  layer.down = linear(names, "down", "ffn_down", hidden, innerSize, 0, hidden);
  return layer;
}

/// `rows` outputs from `row` on of a layer that is stored with others.
LinearDescription Gpt2Reader::linear(const WeightNames &names, StringRef name, StringRef stored,
                                     int64_t rows, int64_t columns, int64_t row,
                                     int64_t storedRows) {
  WeightDescription weight = names.matrix(name, stored.str() + ".weight", rows, columns);
  weight.stored[0] = storedRows;
  weight.row = row;
  WeightDescription bias = names.vector(name.str() + "_bias", stored.str() + ".bias", rows);
  bias.stored[0] = storedRows;
  bias.row = row;
  return {weight, bias};
}

DecoderDescription gguf::describeGpt2(Source &source) { return Gpt2Reader(source).read(); }
