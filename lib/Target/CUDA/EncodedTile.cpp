// Stages of codes to operands of matrix instructions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "EncodedTile.h"

#include "kvasir/Encoding/Mma16.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/MathExtras.h"
#include "llvm/Support/SaveAndRestore.h"

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
  heavy = minima || (groupColumns() == pieceColumns &&
                     (encoding.bits == 8 || encoding.scale != ScaleKind::e8m0));
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

/// The half pieces of the stage: of one block, or of some whole ones.
void EncodedTile::copyCodes(Value piece, Value to) {
  int64_t tileUnits = codeBytes() / unitBytes, units = stageTiles * tileUnits;
  for (int64_t first = 0; first < units; first += warpLanes) {
    auto copy = [&] {
      Value unit = e.add(e.lane, e.c(first));
      Value tile = e.div(unit, e.c(tileUnits));
      Value offset = e.mul(e.rem(unit, e.c(tileUnits)), e.c(unitBytes));
      Value from = stageTiles <= blockTiles
                       ? e.mul(tile, e.c(panel.pieceBytes))
                       : e.add(e.mul(e.div(tile, e.c(blockTiles)), e.c(panel.blockBytes)),
                               e.mul(e.rem(tile, e.c(blockTiles)), e.c(panel.pieceBytes)));
      Value place = e.add(e.mul(tile, e.c(codeBytes())), swizzled(offset));
      e.copyAsync(e.at(to, place), e.at(piece, e.add(from, offset)));
    };
    if (units - first >= warpLanes)
      copy();
    else
      e.when(e.less(e.lane, e.c(units - first)), copy);
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
  e.when(e.less(e.lane, e.c(units.size())), [&] {
    Value offset = e.add(column(&FieldUnit::offset), e.mul(half, column(&FieldUnit::halfStride)));
    if (stageTiles < blockTiles) {
      Value group = e.div(e.mul(inBlock, e.c(pieceColumns)), e.c(panel.groupColumns));
      offset = e.add(offset, e.mul(group, column(&FieldUnit::groupStride)));
    }
    Value place = e.add(e.c(stageTiles * codeBytes()), e.mul(e.lane, e.c(unitBytes)));
    e.copyAsync(e.at(to, place), e.at(block, offset));
  });
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

/// Of both rows: the scale, and the minimum or zero point, if there is one.
SmallVector<Value> EncodedTile::loadFields(Value stage, int64_t group) {
  SmallVector<StageField> fields = stageFields();
  Value row = e.shiftLeft(e.shiftRight(e.lane, 2), 1);
  GroupScales scales =
      emit::loadScales(e, encoding, panel, 2, [&](const PanelField &field, bool ofGroup) {
        const StageField *own =
            llvm::find_if(fields, [&](const StageField &f) { return f.field == &field; });
        int64_t at = own->at + (ofGroup ? group * halfRows * field.bytes : 0);
        return e.at(e.at(stage, at), e.mul(row, e.c(field.bytes)));
      });
  SmallVector<Value> values;
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

/// The four codes of a row in instruction f, one in each byte, put together from their planes. With
/// one plane there may be other bits above.
Value EncodedTile::wordOf(ValueRange words, int64_t row, int64_t f) {
  Value result;
  int64_t index = row;
  for (const CodePlane &plane : codePlanes(encoding.bits)) {
    Value bits = words[index + (oneLine(plane) ? 0 : 2 * f)];
    index += oneLine(plane) ? 2 : 4;
    if (plane.bits < 8) {
      Value shift = e.mul(e.rem(stepOf(f), e.c(8 / plane.bits)), e.c(plane.bits));
      bits = arith::ShRUIOp::create(e.b, bits, shift);
      if (codePlanes(encoding.bits).size() > 1)
        bits = e.andBits(bits, 0x01010101 * ((1 << plane.bits) - 1));
      bits = e.shiftLeft(bits, plane.shift);
    }
    result = result ? e.orBits(result, bits) : bits;
  }
  return result;
}

/// One code of a codebook as f32.
Value EncodedTile::toFloat(Value code) {
  llvm::SaveAndRestore<Type> wide(e.index, e.i64());
  return e.toFloat(emit::lookUp(e, encoding, code));
}

namespace {
/// Two bf16 in a register.
class Pair {
public:
  Pair(KernelEmitter &e, Value bits) : e(e), bits(bits) {}
  Value plus(Value other) { return back(arith::AddFOp::create(e.b, floats(bits), floats(other))); }
  Value times(uint32_t factor) {
    return back(arith::MulFOp::create(e.b, floats(bits), floats(e.integer(e.i32(), factor))));
  }

private:
  Value floats(Value x) { return e.bitcast(e.vec(2, e.b.getBF16Type()), x); }
  Value back(Value x) { return e.bitcast(e.i32(), x); }
  KernelEmitter &e;
  Value bits;
};
} // namespace

/// A constant in both halves of a register.
static Value twice(KernelEmitter &e, uint32_t half) { return e.integer(e.i32(), half * 0x10001); }

/// Bits that the compiler does not know, so that they stay in a register: an instruction takes one
/// constant and no two, and codes are masked and raised by one instruction. (No step has 2^31
/// blocks.)
static Value inRegister(KernelEmitter &e, uint32_t half) {
  return e.sub(twice(e, half), e.shiftRight(e.blocks, 31));
}

/// 8 bits, stored 128 higher: bf16 has room for 7 beside its leading bit. The bits of 128 with the
/// lower ones in the lowest ones, less 128, or 256 where the highest bit is missing.
static Value fromBytes(KernelEmitter &e, Value word) {
  Value low = e.orBits(e.andBits(word, 0x007f007f), inRegister(e, 0x4300));
  Value less = arith::XOrIOp::create(e.b, e.andBits(word, 0x00800080), inRegister(e, 0xc380));
  return Pair(e, low).plus(less);
}

/// Sign, 4 bits of exponent, 3 of mantissa: moved to where bf16 has them, the exponent lacks 120.
static Value fromE4M3Pair(KernelEmitter &e, Value word) {
  Value magnitude = e.shiftLeft(e.andBits(word, 0x007f007f), 4);
  Value sign = e.shiftLeft(e.andBits(word, 0x00800080), 8);
  return Pair(e, e.orBits(magnitude, sign)).times(0x7b80 * 0x10001u); // 2^120
}

/// Sign, 2 bits of exponent, 1 of mantissa: the exponent lacks 126, and codes are twice the value.
static Value fromE2M1Pair(KernelEmitter &e, Value word) {
  Value magnitude = e.shiftLeft(e.andBits(word, 0x00070007), 6);
  Value sign = e.shiftLeft(e.andBits(word, 0x00080008), 12);
  return Pair(e, e.orBits(magnitude, sign)).times(0x7f00 * 0x10001u); // 2^127
}

/// Registers of columns 0 and 2, and of 1 and 3, of a word of four codes, two at a time: integers
/// or small floats that bf16 holds exactly. Of codes of up to 6 bits 128 + code is the bits of 128
/// with the code in the lowest ones.
Fragment EncodedTile::pairsOf(Value word, Value zeroPoint) {
  Fragment registers;
  for (int64_t i = 0; i < 2; ++i) {
    Value codes = e.shiftRight(word, 8 * i), pair;
    if (encoding.codes == CodeKind::e4m3) {
      pair = fromE4M3Pair(e, codes);
    } else if (encoding.codes == CodeKind::e2m1) {
      pair = fromE2M1Pair(e, codes);
    } else if (encoding.codes == CodeKind::iq4_nl) {
      Value high = e.shiftRight(codes, 16);
      pair = roundPair(e, operandType, toFloat(e.andBits(codes, 15)), toFloat(e.andBits(high, 15)));
    } else if (encoding.bits == 8) {
      assert(encoding.offset == 128 && "as all have it");
      pair = fromBytes(e, codes);
    } else {
      uint32_t mask = ((1u << encoding.bits) - 1) * 0x10001;
      pair = e.orBits(e.andBits(codes, mask), inRegister(e, 0x4300));
      // -(128 + offset), of up to 7 bits beside the leading one
      pair = Pair(e, pair).plus(zeroPoint ? zeroPoint : twice(e, 0xc300 + encoding.offset));
    }
    registers.push_back(pair);
  }
  return registers;
}

/// What E4M3 has no number for makes the whole row NaN: in the operand, so that every lane sees it.
static void keepNaN(KernelEmitter &e, Value first, Value second, Value &operand) {
  auto carry = [&](Value word) {
    return e.add(e.andBits(word, 0x7f7f7f7f), e.integer(e.i32(), 0x01010101));
  };
  Value marks = e.andBits(e.orBits(carry(first), carry(second)), int32_t(0x80808080));
  operand = e.select(e.equal(marks, e.c(0)), operand, twice(e, 0x7fc0));
}

DecodedTile EncodedTile::decode(ValueRange loaded, int64_t tile) {
  ValueRange words = loaded.take_front(2 * codeWords), fields = loaded.drop_front(2 * codeWords);
  int64_t perGroup = fieldsLoaded() ? fields.size() / fieldsLoaded() : 0;
  int64_t groupTiles = groupColumns() / pieceColumns;
  int64_t chain = std::min(tilesTogether, std::max<int64_t>(groupTiles, 1));
  std::array<RowPair, 2> zeroPoints = {};
  DecodedTile result;
  for (int64_t f = 0; f < 2 && perGroup; ++f) {
    bool whole = fieldsLoaded() == 2;
    ValueRange own = fields.slice(whole ? f * perGroup : 0, perGroup);
    result[f].opens = whole || (f == 0 && tile % chain == 0);
    result[f].closes = whole || (f == 1 && (tile + 1) % chain == 0);
    for (int64_t row = 0; row < 2; ++row) {
      result[f].scale[row] = own[row];
      if (hasMinima())
        result[f].minimum[row] = own[2 + row];
      if (hasZeroPoint()) // -(128 + zero point), twice
        zeroPoints[f][row] = e.mul(e.orBits(own[2 + row], e.c(0xc300)), e.c(0x10001));
    }
  }
  std::array<Value, 2> wordsOfRow[2];
  for (int64_t f = 0; f < 2; ++f) {
    Fragment rows[2];
    for (int64_t row = 0; row < 2; ++row) {
      wordsOfRow[row][f] = wordOf(words, row, f);
      rows[row] = pairsOf(wordsOfRow[row][f], zeroPoints[f][row]);
    }
    result[f].parts.push_back({rows[0][0], rows[1][0], rows[0][1], rows[1][1]});
  }
  if (encoding.codes == CodeKind::e4m3)
    for (int64_t row = 0; row < 2; ++row)
      keepNaN(e, wordsOfRow[row][0], wordsOfRow[row][1], result[0].parts[0][row]);
  return result;
}
