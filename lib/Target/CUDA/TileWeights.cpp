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

RoundedInputs TileWeights::round(ArrayRef<Value> inputs) {
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
/// fma(sum of the inputs, -minimum, sum) after it; the inputs are summed by an instruction too.
Fragment TileWeights::multiply(const DecodedTile &tile, const RoundedInputs &inputs,
                               Fragment sums) {
  const Fragment &first = inputs.first, &second = inputs.second;
  auto half = [](const Fragment &b, int64_t f) {
    return Fragment(b.begin() + 2 * f, b.begin() + 2 * f + 2);
  };
  Fragment group = sums, none(4, e.f(0));
  for (int64_t f = 0; f < 2; ++f) {
    bool opens = !tile.scales.empty() && (f == 0 || tile.scales.size() == 2);
    bool closes = !tile.scales.empty() && (f == 1 || tile.scales.size() == 2);
    if (opens)
      group = none;
    if (twoParts) {
      group = emitMma(e, operandType, tile.parts[1][f], half(first, f), group);
      group = emitMma(e, operandType, tile.parts[0][f], half(second, f), group);
    }
    group = emitMma(e, operandType, tile.parts[0][f], half(first, f), group);
    if (!closes)
      continue;
    size_t index = tile.scales.size() == 2 ? f : 0;
    for (int64_t i = 0; i < 4; ++i)
      sums[i] = e.fma(group[i], tile.scales[index][i / 2], sums[i]);
    if (tile.minima.empty())
      continue;
    Fragment ones(4, e.integer(e.i32(), 0x3f803f80)); // bf16
    Fragment total = none;
    for (int64_t k = tile.scales.size() == 2 ? f : 0; k <= f; ++k)
      total = emitMma(e, operandType, ones, half(first, k), total);
    for (int64_t i = 0; i < 4; ++i)
      sums[i] = e.fma(total[i], e.fneg(tile.minima[index][i / 2]), sums[i]);
  }
  return tile.scales.empty() ? group : sums;
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
    loadedValues = 2 * parts;
    loadedRegisters = 8 * parts;
  }

  void moveTo(Value band) override {
    int64_t tiles = llvm::divideCeil(type.getColumns(), Mma16::columns);
    own = e.at(e.far(base, band, tiles * parts * Mma16::tileBytes), e.mul(e.lane, e.c(16)));
  }

  SmallVector<Value> load(Value step) override {
    SmallVector<Value> values;
    Value tile = e.at(own, e.mul(step, e.c(parts * Mma16::tileBytes)));
    for (int64_t i = 0; i < 2 * parts; ++i)
      values.push_back(e.loadConstant(e.vec(4, e.i32()), e.at(tile, i * Mma16::operandBytes), 16));
    return values;
  }

  DecodedTile decode(ValueRange loaded) override {
    DecodedTile tile;
    for (int64_t part = 0; part < parts; ++part) {
      auto &operands = tile.parts.emplace_back();
      for (int64_t f = 0; f < 2; ++f)
        for (int64_t i = 0; i < 4; ++i)
          operands[f].push_back(LLVM::ExtractElementOp::create(e.b, loaded[2 * part + f], e.c(i)));
    }
    return tile;
  }

private:
  Value base, own;
  int64_t parts; ///< bf16 that an f32 is the sum of
};
} // namespace

std::unique_ptr<TileWeights> TileWeights::create(KernelEmitter &e, llm::WeightType type,
                                                 Value base) {
  if (std::optional<Encoding> encoding = type.getEncoding())
    return std::make_unique<EncodedTile>(e, type, *encoding, base);
  return std::make_unique<PlainTile>(e, type, base);
}
