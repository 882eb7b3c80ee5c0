// Conversions and approximations of functions, each in double precision and rounded once: results
// are ours, within the errors that the PTX ISA manual states for the hardware's.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "emulator/Numbers.h"

namespace kvasir::emulator {

uint16_t toBFloat(float value, bool towardsZero) {
  uint32_t bits = asBits(value);
  if (value != value)
    return 0x7fff;
  if (!towardsZero)
    bits += 0x7fff + (bits >> 16 & 1); // to infinity where it must
  return uint16_t(bits >> 16);
}

/// 8 bits, `mantissa` of them the mantissa, `largest` the code of the largest finite number.
static uint8_t toEight(float value, int mantissa, int bias, uint32_t largest) {
  if (value != value)
    return 0x7f;
  uint32_t sign = asBits(value) >> 31 << 7;
  float magnitude = __builtin_fabsf(value);
  // Below the smallest normal number the step is that of the subnormals.
  int exponent = int(asBits(magnitude) >> 23) - 127;
  if (exponent < 1 - bias)
    exponent = 1 - bias;
  if (exponent > 30)
    return uint8_t(sign | largest);
  // magnitude / step, a small number, rounded to nearest even.
  float scaled = magnitude * asFloat(uint32_t(127 - exponent + mantissa) << 23);
  uint32_t steps = uint32_t(__builtin_nearbyintf(scaled));
  uint32_t code = (uint32_t(exponent + bias - 1) << mantissa) + steps;
  return uint8_t(sign | (code > largest ? largest : code));
}

uint8_t toE4M3(float value) { return toEight(value, 3, 7, 0x7e); }
uint8_t toE5M2(float value) { return toEight(value, 2, 15, 0x7b); }

/// Ties away from zero: cvt.rna.tf32.f32.
static uint32_t toTF32(float value) {
  if (value != value)
    return 0x7fffffff;
  uint32_t bits = asBits(value);
  return __builtin_isinf(value) ? bits : (bits + 0x1000) & 0xffffe000;
}

//===----------------------------------------------------------------------===//
// Functions
//===----------------------------------------------------------------------===//

/// 2^n for n in [-1022, 1023].
static double powerOfTwo(int n) { return std::bit_cast<double>(uint64_t(n + 1023) << 52); }

static double exp2Of(double x) {
  if (x != x)
    return x;
  if (x > 1000)
    return __builtin_inf();
  if (x < -1000)
    return 0;
  double whole = __builtin_rint(x), f = (x - whole) * 0x1.62e42fefa39efp-1; // ln 2
  double sum = 1; // Taylor: |f| <= 0.35, the 13th term is below 2^-52
  for (int i = 13; i > 0; --i)
    sum = 1 + sum * f / i;
  return sum * powerOfTwo(int(whole));
}

static double log2Of(double x) {
  if (x != x || x < 0)
    return __builtin_nan("");
  if (x == 0)
    return -__builtin_inf();
  if (__builtin_isinf(x))
    return x;
  uint64_t bits = std::bit_cast<uint64_t>(x); // never subnormal: it was a float
  int exponent = int(bits >> 52) - 1023;
  double m = std::bit_cast<double>((bits & ((uint64_t(1) << 52) - 1)) | uint64_t(1023) << 52);
  if (m > 0x1.6a09e667f3bcdp+0) { // sqrt 2
    m /= 2;
    ++exponent;
  }
  double s = (m - 1) / (m + 1), sum = 0; // |s| <= 0.172
  for (int i = 23; i > 0; i -= 2)
    sum = sum * s * s + 1.0 / i;
  return exponent + sum * s * 2 * 0x1.71547652b82fep+0; // 1 / ln 2
}

/// sin(x + quarters * pi / 2).
static double sineOf(double x, int64_t quarters) {
  if (!(__builtin_fabs(x) < 0x1p30))
    return __builtin_nan("");
  double n = __builtin_rint(x * 0x1.45f306dc9c883p-1); // 2 / pi
  // pi / 2 in three parts, so that n times a part is exact.
  double r = x - n * 0x1.921fb544p+0;
  r = r - n * 0x1.0b4611a6p-34;
  r = r - n * 0x1.3198a2e037073p-69;
  quarters += int64_t(n);
  double square = r * r, sine = 0, cosine = 0;
  for (int i = 19; i > 1; i -= 2) {
    sine = -(sine + 1) * square / (i * (i - 1));
    cosine = -(cosine + 1) * square / ((i - 1) * (i - 2 > 0 ? i - 2 : 1));
  }
  double value = quarters & 1 ? 1 + cosine : r * (1 + sine);
  return quarters & 2 ? -value : value;
}

template <float (*function)(float)> static float flushing(float x) {
  return flush(function(flush(x)));
}

} // namespace kvasir::emulator

