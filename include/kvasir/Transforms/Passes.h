// Target-neutral passes: declarations, options and constructors, generated from Passes.td.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_TRANSFORMS_PASSES_H
#define KVASIR_TRANSFORMS_PASSES_H

#include "dialects/KV/KV.h"
#include "dialects/LLM/LLM.h"
#include "dialects/Step/Step.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"

namespace kvasir {
#define GEN_PASS_DECL
#include "kvasir/Transforms/Passes.h.inc"
#define GEN_PASS_REGISTRATION
#include "kvasir/Transforms/Passes.h.inc"
} // namespace kvasir

#endif // KVASIR_TRANSFORMS_PASSES_H
