// kvasir-lower: hands the scheduled module to its target.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "kvasir/Pipeline/Passes.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#ifdef KVASIR_TARGET_CPU
#include "kvasir/Target/CPU/Lowering.h"
#endif

namespace kvasir {
#define GEN_PASS_DEF_LOWERPASS
#include "kvasir/Pipeline/Passes.h.inc"

namespace {
struct Lower : impl::LowerPassBase<Lower> {
  void runOnOperation() override {
#ifdef KVASIR_TARGET_CPU
    if (mlir::failed(lowerToCPU(getOperation())))
      signalPassFailure();
#else
    getOperation().emitError("this build has no target to lower to");
    signalPassFailure();
#endif
  }
};
} // namespace
} // namespace kvasir
