// Floats to codes: a search over the scales of each group. Sums run in four lanes and in a fixed
// order, so that every machine finds the same scales.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "kvasir/Encoding/Rows.h"

#include "Floats.h"

#include "llvm/Support/MathExtras.h"

#include <algorithm>
#include <cstring>

#pragma STDC FP_CONTRACT OFF

using namespace kvasir;

namespace {
using V = float __attribute__((vector_size(16)));
using Bits = int32_t __attribute__((vector_size(16)));

/// The values of a group: whole vectors, padded with zeros, which cost no error.
using Values = llvm::ArrayRef<V>;

/// Codes minus their zero: from `low` to `high`, which includes 0.
struct Range {
  float low, high;
};

/// A scale and the codes that may be used with it.
struct Choice {
  float scale = 0.0f;
  Range range;
};
} // namespace

/// Groups below this are all zero: their squares are not f32 anyway.
constexpr float tiny = 1e-30f;

static V splat(float value) { return V{value, value, value, value}; }
static float sum(V v) { return (v[0] + v[1]) + (v[2] + v[3]); }
static V absolute(V v) { return (V)((Bits)v & 0x7fffffff); }

/// To the nearest integers of the range. |v| is below 2^22 after clamping.
static V nearest(V v, V low, V high) {
  V clamped = v < low ? low : v;
  clamped = clamped > high ? high : clamped;
  V magic = splat(0x1.8p23f);
  return (clamped + magic) - magic;
}

/// Squared error of a group with codes chosen for the scale.
static float squaredError(Values values, float scale, float inverse, Range range) {
  V low = splat(range.low), high = splat(range.high), s = splat(scale), i = splat(inverse);
  V total = splat(0);
  for (V x : values) {
    V error = x - nearest(x * i, low, high) * s;
    total += error * error;
  }
  return sum(total);
}

/// The scale with the least squared error for the codes that `scale` chooses.
static float refitted(Values values, float scale, Range range) {
  V low = splat(range.low), high = splat(range.high), i = splat(1.0f / scale);
  V products = splat(0), squares = splat(0);
  for (V x : values) {
    V code = nearest(x * i, low, high);
    products += x * code;
    squares += code * code;
  }
  float denominator = sum(squares);
  return denominator > 0 ? sum(products) / denominator : scale;
}

//===----------------------------------------------------------------------===//
// Scales
//===----------------------------------------------------------------------===//

static uint32_t scaleBits(ScaleKind kind, float scale) {
  switch (kind) {
  case ScaleKind::f16:
    return f16OfFloat(scale);
  case ScaleKind::bf16:
    return bf16OfFloat(scale);
  default:
    return std::bit_cast<uint32_t>(scale);
  }
}

static float storedScale(ScaleKind kind, float scale) {
  switch (kind) {
  case ScaleKind::f16:
    return floatOfF16(f16OfFloat(scale));
  case ScaleKind::bf16:
    return floatOfBF16(bf16OfFloat(scale));
  default:
    return scale;
  }
}

/// Least and greatest value of a group, 0 among them.
static Range extremes(Values values) {
  V low = splat(0), high = splat(0);
  for (V x : values) {
    low = x < low ? x : low;
    high = x > high ? x : high;
  }
  return {std::min({low[0], low[1], low[2], low[3]}),
          std::max({high[0], high[1], high[2], high[3]})};
}

/// Codes from -2^(bits-1): the value of the largest magnitude takes the side that has one more, so
/// scales may be negative. Candidates map that value to `levels` steps: fewer leave codes unused,
/// more clip it.
static Choice searchSymmetric(Values values, int bits) {
  static constexpr float levels[] = {1.0f,  0.83f, 0.87f, 0.91f, 0.94f, 0.97f,
                                     1.03f, 1.06f, 1.09f, 1.12f, 1.16f, 1.2f};
  float half = float(1 << (bits - 1));
  Range range{-half, half - 1}, bounds = extremes(values);
  float extreme = -bounds.low > bounds.high ? bounds.low : bounds.high;
  Choice best{0.0f, range};
  if (std::fabs(extreme) < tiny)
    return best;
  float least = 0;
  for (float level : levels) {
    float scale = extreme / (-half * level);
    float error = squaredError(values, scale, 1.0f / scale, range);
    if (best.scale == 0 || error < least) {
      least = error;
      best.scale = scale;
    }
  }
  return best;
}

