// Decoder architectures as data. Importers fill in a DecoderDescription; one
// builder (Builder.h) turns it into the llm dialect.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_MODEL_DECODER_H
#define KVASIR_MODEL_DECODER_H

#include "kvasir/Model/Rope.h"
#include "llvm/ADT/STLFunctionalExtras.h"
#include "llvm/ADT/SmallVector.h"
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace kvasir {

/// A weight as the model uses it, and the stored tensor that holds it: the whole
/// of it, its transpose, or `shape[0]` rows of that from `row` on.
struct WeightDescription {
  std::string symbol;                   ///< of the llm.weight, e.g. layers.0.q
  std::string tensor;                   ///< in the weight table
  llvm::SmallVector<int64_t, 2> shape;  ///< [outputs, inputs] of a matrix, [n] of a vector
  llvm::SmallVector<int64_t, 2> stored; ///< shape of the stored tensor
  bool transpose = false;               ///< stored as [inputs, outputs]
  int64_t row = 0;                      ///< first row of the slice, after transposing
  /// Rows of a head, if the rows of each are stored in the order 0, n, 1, n + 1, ... (n half of
  /// them), as llama.cpp permutes them for rotary embedding; 0: as they are.
  int64_t interleaved = 0;
};

enum class NormKind { rms, layer };

struct NormDescription {
  NormKind kind = NormKind::rms;
  double epsilon = 0;
  int64_t group = 0; ///< features that are normalized together: a row or a head
  WeightDescription weight;
  std::optional<WeightDescription> bias; ///< of a layer norm
};

struct LinearDescription {
  WeightDescription weight;
  std::optional<WeightDescription> bias;
};

enum class Activation { silu, gelu, geluTanh, relu };

struct LayerDescription {
  /// Norms are applied where they are present: before the block, on the rows of
  /// q and k, and on the block's output before it is added to the residual.
  std::optional<NormDescription> attentionNorm, queryNorm, keyNorm, attentionOutputNorm;
  LinearDescription query, key, value, output;
  std::optional<size_t> rope;    ///< index into DecoderDescription::ropes
  double attentionScale = 1;     ///< of q . k
  std::optional<int64_t> window; ///< tokens that a token sees, itself included

  std::optional<NormDescription> mlpNorm, mlpOutputNorm;
  std::optional<LinearDescription> gate; ///< absent: up, activation, down
  LinearDescription up, down;
  Activation activation = Activation::silu;
};

/// Numbers of the checkpoint's own generation settings, by name.
using GenerationDefaults = std::map<std::string, std::variant<bool, int64_t, double>>;

struct DecoderDescription {
  std::string architecture; ///< the family's name, e.g. llama
  int64_t hiddenSize = 0, vocabularySize = 0, heads = 0, kvHeads = 0, headSize = 0;
  int64_t maxContext = 0; ///< positions that the model was made for

  WeightDescription embedding;
  std::optional<WeightDescription> positionEmbedding; ///< learned, added to the embedding
  double embeddingScale = 1;                          ///< factor of the embedding
  double residualScale = 1; ///< factor of what a block adds to the residual
  double logitsDivisor = 1; ///< the logits are divided by this
  std::vector<RopeDescription> ropes;
  std::vector<LayerDescription> layers;
  NormDescription finalNorm;
  WeightDescription head; ///< same symbol as `embedding` when tied

  int64_t bos = -1; ///< id that starts a text, or -1
  std::vector<int64_t> eos;
  GenerationDefaults generation;
};

/// Calls `visit` on every weight in the order of use; a tied head comes twice.
void forEachWeight(const DecoderDescription &decoder,
                   llvm::function_ref<void(const WeightDescription &)> visit);

} // namespace kvasir

#endif // KVASIR_MODEL_DECODER_H
