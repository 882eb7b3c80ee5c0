// kvasir-translate --import-gguf.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "mlir/Tools/mlir-translate/Translation.h"
#include "dialects/LLM/LLM.h"
#include "kvasir/Import/GGUF.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Diagnostics.h"
#include "llvm/Support/SourceMgr.h"

using namespace mlir;

static OwningOpRef<Operation *> importFile(llvm::SourceMgr &sources, MLIRContext *context) {
  StringRef file = sources.getMemoryBuffer(sources.getMainFileID())->getBufferIdentifier();
  auto model = kvasir::importGguf(file, *context, {.readTokenizer = false});
  if (model)
    return OwningOpRef<Operation *>(model->module.release());
  emitError(UnknownLoc::get(context)) << llvm::toString(model.takeError());
  return {};
}

void kvasir::registerGgufTranslation() {
  static TranslateToMLIRRegistration registration(
      "import-gguf", "import a GGUF file", importFile,
      [](DialectRegistry &registry) { registry.insert<llm::LLMDialect, func::FuncDialect>(); });
}
