// Counter-based random numbers (Philox 4x32, 10 rounds): a function of seed and
// index, no state.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_RUNTIME_SAMPLING_RANDOM_H
#define KVASIR_RUNTIME_SAMPLING_RANDOM_H

#include <array>
#include <cstdint>

namespace kvasir::rt {

/// One Philox block. Reference: Salmon et al., Parallel random numbers: as easy
/// as 1, 2, 3 (2011).
inline std::array<uint32_t, 4> philox(std::array<uint32_t, 4> counter,
                                      std::array<uint32_t, 2> key) {
  for (int round = 0; round < 10; ++round) {
    uint64_t a = uint64_t(0xD2511F53u) * counter[0];
    uint64_t b = uint64_t(0xCD9E8D57u) * counter[2];
    counter = {uint32_t(b >> 32) ^ counter[1] ^ key[0], uint32_t(b),
               uint32_t(a >> 32) ^ counter[3] ^ key[1], uint32_t(a)};
    key[0] += 0x9E3779B9u;
    key[1] += 0xBB67AE85u;
  }
  return counter;
}

/// Uniform in [0, 1), a multiple of 2^-53.
inline double uniform(uint64_t seed, uint64_t index) {
  std::array<uint32_t, 4> bits = philox({uint32_t(index), uint32_t(index >> 32), 0, 0},
                                        {uint32_t(seed), uint32_t(seed >> 32)});
  uint64_t word = (uint64_t(bits[1]) << 32) | bits[0];
  return static_cast<double>(word >> 11) * 0x1p-53;
}

} // namespace kvasir::rt

#endif // KVASIR_RUNTIME_SAMPLING_RANDOM_H
