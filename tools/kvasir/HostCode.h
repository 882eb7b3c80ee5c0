// What `kvasir compile` makes for CPUs and the emulator: LLVM IR, assembly, objects.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_TOOLS_KVASIR_HOSTCODE_H
#define KVASIR_TOOLS_KVASIR_HOSTCODE_H

#include "Compiler.h"

#include "kvasir/Artifact/Package.h"

namespace kvasir::cli {

/// Puts what `options.emit` asks for, of the best of the variants, into `outcome`. `module` is what
/// phase `lower` made.
llvm::Error emitHostCode(mlir::ModuleOp module, const CompileOptions &options,
                         CompileOutcome &outcome);

/// The shared objects of the variants that are wanted, best first, optimized side by side. Their
/// code is gone from `module` afterwards.
llvm::Expected<std::vector<CodeObjectInput>> compileHostCode(mlir::ModuleOp module,
                                                             const CompileOptions &options);

} // namespace kvasir::cli

#endif // KVASIR_TOOLS_KVASIR_HOSTCODE_H
