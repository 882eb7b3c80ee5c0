// The rules that @step obeys in every phase that has it.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "StepFunction.h"

#include "dialects/KV/KV.h"
#include "dialects/LLM/LLM.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;

namespace kvasir {
namespace {

constexpr StringRef argumentNames[] = {"ids", "positions", "totals", "rows"};
enum Argument { ids, positions, totals, rows };

/// What the rows of a value stand for.
enum class Extent { tokens, logits };

class StepVerifier {
public:
  explicit StepVerifier(func::FuncOp step) : step(step), block(step.getBody().front()) {}

  LogicalResult verify() {
    for (Operation &op : block.without_terminator())
      verifyOp(&op);
    Value result = block.getTerminator()->getOperand(0);
    if (!result.getDefiningOp() || !isRows(result))
      error(step, "expected a result of rows of f32 that the step computes, but got ")
          << result.getType();
    else if (extents.lookup(result) != Extent::logits)
      error(result.getDefiningOp(), "expected the result of @step to have the rows that are "
                                    "chosen by llm.select_rows");
    return success(ok);
  }

private:
  static bool isRows(Value value) {
    auto type = dyn_cast<RankedTensorType>(value.getType());
    return type && type.getRank() == 2;
  }

  void verifyOp(Operation *op) {
    TypeSwitch<Operation *>(op)
        .Case([&](llm::EmbeddingOp embedding) {
          if (embedding.getIndex() != block.getArgument(positions))
            expectArgument(op, embedding.getIndex(), ids);
        })
        .Case([&](llm::RopeTableOp table) {
          expectArgument(op, table.getPositions(), positions);
          expectArgument(op, table.getTotals(), totals);
        })
        .Case([&](llm::SelectRowsOp select) { expectArgument(op, select.getRows(), rows); })
        .Case([&](kv::AppendOp append) { expectArgument(op, append.getPositions(), positions); });
    setExtents(op);
  }

  void expectArgument(Operation *op, Value value, Argument argument) {
    if (value != block.getArgument(argument))
      error(op, "expected the ") << argumentNames[argument] << " of @step, its argument "
                                 << static_cast<int>(argument);
  }

  void setExtents(Operation *op) {
    // Attention is over tokens, and logits are chosen once.
    bool onTokens = isa<llm::AttentionOp, kv::AppendOp, kv::AttendOp, llm::SelectRowsOp>(op);
    std::optional<Extent> extent;
    if (onTokens)
      extent = Extent::tokens;
    for (Value operand : op->getOperands()) {
      if (!isRows(operand))
        continue;
      Extent other = extents.lookup(operand);
      if (extent && *extent != other)
        error(op, "expected operands with rows ") << (onTokens ? "for tokens" : "of one kind")
                                                  << ", but got rows for tokens and for logits";
      extent = other;
    }
    if (isa<llm::SelectRowsOp>(op))
      extent = Extent::logits;
    for (Value result : op->getResults())
      extents[result] = extent.value_or(Extent::tokens);
  }

  InFlightDiagnostic error(Operation *op, const Twine &message) {
    ok = false;
    return op->emitError(message);
  }

  func::FuncOp step;
  Block &block;
  DenseMap<Value, Extent> extents;
  bool ok = true;
};

bool hasSignature(func::FuncOp step) {
  auto isIntegers = [](Type type) {
    auto tensor = dyn_cast<RankedTensorType>(type);
    return tensor && tensor.getRank() == 1 && tensor.isDynamicDim(0) &&
           tensor.getElementType().isInteger(32);
  };
  return step.getNumArguments() == std::size(argumentNames) && step.getNumResults() == 1 &&
         llvm::all_of(step.getArgumentTypes(), isIntegers);
}

} // namespace

LogicalResult verifyStepFunction(ModuleOp module) {
  auto step = module.lookupSymbol<func::FuncOp>("step");
  if (!step || step.isExternal())
    return module.emitError("expected a function @step with a body");
  if (!hasSignature(step))
    return step.emitError("expected @step to have the arguments ids, positions, totals and rows, "
                          "each tensor<?xi32>, and one result, but got ")
           << step.getFunctionType();
  if (!step.getBody().hasOneBlock())
    return step.emitError("expected @step to have one block");
  return StepVerifier(step).verify();
}

} // namespace kvasir
