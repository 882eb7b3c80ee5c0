// kvasir-lower: hands the scheduled module to its target.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "kvasir/Pipeline/Passes.h"
#include "kvasir/Pipeline/Pipeline.h"
#include "kvasir/Target/CPU/Lowering.h"
#include "kvasir/Target/CUDA/Lowering.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
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
    if (mlir::failed(lower()))
      signalPassFailure();
  }

  mlir::LogicalResult lower() {
    llvm::Expected<Target> parsed = parseTarget(target);
    if (!parsed)
      return getOperation().emitError(llvm::toString(parsed.takeError()));
    if (!parsed->isGPU())
      return lowerToCPU(getOperation(), llvm::to_vector(variants));
    llvm::SmallVector<const cuda::Architecture *> architectures;
    for (const std::string &name : parsed->architectures)
      architectures.push_back(cuda::findArchitecture(name));
    return lowerToCUDA(getOperation(), architectures);
  }
};
} // namespace
} // namespace kvasir
