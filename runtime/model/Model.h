// A loaded model: artifact, device with the code for it, tokenizer. Immutable, shared by threads.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_RUNTIME_MODEL_MODEL_H
#define KVASIR_RUNTIME_MODEL_MODEL_H

#include "artifact/Artifact.h"
#include "device/Choose.h"
#include "tokenizer/Tokenizer.h"

#include <memory>
#include <optional>

namespace kvasir::rt {

struct ModelConfig {
  std::string device, variant; // see chooseDevice
  bool verifyWeights = false;  // all of them are hashed
};

class Model {
public:
  /// An artifact whose device is not there is loaded too, as long as none is named: its engines are
  /// refused.
  static Result<std::shared_ptr<const Model>> load(const std::string &path,
                                                   const ModelConfig &config);

  const Artifact &artifact() const { return file; }
  const artifact::Module &module() const { return file.module(); }
  const Device &device() const { return *chosen.device; }
  /// Why a device that the artifact has code for was not chosen; "" when none was passed over.
  const std::string &passedOver() const { return chosen.passedOver; }
  Result<MemoryPlan> plan(const EngineConfig &config) const;
  int32_t vocabSize() const { return static_cast<int32_t>(module().model()->vocab_size()); }

  /// The tokenizer, or the reason why there is none.
  Status requireTokenizer() const;
  const Tokenizer *tokenizer() const { return text ? &*text : nullptr; }
  const std::string &tokenizerMissing() const { return missing; }

private:
  Status openTokenizer();

  Artifact file;
  ChosenDevice chosen;
  std::optional<Tokenizer> text;
  std::string missing;
};

} // namespace kvasir::rt

#endif // KVASIR_RUNTIME_MODEL_MODEL_H
