// Lowering of step phases to CPU kernels.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_TARGET_CPU_LOWERING_H
#define KVASIR_TARGET_CPU_LOWERING_H

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/DialectRegistry.h"
#include "mlir/Pass/PassManager.h"

namespace kvasir {

/// Adds to a scheduled module one nested module for each ISA variant, named after it ("x86-64-v4"),
/// with one public function of type kvasir_phase_fn for each step.phase, in arith, scf, vector,
/// math and llvm. The step ops stay: they are the tables that `package` writes. `variants`: names
/// of those that are wanted, all if it is empty.
llvm::LogicalResult lowerToCPU(mlir::ModuleOp module, llvm::ArrayRef<std::string> variants = {});

/// Adds the passes that take the nested modules to the LLVM dialect.
void buildCPUConversion(mlir::OpPassManager &nested);

} // namespace kvasir

#endif // KVASIR_TARGET_CPU_LOWERING_H
