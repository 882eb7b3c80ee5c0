// The packing kernels against the obvious loops, on every residue of rows and
// columns. SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "Pack.h"

#include "gtest/gtest.h"

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
