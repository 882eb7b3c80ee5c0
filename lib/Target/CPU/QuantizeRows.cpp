// Rows of activations in 8 bits, in tiles of 16 (see !step.buffer).
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "EncodedLinear.h"
#include "PhaseEmitter.h"

using namespace mlir;
using namespace kvasir;
using namespace kvasir::cpu;

namespace {

/// Writes one row into its tile.
class RowQuantizer {
public:
  RowQuantizer(PhaseEmitter &e, step::BufferType type, Value tile, Value row)
      : e(e), rows(type.getQuantized()), parts(type.getTile()), tile(tile),
        lane(e.rem(row, e.c(tileTokens))) {}

  /// Group `group` from `count` columns at `x`; codes and sums of the first `kept` are stored.
  void emitGroup(Value x, Value group, int64_t count, int64_t kept);

private:
  static constexpr int64_t lanes = 16;
  Value largestOf(Value x, int64_t count);
  Value emitCodes(Value x, Value inverse, Value column, int64_t count);
  Value slot(int64_t part, Value index) { // of a 4-byte value for each token
    Value place = e.mul(e.add(e.mul(index, e.c(tileTokens)), lane), e.c(4));
    return e.at(e.at(tile, part), place);
  }

  PhaseEmitter &e;
  llm::Int8RowsAttr rows;
  step::BufferType::Tile parts;
  Value tile, lane;
};

} // namespace

Int8Scale cpu::emitInt8Scale(Emitter &e, Value largest) {
  Value scale = e.fdiv(largest, e.f(127));
  Value zero = arith::CmpFOp::create(e.b, arith::CmpFPredicate::OEQ, largest, e.f(0));
  return {scale, e.select(zero, e.f(0), e.fdiv(e.f(127), largest))};
}

Value cpu::emitInt8Codes(Emitter &e, Value values, Value inverse) {
  auto limit = [&](double value) { return e.constant(values.getType(), value); };
  Value rounded = e.round(e.fmul(values, inverse));
  return e.fmax(e.fmin(rounded, limit(127)), limit(-127)); // the limits also give NaN a value
}

Value RowQuantizer::largestOf(Value x, int64_t count) {
  Value most = e.fold(e.c(0), e.c(count * 4), lanes * 4, {e.constant(e.vec(lanes), 0)},
                      [&](Value i, ValueRange before) -> SmallVector<Value> {
                        return {e.fmax(before[0], e.fabs(e.load(e.vec(lanes), e.at(x, i))))};
                      })[0];
  return e.maxLanes(most);
}

/// Codes of `count` columns (a multiple of 16); returns their sum, an exact f32.
Value RowQuantizer::emitCodes(Value x, Value inverse, Value column, int64_t count) {
  Value factor = e.splat(inverse, lanes);
  Value total = e.constant(e.vec(lanes), 0);
  for (int64_t i = 0; i < count; i += lanes) {
    Value code = emitInt8Codes(e, e.load(e.vec(lanes), e.at(x, i * 4)), factor);
    total = e.fadd(total, code);
    Value integers = arith::FPToSIOp::create(e.b, e.vec(lanes, e.i32()), code);
    Value at = e.add(column, e.c(i));
    Value place = e.add(e.mul(e.div(at, e.c(pieceColumns)), e.c(pieceColumns * tileTokens)),
                        e.add(e.mul(lane, e.c(pieceColumns)), e.rem(at, e.c(pieceColumns))));
    e.store(e.truncate(e.vec(lanes, e.i8()), integers), e.at(tile, place));
  }
  return e.sumLanes(total);
}

void RowQuantizer::emitGroup(Value x, Value group, int64_t count, int64_t kept) {
  Value most = largestOf(x, count);
  auto [scale, inverse] = emitInt8Scale(e, most);
  e.store(scale, slot(parts.scales, group));
  Value first = e.mul(group, e.c(rows.getGroup()));
  for (int64_t i = 0; i < kept; i += rows.getSums()) {
    Value column = e.add(first, e.c(i));
    int64_t some = std::min(rows.getSums(), kept - i);
    Value sum = e.fneg(emitCodes(e.at(x, i * 4), inverse, column, some));
    Value index = e.div(column, e.c(rows.getSums()));
    Value whole = arith::FPToSIOp::create(e.b, e.i32(), sum);
    e.store(e.mul(whole, e.integer(e.i32(), rows.getFactor())), slot(parts.sums, index));
    e.store(e.fmul(sum, scale), slot(parts.scaledSums, index));
  }
}

void PhaseEmitter::emitQuantizeRows(llm::QuantizeRowsOp op, Value row) {
  auto type = cast<step::BufferType>(homeOf(op.getResult()).getType());
  int64_t columns = type.getColumns(), group = type.getQuantized().getGroup();
  int64_t whole = columns / group * group;
  Value x = rowAddress(op.getX(), row);
  RowQuantizer quantizer(*this, type, rowAddress(op.getResult(), row), row);
  loop(c(0), c(whole / group), 1,
       [&](Value g) { quantizer.emitGroup(at(x, mul(g, c(group * 4))), g, group, group); });
  if (whole == columns)
    return;
  // The last group is filled up with zeros.
  Value rest = phaseStack(group * 4);
  loop(c(0), c(group * 4), panelRows * 4,
       [&](Value i) { store(constant(vec(panelRows), 0), at(rest, i), 64); });
  loop(c(0), c(columns - whole), 1, [&](Value i) {
    store(load(f32(), at(x, mul(add(i, c(whole)), c(4)))), at(rest, mul(i, c(4))));
  });
  int64_t padded = (columns + pieceColumns - 1) / pieceColumns * pieceColumns;
  quantizer.emitGroup(rest, c(whole / group), group, padded - whole);
}

/// Of a quantized row: its part of every piece, and its scales and sums.
void PhaseEmitter::copyBufferRow(Value from, Value to, Value row) {
  auto type = cast<step::BufferType>(from.getType());
  Value source = bufferRow(from, row), target = bufferRow(to, row);
  if (!type.getQuantized())
    return copyRow(source, target, type.getColumns());
  step::BufferType::Tile parts = type.getTile();
  Value lane = rem(row, c(tileTokens));
  Value codes = mul(lane, c(pieceColumns)), words = mul(lane, c(4));
  loop(c(0), c(parts.scales), pieceColumns * tileTokens, [&](Value i) {
    copyRow(at(source, add(i, codes)), at(target, add(i, codes)), pieceColumns / 4);
  });
  loop(c(parts.scales), c(parts.bytes), tileTokens * 4,
       [&](Value i) { store(load(i32(), at(source, add(i, words))), at(target, add(i, words))); });
}
