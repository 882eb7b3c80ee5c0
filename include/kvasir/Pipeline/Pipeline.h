// The named phases of compilation, and what runs them. Pass order is written only in lib/Pipeline.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_PIPELINE_PIPELINE_H
#define KVASIR_PIPELINE_PIPELINE_H

#include "mlir/IR/BuiltinOps.h"
#include "mlir/Support/LLVM.h"
#include "llvm/Support/Error.h"
#include <string>
#include <vector>

namespace mlir {
class OpPassManager;
}

namespace kvasir {

struct Phase {
  llvm::StringRef name;
  llvm::StringRef meaning; // one line
};

/// All phases, in order. The first (`import`) makes the module, the last (`package`) makes the
/// artifact of it: neither is passes, and callers of runPipeline do them.
llvm::ArrayRef<Phase> phases();

/// The names of all phases, for messages: "import, fuse-attention, ...".
std::string phaseNames();

/// What code is made for: "cpu", "cuda:" and architectures ("cuda:sm_80+sm_90"), or "emulate:" and
/// the same, kernels of these architectures that run on the host.
struct Target {
  std::string name;                       ///< all of it
  std::string kind;                       ///< what stands before the colon
  std::vector<std::string> architectures; ///< empty for a CPU

  bool isGPU() const { return kind != "cpu"; } ///< as far as schedules and kernels go
  bool isEmulated() const { return kind == "emulate"; }
};

/// Reads the name of a target. An error lists what there is.
llvm::Expected<Target> parseTarget(llvm::StringRef text);

/// Reads the names of targets that one artifact is for, separated by commas: cpu and cuda, each
/// once, or one target of any kind.
llvm::Expected<std::vector<Target>> parseTargets(llvm::StringRef text);

struct PipelineOptions {
  /// What code is made for, see `Target`.
  std::string target = "cpu";
  /// Of an emulated target: the order in which blocks run; 0: ascending.
  uint64_t blockSeed = 0;
  /// Encoding of weights that are stored as floats; empty: they stay floats.
  std::string quantize;
  /// PATTERN=ENCODING, exceptions (see kvasir-quantize).
  std::vector<std::string> quantizeRules;
  /// Of layers whose weights are encoded as integers: int8 or exact.
  std::string activations = "int8";
  /// Number format of the caches: f32, f16, bf16 or i8. Empty: that of the weights for runPipeline
  /// (f16 if they are stored quantized), f32 for buildPipeline, which sees no module.
  std::string kvType;
  /// One serial phase of plain loops for each op.
  bool naive = false;
  /// Most tokens of a step that the decode program takes.
  int64_t decodeTokens = 16;
  /// Variants of the target that code is made for; empty: all.
  std::vector<std::string> variants;
  /// The phase whose result the module is. Empty: import.
  std::string from;
  /// The last phase to run. Empty or `package`: lower.
  std::string until;
  /// Directory for NN-phase.mlir, the module after each phase (after `import` too, unless `from`
  /// is given). Empty: none.
  std::string savePhases;
};

/// Adds the passes of the phases after `from` up to `until`, each phase followed by its legality
/// check; the check of `from` comes first. Reports unknown names and an `until` before `from`.
mlir::LogicalResult
buildPipeline(mlir::OpPassManager &manager, const PipelineOptions &options,
              llvm::function_ref<mlir::LogicalResult(const llvm::Twine &)> error);

/// Runs that pipeline. Errors are diagnostics of the module's context.
mlir::LogicalResult runPipeline(mlir::ModuleOp module, PipelineOptions options);

/// Reports every op and every type that may not exist after `phase`, with its location.
mlir::LogicalResult verifyPhase(mlir::ModuleOp module, llvm::StringRef phase);

} // namespace kvasir

#endif // KVASIR_PIPELINE_PIPELINE_H
