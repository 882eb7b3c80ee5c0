// Emits the weights and the step function of a decoder.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_LIB_MODEL_EMITTER_H
#define KVASIR_LIB_MODEL_EMITTER_H

#include "dialects/LLM/LLM.h"
#include "kvasir/Model/Decoder.h"
#include "kvasir/Model/WeightTable.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Builders.h"
#include "llvm/ADT/StringMap.h"

namespace kvasir {

class DecoderEmitter {
public:
  DecoderEmitter(const DecoderDescription &decoder, const WeightTable &table, mlir::OpBuilder &b)
      : decoder(decoder), table(table), b(b), loc(b.getUnknownLoc()) {}

  /// Declares the weights, then emits `@step`, at the builder's insertion point.
  void emit();

private:
  void declareWeight(const WeightDescription &weight);
  mlir::func::FuncOp emitSignature();
  mlir::Value emitEmbedding(mlir::Value ids, mlir::Value positions);
  void emitRopeTables(mlir::Value positions, mlir::Value totals);
  mlir::Value emitAttention(mlir::Value x, const LayerDescription &layer, int64_t index);
  mlir::Value emitMlp(mlir::Value x, const LayerDescription &layer);
  mlir::Value emitLogits(mlir::Value x, mlir::Value rows);

  mlir::Value emitNorm(mlir::Value x, const std::optional<NormDescription> &norm);
  mlir::Value emitLinear(mlir::Value x, const LinearDescription &linear);
  mlir::Value emitRope(mlir::Value x, const LayerDescription &layer);
  mlir::Value emitResidual(mlir::Value x, mlir::Value y);
  mlir::Value emitScale(mlir::Value x, double factor);
  mlir::Value getWeight(const WeightDescription &weight);

  /// Marks the ops that follow as those of `part` of layer `index`.
  void enter(int64_t index, llvm::StringRef part);
  /// Tokens x `features` of f32.
  mlir::RankedTensorType rowsType(int64_t features);

  const DecoderDescription &decoder;
  const WeightTable &table;
  mlir::OpBuilder &b;
  mlir::Location loc;
  llvm::StringMap<llm::WeightType> weights; ///< by symbol
  std::vector<mlir::Value> ropeTables;      ///< one for each of decoder.ropes
};

} // namespace kvasir

#endif // KVASIR_LIB_MODEL_EMITTER_H