/// Codes from 0 with a zero point: both ends are drawn in by a few per cent.
static Choice searchZeroPoint(Values values, int bits) {
  static constexpr float ends[] = {1.0f, 0.93f, 0.86f, 0.79f};
  float most = float((1 << bits) - 1);
  Range bounds = extremes(values);
  Choice best{0.0f, {0, most}};
  if (bounds.high - bounds.low < tiny)
    return best;
  float least = 0;
  for (float lowEnd : ends)
    for (float highEnd : ends) {
      float scale = (bounds.high * highEnd - bounds.low * lowEnd) / most;
      float zero = std::clamp(std::nearbyint(-bounds.low * lowEnd / scale), 0.0f, most);
      Range range{-zero, most - zero};
      float error = squaredError(values, scale, 1.0f / scale, range);
      if (best.scale == 0 || error < least) {
        least = error;
        best = {scale, range};
      }
    }
  return best;
}

/// Takes the found scale or the one fitted to its codes, as they are stored.
static float settle(Values values, ScaleKind kind, const Choice &choice) {
  if (choice.scale == 0)
    return 0;
  float best = storedScale(kind, choice.scale), least = 0;
  for (int round = 0; round < 2 && best != 0; ++round) {
    if (round == 0)
      least = squaredError(values, best, 1.0f / best, choice.range);
    float next = storedScale(kind, refitted(values, best, choice.range));
    float error = next == 0 ? least : squaredError(values, next, 1.0f / next, choice.range);
    if (!(error < least))
      break;
    best = next;
    least = error;
  }
  return best;
}

//===----------------------------------------------------------------------===//
// Small floats
//===----------------------------------------------------------------------===//

/// Twice the nearest magnitude of e2m1, and the code's three low bits.
static V nearestE2M1(V magnitude, Bits *code) {
  static constexpr struct {
    float from, step;
  } steps[] = {{0.25f, 0.5f}, {0.75f, 0.5f}, {1.25f, 0.5f}, {1.75f, 0.5f},
               {2.5f, 1.0f},  {3.5f, 1.0f},  {5.0f, 2.0f}};
  V value = splat(0);
  Bits count = {};
  for (auto &step : steps) {
    Bits over = (Bits)(magnitude > splat(step.from));
    value += (V)((Bits)splat(step.step) & over);
    count -= over;
  }
  if (code)
    *code = count;
  return value;
}

/// The bits of 2^(n - 127).
static float powerOfTwo(int exponent) { return std::bit_cast<float>(exponent << 23); }

/// The exponent (of f32, 1 to 254) of a scale for e2m1.
static int searchExponent(Values values) {
  Range bounds = extremes(values);
  float extreme = std::max(-bounds.low, bounds.high);
  if (extreme < tiny)
    return 0;
  // 6 is the greatest code: 4 * 2^e <= extreme < 8 * 2^e.
  int middle = int(std::bit_cast<uint32_t>(extreme) >> 23) - 2, best = middle;
  float least = 0;
  for (int exponent : {middle, middle + 1, middle - 1}) {
    V inverse = splat(powerOfTwo(254 - exponent)), scale = splat(powerOfTwo(exponent));
    V total = splat(0);
    for (V x : values) {
      V error = absolute(x) - nearestE2M1(absolute(x) * inverse, nullptr) * scale;
      total += error * error;
    }
    float error = sum(total);
    if (exponent == middle || error < least) {
      least = error;
      best = exponent;
    }
  }
  return best;
}

/// To nearest even; what is beyond the range becomes 448.
static uint8_t e4m3OfFloat(float value) {
  uint32_t bits = std::bit_cast<uint32_t>(value);
  uint8_t sign = bits >> 24 & 0x80;
  float magnitude = std::fabs(value);
  if (magnitude >= 448.0f)
    return sign | 0x7e;
  if (magnitude < 0x1p-6f) // multiples of 2^-9; 2^14 makes the addition round there
    return sign | uint8_t(std::bit_cast<uint32_t>(magnitude + 0x1p14f));
  uint32_t wide = bits & 0x7fffffff;
  wide += 0x7ffff + (wide >> 20 & 1);
  return sign | uint8_t((wide >> 20) - (120 << 3));
}

