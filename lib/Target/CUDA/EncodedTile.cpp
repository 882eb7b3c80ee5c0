// Stages of codes to operands of matrix instructions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "EncodedTile.h"

#include "kvasir/Encoding/Mma16.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace kvasir;
using namespace kvasir::cuda;
using kvasir::emit::GroupScales;
using kvasir::emit::lineBytes;

/// What one lane copies at once.
constexpr int64_t unitBytes = 16;

EncodedTile::EncodedTile(KernelEmitter &e, llm::WeightType type, const Encoding &encoding,
                         Value base)
    : TileWeights(e, type), encoding(encoding), panel(encoding, type.getColumns()), base(base),
      blockTiles(panel.blockColumns / pieceColumns) {
  // A group of 16 columns is what one instruction multiplies.
  if (groupColumns() == pieceColumns / 2)
    columns = LaneColumns::twiceFour;
  crossed = rowsTogether = true;
  minima = encoding.minimum == MinimumKind::f16 || encoding.minimum == MinimumKind::sub8;
  tileAlignment = panel.fieldsInHeader ? 1 : blockTiles;
  for (const CodePlane &plane : codePlanes(encoding.bits))
    codeWords += oneLine(plane) ? 1 : 2;
}

//===----------------------------------------------------------------------===//
// To shared memory
//===----------------------------------------------------------------------===//

SmallVector<EncodedTile::StageField> EncodedTile::stageFields() const {
  SmallVector<StageField> fields;
  if (panel.fieldsInHeader)
    return fields;
  int64_t at = stageTiles * codeBytes();
  int64_t groups = llvm::divideCeil(stageTiles * pieceColumns, panel.groupColumns);
  for (const PanelField *field :
       {&panel.superScale, &panel.superMinimum, &panel.scale, &panel.minimum}) {
    if (field->offset < 0)
      continue;
    bool ofGroup = field == &panel.scale || field == &panel.minimum;
    fields.push_back({field, ofGroup ? groups : 1, ofGroup, at});
    at += fields.back().groups * halfRows * field->bytes;
  }
  return fields;
}

int64_t EncodedTile::stageBytes() const {
  int64_t bytes = stageTiles * codeBytes();
  for (const StageField &field : stageFields())
    bytes += field.groups * halfRows * field.field->bytes;
  return llvm::alignTo(bytes, 128);
}

/// In the order of the stage.
SmallVector<EncodedTile::FieldUnit> EncodedTile::fieldUnits() const {
  SmallVector<FieldUnit> units;
  int64_t inBlock = std::max<int64_t>(1, panel.blockColumns / panel.groupColumns);
  for (const StageField &field : stageFields()) {
    int64_t row = field.field->bytes;
    for (int64_t group = 0; group < field.groups; ++group)
      for (int64_t part = 0; part < halfRows * row / unitBytes; ++part)
        units.push_back({group / inBlock * panel.blockBytes + field.field->offset +
                             group % inBlock * unitRows * row + part * unitBytes,
                         halfRows * row, field.ofGroup ? unitRows * row : 0});
  }
  return units;
}

/// values[lane], of lanes that have one.
Value EncodedTile::byLane(ArrayRef<int64_t> values) {
  Value result = e.c(values[0]);
  for (size_t i = 1; i < values.size(); ++i)
    if (values[i] != values[i - 1])
      result = e.select(e.less(e.lane, e.c(i)), result, e.c(values[i]));
  return result;
}

/// Where the 16 bytes at `offset` of a tile's codes lie: pieces of 32 bytes are exchanged within
/// 128 so that the 16 lanes that read at once read from different banks.
Value EncodedTile::swizzled(Value offset) {
  if (codeBytes() % 128 != 0)
    return offset;
  Value exchanged = e.andBits(e.shiftRight(offset, 7), 3);
  return arith::XOrIOp::create(e.b, offset, e.shiftLeft(exchanged, 5));
}

