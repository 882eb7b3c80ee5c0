// Imports a checkpoint in the layout of Hugging Face: config.json + safetensors.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_IMPORT_HUGGINGFACE_H
#define KVASIR_IMPORT_HUGGINGFACE_H

#include "kvasir/Import/ImportedModel.h"

namespace kvasir {

struct HuggingFaceOptions {
  /// Also read the tokenizer's files.
  bool readTokenizer = true;
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
