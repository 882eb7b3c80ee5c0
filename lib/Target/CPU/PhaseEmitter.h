// What the emitters of all kinds of phases share: arguments, operands, homes of values, row ops.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_LIB_TARGET_CPU_PHASEEMITTER_H
#define KVASIR_LIB_TARGET_CPU_PHASEEMITTER_H

#include "../Common/Phase.h"
#include "Emitter.h"

#include "dialects/KV/KV.h"
#include "dialects/LLM/LLM.h"
#include "dialects/Step/Step.h"
#include "kvasir/Target/Codegen.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace kvasir::cpu {

using emit::bytesOf;
using emit::featuresOf;
using emit::homeOf;
using emit::isOnRows;

/// How `largest`, the largest magnitude of some values, makes them int8: value = code * scale, code
/// = round(value * inverse). Zeros have both 0.
struct Int8Scale {
  Value scale, inverse;
};
Int8Scale emitInt8Scale(Emitter &e, Value largest);
/// The codes of values, as f32: from -127 to 127, NaN becomes 127. `inverse` is of the same type.
Value emitInt8Codes(Emitter &e, Value values, Value inverse);

/// Emits one step.phase as a function of type kvasir_phase_fn (kvasir-c/abi.h).
class PhaseEmitter : public Emitter {
public:
  /// `b` stands in the function's body; `function` has the four arguments of kvasir_phase_fn.
  PhaseEmitter(mlir::ImplicitLocOpBuilder &b, step::PhaseOp phase, mlir::func::FuncOp function,
               const target::CPUVariant &variant);

  void emit();

  //--- the step's arguments
  Value tokens, rows, blocks; // i64
  Value worker, workers;      // i64
  Value inputArray(step::InputKind kind);
  Value argsField(size_t offset); // a pointer field of kvasir_step_args

  //--- operands
  /// The pointer handed in for a block argument of the phase.
  Value operand(Value blockArgument);
  /// The address of row `row` of a value that lies in a buffer; of quantized rows that of the
  /// tile that holds it.
  Value rowAddress(Value value, Value row);
  /// The address of row `row` of a buffer argument.
  Value bufferRow(Value buffer, Value row);
  /// Number of rows of a value at run time.
  Value extent(Value value);
  /// The page table of request `request`: one i32 for every 64 positions.
  Value tableOf(Value request);
  /// The page that holds position `position` of request `request`.
  Value pageOf(Value cache, Value request, Value position);

  //--- parts of bodies
  /// Emits a row op (or kv.append) for one row. Results go to their homes.
  void emitRow(mlir::Operation *op, Value row);
  /// One elementwise op on values at hand.
  Value emitElementwise(mlir::Operation *op, ValueRange operands) {
    return emit::emitElementwise(*this, op, operands);
  }
  void copyRow(Value from, Value to, int64_t columns);
  /// Row `row` of a buffer to the same row of another of the same columns, quantized or not.
  void copyBufferRow(Value from, Value to, Value row);
  /// Adds a function of the module's own before the insertion point and moves into its body.
  mlir::func::FuncOp declareInternal(llvm::StringRef name, llvm::ArrayRef<Type> inputs);
  /// The function of that name before this phase, made by `body` if it is not there yet.
  mlir::func::FuncOp declareOnce(const std::string &name, llvm::ArrayRef<Type> inputs,
                                 llvm::function_ref<void(ValueRange)> body);
  /// `bytes` of the phase function's stack, 64-byte aligned; also from within loops of it.
  Value phaseStack(int64_t bytes);
  /// [first, last) of `count` things that this worker owns.
  std::pair<Value, Value> ownRange(Value count);

  step::PhaseOp phase;
  mlir::func::FuncOp function;
  const target::CPUVariant &variant;

private:
  void emitRowsPhase();
  void emitPanelsPhase();
  void emitAttendPhase();
  void emitSerialPhase();

  void emitEmbedding(llm::EmbeddingOp op, Value row);
  void emitQuantizeRows(llm::QuantizeRowsOp op, Value row);
  void emitSelectRows(llm::SelectRowsOp op, Value row);
  void emitRmsNorm(llm::RmsNormOp op, Value row);
  void emitLayerNorm(llm::LayerNormOp op, Value row);
  void emitRopeTable(llm::RopeTableOp op, Value row);
  void emitRopeTablePart(llm::RopeTableOp op, Value position, Value out,
                         llvm::ArrayRef<float> frequencies, float magnitude);
  void emitRope(llm::RopeOp op, Value row);
  void emitAppend(kv::AppendOp op, Value row);
  void emitAppendKey(kv::PagedType type, Value from, Value head, Value slot);
  void emitAppendValue(kv::PagedType type, Value from, Value head, Value slot);
  Int8Scale emitScaleOfHead(Value from, int64_t size);
  void emitElementwiseRow(mlir::Operation *op, Value row);

  Value args, operands;
};

/// Emitters of the phases with anchors.
void emitPanels(PhaseEmitter &e);
void emitAttend(PhaseEmitter &e);
/// The naive path: plain loops on worker 0.
void emitSerial(PhaseEmitter &e);

/// The type of values in rows or in panels of 16: encoded weights lie in rows as f32 (the naive
/// path).
inline Type plainType(llm::WeightType type) {
  return type.getEncoding() ? mlir::Float32Type::get(type.getContext()) : type.getElementType();
}
} // namespace kvasir::cpu

#endif // KVASIR_LIB_TARGET_CPU_PHASEEMITTER_H