//===----------------------------------------------------------------------===//
// Groups
//===----------------------------------------------------------------------===//

namespace {
/// Quantizes the groups of a matrix one after the other.
class Quantizer {
public:
  Quantizer(const Encoding &encoding, EncodedRows &to)
      : encoding(encoding), to(to), values((to.groupColumns() + 3) / 4), codes(values.size() * 4) {}
  /// False if a value is not finite.
  bool group(const float *from, int64_t row, int64_t group);

private:
  void linear(int64_t field);
  void e2m1(int64_t field);
  void e4m3(int64_t field);

  const Encoding &encoding;
  EncodedRows &to;
  std::vector<V> values;
  std::vector<uint8_t> codes;
  int64_t count = 0; ///< of vectors in the group
};
} // namespace

void Quantizer::linear(int64_t field) {
  Values group = Values(values).take_front(count);
  bool zeroPoint = encoding.minimum == MinimumKind::zeroPoint;
  Choice choice =
      zeroPoint ? searchZeroPoint(group, encoding.bits) : searchSymmetric(group, encoding.bits);
  float scale = settle(group, encoding.scale, choice);
  int32_t zero = int32_t(-choice.range.low);
  to.scale[field] = scaleBits(encoding.scale, scale);
  if (zeroPoint)
    to.minimum[field] = zero;
  V inverse = splat(scale == 0 ? 0 : 1.0f / scale);
  V low = splat(choice.range.low), high = splat(choice.range.high);
  for (int64_t i = 0; i < count; ++i) {
    Bits code = __builtin_convertvector(nearest(group[i] * inverse, low, high), Bits) + zero;
    for (int j = 0; j < 4; ++j)
      codes[4 * i + j] = code[j];
  }
}

void Quantizer::e2m1(int64_t field) {
  int exponent = searchExponent(Values(values).take_front(count));
  to.scale[field] = exponent;
  V inverse = splat(exponent == 0 ? 0 : powerOfTwo(254 - exponent));
  for (int64_t i = 0; i < count; ++i) {
    Bits code;
    nearestE2M1(absolute(values[i]) * inverse, &code);
    Bits sign = (Bits)values[i] < 0 & code != 0; // there is no need of a negative zero
    code |= sign & 8;
    for (int j = 0; j < 4; ++j)
      codes[4 * i + j] = code[j];
  }
}

void Quantizer::e4m3(int64_t field) {
  Range bounds = extremes(Values(values).take_front(count));
  float extreme = std::max(-bounds.low, bounds.high);
  float scale = extreme < tiny ? 0 : extreme / 448.0f, inverse = scale == 0 ? 0 : 1.0f / scale;
  to.scale[field] = std::bit_cast<uint32_t>(scale);
  for (int64_t i = 0; i < 4 * count; ++i)
    codes[i] = e4m3OfFloat(values[i / 4][i % 4] * inverse);
}

bool Quantizer::group(const float *from, int64_t row, int64_t group) {
  int64_t width = to.groupColumns(), column = group * width;
  int64_t present = std::min(to.columns - column, width);
  count = (present + 3) / 4;
  values[count - 1] = V{};
  std::memcpy(values.data(), from + row * to.columns + column, present * sizeof(float));
  V zeros = splat(0); // not finite: the product with 0 is not 0
  for (V x : Values(values).take_front(count))
    zeros += x * splat(0);
  if (!(sum(zeros) == 0))
    return false;
  int64_t field = row * to.groups() + group;
  if (encoding.codes == CodeKind::linear)
    linear(field);
  else
    encoding.codes == CodeKind::e2m1 ? e2m1(field) : e4m3(field);
  std::memcpy(to.codes.data() + row * to.columns + column, codes.data(), present);
  return true;
}

int64_t kvasir::quantizeRows(const float *from, int64_t rows, int64_t columns,
                             const Encoding &encoding, EncodedRows &to) {
  to.resize(encoding, rows, columns);
  Quantizer quantizer(encoding, to);
  for (int64_t row = 0; row < rows; ++row)
    for (int64_t group = 0; group < to.groups(); ++group)
      if (!quantizer.group(from, row, group))
        return row;
  return -1;
}
