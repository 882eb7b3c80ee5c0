// LLVM dialect to LLVM IR, with the attributes that keep bits and registers as
// we want them.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "TargetMachine.h"

#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/Target/LLVMIR/Dialect/Builtin/BuiltinToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/LLVMIR/LLVMToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Export.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/IR/InstIterator.h"
#include "llvm/IR/Module.h"
#include "llvm/IR/Operator.h"
#include "llvm/Support/raw_ostream.h"

namespace kvasir::target {

void registerCodegen(mlir::DialectRegistry &registry) {
  mlir::registerBuiltinDialectTranslation(registry);
  mlir::registerLLVMDialectTranslation(registry);
}

static void setAttributes(llvm::Function &function, const CPUVariant &variant) {
  // Otherwise tuning may split 512-bit vectors into halves.
  std::string width = std::to_string(variant.vectorBits);
  function.addFnAttr("prefer-vector-width", width);
  function.addFnAttr("min-legal-vector-width", width);
  function.addFnAttr("target-cpu", variant.cpu);
  function.addFnAttr("target-features", variant.llvmFeatures);
  function.addFnAttr("tune-cpu", variant.tune);
  function.addFnAttr("no-builtins"); // loops do not become calls of memset
  function.addFnAttr("frame-pointer", "none");
  function.addFnAttr(llvm::Attribute::NoUnwind);
  function.removeFnAttr(llvm::Attribute::UWTable);
}

static bool changesResults(const llvm::Instruction &instruction) {
  const auto *operation = llvm::dyn_cast<llvm::FPMathOperator>(&instruction);
  return operation && (operation->hasAllowReassoc() || operation->hasAllowContract() ||
                       operation->hasAllowReciprocal() || operation->hasApproxFunc());
}

/// Flags would make the result depend on what LLVM finds profitable.
static llvm::Error checkFastMath(const llvm::Function &function) {
  for (const llvm::Instruction &instruction : llvm::instructions(function)) {
    if (!changesResults(instruction))
      continue;
    std::string text;
    llvm::raw_string_ostream(text) << instruction;
    return llvm::createStringError(
        "function '" + function.getName().str() +
        "' has an operation with fast-math flags, which are not admitted: " +
        llvm::StringRef(text).trim().str());
  }
  return llvm::Error::success();
}

llvm::Expected<std::unique_ptr<llvm::Module>>
translateToLLVM(mlir::ModuleOp module, llvm::LLVMContext &context, const CPUVariant &variant) {
  auto machine = makeTargetMachine(variant);
  if (!machine)
    return machine.takeError();
  mlir::DialectRegistry registry;
  registerCodegen(registry);
  module.getContext()->appendDialectRegistry(registry);

  std::string messages;
  mlir::ScopedDiagnosticHandler handler(module.getContext(), [&](mlir::Diagnostic &diagnostic) {
    messages += (messages.empty() ? "" : "; ") + diagnostic.str();
    return mlir::success();
  });
  // A fixed name: the source's may hold a path.
  auto translated = mlir::translateModuleToLLVMIR(module, context, "kvasir");
  if (!translated)
    return llvm::createStringError("translation to LLVM IR failed: " + messages);
  translated->setTargetTriple((*machine)->getTargetTriple());
  translated->setDataLayout((*machine)->createDataLayout());
  for (llvm::Function &function : *translated) {
    if (function.isDeclaration())
      continue;
    if (llvm::Error error = checkFastMath(function))
      return std::move(error);
    setAttributes(function, variant);
  }
  return translated;
}

std::string emitLLVMText(const llvm::Module &module) {
  std::string text;
  llvm::raw_string_ostream stream(text);
  module.print(stream, nullptr);
  return text;
}

} // namespace kvasir::target
