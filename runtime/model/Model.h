// A loaded model: artifact, code for this machine, tokenizer. Immutable, shared
// by threads. SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_RUNTIME_MODEL_MODEL_H
#define KVASIR_RUNTIME_MODEL_MODEL_H

#include "artifact/Artifact.h"
#include "loader/CodeObject.h"
#include "tokenizer/Tokenizer.h"

#include <memory>
#include <optional>

namespace kvasir::rt {

class Model {
public:
  /// `variant` is empty for the best one. An artifact without code for CPUs is
  /// loaded too: its variant is the name of its first device. With `verifyWeights` all weights are
  /// hashed.
  static Result<std::shared_ptr<const Model>> load(const std::string &path,
                                                   const std::string &variant, bool verifyWeights);

  const Artifact &artifact() const { return file; }
  const artifact::Module &module() const { return file.module(); }
  /// Empty when the artifact has no code for CPUs.
  const CodeObject &code() const { return compiled; }
  const std::string &variant() const { return variantName; }
  int32_t vocabSize() const { return static_cast<int32_t>(module().model()->vocab_size()); }

  /// The tokenizer, or the reason why there is none.
  Status requireTokenizer() const;
  const Tokenizer *tokenizer() const { return text ? &*text : nullptr; }
  const std::string &tokenizerMissing() const { return missing; }

private:
  Status openTokenizer();
  Status loadCode(const std::string &variant);

  Artifact file;
  CodeObject compiled;
  std::string variantName;
  std::optional<Tokenizer> text;
  std::string missing;
};

} // namespace kvasir::rt

#endif // KVASIR_RUNTIME_MODEL_MODEL_H
