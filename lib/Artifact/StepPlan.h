// The phase tables of a module, as the artifact says them.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_LIB_ARTIFACT_STEPPLAN_H
#define KVASIR_LIB_ARTIFACT_STEPPLAN_H

#include "dialects/KV/KV.h"
#include "dialects/LLM/LLM.h"
#include "dialects/Step/Step.h"
#include "kvasir/Artifact/Module_generated.h"

#include "mlir/IR/BuiltinOps.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/Support/Error.h"

namespace kvasir {

struct SlotPlan {
  uint64_t constant = 0, perToken = 0, perRow = 0; ///< bytes
  bool used = false, scratch = false;
};

struct RowPlan {
  uint32_t function;
  int32_t layer;
  std::vector<artifact::Operand> operands;
  artifact::Cost cost;
};

struct ProgramPlan {
  std::string name;
  uint32_t maxTokens; ///< 0: no bound
  std::vector<SlotPlan> slots;
  std::vector<RowPlan> rows;
  uint32_t logitsSlot = 0, logitsStride = 0;
  int32_t chosenSlot = -1;
};

struct StepPlan {
  std::vector<std::string> functions;
  std::vector<ProgramPlan> programs; ///< fewest tokens first
};

/// The tensors that programs of all targets name, each once.
class TensorTable {
public:
  /// Weights that say the same (name, type, layout, source) are one.
  uint32_t indexOf(llm::WeightOp weight);
  /// Adds the caches of a target's module. Targets must agree on them.
  llvm::Error addCaches(mlir::ModuleOp module);

  std::vector<llm::WeightOp> weights; ///< those used, in order of first use
  std::vector<kv::CacheOp> caches;

private:
  llvm::DenseMap<mlir::Attribute, uint32_t> places;
};

/// Resolves the step.phase, step.program, llm.weight and kv.cache ops of a
/// module; what it needs is added to `tensors`. Errors are broken promises of earlier phases.
llvm::Expected<StepPlan> planSteps(mlir::ModuleOp module, TensorTable &tensors);

} // namespace kvasir

#endif // KVASIR_LIB_ARTIFACT_STEPPLAN_H
