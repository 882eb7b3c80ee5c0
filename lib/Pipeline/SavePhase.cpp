// kvasir-save-phase: the module after a phase, as a file that can be fed back.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "kvasir/Pipeline/Passes.h"
#include "kvasir/Pipeline/Pipeline.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/raw_ostream.h"

using namespace mlir;

namespace kvasir {
#define GEN_PASS_DEF_SAVEPHASEPASS
#include "kvasir/Pipeline/Passes.h.inc"

namespace {
struct SavePhase : impl::SavePhasePassBase<SavePhase> {
  using SavePhasePassBase::SavePhasePassBase;

  void runOnOperation() override {
    markAllAnalysesPreserved();
    auto position = llvm::find_if(phases(), [&](const Phase &p) { return p.name == phase; });
    if (position == phases().end()) {
      getOperation().emitError("unknown phase '") << phase << "': expected one of " << phaseNames();
      return signalPassFailure();
    }
    SmallString<128> path(directory);
    llvm::sys::path::append(
        path, llvm::formatv("{0,0+2}-{1}.mlir", position - phases().begin() + 1, phase));
    if (llvm::Error error = write(path)) {
      getOperation().emitError("expected to write ")
          << path << ", but got: " << llvm::toString(std::move(error));
      signalPassFailure();
    }
  }

private:
  llvm::Error write(StringRef path) {
    if (std::error_code error = llvm::sys::fs::create_directories(directory))
      return llvm::errorCodeToError(error);
    // To a temporary file first: a phase's file is complete or not there.
    auto temporary = llvm::sys::fs::TempFile::create(path + ".partial-%%%%%%");
    if (!temporary)
      return temporary.takeError();
    llvm::raw_fd_ostream out(temporary->FD, /*shouldClose=*/false);
    getOperation()->print(out, OpPrintingFlags());
    out << "\n";
    out.flush();
    if (std::error_code error = out.error()) {
      out.clear_error(); // the stream would end the process otherwise
      return llvm::joinErrors(llvm::errorCodeToError(error), temporary->discard());
    }
    return temporary->keep(path);
  }
};
} // namespace
} // namespace kvasir
