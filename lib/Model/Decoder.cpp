// Walks the weights of a decoder.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "kvasir/Model/Decoder.h"

using namespace kvasir;
using Visitor = llvm::function_ref<void(const WeightDescription &)>;

static void visitNorm(const std::optional<NormDescription> &norm, Visitor visit) {
  if (!norm)
    return;
  visit(norm->weight);
  if (norm->bias)
    visit(*norm->bias);
}

static void visitLinear(const LinearDescription &linear, Visitor visit) {
  visit(linear.weight);
  if (linear.bias)
    visit(*linear.bias);
}

static void visitLayer(const LayerDescription &layer, Visitor visit) {
  visitNorm(layer.attentionNorm, visit);
  for (const LinearDescription *linear : {&layer.query, &layer.key, &layer.value})
    visitLinear(*linear, visit);
  visitNorm(layer.queryNorm, visit);
  visitNorm(layer.keyNorm, visit);
  visitLinear(layer.output, visit);
  visitNorm(layer.attentionOutputNorm, visit);
  visitNorm(layer.mlpNorm, visit);
  if (layer.gate)
    visitLinear(*layer.gate, visit);
  visitLinear(layer.up, visit);
  visitLinear(layer.down, visit);
  visitNorm(layer.mlpOutputNorm, visit);
}

void kvasir::forEachWeight(const DecoderDescription &decoder, Visitor visit) {
  visit(decoder.embedding);
  if (decoder.positionEmbedding)
    visit(*decoder.positionEmbedding);
  for (const LayerDescription &layer : decoder.layers)
    visitLayer(layer, visit);
  visitNorm(decoder.finalNorm, visit);
  visit(decoder.head);
}
