// Decoding of weights in layout panel32: vectors of codes and scales of neighbouring rows.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "Encoded.h"

using namespace mlir;
using namespace kvasir;
using namespace kvasir::cpu;

using emit::lineBytes;

constexpr int64_t steps = pieceColumns / 4;

//===----------------------------------------------------------------------===//
// Rows
//===----------------------------------------------------------------------===//

Value RowSet::at(Emitter &e, Value address, int64_t bytes) const {
  Value place = base ? e.at(address, e.mul(base, e.c(bytes))) : address;
  return e.at(place, first * bytes);
}

Value RowSet::at(Emitter &e, Value address, Value halfBytes, int64_t bytes) const {
  if (!base)
    return e.at(e.at(address, e.mul(halfBytes, e.c(first / halfRows))), first % halfRows * bytes);
  Value row = e.add(base, e.c(first)), half = e.mul(e.div(row, e.c(halfRows)), halfBytes);
  return e.at(e.at(address, half), e.mul(e.rem(row, e.c(halfRows)), e.c(bytes)));
}

//===----------------------------------------------------------------------===//
// Codes
//===----------------------------------------------------------------------===//

PieceCodes::PieceCodes(Emitter &e, const Encoding &encoding, Value piece, RowSet rows)
    : e(e), encoding(encoding), piece(rows.at(e, piece, e.c(lineBytes * encoding.bits), 4)),
      rows(rows), lines(encoding.bits), steps(::steps) {}

/// The planes of a code are put together: in each, the step's bits of every byte.
Value PieceCodes::codes(int64_t step) {
  if (steps[step])
    return steps[step];
  Value result;
  int64_t line = 0;
  for (const CodePlane &plane : codePlanes(encoding.bits)) {
    int64_t perLine = 8 / plane.bits, index = line + step / perLine;
    int64_t shift = step % perLine * plane.bits;
    if (!lines[index])
      lines[index] =
          e.load(e.vec(rows.count, e.i32()), e.at(piece, index * lineBytes), rows.count * 4);
    Value bits = lines[index];
    if (plane.bits < 8) {
      int64_t mask = 0x01010101 * ((1 << plane.bits) - 1);
      int64_t up = plane.shift - shift; // straight to the place in the code
      bits = up >= 0 ? e.shiftLeft(e.andBits(bits, mask << shift), up)
                     : e.andBits(e.shiftRight(bits, -up), mask << plane.shift);
    }
    result = result ? e.orBits(result, bits) : bits;
    line += plane.lines;
  }
  return steps[step] = result;
}

/// Bytes 0..15 -> the codebook's integers plus 128. The table is repeated in every 16 bytes, since
/// the instruction looks up within those.
Value PieceCodes::lookUp(Value codes) {
  int64_t count = 4 * rows.count;
  SmallVector<int8_t> table;
  for (int64_t i = 0; i < count; ++i)
    table.push_back(static_cast<int8_t>(encoding.codeValue(i % 16) + 128));
  auto type = e.vec(count, e.i8());
  Value values = arith::ConstantOp::create(e.b, DenseElementsAttr::get(type, ArrayRef(table)));
  StringRef shuffle = count == 64 ? "llvm.x86.avx512.pshuf.b.512" : "llvm.x86.avx2.pshuf.b";
  return e.call(shuffle, type, {values, codes});
}

Value PieceCodes::bytes(int64_t step) {
  Value raw = e.bitcast(e.vec(4 * rows.count, e.i8()), codes(step));
  bool codebook = encoding.codes == CodeKind::iq4_nl || encoding.codes == CodeKind::e2m1;
  return codebook ? lookUp(raw) : raw;
}

Value PieceCodes::values(int64_t step, int64_t column) {
  Value word =
      encoding.isInteger() ? e.bitcast(e.vec(rows.count, e.i32()), bytes(step)) : codes(step);
  Value byte = e.shiftRight(word, 8 * column);
  if (column < 3)
    byte = e.andBits(byte, 0xff);
  return encoding.isInteger() ? e.toFloat(byte) : emit::fromE4M3(e, byte);
}

//===----------------------------------------------------------------------===//
// Scales
//===----------------------------------------------------------------------===//

GroupScales cpu::loadScales(Emitter &e, const Encoding &encoding, const Panel32 &panel,
                            Value fields, Value group, RowSet rows) {
  return emit::loadScales(
      e, encoding, panel, rows.count, [&](const PanelField &field, bool ofGroup) {
        Value base = rows.at(e, e.at(fields, field.offset), field.bytes);
        return ofGroup ? e.at(base, e.mul(group, e.c(unitRows * field.bytes))) : base;
      });
}
