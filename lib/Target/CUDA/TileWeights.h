// Weights of a linear layer as operands of matrix instructions: plain floats in layout mma16, or
// codes in layout panel32, decoded in registers.
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

/// A tile of 16 outputs and 32 inputs in registers.
struct DecodedTile {
  /// Operands A of the two instructions, for each part that a weight is the sum of.
  llvm::SmallVector<std::array<Fragment, 2>> parts;
  /// Of rows lane / 4 and 8 below; for each group of columns in the tile: one, or one for each
  /// instruction. Empty: weights are what the operands say.
  llvm::SmallVector<std::array<Value, 2>> scales, minima;
};

/// Operands B of the two instructions, two registers each: what a lane has of one token's inputs.
struct RoundedInputs {
  Fragment first;  ///< inputs, rounded
  Fragment second; ///< what rounding took away, where weights have two parts; else empty
};

/// The weights of one result of a linear layer.
class TileWeights {
public:
  static std::unique_ptr<TileWeights> create(KernelEmitter &e, llm::WeightType type, Value base);
  virtual ~TileWeights() = default;

  /// Goes to the tiles of outputs 16 `band` .. 16 `band` + 15.
  virtual void moveTo(Value band) = 0;
  /// What the lane needs of the tile at `step`: loads, to be waited for later.
  virtual llvm::SmallVector<Value> load(Value step) = 0;
  virtual DecodedTile decode(ValueRange loaded) = 0;

  int64_t values() const { return loadedValues; } ///< that `load` returns
  int64_t registers() const { return loadedRegisters; }
  LaneColumns laneColumns() const { return columns; }

  /// Rounds the lane's 8 inputs of a token.
  RoundedInputs round(llvm::ArrayRef<Value> inputs);
  /// Whether `round` makes the same of the same inputs for both.
  bool sharesInputs(const TileWeights &other) const {
    return operandType == other.operandType && columns == other.columns &&
           crossed == other.crossed && twoParts == other.twoParts;
  }
  bool hasTwoParts() const { return twoParts; }
  /// Adds the products of the tile with inputs to 4 sums.
  Fragment multiply(const DecodedTile &tile, const RoundedInputs &inputs, Fragment sums);

protected:
  TileWeights(KernelEmitter &e, llm::WeightType type);

  KernelEmitter &e;
  llm::WeightType type;
  Type operandType; ///< bf16 or f16
  LaneColumns columns = LaneColumns::eight;
  bool twoParts = false; ///< a weight is the sum of two
  bool crossed = false;  ///< registers pair inputs 0 and 2, 1 and 3, not 0 and 1, 2 and 3
  int64_t loadedValues = 0, loadedRegisters = 0;

private:
  Fragment roundOnce(llvm::ArrayRef<Value> values);
};

} // namespace kvasir::cuda

#endif // KVASIR_LIB_TARGET_CUDA_TILEWEIGHTS_H
