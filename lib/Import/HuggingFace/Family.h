// The families of models that are understood, as data.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_IMPORT_HUGGINGFACE_FAMILY_H
#define KVASIR_IMPORT_HUGGINGFACE_FAMILY_H

#include "Config.h"
#include "kvasir/Model/Decoder.h"
#include "kvasir/Model/WeightTable.h"
#include <vector>

namespace kvasir::hf {

enum class Shape { llama, gpt2 };            ///< which function reads the configuration
enum class Bias { never, always, byConfig }; ///< of q, k, v; `byConfig` (attention_bias) also of o
enum class QueryKeyNorm { none, head, row };
enum class Window { none, everyLayer, byLayer };
enum class RopeRules { standard, phi3 };

/// What the members of a family have in common, and the values that hold where
/// config.json is silent (they are those of transformers).
struct Family {
  llvm::StringRef modelType;
  std::vector<llvm::StringRef> architectures;
  Shape shape = Shape::llama;

  double epsilon = 1e-6;
  int64_t kvHeads = 0;  ///< 0: as many as heads
  int64_t headSize = 0; ///< 0: hidden size / heads
  int64_t maxContext = 2048;
  int64_t bos = -1;
  std::vector<int64_t> eos = {};

  Bias attentionBias = Bias::never;
  bool mlpBias = false; ///< read mlp_bias
  QueryKeyNorm queryKeyNorm = QueryKeyNorm::none;
  bool normAfter = false; ///< norms follow attention and MLP, instead of preceding them
  bool fused = false;     ///< qkv_proj and gate_up_proj
  bool multipliers = false;
  Window window = Window::none;
  std::optional<int64_t> defaultWindow = std::nullopt;
  RopeRules ropeRules = RopeRules::standard;

  std::vector<llvm::StringRef> neutralKeys = {};     ///< of this family, beside those of all
  std::vector<llvm::StringRef> leftOverTensors = {}; ///< ends of names of buffers
};

/// All families, by model_type.
const std::vector<Family> &families();
const Family *findFamily(llvm::StringRef modelType);

/// True if the key of config.json cannot change what the model computes.
bool isNeutralKey(const Family &family, llvm::StringRef key, const nlohmann::json &value);

/// Reads the configuration. `table` decides only where names differ between
/// checkpoints of the same model (a prefix, the side of a tied head).
DecoderDescription describeLlama(const Family &family, Config &config, const WeightTable &table);
DecoderDescription describeGpt2(const Family &family, Config &config, const WeightTable &table);

/// The rope of a configuration; none after a problem.
std::optional<RopeDescription> readRope(const Family &family, Config &config, int64_t headSize,
                                        int64_t maxContext);

/// An activation by its name in transformers.
Activation readActivation(Config &config, llvm::StringRef key, llvm::StringRef fallback);

} // namespace kvasir::hf

#endif // KVASIR_IMPORT_HUGGINGFACE_FAMILY_H
