// Weights of a linear layer as operands of matrix instructions: plain floats in layout mma16, or
// codes in layout panel32, which come through shared memory and are decoded in registers.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_LIB_TARGET_CUDA_TILEWEIGHTS_H
#define KVASIR_LIB_TARGET_CUDA_TILEWEIGHTS_H

#include "Mma.h"

#include <memory>

namespace kvasir::cuda {

/// Which columns of a tile of 32 a lane multiplies, q being lane % 4.
enum class LaneColumns {
  eight,    ///< 8 q .. 8 q + 7, the first four in the first instruction
  twiceFour ///< 4 q .. 4 q + 3, and the same 16 further on in the second
};

/// Two values: of the two rows that a lane has of a tile.
using RowPair = std::array<Value, 2>;

/// One of the two instructions for a tile of 16 outputs and 32 inputs.
struct HalfTile {
  llvm::SmallVector<Fragment, 2> parts; ///< operand A, for each part that a weight is the sum of
  bool opens = false;                   ///< a group of columns begins with it
  bool closes = false;                  ///< a group of columns ends with it: scales are applied
  RowPair scale, minimum;               ///< where it closes; minimum: null without
};
using DecodedTile = std::array<HalfTile, 2>;

/// Operands B of the two instructions, two registers each: what a lane has of one token's inputs.
struct RoundedInputs {
  Fragment first;  ///< inputs, rounded
  Fragment second; ///< what rounding took away, where weights have two parts; else empty
};

/// Sums of one result and 8 tokens, four of a lane each (results of mma.m16n8k16).
struct Chains {
  Fragment sum;    ///< of what is scaled
  Fragment group;  ///< of the group at hand
  Fragment inputs; ///< the same for weights of 1, where there are minima

  std::array<Fragment *, 3> parts() { return {&sum, &group, &inputs}; }
  std::array<const Fragment *, 3> parts() const { return {&sum, &group, &inputs}; }
};

/// The weights of one result of a linear layer. A warp streams them in stages of some tiles, each
/// through `stageBytes` bytes of shared memory.
class TileWeights {
public:
  static std::unique_ptr<TileWeights> create(KernelEmitter &e, llm::WeightType type, Value base);
  virtual ~TileWeights() = default;

  /// Columns / 32 that a warp's share begins at a multiple of.
  int64_t alignment() const { return tileAlignment; }
  /// Tiles of a stage from now on, and of the stages that are multiplied together: 1, 2 or 4.
  /// Groups of more columns than these are scaled piece by piece.
  void setStage(int64_t tiles, int64_t together) {
    stageTiles = tiles;
    tilesTogether = together;
  }
  virtual int64_t stageBytes() const = 0;
  /// Copies the stage from tile `tile` on, of outputs 16 `band` .. 16 `band` + 15, to shared
  /// memory: by all lanes, not waited for.
  virtual void copyStage(Value band, Value tile, Value to) = 0;
  /// The lane's words of tile number `tile` of a stage that has arrived, and what scales it.
  virtual llvm::SmallVector<Value> load(Value stage, int64_t tile) = 0;
  /// What `load` returned, as operands: of tile number `tile` of those that are multiplied
  /// together.
  virtual DecodedTile decode(ValueRange loaded, int64_t tile) = 0;
  /// The scale of a whole row, from global memory; null without.
  virtual RowPair rowScales(Value band) { return {}; }

  LaneColumns laneColumns() const { return columns; }
  /// The output of the tile that the lane's sums 0 and 1 (2 and 3) belong to.
  Value outputOf(int64_t row);

  /// Rounds the lane's 8 inputs of a token. 4 values are words of two that are rounded already:
  /// of neighbours, or interleaved (step::interleavedAttribute).
  RoundedInputs round(llvm::ArrayRef<Value> inputs, bool interleaved = false);
  /// Whether `round` makes the same of the same inputs for both.
  bool sharesInputs(const TileWeights &other) const {
    return operandType == other.operandType && columns == other.columns &&
           crossed == other.crossed && twoParts == other.twoParts;
  }
  bool hasTwoParts() const { return twoParts; }
  bool isEncoded() const { return type.getEncoding().has_value(); }
  bool hasMinima() const { return minima; }
  /// Adds the products of the tile with inputs to chains.
  void multiply(const DecodedTile &tile, const RoundedInputs &inputs, Chains &chains);
  /// The same for one of its instructions. `same`: chains of weights of the same type that have
  /// taken it already, with the same inputs; these are not summed again.
  void multiplyHalf(const DecodedTile &tile, int64_t f, const RoundedInputs &inputs, Chains &chains,
                    const Chains *same = nullptr);

protected:
  TileWeights(KernelEmitter &e, llm::WeightType type);

  KernelEmitter &e;
  llm::WeightType type;
  Type operandType; ///< bf16 or f16
  LaneColumns columns = LaneColumns::eight;
  bool twoParts = false;     ///< a weight is the sum of two
  bool minima = false;       ///< minima are taken from scaled sums
  bool crossed = false;      ///< registers pair inputs 0 and 2, 1 and 3, not 0 and 1, 2 and 3
  bool rowsTogether = false; ///< a lane has rows 2 g and 2 g + 1, g = lane / 4; else g and g + 8
  int64_t tileAlignment = 1, stageTiles = 1, tilesTogether = 1;

private:
  Fragment roundOnce(llvm::ArrayRef<Value> values);
  Fragment exchange(llvm::ArrayRef<Value> words);
};

} // namespace kvasir::cuda

#endif // KVASIR_LIB_TARGET_CUDA_TILEWEIGHTS_H
