// GGUF's blocks, taken apart into codes and fields. Numbers are little endian.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "kvasir/Encoding/Rows.h"

#include "llvm/Support/Endian.h"

#include <algorithm>
#include <cstring>

using namespace kvasir;
using llvm::support::endian::read16le;
using llvm::support::endian::read32le;

namespace {
/// Where the parts of one block go.
struct Target {
  uint8_t *codes;
  uint32_t *scale;
  uint16_t *minimum, *superScale, *superMinimum;
};

struct Kind {
  llvm::StringRef name;
  GgufBlock block;
  void (*read)(const uint8_t *from, const Target &to);
};
} // namespace

/// 16 bytes: low halves are columns 0 to 15, high halves columns 16 to 31.
static void nibbles32(const uint8_t *from, uint8_t *codes) {
  for (int i = 0; i < 16; ++i) {
    codes[i] = from[i] & 15;
    codes[i + 16] = from[i] >> 4;
  }
}

/// The fifth bit of 32 columns.
static void fifthBits(const uint8_t *from, uint8_t *codes) {
  uint32_t bits = read32le(from);
  for (int i = 0; i < 32; ++i)
    codes[i] |= (bits >> i & 1) << 4;
}

static void readQ4_0(const uint8_t *from, const Target &to) {
  to.scale[0] = read16le(from);
  nibbles32(from + 2, to.codes);
}

static void readQ4_1(const uint8_t *from, const Target &to) {
  to.scale[0] = read16le(from);
  to.minimum[0] = read16le(from + 2);
  nibbles32(from + 4, to.codes);
}

static void readQ5_0(const uint8_t *from, const Target &to) {
  to.scale[0] = read16le(from);
  nibbles32(from + 6, to.codes);
  fifthBits(from + 2, to.codes);
}

static void readQ5_1(const uint8_t *from, const Target &to) {
  to.scale[0] = read16le(from);
  to.minimum[0] = read16le(from + 2);
  nibbles32(from + 8, to.codes);
  fifthBits(from + 4, to.codes);
}

static void readQ8_0(const uint8_t *from, const Target &to) {
  to.scale[0] = read16le(from);
  for (int i = 0; i < 32; ++i)
    to.codes[i] = from[2 + i] ^ 128; // i8 + 128
}

static void readMXFP4(const uint8_t *from, const Target &to) {
  to.scale[0] = from[0];
  nibbles32(from + 1, to.codes);
}

/// Columns of 2-bit codes: byte l of 32 has columns l, l + 32, l + 64 and l + 96.
static void pairs128(const uint8_t *from, uint8_t *codes) {
  for (int i = 0; i < 128; ++i)
    codes[i] = from[i % 32] >> (i / 32 * 2) & 3;
}

static void readQ2_K(const uint8_t *from, const Target &to) {
  for (int g = 0; g < 16; ++g) {
    to.scale[g] = from[g] & 15;
    to.minimum[g] = from[g] >> 4;
  }
  pairs128(from + 16, to.codes);
  pairs128(from + 48, to.codes + 128);
  to.superScale[0] = read16le(from + 80);
  to.superMinimum[0] = read16le(from + 82);
}

static void readQ3_K(const uint8_t *from, const Target &to) {
  const uint8_t *high = from, *scales = from + 96;
  pairs128(from + 32, to.codes);
  pairs128(from + 64, to.codes + 128);
  for (int i = 0; i < 256; ++i)
    to.codes[i] |= (high[i % 32] >> (i / 32) & 1) << 2;
  for (int g = 0; g < 16; ++g) {
    int low = scales[g % 8] >> (g / 8 * 4) & 15, top = scales[8 + g % 4] >> (g / 4 * 2) & 3;
    to.scale[g] = uint8_t((low | top << 4) - 32);
  }
  to.superScale[0] = read16le(from + 108);
}

/// 8 scales and 8 minima of 6 bits each in 12 bytes.
static void scalesAndMinima(const uint8_t *from, const Target &to) {
  for (int g = 0; g < 4; ++g) {
    to.scale[g] = from[g] & 63;
    to.minimum[g] = from[4 + g] & 63;
    to.scale[4 + g] = (from[8 + g] & 15) | from[g] >> 6 << 4;
    to.minimum[4 + g] = from[8 + g] >> 4 | from[4 + g] >> 6 << 4;
  }
}

