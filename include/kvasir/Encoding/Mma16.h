// Layout mma16: 16 x 32 weights in the order in which the lanes of a warp multiply them.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_ENCODING_MMA16_H
#define KVASIR_ENCODING_MMA16_H

#include <cstdint>

namespace kvasir {

/// A matrix of N x K lies as [ceil(N/16)][ceil(K/32)] tiles. A tile is two operands A of
/// `mma.m16n8k16`, each as the 8 values of lane 0, the 8 values of lane 1, ... of 32, so that a
/// lane's operand is one load of 16 bytes.
///
/// The order of columns inside a sum is free, so an operand's columns are chosen for whoever
/// loads the other operand: lane l multiplies the columns 8 (l % 4) .. 8 (l % 4) + 7 of the tile,
/// the first four of them in the first instruction. In the PTX ISA's terms (matrix fragments for
/// mma.m16n8k16, registers a0..a7), value j of lane l in operand f is row l / 4 + 8 (j / 2 % 2),
/// column 8 (l % 4) + 4 f + 2 (j / 4) + j % 2.
///
/// A weight of 2 bytes makes a tile of 1 KB. An f32 is the sum of two bf16, the nearest to it and
/// the nearest to what is left; the tile of the first parts is followed by that of the second.
struct Mma16 {
  static constexpr int64_t rows = 16, columns = 32, lanes = 32;
  static constexpr int64_t lanesValues = 8; ///< of one operand
  static constexpr int64_t operandBytes = 16 * lanes;
  static constexpr int64_t tileBytes = 2 * operandBytes; ///< of values of 2 bytes

  /// Index of a value in its tile, counted in values of 2 bytes. `row` < 16, `column` < 32.
  static constexpr int64_t place(int64_t row, int64_t column) {
    int64_t lane = row % 8 * 4 + column / 8, operand = column / 4 % 2;
    int64_t value = column / 2 % 2 * 4 + row / 8 * 2 + column % 2;
    return (operand * lanes + lane) * lanesValues + value;
  }
};

} // namespace kvasir

#endif // KVASIR_ENCODING_MMA16_H
