// Tiles of codes in layout panel32, decoded in registers to integers (or small floats) that bf16
// holds exactly; scales are applied to sums.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_LIB_TARGET_CUDA_ENCODEDTILE_H
#define KVASIR_LIB_TARGET_CUDA_ENCODEDTILE_H

#include "../Common/Encoded.h"
#include "CodePairs.h"
#include "TileWeights.h"

namespace kvasir::cuda {

/// A lane has the codes of rows 2 g and 2 g + 1, g = lane / 4, of the columns that `LaneColumns`
/// says: words of 4 neighbouring columns, which is what a line of the layout holds for a row. So
/// both rows are one load of 8 bytes.
///
/// A stage in shared memory: [tile][half a piece: planes, lines], then the fields of its groups,
/// [field][group][16 rows], each from where `fieldAt` says.
class EncodedTile : public TileWeights {
public:
  EncodedTile(KernelEmitter &e, llm::WeightType type, const Encoding &encoding, Value base);

  int64_t stageBytes() const override;
  void copyStage(Value band, Value tile, Value to) override;
  llvm::SmallVector<Value> load(Value stage, int64_t tile) override;
  DecodedTile decode(ValueRange loaded, int64_t tile) override;
  RowPair rowScales(Value band) override;

private:
  /// A field of which a stage has the elements of some groups (or of one super-block).
  struct StageField {
    const PanelField *field;
    int64_t groups; ///< in a stage
    bool ofGroup;   ///< else of the super-block
    int64_t at;     ///< in the stage
  };
  /// 16 bytes of a stage's fields: where they lie, from the block on.
  struct FieldUnit {
    int64_t offset, halfStride, groupStride;
  };

  int64_t codeBytes() const { return 64 * encoding.bits; } ///< of a tile
  llvm::SmallVector<StageField> stageFields() const;
  llvm::SmallVector<FieldUnit> fieldUnits() const;
  void copyCodes(Value piece, Value to);
  void copyFields(Value block, Value half, Value inBlock, Value to);
  Value byLane(llvm::ArrayRef<int64_t> values);
  Value swizzled(Value offset);

  /// The step (of 4 columns) in a piece that the lane multiplies in instruction f.
  Value stepOf(int64_t f);
  /// Whether both instructions take a plane's bits from one line.
  bool oneLine(const CodePlane &plane) const {
    return columns == LaneColumns::eight && plane.bits < 8;
  }
  /// Where the lane's rows of a field begin.
  Value fieldAt(Value stage, const PanelField &field, int64_t group);
  llvm::SmallVector<Value> loadFields(Value stage, int64_t group);
  RowPair loadPowers(Value stage, int64_t group);
  /// Groups of columns: 0 where the whole row is one.
  int64_t groupColumns() const { return panel.fieldsInHeader ? 0 : panel.groupColumns; }
  /// The group in its stage that instruction f of a tile belongs to; columns of a stage.
  int64_t groupOf(int64_t tile, int64_t f) const {
    return (tile * pieceColumns + f * pieceColumns / 2) / groupColumns();
  }
  bool hasZeroPoint() const { return encoding.minimum == MinimumKind::zeroPoint; }
  /// How often a tile's words are followed by what `loadFields` gave: for each group in it.
  int64_t fieldsLoaded() const {
    return panel.fieldsInHeader ? 0 : columns == LaneColumns::twiceFour ? 2 : 1;
  }

  Value wordOf(ValueRange words, int64_t row, int64_t f);
  void placeFields(DecodedTile &result, ValueRange fields, int64_t tile);
  CodePairs pairsOf(ValueRange words, int64_t row, int64_t f, Value zeroPoint);

  Encoding encoding;
  Panel32 panel;
  Value base;
  int64_t blockTiles;    ///< tiles of a block
  int64_t codeWords = 0; ///< of one row
};

} // namespace kvasir::cuda

#endif // KVASIR_LIB_TARGET_CUDA_ENCODEDTILE_H
