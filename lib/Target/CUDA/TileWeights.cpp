// Products of tiles; tiles of plain floats.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "TileWeights.h"

#include "EncodedTile.h"

#include "kvasir/Encoding/Mma16.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace kvasir;
using namespace kvasir::cuda;

TileWeights::TileWeights(KernelEmitter &e, llm::WeightType type)
    : e(e), type(type), operandType(e.b.getBF16Type()) {}

//===----------------------------------------------------------------------===//
// Products
//===----------------------------------------------------------------------===//

/// Operands B of both instructions, two registers each: values rounded, in pairs.
Fragment TileWeights::roundOnce(ArrayRef<Value> values) {
  Fragment registers;
  for (int64_t first : {0, 4})
    for (int64_t i = 0; i < 2; ++i) {
      int64_t low = first + (crossed ? i : 2 * i), high = low + (crossed ? 2 : 1);
      registers.push_back(roundPair(e, operandType, values[low], values[high]));
    }
  return registers;
}

/// Of words (0, 1), (2, 3), (4, 5), (6, 7) those of (0, 2), (1, 3), (4, 6), (5, 7), and back.
Fragment TileWeights::exchange(ArrayRef<Value> words) {
  Fragment registers;
  for (int64_t i = 0; i < 4; i += 2) {
    Value low = words[i], high = words[i + 1];
    registers.push_back(e.orBits(e.andBits(low, 0xffff), e.shiftLeft(high, 16)));
    registers.push_back(e.orBits(e.shiftRight(low, 16), e.andBits(high, -65536)));
  }
  return registers;
}

RoundedInputs TileWeights::round(ArrayRef<Value> inputs, bool interleaved) {
  if (inputs.size() == 4)
    return {interleaved == crossed ? Fragment(inputs) : exchange(inputs), {}};
  RoundedInputs result{roundOnce(inputs), {}};
  if (!twoParts)
    return result;
  SmallVector<Value> left;
  for (Value value : inputs) {
    Value rounded = arith::TruncFOp::create(e.b, operandType, value);
    left.push_back(e.fsub(value, arith::ExtFOp::create(e.b, e.f32(), rounded)));
  }
  result.second = roundOnce(left);
  return result;
}

/// Without scales the chain of instructions goes on in the sums. With scales a group of columns has
/// a sum of its own, which enters as fma(group's sum, scale, sum), and a minimum as
/// fma(sum of the inputs, -minimum, sum) after it; the inputs are summed by instructions too.
void TileWeights::multiply(const DecodedTile &tile, const RoundedInputs &inputs, Chains &chains) {
  for (int64_t f = 0; f < 2; ++f)
    multiplyHalf(tile, f, inputs, chains);
}

void TileWeights::multiplyHalf(const DecodedTile &tile, int64_t f, const RoundedInputs &inputs,
                               Chains &chains, const Chains *same) {
  const HalfTile &half = tile[f];
  auto operand = [&](const Fragment &b) {
    return Fragment(b.begin() + 2 * f, b.begin() + 2 * f + 2);
  };
  bool scaled = half.opens || !chains.group.empty();
  if (half.opens)
    chains.group = Fragment(4, e.f(0));
  if (half.opens && hasMinima())
    chains.inputs = Fragment(4, e.f(0));
  Fragment &group = scaled ? chains.group : chains.sum;
  if (twoParts) {
    group = emitMma(e, operandType, half.parts[1], operand(inputs.first), group);
    group = emitMma(e, operandType, half.parts[0], operand(inputs.second), group);
  }
  group = emitMma(e, operandType, half.parts[0], operand(inputs.first), group);
  if (hasMinima() && same) {
    chains.inputs = same->inputs;
  } else if (hasMinima()) {
    Fragment ones(4, e.integer(e.i32(), 0x3f803f80)); // bf16
    chains.inputs = emitMma(e, operandType, ones, operand(inputs.first), chains.inputs);
  }
  if (!half.closes)
    return;
  for (int64_t i = 0; i < 4; ++i) {
    Value &sum = chains.sum[i];
    sum = e.fma(group[i], half.scale[i / 2], sum);
    if (hasMinima())
      sum = e.fma(chains.inputs[i], e.fneg(half.minimum[i / 2]), sum);
  }
  chains.group.clear();
}

/// Rows of results (PTX ISA, mma.m16n8k16): registers 0 and 1 are row lane / 4, the others 8 below.
Value TileWeights::outputOf(int64_t row) {
  Value g = e.shiftRight(e.lane, 2);
  return rowsTogether ? e.add(e.shiftLeft(g, 1), e.c(row)) : e.add(g, e.c(8 * row));
}

//===----------------------------------------------------------------------===//
// Plain floats
//===----------------------------------------------------------------------===//

namespace {
/// Tiles as they lie: two operands for each part.
class PlainTile : public TileWeights {
public:
  PlainTile(KernelEmitter &e, llm::WeightType type, Value base)
      : TileWeights(e, type), base(base), parts(type.getElementType().isF32() ? 2 : 1) {
    twoParts = parts == 2;
    if (!twoParts)
      operandType = type.getElementType();
  }

  int64_t stageBytes() const override { return stageTiles * tileBytes(); }

  /// A lane copies what it multiplies.
  void copyStage(Value band, Value tile, Value to) override {
    int64_t tiles = llvm::divideCeil(type.getColumns(), Mma16::columns);
    Value lane = e.shiftLeft(e.lane, 4);
    Value from = e.at(e.far(base, band, tiles * tileBytes()), e.mul(tile, e.c(tileBytes())));
    from = e.at(from, lane);
    to = e.at(to, lane);
    for (int64_t at = 0; at < stageBytes(); at += Mma16::operandBytes)
      e.copyAsync(e.at(to, at), e.at(from, at));
  }

  SmallVector<Value> load(Value stage, int64_t tile) override {
    SmallVector<Value> values;
    Value own = e.at(e.at(stage, e.shiftLeft(e.lane, 4)), tile * tileBytes());
    for (int64_t i = 0; i < 2 * parts; ++i)
      values.push_back(e.load(e.vec(4, e.i32()), e.at(own, i * Mma16::operandBytes), 16));
    return values;
  }

  DecodedTile decode(ValueRange loaded, int64_t) override {
    DecodedTile tile;
    for (int64_t part = 0; part < parts; ++part)
      for (int64_t f = 0; f < 2; ++f) {
        Fragment &operand = tile[f].parts.emplace_back();
        for (int64_t i = 0; i < 4; ++i)
          operand.push_back(LLVM::ExtractElementOp::create(e.b, loaded[2 * part + f], e.c(i)));
      }
    return tile;
  }

private:
  int64_t tileBytes() const { return parts * Mma16::tileBytes; }

  Value base;
  int64_t parts; ///< bf16 that an f32 is the sum of
};
} // namespace

std::unique_ptr<TileWeights> TileWeights::create(KernelEmitter &e, llm::WeightType type,
                                                 Value base) {
  if (std::optional<Encoding> encoding = type.getEncoding())
    return std::make_unique<EncodedTile>(e, type, *encoding, base);
  return std::make_unique<PlainTile>(e, type, base);
}
