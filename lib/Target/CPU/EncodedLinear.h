// Microkernels of linear layers whose weights are encoded (layout panel32).
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_LIB_TARGET_CPU_ENCODEDLINEAR_H
#define KVASIR_LIB_TARGET_CPU_ENCODEDLINEAR_H

#include "Encoded.h"
#include "PhaseEmitter.h"

namespace kvasir::cpu {

/// Most tokens of a tile; also the tokens of a tile of quantized rows.
constexpr int64_t tileTokens = 16;
/// Columns whose codes (and inputs in 8 bits) make one 32-bit lane.
constexpr int64_t stepColumns = 4;
/// Bytes of one piece of a tile of quantized rows: 32 columns of 16 tokens.
constexpr int64_t inputPieceBytes = pieceColumns * tileTokens;
/// Rows that are computed together for many tokens, and tokens whose sums are kept meanwhile.
constexpr int64_t wideRows = 2 * unitRows, wideTokens = 128;

/// Integer sums to which products of bytes are added step by step. Where no instruction does that,
/// products of small codes are added up in 16 bits as long as they cannot overflow, which takes two
/// instructions for a step instead of three.
class StepSums {
public:
  StepSums(PhaseEmitter &e, const Encoding &encoding, llvm::MutableArrayRef<Value> sums);
  /// Both are bytes of 4 columns in each lane, `weights` unsigned.
  void add(int64_t index, Value weights, Value inputs);
  /// To be called when all steps have been added.
  void finish();

private:
  void flush(int64_t index);

  PhaseEmitter &e;
  llvm::MutableArrayRef<Value> sums;
  int64_t mostCode, stepsInWords; // stepsInWords: 0 if sums are never of 16 bits
  llvm::SmallVector<Value> words;
  llvm::SmallVector<int64_t> steps; // in `words`
};

/// Computes a unit of 32 outputs for few tokens, or two units for many. The bits of an output are
/// those of one chain:
///   x in 8 bits: for every stretch of columns that shares both scales, in ascending order,
///     sum = fma(float(integer sum), weight scale * input scale, sum), then, with a minimum,
///     sum = fma(minimum, -(sum of inputs), sum);
///   x in f32: sum = fma(decoded weight, input, sum) for every column.
class EncodedLinear {
public:
  /// `x`: the buffer that the inputs are read from.
  EncodedLinear(PhaseEmitter &e, llm::WeightType weight, step::BufferType x);

  /// tile[2 halves][tokens][16] = the unit's outputs. `x`: the row of token `first`, or the tile of
  /// quantized rows that it is in, with all other tokens. At most `mostTokens()`.
  void emit(Value x, Value first, Value unit, Value tile, Value tokens);
  int64_t mostTokens() const;
  int64_t unitBytes() const { return panel.unitBytes; }

  /// tile[tokens][2 units][32] = the outputs of a unit and of that `toSecond` bytes behind it (0:
  /// the same again), for up to `wideTokens` quantized rows. Decodes each piece of the weights once
  /// for all tokens (WideLinear.cpp).
  void emitWide(Value x, Value unit, Value toSecond, Value tile, Value tokens);

private:
  /// Of a kernel. Of f32 inputs there is only `x`, of quantized ones `x` are the codes.
  struct Arguments {
    Value x, scales, sums, scaledSums; // parts of a tile of inputs, at the first token
    Value unit, tile, halfTile;        // halfTile: bytes from one half's sums to the other's
    Value blocks;                      // whole blocks
    Value buffer;                      // for a decoded piece, with f32 inputs
  };
  mlir::func::FuncOp dispatcher();
  mlir::func::FuncOp kernel(int64_t tokens);
  std::string name() const;
  void emitKernel(int64_t tokens, Arguments arguments);

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

  /// Columns of one group of the weights and of the inputs: one integer sum for each row and token.
  struct Chunk {
    const Arguments &arguments;
    int64_t tokens;
    llvm::ArrayRef<RowSet> sets;
    llvm::SmallVector<GroupScales> scales; // of each set
    Value inputColumn;                     // first column of the chunk, in the row
  };
  /// Adds a chunk to the sum of its columns before.
  using AddChunk = llvm::function_ref<Value(Value)>;
  llvm::SmallVector<Value> startChunk(const Chunk &chunk);
  void addPiece(const Chunk &chunk, Value address, Value x, int64_t firstStep, int64_t steps,
                llvm::MutableArrayRef<Value> integers);
  void finishChunk(const Chunk &chunk, llvm::ArrayRef<Value> integers,
                   llvm::function_ref<void(int64_t set, int64_t token, AddChunk)> addTo);
  Value sumOfInputs(const Chunk &chunk, Value sums, int64_t token, bool integer);

  //--- many tokens (WideLinear.cpp)
  struct WideArguments;
  mlir::func::FuncOp wideDriver();
  mlir::func::FuncOp expander();
  mlir::func::FuncOp wideKernel(int64_t tokens);
  void emitExpandedPiece(Value piece, Value to);
  void emitExpandedFields(Value fields, Value group, Value to);
  void emitWideTile(const WideArguments &wide, Value column, Value columns, Value token);
  void emitWideKernel(int64_t tokens, ValueRange arguments);
  struct WideKernel;
  void emitWideRows(const WideKernel &kernel);
  void emitWideSpan(const WideKernel &kernel, Value column,
                    llvm::function_ref<void(int64_t set, int64_t token, AddChunk)> addTo);
  void addWidePiece(const WideKernel &kernel, Value piece, int64_t first, int64_t columns,
                    llvm::MutableArrayRef<Value> integers);
  /// Of each of two units, `bytes` of weights.
  void prefetchNext(Value next, Value stride, Value bytes);
  GroupScales expandedScales(Value fields, Value group, RowSet set);
  /// Sets of rows and tokens of a wide kernel.
  int64_t wideSets() const;
  bool wideIsCarried() const;
  int64_t wideKernelTokens() const;
  int64_t wideGroups() const;
  int64_t spanColumns() const { return std::max(chunkColumns, pieceColumns); }

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
