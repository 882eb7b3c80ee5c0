// Imports a checkpoint in the layout of Hugging Face: config.json + safetensors.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_IMPORT_HUGGINGFACE_H
#define KVASIR_IMPORT_HUGGINGFACE_H

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"
#include "llvm/Support/Error.h"
#include <optional>
#include <string>
#include <vector>

namespace kvasir {

struct HuggingFaceOptions {
  /// Also read the tokenizer's files.
  bool readTokenizer = true;
};

struct ImportedModel {
  /// The decoder in the llm dialect, verified. `llm.directory` is `directory`.
  mlir::OwningOpRef<mlir::ModuleOp> module;
  std::string directory; ///< absolute
  /// Names, within the directory, of the files that were read or that weights refer to.
  std::vector<std::string> inputs;
  std::optional<std::string> tokenizerJson;       ///< text of tokenizer.json
  std::optional<std::string> tokenizerConfigJson; ///< text of tokenizer_config.json
  std::optional<std::string> chatTemplate; ///< of chat_template.jinja or tokenizer_config.json
  std::string tokenizerMissing;            ///< why there is no tokenizer, if there is none
};

/// True if `path` is a folder with the files of a Hugging Face checkpoint.
bool looksLikeHuggingFace(llvm::StringRef path);

/// Imports the checkpoint in the folder `directory`. A model that is not
/// understood is refused with one error that lists everything that is wrong.
llvm::Expected<ImportedModel> importHuggingFace(llvm::StringRef directory,
                                                mlir::MLIRContext &context,
                                                const HuggingFaceOptions &options = {});

/// Registers the translation --import-hf, from the path of a config.json.
void registerImportTranslation();

} // namespace kvasir

#endif // KVASIR_IMPORT_HUGGINGFACE_H
