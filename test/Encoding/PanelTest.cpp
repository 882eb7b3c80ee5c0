// Layout panel32 keeps every bit, and puts it where Encoding.h says.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "kvasir/Encoding/Rows.h"

#include "gtest/gtest.h"

#include <random>

using namespace kvasir;

namespace {

EncodedRows randomRows(const Encoding &encoding, int64_t rows, int64_t columns) {
  std::mt19937 generator(rows * 1000 + columns);
  EncodedRows result;
  result.resize(encoding, rows, columns);
  Panel32 panel(encoding, columns);
  auto fill = [&](auto &values, int64_t bits) {
    for (auto &value : values)
      value = bits == 0 ? 0 : generator() >> (32 - bits);
  };
  fill(result.codes, encoding.bits);
  fill(result.scale, 8 * panel.scale.bytes);
  fill(result.minimum, 8 * panel.minimum.bytes);
  fill(result.superScale, 16);
  fill(result.superMinimum, 16);
  return result;
}

constexpr int64_t rowCounts[] = {1, 15, 16, 17, 31, 32, 33, 64, 70};
constexpr int64_t columnCounts[] = {1, 4, 31, 32, 33, 64, 100, 128, 172, 256, 288, 512, 700};

TEST(Panel, UnpacksWhatWasPacked) {
  for (llvm::StringRef name : encodingNames())
    for (int64_t n : rowCounts)
      for (int64_t k : columnCounts) {
        SCOPED_TRACE(testing::Message() << name.str() << " " << n << " x " << k);
        EncodedRows rows = randomRows(*parseEncoding(name), n, k), back;
        std::vector<uint8_t> bytes(Panel32(rows.encoding, k).bytes(n), 0xa5);
        packPanel32(rows, bytes.data());
        unpackPanel32(bytes.data(), n, k, rows.encoding, back);
        ASSERT_TRUE(back == rows);
      }
}

/// The code of a row and column, by the words of Encoding.h.
unsigned codeAt(const std::vector<uint8_t> &bytes, const Panel32 &panel, int bits, int64_t row,
                int64_t column) {
  int64_t block = column / panel.blockColumns, inBlock = column % panel.blockColumns;
  const uint8_t *piece = bytes.data() + row / 32 * panel.unitBytes + panel.blockOffset(block) +
                         panel.fieldBytes + inBlock / 32 * panel.pieceBytes +
                         row % 32 / 16 * (panel.pieceBytes / 2);
  unsigned code = 0;
  for (const CodePlane &plane : codePlanes(bits)) {
    for (int line = 0; line < plane.lines; ++line)
      for (int byte = 0; byte < 64; ++byte)
        for (int i = 0; i < 8 / plane.bits; ++i)
          if (byte / 4 == row % 16 && 4 * (line * 8 / plane.bits + i) + byte % 4 == column % 32)
            code |= (piece[64 * line + byte] >> (i * plane.bits) & ((1 << plane.bits) - 1))
                    << plane.shift;
    piece += 64 * plane.lines;
  }
  return code;
}

TEST(Panel, PutsCodesInTheirPlaces) {
  for (const char *name : {"q2_k", "q3_k", "int4-g64", "q5_0", "q6_k", "int8"}) {
    SCOPED_TRACE(name);
    EncodedRows rows = randomRows(*parseEncoding(name), 37, 300);
    Panel32 panel(rows.encoding, 300);
    std::vector<uint8_t> bytes(panel.bytes(37));
    packPanel32(rows, bytes.data());
    for (int64_t r = 0; r < 64; ++r)
      for (int64_t c = 0; c < panel.paddedColumns; ++c)
        ASSERT_EQ(codeAt(bytes, panel, rows.encoding.bits, r, c),
                  r < 37 && c < 300 ? rows.codes[r * 300 + c] : 0u)
            << r << ", " << c;
  }
}

TEST(Panel, PutsFieldsInTheirPlaces) {
  EncodedRows rows = randomRows(*parseEncoding("q4_k"), 40, 512);
  Panel32 panel(rows.encoding, 512);
  std::vector<uint8_t> bytes(panel.bytes(40));
  packPanel32(rows, bytes.data());
  for (int64_t r = 0; r < 40; ++r)
    for (int64_t g = 0; g < 16; ++g) {
      const uint8_t *block = bytes.data() + r / 32 * panel.unitBytes + panel.blockOffset(g / 8);
      EXPECT_EQ(block[panel.scale.offset + g % 8 * 32 + r % 32], rows.scale[r * 16 + g]);
      EXPECT_EQ(block[panel.minimum.offset + g % 8 * 32 + r % 32], rows.minimum[r * 16 + g]);
      const uint8_t *half = block + panel.superScale.offset + 2 * (r % 32);
      EXPECT_EQ(half[0] | half[1] << 8, rows.superScale[r * 2 + g / 8]);
    }
}

} // namespace
