// Quantizing: its errors on a normal distribution, and what happens at the edges.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "kvasir/Encoding/Rows.h"

#include "gtest/gtest.h"

#include <cmath>
#include <limits>
#include <random>

using namespace kvasir;

namespace {

std::vector<float> normalValues(size_t count, float deviation = 0.02f) {
  std::mt19937 generator(count);
  std::normal_distribution<float> normal(0, deviation);
  std::vector<float> values(count);
  for (float &value : values)
    value = normal(generator);
  return values;
}

/// Root of the mean square error over that of the values.
double relativeError(const std::vector<float> &values, int64_t rows, const Encoding &encoding) {
  EncodedRows encoded;
  EXPECT_EQ(quantizeRows(values.data(), rows, values.size() / rows, encoding, encoded), -1);
  std::vector<float> decoded(values.size());
  decodeRows(encoded, decoded.data());
  double error = 0, energy = 0;
  for (size_t i = 0; i < values.size(); ++i) {
    error += std::pow(double(values[i]) - decoded[i], 2);
    energy += std::pow(double(values[i]), 2);
  }
  return std::sqrt(error / energy);
}

TEST(Quantize, ErrorsOfANormalDistribution) {
  struct {
    const char *name;
    double most;
  } cases[] = {{"int8", 0.0086},
               {"int8-g32", 0.0051},
               {"int8-g128", 0.0065},
               {"int4-g32", 0.082},
               {"int4-g64", 0.091},
               {"int4-g128", 0.098},
               {"int4-g32-asym", 0.078},
               {"int4-g64-asym", 0.088},
               {"int4-g128-asym", 0.096},
               {"int4-g32-bf16", 0.082},
               {"int4-g128-asym-bf16", 0.096},
               {"fp8-e4m3", 0.027},
               {"fp8-e4m3-g128", 0.027},
               {"mxfp4", 0.112}};
  std::vector<float> values = normalValues(64 * 2048);
  for (auto &c : cases)
    EXPECT_LT(relativeError(values, 64, *parseEncoding(c.name)), c.most) << c.name;
}

TEST(Quantize, RaggedColumns) {
  for (llvm::StringRef name : quantizableEncodingNames())
    for (int64_t columns : {1, 3, 33, 172}) {
      std::vector<float> values = normalValues(5 * columns);
      EXPECT_LT(relativeError(values, 5, *parseEncoding(name)), 0.15) << name.str() << columns;
    }
}

TEST(Quantize, ZerosStayZero) {
  std::vector<float> values(3 * 96, 0.0f), decoded(values.size(), 1.0f);
  values[200] = 0.5f;
  for (llvm::StringRef name : quantizableEncodingNames()) {
    EncodedRows rows;
    ASSERT_EQ(quantizeRows(values.data(), 3, 96, *parseEncoding(name), rows), -1);
    decodeRows(rows, decoded.data());
    for (size_t i = 0; i < values.size(); ++i)
      EXPECT_NEAR(decoded[i], values[i], 0.002) << name.str() << " " << i;
  }
}

TEST(Quantize, NamesTheRowThatIsNotFinite) {
  for (float bad : {std::numeric_limits<float>::infinity(), std::nanf("")})
    for (llvm::StringRef name : quantizableEncodingNames()) {
      std::vector<float> values = normalValues(4 * 50);
      values[2 * 50 + 49] = bad;
      EncodedRows rows;
      EXPECT_EQ(quantizeRows(values.data(), 4, 50, *parseEncoding(name), rows), 2) << name.str();
    }
}

/// Values far from what f16 scales can hold do no harm: the closest there is.
TEST(Quantize, ExtremesStayFinite) {
  for (float deviation : {1e-38f, 1e-9f, 1e6f, 1e37f})
    for (llvm::StringRef name : quantizableEncodingNames()) {
      std::vector<float> values = normalValues(256, deviation), decoded(256);
      EncodedRows rows;
      ASSERT_EQ(quantizeRows(values.data(), 2, 128, *parseEncoding(name), rows), -1);
      decodeRows(rows, decoded.data());
      for (size_t i = 0; i < values.size(); ++i) {
        ASSERT_TRUE(std::isfinite(decoded[i])) << name.str();
        ASSERT_LE(std::fabs(decoded[i]), 8 * deviation) << name.str();
      }
    }
}

/// What 8-bit floats can hold is kept: every finite code comes back.
TEST(Quantize, KeepsFloats8) {
  Encoding encoding = *parseEncoding("fp8-e4m3");
  EncodedRows rows, back;
  rows.resize(encoding, 1, 254);
  for (int i = 0; i < 254; ++i)
    rows.codes[i] = i < 127 ? i : i + 1; // without the two NaNs
  rows.scale[0] = std::bit_cast<uint32_t>(0.25f);
  std::vector<float> values(254);
  decodeRows(rows, values.data());
  EXPECT_EQ(values[126], 112.0f); // 448 / 4
  EXPECT_EQ(values[1], 0.25f / 512);
  ASSERT_EQ(quantizeRows(values.data(), 1, 254, encoding, back), -1);
  EXPECT_TRUE(back == rows);
}

/// Values on the grid of MXFP4 are kept.
TEST(Quantize, KeepsMXFP4) {
  Encoding encoding = *parseEncoding("mxfp4");
  EncodedRows rows, back;
  rows.resize(encoding, 1, 32);
  for (int i = 0; i < 32; ++i)
    rows.codes[i] = i % 16 == 8 ? 0 : i % 16; // no negative zero
  rows.scale[0] = 120;
  std::vector<float> values(32);
  decodeRows(rows, values.data());
  EXPECT_EQ(values[7], 6.0f / 128);
  ASSERT_EQ(quantizeRows(values.data(), 1, 32, encoding, back), -1);
  EXPECT_TRUE(back == rows);
}

} // namespace
