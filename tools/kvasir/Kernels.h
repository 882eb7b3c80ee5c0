// What `kvasir compile` makes of a GPU's kernels: LLVM IR, PTX, cubins.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_TOOLS_KVASIR_KERNELS_H
#define KVASIR_TOOLS_KVASIR_KERNELS_H

#include "Compiler.h"

#include "kvasir/Artifact/Package.h"

namespace kvasir::cli {

/// Puts what `options.emit` asks for, of one architecture, into `outcome`: that of
/// `options.variants` or the only one. `module` is what phase `lower` made.
llvm::Error emitKernels(mlir::ModuleOp module, const CompileOptions &options,
                        CompileOutcome &outcome);

/// The code of all architectures, side by side: cubins, oldest first, and PTX of the newest; with
/// `options.ptxas` none PTX of each. Their kernels are gone from `module` afterwards.
llvm::Expected<DeviceInput> compileKernels(mlir::ModuleOp module, const CompileOptions &options);

/// The assembler that `options` mean and its version: "ptxas V13.0.88"; empty for none.
llvm::Expected<std::string> assemblerVersion(const CompileOptions &options);

} // namespace kvasir::cli

#endif // KVASIR_TOOLS_KVASIR_KERNELS_H
