// One function for each phase and ISA variant.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "kvasir/Target/CPU/Lowering.h"

#include "PhaseEmitter.h"

#include "llvm/ADT/StringExtras.h"

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

/// Ops that `schedule` makes for other targets.
static LogicalResult checkOps(step::PhaseOp phase) {
  bool good = true, serial = phase.getKind() == step::PhaseKind::serial;
  for (Operation &op : phase.getBody().front())
    if (isa<kv::AttendPartitionsOp, kv::MergePartitionsOp>(op) ||
        (isa<llm::ArgmaxOp>(op) && !serial)) {
      op.emitError() << op.getName() << " has no code for CPUs in a phase of kind "
                     << step::stringifyPhaseKind(phase.getKind())
                     << "; run `schedule` without `blocks`";
      good = false;
    }
  return success(good);
}

static LogicalResult checkNames(ModuleOp module, ArrayRef<std::string> variants) {
  for (const std::string &name : variants)
    if (!target::findCPUVariant(name)) {
      auto names = llvm::map_range(target::cpuVariants(),
                                   [](const target::CPUVariant &v) { return v.name; });
      return module.emitError("unknown variant '")
             << name << "': expected one of " << llvm::join(names, ", ");
    }
  return success();
}

LogicalResult kvasir::lowerToCPU(ModuleOp module, ArrayRef<std::string> variants) {
  SmallVector<step::PhaseOp> phases(module.getOps<step::PhaseOp>());
  if (phases.empty())
    return module.emitError("expected phases to lower; run `schedule` first");
  if (failed(checkNames(module, variants)))
    return failure();
  bool good = true;
  for (step::PhaseOp phase : phases)
    good &= succeeded(checkOps(phase));
  if (!good)
    return failure();
  bool bytes = llvm::any_of(phases, hasQuantizedRows);
  OpBuilder builder(module.getContext());
  // Where no bytes are multiplied, the code would be that of the variant without dot products.
  auto hasCode = [&](const target::CPUVariant &v) { return bytes || !v.dotProducts; };
  for (const target::CPUVariant *variant : target::chooseCPUVariants(variants, hasCode)) {
    builder.setInsertionPointToEnd(module.getBody());
    auto nested = ModuleOp::create(builder, module.getLoc(), StringRef(variant->name));
    for (step::PhaseOp phase : phases)
      emitPhase(phase, nested, *variant);
  }
  return success();
}
