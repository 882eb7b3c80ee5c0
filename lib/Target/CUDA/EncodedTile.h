// Tiles of codes in layout panel32, decoded in registers to integers (or small floats) that bf16
// holds exactly; scales are applied to sums.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_LIB_TARGET_CUDA_ENCODEDTILE_H
#define KVASIR_LIB_TARGET_CUDA_ENCODEDTILE_H

#include "../Common/Encoded.h"
#include "TileWeights.h"

namespace kvasir::cuda {

/// A lane has the codes of rows lane / 4 and 8 below, of the columns that `LaneColumns` says: words
/// of 4 neighbouring columns, which is what a line of the layout holds for a row.
class EncodedTile : public TileWeights {
public:
  EncodedTile(KernelEmitter &e, llm::WeightType type, const Encoding &encoding, Value base);

  void moveTo(Value band) override;
  llvm::SmallVector<Value> load(Value step) override;
  DecodedTile decode(ValueRange loaded) override;

private:
  /// The step (of 4 columns) in a piece that the lane multiplies in instruction f.
  Value stepOf(int64_t f);
  /// Whether both instructions take a plane's bits from one line.
  bool oneLine(const CodePlane &plane) const {
    return columns == LaneColumns::eight && plane.bits < 8;
  }
  void loadCodes(Value piece, llvm::SmallVector<Value> &to);
  void loadScales(Value block, Value piece, llvm::SmallVector<Value> &to);
  Value wordOf(ValueRange words, int64_t row, int64_t f);
  Fragment pairsOf(Value word, Value zeroPoint);
  Value toFloat(Value byte, Value zeroPoint);
  Value minimumOf(Value scale, Value stored);
  /// Whether operands are 128 + code, and the difference is taken from the sums.
  bool isRaised() const { return encoding.codes == CodeKind::linear && encoding.bits <= 6; }

  Encoding encoding;
  Panel32 panel;
  Value base, unit, half; ///< half: of the unit, 0 or 1
  int64_t groups;         ///< in a tile: 1 or 2
  int64_t codeWords = 0;  ///< of one row
};

} // namespace kvasir::cuda

#endif // KVASIR_LIB_TARGET_CUDA_ENCODEDTILE_H
