// One function for each phase and ISA variant.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "kvasir/Target/CPU/Lowering.h"

#include "PhaseEmitter.h"

using namespace mlir;
using namespace kvasir;

static void emitPhase(step::PhaseOp phase, ModuleOp into, const target::CPUVariant &variant) {
  ImplicitLocOpBuilder b(phase.getLoc(), into.getContext());
  b.setInsertionPointToEnd(into.getBody());
  Type pointer = LLVM::LLVMPointerType::get(b.getContext()), i32 = b.getI32Type();
  auto type = b.getFunctionType({pointer, pointer, i32, i32}, {});
  auto function = func::FuncOp::create(b, phase.getSymName(), type);
  Block *entry = function.addEntryBlock();
  b.setInsertionPointToStart(entry);
  func::ReturnOp::create(b);
  b.setInsertionPoint(entry->getTerminator());
  cpu::PhaseEmitter(b, phase, function, variant).emit();
}

/// Whether the phase multiplies activations of 8 bits.
static bool hasQuantizedRows(step::PhaseOp phase) {
  return llvm::any_of(phase.getBody().front().getOps<llm::LinearOp>(), [](llm::LinearOp linear) {
    return cast<RankedTensorType>(linear.getX().getType()).getEncoding() != nullptr;
  });
}

LogicalResult kvasir::lowerToCPU(ModuleOp module) {
  SmallVector<step::PhaseOp> phases(module.getOps<step::PhaseOp>());
  if (phases.empty())
    return module.emitError("expected phases to lower; run `schedule` first");
  bool bytes = llvm::any_of(phases, hasQuantizedRows);
  OpBuilder builder(module.getContext());
  for (const target::CPUVariant &variant : target::cpuVariants()) {
    if (variant.dotProducts && !bytes)
      continue; // the code would be that of the variant without
    builder.setInsertionPointToEnd(module.getBody());
    auto nested = ModuleOp::create(builder, module.getLoc(), StringRef(variant.name));
    for (step::PhaseOp phase : phases)
      emitPhase(phase, nested, variant);
  }
  return success();
}
