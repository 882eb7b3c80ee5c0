// Imports a model in GGUF, the format of llama.cpp: one file or the parts of a split one.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_IMPORT_GGUF_H
#define KVASIR_IMPORT_GGUF_H

#include "kvasir/Import/ImportedModel.h"

namespace kvasir {

struct GgufOptions {
  /// Also read the vocabulary.
  bool readTokenizer = true;
};

/// True for a GGUF file, and for a folder that has one.
bool looksLikeGguf(llvm::StringRef path);

/// Imports a file, the split file that it is a part of, or the only model in a folder. A model that
/// is not understood is refused with one error that lists everything that is wrong.
llvm::Expected<ImportedModel> importGguf(llvm::StringRef path, mlir::MLIRContext &context,
                                         const GgufOptions &options = {});

/// Registers the translation --import-gguf, from the path of a file.
void registerGgufTranslation();

} // namespace kvasir

#endif // KVASIR_IMPORT_GGUF_H
