// The rules that @step obeys in every phase that has it.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_LIB_PIPELINE_STEPFUNCTION_H
#define KVASIR_LIB_PIPELINE_STEPFUNCTION_H

#include "mlir/IR/BuiltinOps.h"

namespace kvasir {

/// Checks that the module has `@step(ids, positions, totals, rows)` with one block and one result;
/// that each op takes the integers that are meant for it; and that rows for tokens and rows for
/// logits are not mixed, which types cannot tell apart. Reports everything that is wrong.
mlir::LogicalResult verifyStepFunction(mlir::ModuleOp module);

} // namespace kvasir

#endif // KVASIR_LIB_PIPELINE_STEPFUNCTION_H
