// Number formats of the machine: f16, bf16, tf32, E4M3, E5M2.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_RUNTIME_EMULATOR_NUMBERS_H
#define KVASIR_RUNTIME_EMULATOR_NUMBERS_H

#include <bit>
#include <cstdint>

namespace kvasir::emulator {

inline float asFloat(uint32_t bits) { return std::bit_cast<float>(bits); }
inline uint32_t asBits(float value) { return std::bit_cast<uint32_t>(value); }

/// Subnormal numbers to zero of the same sign.
inline float flush(float value) {
  return (asBits(value) & 0x7f800000) ? value : asFloat(asBits(value) & 0x80000000);
}

inline float fromHalf(uint16_t bits) { return float(std::bit_cast<_Float16>(bits)); }
inline uint16_t toHalf(float value) { return std::bit_cast<uint16_t>(_Float16(value)); }

/// OCP 8-bit floating point specification (2023): E4M3 has no infinity, 0x7f is NaN.
inline float fromE4M3(uint8_t bits) {
  uint32_t magnitude = bits & 0x7f, sign = uint32_t(bits >> 7) << 31;
  if (magnitude == 0x7f)
    return asFloat(sign | 0x7fc00000);
  // Exponent bias 7 against 127; subnormals are multiples of 2^-9.
  float value =
      magnitude < 8 ? float(magnitude) * 0x1p-9f : asFloat((magnitude + ((127 - 7) << 3)) << 20);
  return asFloat(sign | asBits(value));
}
/// E5M2 is the upper byte of an f16.
inline float fromE5M2(uint8_t bits) { return fromHalf(uint16_t(bits << 8)); }

/// Round to nearest even, or towards zero; NaN is 0x7fff as PTX has it.
uint16_t toBFloat(float value, bool towardsZero);
/// Round to nearest even, saturating to the largest finite number; NaN is 0x7f.
uint8_t toE4M3(float value);
uint8_t toE5M2(float value);

} // namespace kvasir::emulator

#endif // KVASIR_RUNTIME_EMULATOR_NUMBERS_H
