// What the readers of configurations share.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "Describe.h"

using namespace kvasir;
using namespace kvasir::hf;
using llvm::StringRef;

std::string hf::namePrefix(const WeightTable &table, StringRef prefix, StringRef someTensor) {
  bool bare = table.count(someTensor.str()) && !table.count(prefix.str() + someTensor.str());
  return bare ? "" : prefix.str();
}

void hf::describeHead(DecoderDescription &decoder, bool tied, const std::string &embeddingTensor,
                      const WeightTable &table) {
  constexpr const char *headTensor = "lm_head.weight";
  bool onlyHead = tied && table.count(headTensor) && !table.count(embeddingTensor);
  WeightNames names;
  decoder.embedding = names.matrix("embed", onlyHead ? headTensor : embeddingTensor,
                                   decoder.vocabularySize, decoder.hiddenSize);
  decoder.head = tied
                     ? decoder.embedding
                     : names.matrix("head", headTensor, decoder.vocabularySize, decoder.hiddenSize);
}

Activation hf::readActivation(Config &config, StringRef key, StringRef fallback) {
  static const std::pair<StringRef, Activation> names[] = {
      {"silu", Activation::silu},          {"swish", Activation::silu},
      {"gelu", Activation::gelu},          {"gelu_python", Activation::gelu},
      {"gelu_new", Activation::geluTanh},  {"gelu_pytorch_tanh", Activation::geluTanh},
      {"gelu_fast", Activation::geluTanh}, {"gelu_accurate", Activation::geluTanh},
      {"relu", Activation::relu}};
  std::string name = config.text(key).value_or(fallback.str());
  for (auto &[known, activation] : names)
    if (known == name)
      return activation;
  std::string expected;
  for (auto &[known, activation] : names)
    expected += (expected.empty() ? "" : ", ") + known.str();
  config.problem(key, "= '" + llvm::Twine(name) +
                          "' is not an activation that is supported; expected one of " + expected);
  return Activation::silu;
}
