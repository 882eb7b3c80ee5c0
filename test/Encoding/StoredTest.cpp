// Codes, scales and zero points of quantized checkpoints, against the rules of each format written
// out value by value.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "kvasir/Encoding/Stored.h"

#include "gtest/gtest.h"

#include <cstring>
#include <random>

using namespace kvasir;

namespace {

/// A matrix, its plain rows, and its tensors.
struct Sample {
  StoredMatrix matrix;
  EncodedRows rows;
  std::vector<uint8_t> codes, scales, zeros;
};

/// Sets `bits` bits at `bit` of the i32 word `word`.
void put(std::vector<uint8_t> &tensor, int64_t word, int64_t bit, uint32_t value) {
  uint32_t bits;
  std::memcpy(&bits, tensor.data() + 4 * word, 4);
  bits |= value << bit;
  std::memcpy(tensor.data() + 4 * word, &bits, 4);
}

void putCodes(Sample &s) {
  int64_t n = s.matrix.rows, k = s.matrix.columns, bits = s.matrix.encoding.bits, per = 32 / bits;
  constexpr int awqOrder[] = {0, 2, 4, 6, 1, 3, 5, 7};
  for (int64_t r = 0; r < n; ++r)
    for (int64_t c = 0; c < k; ++c) {
      uint32_t code = s.rows.codes[r * k + c];
      switch (s.matrix.format) {
      case StoredFormat::gptq:
      case StoredFormat::gptqV2:
        put(s.codes, c / per * n + r, c % per * bits, code);
        break;
      case StoredFormat::awq:
        for (int i = 0; i < 8; ++i)
          if (awqOrder[i] == r % 8)
            put(s.codes, c * (n / 8) + r / 8, 4 * i, code);
        break;
      case StoredFormat::packed:
        put(s.codes, r * ((k + per - 1) / per) + c / per, c % per * bits, code);
        break;
      case StoredFormat::bytes:
        s.codes[r * k + c] = code - (s.matrix.encoding.codes == CodeKind::linear ? 128 : 0);
        break;
      case StoredFormat::mxfp4:
        s.codes[(r * k + c) / 2] |= code << (c % 2 * 4);
        break;
      case StoredFormat::gguf:
        break;
      }
    }
}

void putZeros(Sample &s) {
  int64_t n = s.matrix.rows, all = s.rows.groups(), bits = s.matrix.encoding.bits, per = 32 / bits;
  bool fixed = s.matrix.encoding.minimum == MinimumKind::none;
  constexpr int awqOrder[] = {0, 2, 4, 6, 1, 3, 5, 7};
  for (int64_t r = 0; r < n; ++r)
    for (int64_t g = 0; g < all; ++g) {
      uint32_t zero = fixed ? s.matrix.encoding.offset : s.rows.minimum[r * all + g];
      switch (s.matrix.format) {
      case StoredFormat::gptq:
      case StoredFormat::gptqV2:
        zero = (zero - (s.matrix.format == StoredFormat::gptq)) & ((1u << bits) - 1);
        put(s.zeros, g * (n / per) + r / per, r % per * bits, zero);
        break;
      case StoredFormat::awq:
        for (int i = 0; i < 8; ++i)
          if (awqOrder[i] == r % 8)
            put(s.zeros, g * (n / 8) + r / 8, 4 * i, zero);
        break;
      case StoredFormat::packed:
        put(s.zeros, r / per * all + g, r % per * bits, zero);
        break;
      default:
        break;
      }
    }
}

/// Scales of the encoding's own type, one for each row and group.
void putScales(Sample &s) {
  int64_t n = s.matrix.rows, all = s.rows.groups();
  int64_t bytes = s.matrix.scaleLines().lineBytes / s.matrix.scaleColumns;
  for (int64_t r = 0; r < n; ++r)
    for (int64_t g = 0; g < all; ++g) {
      int64_t at = s.matrix.isTransposed() ? g * n + r : r * all + g;
      std::memcpy(s.scales.data() + at * bytes, &s.rows.scale[r * all + g], bytes);
    }
}

Sample makeSample(StoredFormat format, const char *encoding, int64_t n, int64_t k, bool zeros) {
  Sample s;
  s.matrix.format = format;
  s.matrix.encoding = *parseEncoding(encoding);
  s.matrix.rows = n;
  s.matrix.columns = k;
  s.matrix.scaleType = s.matrix.encoding.scale;
  s.rows.resize(s.matrix.encoding, n, k);
  int64_t all = s.rows.groups();
  s.matrix.scaleRows = s.matrix.isTransposed() ? all : n;
  s.matrix.scaleColumns = s.matrix.isTransposed() ? n : all;
  s.matrix.zeros = zeros;
  EXPECT_EQ(s.matrix.problem(), "");
  std::mt19937 generator(n + k);
  uint32_t scaleMask = s.matrix.scaleType == ScaleKind::f32    ? ~0u
                       : s.matrix.scaleType == ScaleKind::e8m0 ? 0xff
                                                               : 0xffff;
  for (uint8_t &code : s.rows.codes)
    code = generator() & ((1u << s.matrix.encoding.bits) - 1);
  for (uint32_t &scale : s.rows.scale)
    scale = generator() & scaleMask;
  for (uint16_t &minimum : s.rows.minimum)
    minimum = generator() & 15;
  s.codes.resize(s.matrix.codeLines().lines * s.matrix.codeLines().lineBytes);
  s.scales.resize(s.matrix.scaleLines().lines * s.matrix.scaleLines().lineBytes);
  s.zeros.resize(s.matrix.zeroLines().lines * s.matrix.zeroLines().lineBytes);
  putCodes(s);
  putScales(s);
  if (zeros)
    putZeros(s);
  return s;
}

std::vector<uint8_t> cut(const std::vector<uint8_t> &tensor, StoredLines lines,
                         StoredWindow window) {
  std::vector<uint8_t> result;
  for (int64_t i = 0; i < window.lines; ++i) {
    auto start = tensor.begin() + (window.line + i) * lines.lineBytes + window.offset;
    result.insert(result.end(), start, start + window.bytes);
  }
  return result;
}

EncodedRows readRows(const Sample &s, int64_t row, int64_t count, int64_t *bad = nullptr) {
  const StoredMatrix &m = s.matrix;
  EncodedRows rows;
  int64_t found =
      readStoredRows(m, row, count, cut(s.codes, m.codeLines(), m.codeWindow(row, count)).data(),
                     cut(s.scales, m.scaleLines(), m.scaleWindow(row, count)).data(),
                     cut(s.zeros, m.zeroLines(), m.zeroWindow(row, count)).data(), rows);
  if (bad)
    *bad = found;
  else
    EXPECT_EQ(found, -1);
  return rows;
}

EncodedRows sliceRows(const EncodedRows &rows, int64_t row, int64_t count) {
  EncodedRows result;
  result.resize(rows.encoding, count, rows.columns);
  std::copy_n(rows.codes.begin() + row * rows.columns, result.codes.size(), result.codes.begin());
  std::copy_n(rows.scale.begin() + row * rows.groups(), result.scale.size(), result.scale.begin());
  if (!rows.minimum.empty())
    std::copy_n(rows.minimum.begin() + row * rows.groups(), result.minimum.size(),
                result.minimum.begin());
  return result;
}

struct Case {
  StoredFormat format;
  const char *encoding;
  int64_t rows, columns;
  bool zeros;
};

TEST(Stored, KeepsEverything) {
  for (const Case &c : {Case{StoredFormat::gptq, "int4-g128", 40, 256, true},
                        {StoredFormat::gptq, "int4-g32-asym", 40, 96, true},
                        {StoredFormat::gptqV2, "int4-g64-asym", 72, 192, true},
                        {StoredFormat::gptq, "int8-g128", 12, 256, true},
                        {StoredFormat::gptq, "int4-g32-asym-bf16", 16, 64, true},
                        {StoredFormat::awq, "int4-g128-asym", 40, 256, true},
                        {StoredFormat::awq, "int4-g64", 8, 64, true},
                        {StoredFormat::packed, "int4-g128-bf16", 33, 256, false},
                        {StoredFormat::packed, "int4-g32", 5, 50, false},
                        {StoredFormat::packed, "int4-g32-asym-bf16", 37, 64, true},
                        {StoredFormat::packed, "int8", 19, 30, false},
                        {StoredFormat::bytes, "int8", 33, 50, false},
                        {StoredFormat::bytes, "fp8-e4m3", 33, 50, false},
                        {StoredFormat::mxfp4, "mxfp4", 33, 96, false}}) {
    SCOPED_TRACE(testing::Message() << storedFormatName(c.format).str() << " " << c.encoding);
    Sample s = makeSample(c.format, c.encoding, c.rows, c.columns, c.zeros);
    EXPECT_TRUE(readRows(s, 0, c.rows) == s.rows);
    for (int64_t row : {1, 3})
      EXPECT_TRUE(readRows(s, row, c.rows - 4) == sliceRows(s.rows, row, c.rows - 4)) << row;
  }
}

/// One scale for all, for each row, for each tile of 128 x 128.
TEST(Stored, SharesScales) {
  for (const char *name : {"fp8-e4m3", "fp8-e4m3-g128"})
    for (int64_t tiles : {1, 3}) {
      Sample s;
      s.matrix.format = StoredFormat::bytes;
      s.matrix.encoding = *parseEncoding(name);
      s.matrix.rows = 300;
      s.matrix.columns = 200;
      s.matrix.scaleType = ScaleKind::f32;
      int64_t groups = s.matrix.encoding.group ? 2 : 1;
      s.matrix.scaleRows = tiles;
      s.matrix.scaleColumns = groups;
      ASSERT_EQ(s.matrix.problem(), "");
      s.codes.resize(300 * 200, 0x38);
      for (int64_t i = 0; i < tiles * groups; ++i) {
        float scale = float(i + 1);
        auto *bytes = reinterpret_cast<uint8_t *>(&scale);
        s.scales.insert(s.scales.end(), bytes, bytes + 4);
      }
      EncodedRows rows = readRows(s, 100, 180);
      std::vector<float> values(180 * 200);
      decodeRows(rows, values.data());
      for (int64_t r = 0; r < 180; ++r)
        for (int64_t c = 0; c < 200; ++c) {
          int64_t tile = tiles == 1 ? 0 : (100 + r) / 128, group = groups == 1 ? 0 : c / 128;
          ASSERT_EQ(values[r * 200 + c], float(tile * groups + group + 1)) << r << ", " << c;
        }
    }
}

TEST(Stored, WidensScales) {
  for (ScaleKind kind : {ScaleKind::f16, ScaleKind::bf16, ScaleKind::e8m0}) {
    Sample s = makeSample(StoredFormat::bytes, "int8", 2, 4, false);
    s.matrix.scaleType = kind;
    ASSERT_EQ(s.matrix.problem(), "");
    uint16_t bits[] = {uint16_t(kind == ScaleKind::f16 ? 0x3800 : 0x3f00),
                       uint16_t(kind == ScaleKind::f16 ? 0xc000 : 0xc000)};
    std::memcpy(s.scales.data(), bits, 4);
    if (kind == ScaleKind::e8m0) {
      s.scales[0] = 126;
      s.scales[1] = 130;
    }
    EncodedRows rows = readRows(s, 0, 2);
    EXPECT_EQ(std::bit_cast<float>(rows.scale[0]), 0.5f);
    EXPECT_EQ(std::bit_cast<float>(rows.scale[1]), kind == ScaleKind::e8m0 ? 8.0f : -2.0f);
  }
}

TEST(Stored, NoticesZeroPointsOfSymmetricCodes) {
  Sample s = makeSample(StoredFormat::gptq, "int4-g32", 40, 64, true);
  s.zeros[4 * (1 * 5 + 3)] ^= 3; // group 1, row 24
  int64_t bad = 0;
  readRows(s, 0, 40, &bad);
  EXPECT_EQ(bad, 24);
  readRows(s, 20, 20, &bad);
  EXPECT_EQ(bad, 4);
}

TEST(Stored, SaysWhatCannotBe) {
  auto problem = [](StoredFormat format, const char *encoding, int64_t n, int64_t k,
                    ScaleKind scale, int64_t scaleRows, int64_t scaleColumns, bool zeros) {
    return StoredMatrix{format, *parseEncoding(encoding), n, k, scale, scaleRows, scaleColumns,
                        zeros}
        .problem();
  };
  EXPECT_EQ(problem(StoredFormat::gptq, "q4_k", 32, 256, ScaleKind::f16, 1, 32, true),
            "q4_k is not what format gptq holds");
  EXPECT_EQ(problem(StoredFormat::gptq, "int4-g32", 32, 68, ScaleKind::f16, 3, 32, true),
            "expected multiples of 8 rows and columns, but got [32, 68]");
  EXPECT_EQ(problem(StoredFormat::awq, "int4-g32", 32, 64, ScaleKind::f16, 32, 2, true),
            "expected scales of shape [2, 32], but got [32, 2]");
  EXPECT_EQ(problem(StoredFormat::packed, "int4-g32", 32, 64, ScaleKind::bf16, 32, 2, false),
            "scales have another type than those of int4-g32");
  EXPECT_EQ(problem(StoredFormat::packed, "int4-g32-asym", 32, 64, ScaleKind::f16, 32, 2, false),
            "expected a tensor of zero points");
  EXPECT_EQ(problem(StoredFormat::bytes, "fp8-e4m3-g128", 300, 200, ScaleKind::f32, 2, 2, false),
            "expected scales of shape [300, 2] or [1, 2] or [3, 2], but got [2, 2]");
}

} // namespace
