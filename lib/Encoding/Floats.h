// Conversions between f32 and the short floats of scales and codes. Rounding is to nearest even.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_LIB_ENCODING_FLOATS_H
#define KVASIR_LIB_ENCODING_FLOATS_H

#include <bit>
#include <cmath>
#include <cstdint>

namespace kvasir {

inline float floatOfF16(uint16_t half) {
  float sign = half & 0x8000 ? -1.0f : 1.0f;
  uint32_t exponent = half >> 10 & 31, mantissa = half & 0x3ff;
  if (exponent == 0)
    return sign * float(mantissa) * 0x1p-24f;
  uint32_t wide = exponent == 31 ? 255 : exponent + 112;
  return std::bit_cast<float>(uint32_t(half & 0x8000) << 16 | wide << 23 | mantissa << 13);
}

/// Finite values beyond the range become the largest finite one.
inline uint16_t f16OfFloat(float value) {
  uint32_t bits = std::bit_cast<uint32_t>(value);
  uint16_t sign = bits >> 16 & 0x8000;
  float magnitude = std::fabs(value);
  if (magnitude >= 65504.0f)
    return sign | 0x7bff;
  if (magnitude < 0x1p-14f) // multiples of 2^-24; 2^23 makes the addition round there
    return sign | uint16_t(std::bit_cast<uint32_t>(magnitude + 0.5f) - 0x3f000000u);
  uint32_t wide = bits & 0x7fffffff;
  wide += 0xfff + (wide >> 13 & 1);
  return sign | uint16_t((wide >> 13) - (112 << 10));
}

inline float floatOfBF16(uint16_t value) { return std::bit_cast<float>(uint32_t(value) << 16); }

inline uint16_t bf16OfFloat(float value) {
  uint32_t bits = std::bit_cast<uint32_t>(value);
  return (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
}

/// 2^(value - 128): half of the scale, which f32 can hold for all values. 255 is NaN (OCP
/// Microscaling Formats 1.0, 5.4.1).
inline float halfOfE8M0(uint8_t value) {
  if (value == 255)
    return std::bit_cast<float>(0x7fc00000u);
  return value < 2 ? std::bit_cast<float>(0x200000u << value)
                   : std::bit_cast<float>(uint32_t(value - 1) << 23);
}

inline float floatOfE4M3(uint8_t code) {
  uint32_t exponent = code >> 3 & 15, mantissa = code & 7;
  float magnitude = exponent == 0 ? float(mantissa) * 0x1p-9f
                                  : std::bit_cast<float>((exponent + 120) << 23 | mantissa << 20);
  if ((code & 127) == 127)
    magnitude = std::bit_cast<float>(0x7fc00000u);
  return code & 128 ? -magnitude : magnitude;
}

} // namespace kvasir

#endif // KVASIR_LIB_ENCODING_FLOATS_H
