// What `kvasir compile` makes of a GPU's kernels: LLVM IR, PTX, cubins.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_TOOLS_KVASIR_KERNELS_H
#define KVASIR_TOOLS_KVASIR_KERNELS_H

#include "Compiler.h"

#include "mlir/IR/BuiltinOps.h"
#include "llvm/Support/Error.h"

namespace kvasir::cli {

/// Puts what `options.emit` asks for, of one architecture, into `outcome`: that of
/// `options.variant` or the only one. `module` is what phase `lower` made.
llvm::Error emitKernels(mlir::ModuleOp module, const CompileOptions &options,
                        CompileOutcome &outcome);

} // namespace kvasir::cli

#endif // KVASIR_TOOLS_KVASIR_KERNELS_H
