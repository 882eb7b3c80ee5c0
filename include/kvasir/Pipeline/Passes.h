// Checks and snapshots between phases: declarations generated from Passes.td.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_PIPELINE_PASSES_H
#define KVASIR_PIPELINE_PASSES_H

#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"

namespace kvasir {
#define GEN_PASS_DECL
#include "kvasir/Pipeline/Passes.h.inc"
#define GEN_PASS_REGISTRATION
#include "kvasir/Pipeline/Passes.h.inc"
} // namespace kvasir

#endif // KVASIR_PIPELINE_PASSES_H