/// The half pieces of the stage: of one block, or of some whole ones. Where tiles divide the lanes,
/// or lanes a tile, one copy is a constant away from the other.
void EncodedTile::copyCodes(Value piece, Value to) {
  int64_t tileUnits = codeBytes() / unitBytes, units = stageTiles * tileUnits;
  auto pieceOf = [&](int64_t tile) {
    return tile / blockTiles * panel.blockBytes + tile % blockTiles * panel.pieceBytes;
  };
  auto copy = [&](int64_t first, int64_t tiles) {
    Value unit = e.add(e.lane, e.c(first));
    Value tile = e.div(unit, e.c(tileUnits));
    Value offset = e.mul(e.rem(unit, e.c(tileUnits)), e.c(unitBytes));
    Value from = stageTiles <= blockTiles
                     ? e.mul(tile, e.c(panel.pieceBytes))
                     : e.add(e.mul(e.div(tile, e.c(blockTiles)), e.c(panel.blockBytes)),
                             e.mul(e.rem(tile, e.c(blockTiles)), e.c(panel.pieceBytes)));
    Value place = e.add(e.mul(tile, e.c(codeBytes())), swizzled(offset));
    e.copyAsync(e.at(e.at(to, place), tiles * codeBytes()),
                e.at(e.at(piece, e.add(from, offset)), pieceOf(tiles)));
  };
  int64_t together = std::max<int64_t>(1, warpLanes / tileUnits); // tiles of a copy
  bool regular =
      warpLanes % tileUnits == 0 && (stageTiles <= blockTiles || together % blockTiles == 0);
  for (int64_t first = 0; first < units; first += warpLanes) {
    auto copyThis = [&] { regular ? copy(0, first / warpLanes * together) : copy(first, 0); };
    if (units - first >= warpLanes)
      copyThis();
    else
      e.when(e.less(e.lane, e.c(units - first)), copyThis);
  }
}

/// A lane for each unit of all fields.
void EncodedTile::copyFields(Value block, Value half, Value inBlock, Value to) {
  SmallVector<FieldUnit> units = fieldUnits();
  if (units.empty())
    return;
  assert(units.size() <= size_t(warpLanes) && "one copy is enough");
  auto column = [&](int64_t FieldUnit::*member) {
    SmallVector<int64_t> values;
    for (const FieldUnit &unit : units)
      values.push_back(unit.*member);
    return byLane(values);
  };
  Value offset = e.add(column(&FieldUnit::offset), e.mul(half, column(&FieldUnit::halfStride)));
  if (stageTiles < blockTiles) {
    Value group = e.div(e.mul(inBlock, e.c(pieceColumns)), e.c(panel.groupColumns));
    offset = e.add(offset, e.mul(group, column(&FieldUnit::groupStride)));
  }
  Value place = e.add(e.c(stageTiles * codeBytes()), e.mul(e.lane, e.c(unitBytes)));
  Value from = e.at(block, offset); // outside, so that no jump is needed
  e.when(e.less(e.lane, e.c(units.size())), [&] { e.copyAsync(e.at(to, place), from); });
}

void EncodedTile::copyStage(Value band, Value tile, Value to) {
  Value unit = e.far(base, e.shiftRight(band, 1), panel.unitBytes), half = e.andBits(band, 1);
  Value index = e.div(tile, e.c(blockTiles)), inBlock = e.rem(tile, e.c(blockTiles));
  Value block = e.at(e.at(unit, e.mul(index, e.c(panel.blockBytes))), panel.headerBytes);
  Value piece = e.add(e.mul(half, e.c(panel.pieceBytes / 2)), e.c(panel.fieldBytes));
  if (stageTiles < blockTiles)
    piece = e.add(piece, e.mul(inBlock, e.c(panel.pieceBytes)));
  copyCodes(e.at(block, piece), to);
  copyFields(block, half, inBlock, to);
}

//===----------------------------------------------------------------------===//
// To registers
//===----------------------------------------------------------------------===//

Value EncodedTile::stepOf(int64_t f) {
  Value q = e.andBits(e.lane, 3);
  return columns == LaneColumns::eight ? e.orBits(e.shiftLeft(q, 1), e.c(f)) : e.add(q, e.c(4 * f));
}

static RowPair unpacked(KernelEmitter &e, Value pair) {
  return {LLVM::ExtractElementOp::create(e.b, pair, e.c(0)),
          LLVM::ExtractElementOp::create(e.b, pair, e.c(1))};
}

