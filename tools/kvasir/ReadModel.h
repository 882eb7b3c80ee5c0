// The front of the compiler: a checkpoint in any format, or saved IR.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_TOOLS_KVASIR_READMODEL_H
#define KVASIR_TOOLS_KVASIR_READMODEL_H

#include "Compiler.h"

#include "kvasir/Import/ImportedModel.h"
#include "mlir/IR/DialectRegistry.h"

namespace kvasir::cli {

/// All dialects that a compilation meets.
mlir::DialectRegistry compilerDialects();

/// Reads `options.input`. What IR does not hold, the tokenizer, comes from the checkpoint that it
/// names, if that is still there.
llvm::Expected<ImportedModel> readModel(const CompileOptions &options, mlir::MLIRContext &context);

/// A whole number of the module's `llm.model`; 0 if it is not there.
int64_t modelNumber(mlir::ModuleOp module, llvm::StringRef name);
/// "llama, 16 layers, 1.24 B parameters, bf16".
std::string describeModel(mlir::ModuleOp module);
/// The format that a model came in.
std::string originOf(const ImportedModel &model, const CompileOptions &options);

} // namespace kvasir::cli

#endif // KVASIR_TOOLS_KVASIR_READMODEL_H
