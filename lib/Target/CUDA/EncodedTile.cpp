// Codes to operands of matrix instructions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "EncodedTile.h"

#include "llvm/Support/SaveAndRestore.h"

using namespace mlir;
using namespace kvasir;
using namespace kvasir::cuda;
using kvasir::emit::GroupScales;
using kvasir::emit::lineBytes;

EncodedTile::EncodedTile(KernelEmitter &e, llm::WeightType type, const Encoding &encoding,
                         Value base)
    : TileWeights(e, type), encoding(encoding), panel(encoding, type.getColumns()), base(base),
      groups(panel.groupColumns < pieceColumns ? 2 : 1) {
  // A group of 16 columns is what one instruction multiplies.
  if (groups == 2)
    columns = LaneColumns::twiceFour;
  crossed = true;
  for (const CodePlane &plane : codePlanes(encoding.bits))
    codeWords += oneLine(plane) ? 1 : 2;
  bool hasMinimum = encoding.minimum != MinimumKind::none;
  loadedValues = 2 * codeWords + 2 * groups * (hasMinimum ? 2 : 1);
  loadedRegisters = 2 * loadedValues; // scales wait for a conversion, and need an address each
}

void EncodedTile::moveTo(Value band) {
  unit = e.far(base, e.shiftRight(band, 1), panel.unitBytes);
  half = e.andBits(band, 1);
}

Value EncodedTile::stepOf(int64_t f) {
  Value q = e.andBits(e.lane, 3);
  return columns == LaneColumns::eight ? e.orBits(e.shiftLeft(q, 1), e.c(f)) : e.add(q, e.c(4 * f));
}

//===----------------------------------------------------------------------===//
// Loads
//===----------------------------------------------------------------------===//

/// Words of rows lane / 4 and 8 below: of each plane one, or one for each instruction.
void EncodedTile::loadCodes(Value piece, SmallVector<Value> &to) {
  Value own = e.at(piece, e.mul(half, e.c(panel.pieceBytes / 2)));
  own = e.at(own, e.shiftLeft(e.shiftRight(e.lane, 2), 2));
  for (int64_t row = 0; row < 2; ++row) {
    int64_t line = 0;
    for (const CodePlane &plane : codePlanes(encoding.bits)) {
      for (int64_t f = 0; f < (oneLine(plane) ? 1 : 2); ++f) {
        Value offset = e.mul(e.div(stepOf(f), e.c(8 / plane.bits)), e.c(lineBytes));
        Value word = e.at(e.at(own, line * lineBytes + row * 32), offset);
        to.push_back(e.loadConstant(e.i32(), word));
      }
      line += plane.lines;
    }
  }
}

/// For each group in the tile and each of both rows: the scale, and the minimum or zero point.
void EncodedTile::loadScales(Value block, Value piece, SmallVector<Value> &to) {
  Value fields = panel.fieldsInHeader ? unit : block;
  for (int64_t g = 0; g < groups; ++g) {
    Value column = e.add(e.mul(piece, e.c(pieceColumns)), e.c(g * panel.groupColumns));
    Value group = panel.fieldsInHeader ? e.c(0) : e.div(column, e.c(panel.groupColumns));
    for (int64_t row = 0; row < 2; ++row) {
      Value inUnit = e.add(e.shiftLeft(half, 4), e.add(e.shiftRight(e.lane, 2), e.c(8 * row)));
      GroupScales scales =
          emit::loadScales(e, encoding, panel, 0, [&](const PanelField &field, bool ofGroup) {
            Value element = ofGroup ? e.add(e.mul(group, e.c(unitRows)), inUnit) : inUnit;
            return e.at(e.at(fields, field.offset), e.mul(element, e.c(field.bytes)));
          });
      to.push_back(scales.scale);
      if (Value minimum = scales.minimum ? scales.minimum : scales.zeroPoints)
        to.push_back(minimum);
    }
  }
}

SmallVector<Value> EncodedTile::load(Value step) {
  int64_t pieces = panel.blockColumns / pieceColumns; // of a block
  Value index = e.div(step, e.c(pieces)), inBlock = e.rem(step, e.c(pieces));
  Value block = e.at(e.far(unit, index, panel.blockBytes), panel.headerBytes);
  Value piece = e.at(e.at(block, panel.fieldBytes), e.mul(inBlock, e.c(panel.pieceBytes)));
  SmallVector<Value> values;
  loadCodes(piece, values);
  loadScales(block, inBlock, values);
  return values;
}

//===----------------------------------------------------------------------===//
// Decoding
//===----------------------------------------------------------------------===//

