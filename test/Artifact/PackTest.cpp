// The packing kernels against the obvious loops, on every residue of rows and
// columns.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "Pack.h"

#include "kvasir/Encoding/Mma16.h"

#include "gtest/gtest.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <random>
#include <vector>

using namespace kvasir;

namespace {

template <class Element> std::vector<Element> randomValues(size_t count) {
  std::mt19937 generator(count);
  std::vector<Element> values(count);
  for (Element &value : values)
    value = generator() | 1; // not zero, which is what missing rows have
  return values;
}

template <class Element> void checkShape(size_t rows, size_t columns) {
  SCOPED_TRACE(testing::Message() << rows << " x " << columns);
  size_t panels = (rows + 15) / 16;
  auto values = randomValues<Element>(rows * columns);
  std::vector<Element> flipped(rows * columns), back(rows * columns);
  transpose(flipped.data(), values.data(), columns, rows, sizeof(Element));
  transpose(back.data(), flipped.data(), rows, columns, sizeof(Element));
  EXPECT_EQ(values, back);

  std::vector<Element> packed(panels * columns * 16, 7), other(packed);
  packPanels(packed.data(), values.data(), rows, columns, sizeof(Element));
  packPanelsTransposed(other.data(), flipped.data(), rows, columns, sizeof(Element));
  EXPECT_EQ(packed, other);
  size_t wrong = 0;
  for (size_t row = 0; row < panels * 16; ++row)
    for (size_t column = 0; column < columns; ++column) {
      Element expected = row < rows ? values[row * columns + column] : 0;
      wrong += packed[(row / 16 * columns + column) * 16 + row % 16] != expected;
      wrong += row < rows && flipped[column * rows + row] != expected;
    }
  EXPECT_EQ(wrong, 0u);
}

TEST(Pack, EveryShape) {
  for (size_t rows : {1, 3, 4, 7, 8, 9, 15, 16, 17, 31, 33, 64, 65, 130})
    for (size_t columns : {1, 2, 4, 5, 8, 12, 15, 16, 33, 96}) {
      checkShape<uint16_t>(rows, columns);
      checkShape<uint32_t>(rows, columns);
    }
}

uint32_t bitsOf(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof(bits));
  return bits;
}

/// Values of 2 bytes: every one at its place, zeros elsewhere; the same from the transposed.
void checkTiles(size_t rows, size_t columns) {
  SCOPED_TRACE(testing::Message() << rows << " x " << columns);
  size_t bands = (rows + 15) / 16, tiles = (columns + 31) / 32;
  auto values = randomValues<uint16_t>(rows * columns);
  std::vector<uint16_t> flipped(values.size()), packed(bands * tiles * 512, 7), other(packed);
  transpose(flipped.data(), values.data(), columns, rows, 2);
  packMma16(packed.data(), values.data(), {rows, columns, 2, false});
  packMma16(other.data(), flipped.data(), {rows, columns, 2, true});
  EXPECT_EQ(packed, other);
  size_t wrong = 0;
  for (size_t row = 0; row < bands * 16; ++row)
    for (size_t column = 0; column < tiles * 32; ++column) {
      bool there = row < rows && column < columns;
      size_t tile = row / 16 * tiles + column / 32;
      wrong += packed[tile * 512 + Mma16::place(row % 16, column % 32)] !=
               (there ? values[row * columns + column] : 0);
    }
  EXPECT_EQ(wrong, 0u);
}

TEST(Pack, TilesOfEveryShape) {
  for (size_t rows : {1, 8, 15, 16, 17, 33})
    for (size_t columns : {1, 4, 8, 31, 32, 33, 64, 172})
      checkTiles(rows, columns);
}

/// The fragments of mma.m16n8k16 as the PTX ISA has them (row and column of value i of a lane),
/// with the columns that Mma16 gives to the instruction's.
TEST(Pack, TilesAreFragments) {
  std::vector<bool> seen(512);
  for (int64_t f = 0; f < 2; ++f)
    for (int64_t lane = 0; lane < 32; ++lane)
      for (int64_t i = 0; i < 8; ++i) {
        bool above = i < 2 || (i >= 4 && i < 6);
        int64_t row = lane / 4 + (above ? 0 : 8);
        int64_t k = lane % 4 * 2 + i % 2 + (i >= 4 ? 8 : 0);
        int64_t column = k % 8 / 2 * 8 + 4 * f + k / 8 * 2 + k % 2;
        int64_t place = (f * 32 + lane) * 8 + i;
        EXPECT_EQ(Mma16::place(row, column), place);
        seen[place] = true;
      }
  EXPECT_EQ(std::count(seen.begin(), seen.end(), true), 512);
}

TEST(Pack, TilesOfF32AreTwoParts) {
  std::vector<float> values;
  for (float value : {1.0f, 0.1f, -3.14159265f, 1e-30f, 65519.0f, INFINITY, NAN, -0.0f})
    values.push_back(value);
  std::vector<uint16_t> packed(1024);
  packMma16(packed.data(), values.data(), {1, values.size(), 4, false});
  for (size_t i = 0; i < values.size(); ++i) {
    float parts[2];
    for (size_t part = 0; part < 2; ++part) {
      uint32_t bits = uint32_t(packed[part * 512 + Mma16::place(0, i)]) << 16;
      std::memcpy(&parts[part], &bits, 4);
    }
    float sum = parts[0] + parts[1];
    if (std::isnan(values[i]))
      EXPECT_TRUE(std::isnan(sum));
    else if (std::isinf(values[i]))
      EXPECT_EQ(sum, values[i]);
    else
      EXPECT_LE(std::abs(sum - values[i]), std::abs(values[i]) * 0x1p-16f);
  }
}

TEST(Pack, WidensEveryF16) {
  std::vector<uint16_t> halves(65536);
  for (size_t i = 0; i < halves.size(); ++i)
    halves[i] = i;
  std::vector<float> wide(halves.size());
  widenF16(wide.data(), halves.data(), halves.size());
  for (size_t i = 0; i < halves.size(); ++i) {
    int exponent = i >> 10 & 31, mantissa = i & 1023;
    double magnitude =
        exponent == 0 ? std::ldexp(mantissa, -24) : std::ldexp(1024 + mantissa, exponent - 25);
    if (exponent == 31) {
      EXPECT_EQ(bitsOf(wide[i]), uint32_t(i >> 15) << 31 | 0x7f800000u | uint32_t(mantissa) << 13);
      continue;
    }
    ASSERT_EQ(bitsOf(wide[i]), bitsOf(i & 0x8000 ? -magnitude : magnitude));
  }
}

TEST(Pack, WidensBF16) {
  uint16_t values[] = {0x3f80, 0x8000, 0x7fc1, 0x0001};
  float wide[4];
  widenBF16(wide, values, 4);
  for (int i = 0; i < 4; ++i)
    EXPECT_EQ(bitsOf(wide[i]), uint32_t(values[i]) << 16);
}

} // namespace
