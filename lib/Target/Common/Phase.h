// What the emitters of all targets ask of a step.phase: where values live, which epilogue belongs
// to which linear layer, elementwise ops.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_LIB_TARGET_COMMON_PHASE_H
#define KVASIR_LIB_TARGET_COMMON_PHASE_H

#include "Emitter.h"

#include "dialects/LLM/LLM.h"
#include "dialects/Step/Step.h"

namespace kvasir::emit {

/// The buffer that holds a value: what it was read from, or what it is first written to.
Value homeOf(Value value);

/// Where kvasir_step_args has the pointer to an input array.
size_t offsetOf(step::InputKind kind);

/// Whether a value has a row for each row of logits (else for each token).
bool isOnRows(Value value);

/// Linear results whose epilogues belong together: whoever owns an output of
/// one owns it of all.
struct LinearGroup {
  llvm::SmallVector<unsigned> results;
  llvm::SmallVector<mlir::Operation *> epilogue;
  int64_t outputs;
};

llvm::SmallVector<LinearGroup> linearGroups(llm::LinearOp linear);

/// One elementwise op on values at hand, scalars or vectors.
Value emitElementwise(Emitter &e, mlir::Operation *op, ValueRange operands);

inline int64_t featuresOf(Value value) {
  return llvm::cast<mlir::RankedTensorType>(value.getType()).getDimSize(1);
}
inline int64_t bytesOf(Type element) { return element.getIntOrFloatBitWidth() / 8; }

} // namespace kvasir::emit

#endif // KVASIR_LIB_TARGET_COMMON_PHASE_H
