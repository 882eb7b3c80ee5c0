// kvasir-emulate: hands the kernels to the emulator.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "kvasir/Pipeline/Passes.h"
#include "kvasir/Target/Emulator/Lowering.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"

namespace kvasir {
#define GEN_PASS_DEF_EMULATEPASS
#include "kvasir/Pipeline/Passes.h.inc"

namespace {
struct Emulate : impl::EmulatePassBase<Emulate> {
  using EmulatePassBase::EmulatePassBase;

  void runOnOperation() override {
    if (mlir::failed(lowerToEmulator(getOperation(), {.seed = seed, .blocks = blocks})))
      signalPassFailure();
  }
};
} // namespace
} // namespace kvasir
