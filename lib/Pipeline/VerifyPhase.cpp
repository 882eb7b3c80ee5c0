// kvasir-verify-phase: the legality check of a phase.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "kvasir/Pipeline/Passes.h"
#include "kvasir/Pipeline/Pipeline.h"

namespace kvasir {
#define GEN_PASS_DEF_VERIFYPHASEPASS
#include "kvasir/Pipeline/Passes.h.inc"

namespace {
struct VerifyPhase : impl::VerifyPhasePassBase<VerifyPhase> {
  using VerifyPhasePassBase::VerifyPhasePassBase;

  void runOnOperation() override {
    if (mlir::failed(verifyPhase(getOperation(), phase)))
      signalPassFailure();
    markAllAnalysesPreserved();
  }
};
} // namespace
} // namespace kvasir