/// The four codes of a row in instruction f, one in each byte, put together from their planes.
Value EncodedTile::wordOf(ValueRange words, int64_t row, int64_t f) {
  Value result;
  int64_t index = row * codeWords;
  for (const CodePlane &plane : codePlanes(encoding.bits)) {
    Value bits = words[index + (oneLine(plane) ? 0 : f)];
    index += oneLine(plane) ? 1 : 2;
    if (plane.bits < 8) {
      Value shift = e.mul(e.rem(stepOf(f), e.c(8 / plane.bits)), e.c(plane.bits));
      bits = arith::ShRUIOp::create(e.b, bits, shift);
      bits = e.andBits(bits, 0x01010101 * ((1 << plane.bits) - 1));
      bits = e.shiftLeft(bits, plane.shift);
    }
    result = result ? e.orBits(result, bits) : bits;
  }
  return result;
}

/// One code as f32: codes of 8 bits have no room beside bf16's leading bit.
Value EncodedTile::toFloat(Value byte, Value zeroPoint) {
  if (encoding.codes == CodeKind::e4m3)
    return emit::fromE4M3(e, byte);
  if (encoding.codes == CodeKind::iq4_nl || encoding.codes == CodeKind::e2m1) {
    llvm::SaveAndRestore<Type> wide(e.index, e.i64());
    return e.toFloat(emit::lookUp(e, encoding, byte));
  }
  // 2^23 + code is the bits of 2^23 with the code in the lowest ones.
  auto above = [&](Value code) {
    return e.bitcast(e.f32(), e.orBits(code, e.integer(e.i32(), 0x4b000000)));
  };
  Value taken = zeroPoint ? above(zeroPoint) : e.f(8388608.0 + encoding.offset);
  return e.fsub(above(byte), taken);
}

/// Registers of columns 0 and 2, and of 1 and 3, of a word of four codes: integers or small floats
/// that bf16 holds exactly. Of codes of up to 6 bits it is 128 + code, two at a time: the bits of
/// 128 with the code in the lowest ones.
Fragment EncodedTile::pairsOf(Value word, Value zeroPoint) {
  Fragment registers;
  for (int64_t i = 0; i < 2; ++i) {
    Value codes = e.andBits(e.shiftRight(word, 8 * i), 0x00ff00ff);
    if (isRaised()) {
      registers.push_back(e.orBits(codes, e.integer(e.i32(), 0x43004300)));
      continue;
    }
    Value low = toFloat(e.andBits(codes, 0xff), zeroPoint);
    Value high = toFloat(e.shiftRight(codes, 16), zeroPoint);
    registers.push_back(roundPair(e, operandType, low, high));
  }
  return registers;
}

/// What is to be taken from a group's sum for each unit of its inputs' sum: the stored minimum, and
/// of raised codes what they are too large by, times the scale.
Value EncodedTile::minimumOf(Value scale, Value stored) {
  bool isZeroPoint = encoding.minimum == MinimumKind::zeroPoint;
  Value minimum = isZeroPoint ? Value() : stored;
  if (!isRaised())
    return minimum;
  Value above = e.f(128.0 + encoding.offset);
  if (isZeroPoint)
    above = e.fadd(e.f(128), e.toFloat(stored));
  Value product = e.fmul(above, scale);
  return minimum ? e.fadd(product, minimum) : product;
}

DecodedTile EncodedTile::decode(ValueRange loaded) {
  ValueRange words = loaded.take_front(2 * codeWords), fields = loaded.drop_front(2 * codeWords);
  bool hasMinimum = encoding.minimum != MinimumKind::none;
  bool hasZeroPoint = encoding.minimum == MinimumKind::zeroPoint;
  SmallVector<std::array<Value, 2>> second; // minima or zero points
  DecodedTile tile;
  for (int64_t g = 0; g < groups; ++g) {
    auto &scale = tile.scales.emplace_back();
    auto &minimum = second.emplace_back();
    for (int64_t row = 0; row < 2; ++row) {
      scale[row] = fields.front();
      minimum[row] = hasMinimum ? fields[1] : Value();
      fields = fields.drop_front(hasMinimum ? 2 : 1);
    }
  }
  auto &operands = tile.parts.emplace_back();
  for (int64_t f = 0; f < 2; ++f) {
    std::array<Fragment, 2> rows;
    for (int64_t row = 0; row < 2; ++row)
      rows[row] =
          pairsOf(wordOf(words, row, f), hasZeroPoint ? second[groups == 2 ? f : 0][row] : Value());
    operands[f] = {rows[0][0], rows[1][0], rows[0][1], rows[1][1]};
  }
  for (auto [scale, stored] : llvm::zip(tile.scales, second))
    if (Value minimum = minimumOf(scale[0], stored[0]))
      tile.minima.push_back({minimum, minimumOf(scale[1], stored[1])});
  return tile;
}