Value EncodedTile::fieldAt(Value stage, const PanelField &field, int64_t group) {
  Value row = e.shiftLeft(e.shiftRight(e.lane, 2), 1);
  for (const StageField &own : stageFields())
    if (own.field == &field)
      stage = e.at(stage, own.at + (own.ofGroup ? group * halfRows * field.bytes : 0));
  return e.at(stage, e.mul(row, e.c(field.bytes)));
}

/// Scales that are powers of two, with `scaleFactor`. The exponent and the lowest bit of the
/// mantissa make a NaN of 255; 2^-127 has no exponent of its own. The product takes that bit away:
/// (1 + u) (1 - u) = 1 - u^2 is rounded to 1 (u = 2^-23), and 2^-127 (1 - u) to 2^-127.
RowPair EncodedTile::loadPowers(Value stage, int64_t group) {
  RowPair scales;
  Value address = fieldAt(stage, panel.scale, group);
  for (int64_t row = 0; row < 2; ++row) {
    Value exponent = e.zeroExtend(e.i32(), e.load(e.b.getI8Type(), e.at(address, row)));
    Value bits = e.orBits(e.shiftLeft(exponent, 23), e.c(1));
    bits = e.maximum(bits, e.c(0x00400000));
    scales[row] = e.fmul(e.bitcast(e.f32(), bits), e.f(encoding.scaleFactor() * (1.0 - 0x1p-23)));
  }
  return scales;
}

/// Of both rows: the scale, and the minimum or zero point, if there is one.
SmallVector<Value> EncodedTile::loadFields(Value stage, int64_t group) {
  SmallVector<Value> values;
  if (encoding.scale == ScaleKind::e8m0) {
    llvm::append_range(values, loadPowers(stage, group));
    return values;
  }
  GroupScales scales = emit::loadScales(e, encoding, panel, 2, [&](const PanelField &field, bool) {
    return fieldAt(stage, field, group);
  });
  for (Value pair : {scales.scale, scales.minimum ? scales.minimum : scales.zeroPoints})
    if (pair)
      llvm::append_range(values, unpacked(e, pair));
  return values;
}

/// Words of both rows, of each plane one or one for each instruction; then the fields.
SmallVector<Value> EncodedTile::load(Value stage, int64_t tile) {
  SmallVector<Value> values;
  Value codes = e.at(stage, tile * codeBytes());
  Value row = e.shiftLeft(e.shiftRight(e.lane, 2), 3);
  int64_t line = 0;
  for (const CodePlane &plane : codePlanes(encoding.bits)) {
    for (int64_t f = 0; f < (oneLine(plane) ? 1 : 2); ++f) {
      Value own = e.add(e.div(stepOf(f), e.c(8 / plane.bits)), e.c(line));
      Value place = swizzled(e.add(e.mul(own, e.c(lineBytes)), row));
      Value words = e.load(e.vec(2, e.i32()), e.at(codes, place), 8);
      llvm::append_range(values, unpacked(e, words));
    }
    line += plane.lines;
  }
  for (int64_t f = 0; f < fieldsLoaded(); ++f)
    llvm::append_range(values, loadFields(stage, groupOf(tile, f)));
  return values;
}

RowPair EncodedTile::rowScales(Value band) {
  if (!panel.fieldsInHeader)
    return {};
  Value unit = e.far(base, e.shiftRight(band, 1), panel.unitBytes);
  GroupScales scales = emit::loadScales(e, encoding, panel, 2, [&](const PanelField &field, bool) {
    Value row = e.add(e.shiftLeft(e.andBits(band, 1), 4), outputOf(0));
    return e.at(e.at(unit, field.offset), e.mul(row, e.c(field.bytes)));
  });
  return unpacked(e, scales.scale);
}

//===----------------------------------------------------------------------===//
// Decoding
//===----------------------------------------------------------------------===//

