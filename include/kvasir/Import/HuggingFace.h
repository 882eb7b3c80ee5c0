// Imports a checkpoint in the layout of Hugging Face: config.json + safetensors.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_IMPORT_HUGGINGFACE_H
#define KVASIR_IMPORT_HUGGINGFACE_H

#include "kvasir/Import/ImportedModel.h"

namespace kvasir {

struct HuggingFaceOptions {
  /// Also read the tokenizer's files.
  bool readTokenizer = true;
  /// Make the weights up by this seed. Those of the checkpoint are not read, and
  /// need not be there; instead of the folder a config.json can be named.
  std::optional<uint64_t> randomSeed = std::nullopt;
};

/// True if `path` is a folder with the files of a Hugging Face checkpoint.
bool looksLikeHuggingFace(llvm::StringRef path);

/// Imports the checkpoint in the folder `path` (see also `randomSeed`). A model that is not
/// understood is refused with one error that lists everything that is wrong.
llvm::Expected<ImportedModel> importHuggingFace(llvm::StringRef path, mlir::MLIRContext &context,
                                                const HuggingFaceOptions &options = {});

/// Registers the translation --import-hf, from the path of a config.json.
void registerImportTranslation();

} // namespace kvasir

#endif // KVASIR_IMPORT_HUGGINGFACE_H
