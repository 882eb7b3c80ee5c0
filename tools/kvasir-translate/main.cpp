// kvasir-translate: the code of one variant, from the LLVM dialect to LLVM IR.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "kvasir/Import/GGUF.h"
#include "kvasir/Import/HuggingFace.h"
#include "kvasir/Pipeline/RegisterAll.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Target/LLVMIR/Export.h"
#include "mlir/Tools/mlir-translate/MlirTranslateMain.h"
#include "mlir/Tools/mlir-translate/Translation.h"
#include "llvm/IR/Module.h"

static mlir::LogicalResult translate(mlir::ModuleOp module, llvm::StringRef variant,
                                     llvm::raw_ostream &out) {
  if (!variant.empty()) {
    auto nested = module.lookupSymbol<mlir::ModuleOp>(variant);
    if (!nested)
      return module.emitError("expected a nested module named '") << variant << "'";
    module = nested;
  }
  llvm::LLVMContext context;
  std::unique_ptr<llvm::Module> code = mlir::translateModuleToLLVMIR(module, context);
  if (!code)
    return mlir::failure();
  out << *code;
  return mlir::success();
}

int main(int argc, char **argv) {
  kvasir::registerImportTranslation();
  kvasir::registerGgufTranslation();
  llvm::cl::opt<std::string> variant(
      "variant", llvm::cl::desc("the nested module to translate; without it, the whole module"));
  mlir::TranslateFromMLIRRegistration toLLVM(
      "to-llvmir", "translates the LLVM dialect to LLVM IR",
      [&](mlir::ModuleOp module, llvm::raw_ostream &out) {
        return translate(module, variant, out);
      },
      kvasir::registerAllDialects);
  return mlir::failed(mlir::mlirTranslateMain(argc, argv, "Kvasir translator"));
}
