// Decoding of weights in layout panel32: the codes and scales of some rows as vectors.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_LIB_TARGET_CPU_ENCODED_H
#define KVASIR_LIB_TARGET_CPU_ENCODED_H

#include "../Common/Encoded.h"
#include "Emitter.h"

namespace kvasir::cpu {

using emit::GroupScales;
using emit::loadEncoded;

/// Some neighbouring rows of a unit that a vector holds: `count` (16 or 8) from `base` + `first`
/// on.
struct RowSet {
  int64_t first, count;
  Value base = {}; ///< i64, a multiple of `count`; null: 0

  /// `address` plus the row's place where rows are `bytes` apart.
  Value at(Emitter &e, Value address, int64_t bytes) const;
  /// The same where halves are `halfBytes` (i64) apart, and the rows of a half `bytes`.
  Value at(Emitter &e, Value address, Value halfBytes, int64_t bytes) const;
};

/// The codes of the 8 steps (of 4 columns) of one piece for the rows of a set. Lines are loaded
/// when a step first needs them.
class PieceCodes {
public:
  /// `piece`: address of the piece.
  PieceCodes(Emitter &e, const Encoding &encoding, Value piece, RowSet rows);

  /// vector<4 * rows x i8>: byte 4 * r + j is the unsigned byte of row r, column 4 * step + j. That
  /// of codebooks is the integer plus 128.
  Value bytes(int64_t step);
  /// vector<rows x f32>: the value of column 4 * step + column before scaling (code - offset, or
  /// that of the codebook) plus `byteOffset` of encodings with integers.
  Value values(int64_t step, int64_t column);

private:
  Value codes(int64_t step); // vector<rows x i32> of four codes each
  Value lookUp(Value codes);

  Emitter &e;
  const Encoding &encoding;
  Value piece;
  RowSet rows;
  llvm::SmallVector<Value> lines, steps;
};

/// `fields`: address of the block's fields (or of the unit's header). `group`: index in the block.
GroupScales loadScales(Emitter &e, const Encoding &encoding, const Panel32 &panel, Value fields,
                       Value group, RowSet rows);

} // namespace kvasir::cpu

#endif // KVASIR_LIB_TARGET_CPU_ENCODED_H
