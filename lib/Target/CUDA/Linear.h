// Emitters of linear layers: weights are the 16-row operand of matrix instructions, tokens stand on
// the 8-column side.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_LIB_TARGET_CUDA_LINEAR_H
#define KVASIR_LIB_TARGET_CUDA_LINEAR_H

#include "TileWeights.h"

#include "kvasir/Encoding/Mma16.h"
#include "llvm/Support/MathExtras.h"

namespace kvasir::cuda {

using emit::LinearGroup;
using llvm::ArrayRef;
using llvm::SmallVector;
using mlir::FailureOr;
using mlir::LogicalResult;

/// Columns of a matrix instruction's result: tokens.
constexpr int64_t mmaTokens = 8;
/// Most instructions side by side for the tokens of one tile: a tile has up to 32 tokens.
constexpr int64_t mostColumns = 4;
/// The same in steps of more tokens, over all results of a group.
constexpr int64_t wideColumns = 4;
/// Floats from one token to the next in the partial sums: 16 rows, and 4 more so that the lanes
/// of a warp write to different banks.
constexpr int64_t tokenStride = Mma16::rows + 4;
/// Registers of a lane for weights in flight: 4 tiles of 1 KB of floats for a warp, 32 KB for a
/// block; 4 tiles of codes of 4 bits.
constexpr int64_t registersInFlight = 32;

/// Emits the phase.
class LinearEmitter {
public:
  explicit LinearEmitter(KernelEmitter &e)
      : e(e), linear(*e.phase.getBody().front().getOps<llm::LinearOp>().begin()) {}
  FailureOr<Items> emit();

private:
  LogicalResult check();
  llm::WeightType weightType(unsigned result) {
    return llvm::cast<llm::WeightType>(linear.getWeights()[result].getType());
  }
  int64_t outputTiles(const LinearGroup &group) {
    return llvm::divideCeil(group.outputs, Mma16::rows);
  }
  void emitGroup(const LinearGroup &group, int64_t before);
  void emitNarrow(const LinearGroup &group, int64_t before);
  Value firstItem(Value before);
  void emitTile(const LinearGroup &group, Value tile, Value firstToken, int64_t columns);
  SmallVector<Value> emitSums(const LinearGroup &group, Value tile, Value firstToken,
                              int64_t columns);
  SmallVector<Value> emitStep(ArrayRef<std::unique_ptr<TileWeights>> weights, ValueRange loaded,
                              Value step, ValueRange x, ValueRange sums);
  SmallVector<Value> loadInputs(Value x, Value step, LaneColumns which);
  int64_t tilesInFlight(ArrayRef<std::unique_ptr<TileWeights>> weights, int64_t tiles);
  void storeSums(const LinearGroup &group, ValueRange sums, int64_t columns);
  void emitEpilogue(const LinearGroup &group, Value tile, Value firstToken, int64_t columns);
  void emitOutput(const LinearGroup &group, ArrayRef<Value> sums, Value output, Value token);

  //--- steps of many tokens (LinearWide.cpp)
  bool canBeWide(ArrayRef<std::unique_ptr<TileWeights>> weights);
  int64_t columnsOfWide(const LinearGroup &group) {
    return wideColumns / llvm::PowerOf2Ceil(group.results.size());
  }
  void emitWide(const LinearGroup &group, int64_t before);
  void emitWideTile(const LinearGroup &group, Value band, Value firstToken);
  SmallVector<Value> emitWideStep(ArrayRef<std::unique_ptr<TileWeights>> weights, Value step,
                                  Value x, int64_t columns, ValueRange state);
  void storeWide(const LinearGroup &group, ValueRange totals);
  void emitWideEpilogue(const LinearGroup &group, Value band, Value firstToken);

  SmallVector<std::unique_ptr<TileWeights>> weightsOf(const LinearGroup &group, Value tile);
  int64_t resultBytes() const { return blockWarps * mostColumns * mmaTokens * tokenStride * 4; }

  KernelEmitter &e;
  llm::LinearOp linear;
  Value count;    ///< tokens (rows) of the linear layer
  Value partials; ///< [result of the group][warp][token][tokenStride] f32 in shared memory
};

} // namespace kvasir::cuda

#endif // KVASIR_LIB_TARGET_CUDA_LINEAR_H
