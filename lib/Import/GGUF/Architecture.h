// The architectures that are understood, as data: names are those of llama.cpp.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_IMPORT_GGUF_ARCHITECTURE_H
#define KVASIR_IMPORT_GGUF_ARCHITECTURE_H

#include "Keys.h"
#include "kvasir/Model/WeightNames.h"

namespace kvasir::gguf {

enum class Shape { llama, gpt2 }; ///< which function reads the metadata
enum class QueryKeyNorm { none, head, row };

struct Architecture {
  llvm::StringRef name; ///< general.architecture
  Shape shape = Shape::llama;
  /// The rows of q and k are permuted so that neighbours are rotated together.
  bool interleaved = false;
  bool projectionBias = false; ///< q, k and v have biases; else where there are such tensors
  QueryKeyNorm queryKeyNorm = QueryKeyNorm::none;
  bool normAfter = false;   ///< norms follow attention and MLP, instead of preceding them
  bool fused = false;       ///< attn_qkv, and ffn_up of gate and up
  bool multipliers = false; ///< of embedding, attention, residual and logits
  bool window = false;      ///< may have a sliding window in every layer
  bool partialRope = false; ///< may rotate a part of each head
};

llvm::ArrayRef<Architecture> architectures();
const Architecture *findArchitecture(llvm::StringRef name);

/// What the functions below read from.
struct Source {
  const Architecture &architecture;
  Keys &keys; ///< those of the architecture
  const Container &container;
  /// Small tensors that were read here: they are no weights. Ends of names.
  std::vector<llvm::StringRef> readTensors;

  bool hasTensor(llvm::StringRef name) const { return container.tensors.count(name.str()); }
  const StoredTensor *findTensor(llvm::StringRef name) const {
    auto found = container.tensors.find(name);
    return found == container.tensors.end() ? nullptr : &found->second;
  }
};

// Bounds on sizes, so that products of them fit and wrong metadata does not make an endless
// description.
constexpr int64_t maxLayers = 4096, maxHeads = 4096, maxHeadSize = 1 << 16, maxFeatures = 1 << 24,
                  maxVocabulary = 1 << 26, maxContextSize = int64_t(1) << 31;

DecoderDescription describeLlama(Source &source);
DecoderDescription describeGpt2(Source &source);

/// Sizes that all architectures have.
void readSizes(Source &source, DecoderDescription &decoder);
/// Embedding and head: the embedding itself where there is no `output.weight`.
void describeHead(const Source &source, DecoderDescription &decoder);

/// The frequencies of a head of `headSize` features; none after a problem.
std::optional<RopeDescription> readRope(Source &source, int64_t headSize, int64_t maxContext);

inline WeightNames namesOfLayer(int64_t index) {
  std::string number = std::to_string(index) + ".";
  return {"layers." + number, "blk." + number};
}

} // namespace kvasir::gguf

#endif // KVASIR_IMPORT_GGUF_ARCHITECTURE_H