/// The four codes of a row in instruction f, one in each byte, put together from their planes. A
/// plane beside the lowest one is rotated to its place.
Value EncodedTile::wordOf(ValueRange words, int64_t row, int64_t f) {
  Value result;
  int64_t index = row;
  for (const CodePlane &plane : codePlanes(encoding.bits)) {
    Value bits = words[index + (oneLine(plane) ? 0 : 2 * f)];
    index += oneLine(plane) ? 2 : 4;
    if (plane.bits < 8) {
      Value by = e.mul(e.rem(stepOf(f), e.c(8 / plane.bits)), e.c(plane.bits));
      bits = plane.shift ? Value(LLVM::FshrOp::create(e.b, bits, bits, e.sub(by, e.c(plane.shift))))
                         : Value(arith::ShRUIOp::create(e.b, bits, by));
      bits = e.andBits(bits, 0x01010101 * ((1 << plane.bits) - 1) << plane.shift);
    }
    result = result ? e.orBits(result, bits) : bits;
  }
  return result;
}

/// What a row has of operand A of instruction f.
CodePairs EncodedTile::pairsOf(ValueRange words, int64_t row, int64_t f, Value zeroPoint) {
  switch (encoding.codes) {
  case CodeKind::e4m3:
    return pairsOfE4M3(e, wordOf(words, row, f));
  case CodeKind::e2m1:
    return pairsOfE2M1(e, words[row], f == 1);
  case CodeKind::iq4_nl:
    return pairsOfCodebook(e, encoding, words[row], f == 1);
  case CodeKind::linear:
    break;
  }
  if (encoding.bits == 8) {
    assert(encoding.offset == 128 && "as all have it");
    return pairsOfWholeBytes(e, wordOf(words, row, f));
  }
  // -(128 + offset), of up to 7 bits beside the leading one
  Value offset = zeroPoint ? zeroPoint : twice(e, 0xc300 + encoding.offset);
  return pairsOfBytes(e, wordOf(words, row, f), offset);
}

/// What E4M3 has no number for makes the whole row NaN: in the operand, so that every lane sees it.
static void keepNaN(KernelEmitter &e, Value first, Value second, Value &operand) {
  auto carry = [&](Value word) {
    return e.add(e.andBits(word, 0x7f7f7f7f), e.integer(e.i32(), 0x01010101));
  };
  Value marks = e.andBits(e.orBits(carry(first), carry(second)), int32_t(0x80808080));
  operand = e.select(e.equal(marks, e.c(0)), operand, twice(e, 0x7fc0));
}

/// Fields of the groups that end in the tile, or go on.
void EncodedTile::placeFields(DecodedTile &result, ValueRange fields, int64_t tile) {
  int64_t chain = std::min(tilesTogether, std::max<int64_t>(groupColumns() / pieceColumns, 1));
  int64_t groups = fieldsLoaded(), each = fields.size() / groups;
  for (int64_t f = 0; f < 2; ++f) {
    HalfTile &half = result[f];
    ValueRange own = fields.slice(groups == 2 ? f * each : 0, each);
    half.opens = groups == 2 || (f == 0 && tile % chain == 0);
    half.closes = groups == 2 || (f == 1 && (tile + 1) % chain == 0);
    half.scale = {own[0], own[1]};
    if (hasMinima())
      half.minimum = {own[2], own[3]};
  }
}

DecodedTile EncodedTile::decode(ValueRange loaded, int64_t tile) {
  ValueRange words = loaded.take_front(2 * codeWords), fields = loaded.drop_front(2 * codeWords);
  DecodedTile result;
  if (fieldsLoaded())
    placeFields(result, fields, tile);
  for (int64_t f = 0; f < 2; ++f) {
    CodePairs rows[2];
    for (int64_t row = 0; row < 2; ++row) {
      Value zeroPoint;
      if (hasZeroPoint() && fieldsLoaded()) { // -(128 + zero point), twice
        Value own = fields[(fieldsLoaded() == 2 ? 4 * f : 0) + 2 + row];
        zeroPoint = e.mul(e.orBits(own, e.c(0xc300)), e.c(0x10001));
      }
      rows[row] = pairsOf(words, row, f, zeroPoint);
    }
    result[f].parts.push_back({rows[0][0], rows[1][0], rows[0][1], rows[1][1]});
  }
  if (encoding.codes == CodeKind::e4m3)
    for (int64_t row = 0; row < 2; ++row)
      keepNaN(e, wordOf(words, row, 0), wordOf(words, row, 1), result[0].parts[0][row]);
  return result;
}
