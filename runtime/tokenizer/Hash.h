// The hash functions of the tables in Tokenizer.fbs. Part of the artifact
// format: the compiler fills tables with them and the runtime probes, so they
// never change under one Table.version.
// SPDX-License-Identifier: Apache-2.0
// WITH LLVM-exception
#ifndef KVASIR_RUNTIME_TOKENIZER_HASH_H
#define KVASIR_RUNTIME_TOKENIZER_HASH_H

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace kvasir::rt::tokenizer {
static_assert(std::endian::native == std::endian::little,
              "tables are mapped as they are, little-endian");

constexpr uint32_t emptySlot = 0xffffffffu;
constexpr uint32_t tableVersion = 1;
/// No probe sequence is longer; the compiler picks a salt for which that holds.
constexpr uint32_t maxProbes = 256;

/// Both halves of the 128-bit product, folded.
inline uint64_t mixHash(uint64_t a, uint64_t b) {
  unsigned __int128 product = static_cast<unsigned __int128>(a) * b;
  return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
}

inline uint64_t hashText(std::string_view text, uint32_t salt) {
  constexpr uint64_t odd = 0x9e3779b97f4a7c15ull, other = 0xd6e8feb86659fd93ull;
  uint64_t state = (text.size() + 1) * odd ^ (uint64_t(salt) << 32 | salt);
  const char *at = text.data();
  size_t left = text.size();
  for (; left >= 8; at += 8, left -= 8) {
    uint64_t word;
    std::memcpy(&word, at, 8);
    state = mixHash(state ^ word ^ other, odd);
  }
  if (left) {
    uint64_t word = 0;
    std::memcpy(&word, at, left);
    state = mixHash(state ^ word ^ other, odd);
  }
  return mixHash(state ^ odd, other);
}

inline uint64_t hashPair(uint32_t left, uint32_t right, uint32_t salt) {
  constexpr uint64_t odd = 0x9e3779b97f4a7c15ull, other = 0xd6e8feb86659fd93ull;
  uint64_t pair = (uint64_t(left) << 32 | right) ^ other;
  return mixHash(mixHash(pair, odd) ^ salt, other);
}

/// Where probing starts in a table of `slots` slots.
inline size_t firstSlot(uint64_t hash, size_t slots) {
  return static_cast<size_t>((static_cast<unsigned __int128>(hash) * slots) >> 64);
}

} // namespace kvasir::rt::tokenizer

#endif // KVASIR_RUNTIME_TOKENIZER_HASH_H
