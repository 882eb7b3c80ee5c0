// What importers return: a module, and what belongs to the model beside it.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_IMPORT_IMPORTEDMODEL_H
#define KVASIR_IMPORT_IMPORTEDMODEL_H

#include "kvasir/Tokenizer/Vocabulary.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"
#include "llvm/Support/Error.h"
#include <optional>
#include <string>
#include <vector>

namespace kvasir {

struct ImportedModel {
  /// The decoder in the llm dialect, verified. `llm.directory` is `directory`.
  mlir::OwningOpRef<mlir::ModuleOp> module;
  std::string directory; ///< absolute
  /// Names, within the directory, of the files that were read or that weights refer to.
  std::vector<std::string> inputs;
  std::optional<std::string> tokenizerJson;        ///< text of tokenizer.json
  std::optional<std::string> tokenizerConfigJson;  ///< text of tokenizer_config.json
  std::optional<VocabularyDescription> vocabulary; ///< instead of those, from a GGUF file
  std::optional<std::string> chatTemplate;
  std::string tokenizerMissing; ///< why there is no tokenizer, if there is none
};

} // namespace kvasir

#endif // KVASIR_IMPORT_IMPORTEDMODEL_H
