// The table of architectures, and what they share.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "Architecture.h"
#include "llvm/ADT/STLExtras.h"

using namespace kvasir;
using namespace kvasir::gguf;
using llvm::StringRef;
using llvm::Twine;

llvm::ArrayRef<Architecture> gguf::architectures() {
  static const Architecture table[] = {
      {.name = "gpt2", .shape = Shape::gpt2},
      {.name = "granite", .interleaved = true, .multipliers = true},
      {.name = "llama", .interleaved = true, .window = true}, // Mistral too
      {.name = "olmo2", .queryKeyNorm = QueryKeyNorm::row, .normAfter = true},
      {.name = "phi3", .fused = true, .window = true, .partialRope = true},
      {.name = "qwen2", .projectionBias = true},
      {.name = "qwen3", .queryKeyNorm = QueryKeyNorm::head},
  };
  return table;
}

const Architecture *gguf::findArchitecture(StringRef name) {
  const Architecture *found =
      llvm::find_if(architectures(), [&](const Architecture &a) { return a.name == name; });
  return found == architectures().end() ? nullptr : found;
}

/// Ids of the vocabulary: rows of the embedding, which `vocab_size` may repeat.
static int64_t readVocabularySize(Source &source) {
  std::optional<int64_t> size = source.keys.integer("vocab_size", 1, maxVocabulary);
  const StoredTensor *embedding = source.findTensor("token_embd.weight");
  if (!embedding || embedding->shape.size() != 2 || embedding->shape[0] < 1 ||
      embedding->shape[0] > maxVocabulary)
    return size.value_or(1); // which the check of the tensors reports
  if (size && *size != embedding->shape[0])
    source.keys.problem("vocab_size", "= " + Twine(*size) + ", but token_embd.weight has " +
                                          Twine(embedding->shape[0]) + " rows");
  return embedding->shape[0];
}

void gguf::readSizes(Source &source, DecoderDescription &decoder) {
  Keys &keys = source.keys;
  decoder.architecture = source.architecture.name.str();
  decoder.hiddenSize = keys.requiredInteger("embedding_length", 1, maxFeatures);
  decoder.vocabularySize = readVocabularySize(source);
  decoder.maxContext = keys.requiredInteger("context_length", 1, maxContextSize);
  decoder.heads = keys.requiredInteger("attention.head_count", 1, maxHeads);
  decoder.kvHeads = keys.integer("attention.head_count_kv", 1, maxHeads).value_or(decoder.heads);
  if (decoder.heads % decoder.kvHeads)
    keys.problem("attention.head_count_kv", "= " + Twine(decoder.kvHeads) +
                                                " does not divide the " + Twine(decoder.heads) +
                                                " attention heads");
  if (!keys.boolean("attention.causal").value_or(true))
    keys.problem("attention.causal", "= false is no model that generates text");
  std::optional<int64_t> headSize = keys.integer("attention.key_length", 1, maxHeadSize);
  if (!headSize && decoder.hiddenSize % decoder.heads)
    keys.problem("embedding_length", "= " + Twine(decoder.hiddenSize) +
                                         " is not a multiple of the " + Twine(decoder.heads) +
                                         " attention heads, and attention.key_length is not given");
  decoder.headSize = headSize.value_or(std::max<int64_t>(decoder.hiddenSize / decoder.heads, 1));
  std::optional<int64_t> valueSize = keys.integer("attention.value_length", 1, maxHeadSize);
  if (valueSize && *valueSize != decoder.headSize)
    keys.problem("attention.value_length", "= " + Twine(*valueSize) + " differs from the " +
                                               Twine(decoder.headSize) +
                                               " features of keys, which is not supported");
}

void gguf::describeHead(const Source &source, DecoderDescription &decoder) {
  WeightNames names;
  int64_t rows = decoder.vocabularySize, columns = decoder.hiddenSize;
  decoder.embedding = names.matrix("embed", "token_embd.weight", rows, columns);
  decoder.head = source.hasTensor("output.weight")
                     ? names.matrix("head", "output.weight", rows, columns)
                     : decoder.embedding;
}