/// Groups of 64 columns: low halves of 32 bytes, then their high halves.
static void nibbles256(const uint8_t *from, uint8_t *codes) {
  for (int i = 0; i < 256; ++i)
    codes[i] = from[i / 64 * 32 + i % 32] >> (i / 32 % 2 * 4) & 15;
}

static void readQ4_K(const uint8_t *from, const Target &to) {
  to.superScale[0] = read16le(from);
  to.superMinimum[0] = read16le(from + 2);
  scalesAndMinima(from + 4, to);
  nibbles256(from + 16, to.codes);
}

static void readQ5_K(const uint8_t *from, const Target &to) {
  to.superScale[0] = read16le(from);
  to.superMinimum[0] = read16le(from + 2);
  scalesAndMinima(from + 4, to);
  nibbles256(from + 48, to.codes);
  for (int i = 0; i < 256; ++i)
    to.codes[i] |= (from[16 + i % 32] >> (i / 32) & 1) << 4;
}

static void readQ6_K(const uint8_t *from, const Target &to) {
  for (int i = 0; i < 256; ++i) {
    int half = i / 128, l = i % 128;
    int low = from[half * 64 + l % 64] >> (l / 64 * 4) & 15;
    int high = from[128 + half * 32 + l % 32] >> (l / 32 * 2) & 3;
    to.codes[i] = low | high << 4;
  }
  for (int g = 0; g < 16; ++g)
    to.scale[g] = from[192 + g];
  to.superScale[0] = read16le(from + 208);
}

static void readIQ4_XS(const uint8_t *from, const Target &to) {
  to.superScale[0] = read16le(from);
  uint32_t high = read16le(from + 2);
  for (int g = 0; g < 8; ++g) {
    int low = from[4 + g / 2] >> (g % 2 * 4) & 15;
    to.scale[g] = uint8_t((low | (high >> (2 * g) & 3) << 4) - 32);
    nibbles32(from + 8 + 16 * g, to.codes + 32 * g);
  }
}

static constexpr Kind kinds[] = {
    {"q4_0", {32, 18}, readQ4_0},   {"q4_1", {32, 20}, readQ4_1},
    {"q5_0", {32, 22}, readQ5_0},   {"q5_1", {32, 24}, readQ5_1},
    {"q8_0", {32, 34}, readQ8_0},   {"q2_k", {256, 84}, readQ2_K},
    {"q3_k", {256, 110}, readQ3_K}, {"q4_k", {256, 144}, readQ4_K},
    {"q5_k", {256, 176}, readQ5_K}, {"q6_k", {256, 210}, readQ6_K},
    {"iq4_nl", {32, 18}, readQ4_0}, {"iq4_xs", {256, 136}, readIQ4_XS},
    {"mxfp4", {32, 17}, readMXFP4},
};

static const Kind *findKind(const Encoding &encoding) {
  for (const Kind &kind : kinds)
    if (*parseEncoding(kind.name) == encoding)
      return &kind;
  return nullptr;
}

std::optional<GgufBlock> kvasir::ggufBlock(const Encoding &encoding) {
  const Kind *kind = findKind(encoding);
  return kind ? std::optional(kind->block) : std::nullopt;
}

void kvasir::readGgufRows(const uint8_t *from, int64_t rows, int64_t columns,
                          const Encoding &encoding, EncodedRows &to) {
  const Kind *kind = findKind(encoding);
  assert(kind && columns % kind->block.values == 0 && "blocks of GGUF");
  to.resize(encoding, rows, columns);
  int64_t groups = kind->block.values / encoding.group;
  auto at = [](auto &field, int64_t index) { // of a field that may be absent
    return field.empty() ? nullptr : field.data() + index;
  };
  for (int64_t i = 0; i < rows * columns / kind->block.values; ++i, from += kind->block.bytes)
    kind->read(from, {to.codes.data() + i * kind->block.values, at(to.scale, i * groups),
                      at(to.minimum, i * groups), at(to.superScale, i), at(to.superMinimum, i)});
}
