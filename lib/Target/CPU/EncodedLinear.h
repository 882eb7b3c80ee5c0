// Microkernels of linear layers whose weights are encoded (layout panel32).
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_LIB_TARGET_CPU_ENCODEDLINEAR_H
#define KVASIR_LIB_TARGET_CPU_ENCODEDLINEAR_H

#include "Encoded.h"
#include "PhaseEmitter.h"

namespace kvasir::cpu {

/// Most tokens of a tile; also the tokens of a tile of quantized rows.
constexpr int64_t tileTokens = 16;

/// Computes a unit of 32 outputs for up to 16 tokens. The bits of an output are those of one chain:
///   x in 8 bits: for every stretch of columns that shares both scales, in ascending order,
///     sum = fma(float(integer sum), weight scale * input scale, sum), then, with a minimum,
///     sum = fma(minimum, -(sum of inputs), sum);
///   x in f32: sum = fma(decoded weight, input, sum) for every column.
class EncodedLinear {
public:
  /// `x`: the buffer that the inputs are read from.
  EncodedLinear(PhaseEmitter &e, llm::WeightType weight, step::BufferType x);

  /// tile[2 halves][places][16] = the unit's outputs, `places` being placesFor(tokens). `x`: the
  /// row of the first token, or the tile of quantized rows that it starts.
  void emit(Value x, Value unit, Value tile, Value tokens);
  /// Tokens that a half of the tile has room for.
  Value placesFor(Value tokens) const;
  int64_t unitBytes() const { return panel.unitBytes; }

private:
  struct Arguments; // of a kernel
  mlir::func::FuncOp dispatcher();
  mlir::func::FuncOp kernel(int64_t tokens, bool pair);
  std::string name() const;
  void emitKernel(int64_t tokens, Arguments arguments);
  void emitPairKernel(int64_t tokens, const Arguments &arguments);
  int64_t placesFor(int64_t tokens) const;

  /// A run of blocks, or the short last one, for all sets of rows.
  void emitBlock(int64_t tokens, const Arguments &arguments, Value block, int64_t columns,
                 llvm::MutableArrayRef<Value> sums, bool carried);
  void emitPart(int64_t tokens, const Arguments &arguments, Value block, Value address,
                int64_t columns, llvm::MutableArrayRef<Value> sums, bool carried);
  Arguments from(Value first, const Arguments &arguments);
  /// Prefetches; returns the block's address.
  Value startBlock(const Arguments &arguments, Value block);
  void emitSets(int64_t tokens, const Arguments &arguments, Value block, Value address,
                int64_t columns, llvm::ArrayRef<RowSet> sets, llvm::MutableArrayRef<Value> sums);
  void emitIntegerSpan(int64_t tokens, const Arguments &arguments, Value block, Value address,
                       Value column, int64_t columns, llvm::ArrayRef<RowSet> sets,
                       llvm::MutableArrayRef<Value> sums);
  mlir::func::FuncOp pieceDecoder(llvm::SmallVector<RowSet> sets);
  std::pair<Value, Value> scaleAndBias(Value fields, Value group, RowSet set);
  void emitFloatPiece(int64_t tokens, const Arguments &arguments, Value block, Value address,
                      Value column, int64_t columns, llvm::ArrayRef<RowSet> sets,
                      llvm::MutableArrayRef<Value> sums);

  struct Chunk;
  llvm::SmallVector<Value> startChunk(const Chunk &chunk);
  void addPiece(const Chunk &chunk, Value address, Value x, int64_t firstStep, int64_t steps,
                llvm::MutableArrayRef<Value> integers);
  void finishChunk(const Chunk &chunk, llvm::ArrayRef<Value> integers,
                   llvm::MutableArrayRef<Value> sums);
  Value sumOfInputs(const Chunk &chunk, Value sums, int64_t token, bool integer);

  int64_t lanes() const { return e.variant.vectorBits / 32; }
  /// Sets of rows whose sums fit the registers together.
  int64_t setsTogether(int64_t tokens) const;
  /// Whether the sums of all sets stay in registers all the way.
  bool isCarried(int64_t tokens) const;
  /// Most sums that are formed in registers together, and most tokens of which.
  int64_t sumsTogether() const;
  int64_t tokensTogether() const;

  PhaseEmitter &e;
  Encoding encoding;
  Panel32 panel;
  step::BufferType x;
  llm::Int8RowsAttr rows; // null: x is f32
  int64_t chunkColumns = 0;
};

} // namespace kvasir::cpu

#endif // KVASIR_LIB_TARGET_CPU_ENCODEDLINEAR_H
