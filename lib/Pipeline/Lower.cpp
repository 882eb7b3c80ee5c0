// kvasir-lower: hands the scheduled module to its target.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "kvasir/Pipeline/Passes.h"
#include "kvasir/Target/CPU/Lowering.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

namespace kvasir {
#define GEN_PASS_DEF_LOWERPASS
#include "kvasir/Pipeline/Passes.h.inc"

namespace {
struct Lower : impl::LowerPassBase<Lower> {
  using LowerPassBase::LowerPassBase;

  void runOnOperation() override {
    if (mlir::failed(lowerToCPU(getOperation(), llvm::to_vector(variants))))
      signalPassFailure();
  }
};
} // namespace
} // namespace kvasir
