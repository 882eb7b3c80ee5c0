// kvasir-translate --import-hf.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "mlir/Tools/mlir-translate/Translation.h"
#include "dialects/LLM/LLM.h"
#include "kvasir/Import/HuggingFace.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Diagnostics.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/SourceMgr.h"

using namespace mlir;

static OwningOpRef<Operation *> importFile(llvm::SourceMgr &sources, MLIRContext *context) {
  StringRef file = sources.getMemoryBuffer(sources.getMainFileID())->getBufferIdentifier();
  StringRef directory = llvm::sys::path::parent_path(file);
  auto model = kvasir::importHuggingFace(directory.empty() ? "." : directory, *context,
                                         {.readTokenizer = false});
  if (model)
    return OwningOpRef<Operation *>(model->module.release());
  emitError(UnknownLoc::get(context)) << llvm::toString(model.takeError());
  return {};
}

void kvasir::registerImportTranslation() {
  static TranslateToMLIRRegistration registration(
      "import-hf", "import the Hugging Face checkpoint of a config.json", importFile,
      [](DialectRegistry &registry) { registry.insert<llm::LLMDialect, func::FuncDialect>(); });
}
