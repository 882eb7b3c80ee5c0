// Division of the step function into phases (private to `schedule`).
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_LIB_TRANSFORMS_SCHEDULEPHASES_H
#define KVASIR_LIB_TRANSFORMS_SCHEDULEPHASES_H

#include "dialects/Step/Step.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace kvasir {

enum class ProgramKind {
  decode,  // few tokens: cheap work on rows is repeated by every worker to save a barrier
  prefill, // many tokens: it is divided among workers
  naive    // every op a phase of its own
};

/// Ops of the step function that become one phase, in order.
struct PhaseDraft {
  step::PhaseKind kind;
  llvm::SmallVector<mlir::Operation *> ops;
  /// Results of kv.attend_partitions whose blocks count themselves: in attention its own, in a
  /// phase of rows those for which it clears the counts.
  llvm::SmallVector<mlir::Value> counts = {};

  /// Whether one of the ops makes `value`.
  bool makes(mlir::Value value) const;
  /// Whether `value`, made here, is read by later phases or is the result of the step.
  bool isRead(mlir::Value value) const;
  /// Values that are computed row by row (prologues, and all of a phase of kind rows).
  llvm::SmallVector<mlir::Value> rowValues() const;
  /// The linear layer or attention of the phase, or null.
  mlir::Operation *anchor() const;
  /// A telling name for the phase, e.g. "linear_64x172_x2".
  std::string name() const;
  /// The layer that its weights or caches belong to, or -1.
  int64_t layer() const;
  step::CostAttr cost() const;
};

/// Whether `value` has a row for each token or for each row of logits.
step::Extent extentOf(mlir::Value value);

/// Whether the function holds what can be scheduled: reports every op that cannot.
llvm::LogicalResult checkStep(mlir::func::FuncOp step);

llvm::SmallVector<PhaseDraft> draftPhases(mlir::func::FuncOp step, ProgramKind kind);

//--- for GPUs (ScheduleBlocks.cpp)

/// Makes the greedy choice the second result of the step.
void addChoice(mlir::func::FuncOp step, mlir::ModuleOp module);

/// A copy of the step in which blocks share the context of a token, each with partitions of its
/// own: for steps that have too few tokens to give all blocks work. Null if no context is longer
/// than a partition, or the model does not say how long it is.
mlir::func::FuncOp splitContexts(mlir::func::FuncOp step, mlir::ModuleOp module);

/// Tokens for which such a copy is: as many as one tile of a linear layer has, and fewer where what
/// the partitions leave for a token is large.
int64_t splitTokens(mlir::func::FuncOp split);

} // namespace kvasir

#endif // KVASIR_LIB_TRANSFORMS_SCHEDULEPHASES_H
