// How codes, scales and minima become numbers.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "Encoded.h"

using namespace mlir;
using namespace kvasir;
using namespace kvasir::emit;

/// Sign, 4 bits of exponent, 3 of mantissa: moved to the places they have in f32, the exponent then
/// lacks 120. All ones is NaN.
Value emit::fromE4M3(Emitter &e, Value code) {
  Type floats = e.f32();
  if (auto vector = dyn_cast<VectorType>(code.getType()))
    floats = e.vec(vector.getDimSize(0));
  Value magnitude = e.andBits(code, 0x7f);
  Value sign = e.shiftLeft(e.andBits(code, 0x80), 24);
  Value bits = e.orBits(e.shiftLeft(magnitude, 20), sign);
  Value value = e.fmul(e.bitcast(floats, bits), e.constant(floats, 0x1p120));
  Value isNaN = e.equal(magnitude, e.integer(magnitude.getType(), 0x7f));
  return e.select(isNaN, e.constant(floats, std::numeric_limits<double>::quiet_NaN()), value);
}

//===----------------------------------------------------------------------===//
// Scales
//===----------------------------------------------------------------------===//

/// Elements of f32 in the format of a scale; vector of `count` or, with 0, scalar.
static Value loadScale(Emitter &e, ScaleKind kind, Value address, int64_t count) {
  if (kind == ScaleKind::f32 || kind == ScaleKind::f16 || kind == ScaleKind::bf16)
    return e.loadAs(kind == ScaleKind::f32   ? e.f32()
                    : kind == ScaleKind::f16 ? Type(e.b.getF16Type())
                                             : Type(e.b.getBF16Type()),
                    address, count);
  auto like = [&](Type element) { return count ? Type(e.vec(count, element)) : element; };
  Value exponent = e.zeroExtend(like(e.i32()), e.load(like(e.i8()), address));
  // 2^-127 has no exponent of its own in f32, and 255 is NaN: both have the mantissa's highest bit.
  Value ends = e.orBits(e.equal(exponent, e.integer(like(e.i32()), 0)),
                        e.equal(exponent, e.integer(like(e.i32()), 255)));
  Value mantissa = e.select(ends, e.integer(like(e.i32()), 0x400000), e.integer(like(e.i32()), 0));
  return e.bitcast(like(e.f32()), e.orBits(e.shiftLeft(exponent, 23), mantissa));
}

static Value loadByte(Emitter &e, Value address, int64_t count, bool isSigned) {
  auto like = [&](Type element) { return count ? Type(e.vec(count, element)) : element; };
  Value byte = e.load(like(e.i8()), address);
  return isSigned ? e.signExtend(like(e.i32()), byte) : e.zeroExtend(like(e.i32()), byte);
}

GroupScales emit::loadScales(Emitter &e, const Encoding &encoding, const Panel32 &panel,
                             int64_t count,
                             llvm::function_ref<Value(const PanelField &, bool ofGroup)> at) {
  GroupScales result;
  Type half = e.b.getF16Type();
  if (encoding.superBlock) {
    Value super = e.loadAs(half, at(panel.superScale, false), count);
    result.scale = e.fmul(super, e.toFloat(loadByte(e, at(panel.scale, true), count, true)));
  } else {
    result.scale = loadScale(e, encoding.scale, at(panel.scale, true), count);
  }
  if (encoding.scaleFactor() != 1)
    result.scale = e.fmul(result.scale, e.constant(result.scale.getType(), encoding.scaleFactor()));
  switch (encoding.minimum) {
  case MinimumKind::none:
    break;
  case MinimumKind::zeroPoint:
    result.zeroPoints = loadByte(e, at(panel.minimum, true), count, false);
    break;
  case MinimumKind::f16:
    result.minimum = e.fneg(e.loadAs(half, at(panel.minimum, true), count));
    break;
  case MinimumKind::sub8:
    result.minimum = e.fmul(e.loadAs(half, at(panel.superMinimum, false), count),
                            e.toFloat(loadByte(e, at(panel.minimum, true), count, false)));
    break;
  }
  return result;
}

//===----------------------------------------------------------------------===//
// Single values
//===----------------------------------------------------------------------===//