using namespace kvasir::emulator;

extern "C" {

float kvasir_emu_ex2(float x) { return float(exp2Of(x)); }
float kvasir_emu_lg2(float x) { return float(log2Of(x)); }
float kvasir_emu_sin(float x) { return float(sineOf(x, 0)); }
float kvasir_emu_cos(float x) { return float(sineOf(x, 1)); }
float kvasir_emu_rcp(float x) { return float(1.0 / double(x)); }
float kvasir_emu_rsqrt(float x) { return float(1.0 / __builtin_sqrt(double(x))); }
float kvasir_emu_sqrt(float x) { return __builtin_sqrtf(x); }
float kvasir_emu_ex2_ftz(float x) { return flushing<kvasir_emu_ex2>(x); }
float kvasir_emu_lg2_ftz(float x) { return flushing<kvasir_emu_lg2>(x); }
float kvasir_emu_sin_ftz(float x) { return flushing<kvasir_emu_sin>(x); }
float kvasir_emu_cos_ftz(float x) { return flushing<kvasir_emu_cos>(x); }
float kvasir_emu_rcp_ftz(float x) { return flushing<kvasir_emu_rcp>(x); }
float kvasir_emu_rsqrt_ftz(float x) { return flushing<kvasir_emu_rsqrt>(x); }
float kvasir_emu_sqrt_ftz(float x) { return flushing<kvasir_emu_sqrt>(x); }

uint32_t kvasir_emu_to_tf32(float x) { return toTF32(x); }
uint32_t kvasir_emu_to_bf16(float x, uint32_t towardsZero) { return toBFloat(x, towardsZero); }
uint32_t kvasir_emu_to_e4m3(float x) { return toE4M3(x); }
uint32_t kvasir_emu_to_e5m2(float x) { return toE5M2(x); }
float kvasir_emu_from_e4m3(uint32_t x) { return fromE4M3(uint8_t(x)); }
float kvasir_emu_from_e5m2(uint32_t x) { return fromE5M2(uint8_t(x)); }

/// prmt, by mode (PTX ISA).
uint32_t kvasir_emu_permute(uint32_t mode, uint32_t low, uint32_t high, uint32_t selector) {
  uint64_t pool = low | uint64_t(high) << 32;
  auto byte = [&](uint32_t i) { return uint32_t(pool >> (8 * (i & 7)) & 0xff); };
  uint32_t s = selector & 3, result = 0;
  for (uint32_t i = 0; i < 4; ++i) {
    uint32_t from[] = {selector >> (4 * i) & 7, s + i,         s + 8 - i,          s,
                       i > s ? i : s,           i < s ? i : s, (s & 1) * 2 + i % 2};
    uint32_t value = byte(from[mode]);
    if (mode == 0 && (selector >> (4 * i) & 8)) // the sign of the byte, replicated
      value = value & 0x80 ? 0xff : 0;
    result |= value << (8 * i);
  }
  return result;
}

/// What the code generator calls to round to bf16. A bf16 is returned in the lowest 16 bits of a
/// vector register; a function that returned one by its type would call itself. The name is the
/// code generator's.
// NOLINTNEXTLINE(bugprone-reserved-identifier)
float __truncsfbf2(float x) { return asFloat(toBFloat(x, false)); }

} // extern "C"