/// The code of one value (i32), from the planes of its piece.
static Value loadCode(Emitter &e, const Encoding &encoding, Value half, Value lane, Value inPiece) {
  Value step = e.div(inPiece, e.c(4)), byte = e.add(e.mul(lane, e.c(4)), e.rem(inPiece, e.c(4)));
  Value code;
  int64_t line = 0;
  for (const CodePlane &plane : codePlanes(encoding.bits)) {
    Value perLine = e.c(8 / plane.bits);
    Value place = e.add(e.mul(e.div(step, perLine), e.c(lineBytes)), byte);
    Value bits = e.load(e.i8(), e.at(e.at(half, line * lineBytes), place));
    Value shift = e.truncate(e.i32(), e.mul(e.rem(step, perLine), e.c(plane.bits)));
    bits = arith::ShRUIOp::create(e.b, e.zeroExtend(e.i32(), bits), shift);
    bits = e.shiftLeft(e.andBits(bits, (1 << plane.bits) - 1), plane.shift);
    code = code ? e.orBits(code, bits) : bits;
    line += plane.lines;
  }
  return code;
}

/// The codebook's integer of a code (i32): a byte of one of two words.
Value emit::lookUp(Emitter &e, const Encoding &encoding, Value code) {
  uint64_t words[2] = {};
  for (unsigned i = 0; i < 16; ++i)
    words[i / 8] |= uint64_t(uint8_t(encoding.codeValue(i))) << (i % 8 * 8);
  Value wide = e.zeroExtend(e.i64(), code);
  Value word = e.select(e.less(wide, e.c(8)), e.c(words[0]), e.c(words[1]));
  Value shift = e.mul(e.rem(wide, e.c(8)), e.c(8));
  Value byte = e.truncate(e.i8(), arith::ShRUIOp::create(e.b, word, shift));
  return e.signExtend(e.i32(), byte);
}

static Value valueOfCode(Emitter &e, const Encoding &encoding, Value code, Value zeroPoint) {
  switch (encoding.codes) {
  case CodeKind::linear:
    return e.toFloat(e.sub(code, zeroPoint ? zeroPoint : e.integer(e.i32(), encoding.offset)));
  case CodeKind::iq4_nl:
  case CodeKind::e2m1:
    return e.toFloat(lookUp(e, encoding, code));
  case CodeKind::e4m3:
    break;
  }
  return fromE4M3(e, code);
}

Value emit::loadEncoded(Emitter &e, const Encoding &encoding, const Panel32 &panel, Value base,
                        Value row, Value column) {
  Value unit = e.at(base, e.mul(e.div(row, e.c(unitRows)), e.c(panel.unitBytes)));
  Value inUnit = e.rem(row, e.c(unitRows)), inBlock = e.rem(column, e.c(panel.blockColumns));
  Value block =
      e.at(unit, e.add(e.c(panel.headerBytes),
                       e.mul(e.div(column, e.c(panel.blockColumns)), e.c(panel.blockBytes))));
  Value fields = panel.fieldsInHeader ? unit : block;
  Value group = panel.fieldsInHeader ? e.c(0) : e.div(inBlock, e.c(panel.groupColumns));
  GroupScales scales =
      emit::loadScales(e, encoding, panel, 0, [&](const PanelField &field, bool ofGroup) {
        Value element = ofGroup ? e.add(e.mul(group, e.c(unitRows)), inUnit) : inUnit;
        return e.at(e.at(fields, field.offset), e.mul(element, e.c(field.bytes)));
      });
  Value piece = e.at(e.at(block, panel.fieldBytes),
                     e.mul(e.div(inBlock, e.c(pieceColumns)), e.c(panel.pieceBytes)));
  Value half = e.at(piece, e.mul(e.div(inUnit, e.c(halfRows)), e.c(lineBytes * encoding.bits)));
  Value code =
      loadCode(e, encoding, half, e.rem(inUnit, e.c(halfRows)), e.rem(inBlock, e.c(pieceColumns)));
  Value value = valueOfCode(e, encoding, code, scales.zeroPoints);
  if (scales.minimum)
    return e.fma(scales.scale, value, e.fneg(scales.minimum));
  return e.fmul(scales.scale, value);
}
