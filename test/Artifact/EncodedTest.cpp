// Encoded weights in artifacts: quantized from floats, taken over from GGUF's blocks, in panels and
// decoded, with slices and interleaved heads.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "Fixture.h"
#include "kvasir/Encoding/Rows.h"

using namespace kvasir;
using namespace kvasir::test;
using namespace kvasir::artifact;

namespace {

struct Case {
  const char *encoding;
  const char *source; ///< element type of the source; "encoded": as the weight
  int64_t rows, columns, extra = 0, row = 0, interleaved = 0;
  bool transpose = false;
};

class EncodedTest : public ArtifactTest {
protected:
  std::string shape(const Case &c, int64_t rows, int64_t columns, bool stored) {
    std::string element = "!llm.encoded<\"" + std::string(c.encoding) + "\">";
    if (stored && c.source != std::string("encoded"))
      element = c.source;
    return std::to_string(rows) + "x" + std::to_string(columns) + "x" + element;
  }

  mlir::OwningOpRef<mlir::ModuleOp> moduleWith(const Case &c, const std::string &layout) {
    std::string type = "!llm.weight<" + shape(c, c.rows, c.columns, false) + ">";
    int64_t stored = c.rows + c.extra;
    std::string text =
        "llm.weight @w : " + type +
        " from #llm.source<file = \"w.bin\", offset = 8, stored = tensor<" +
        (c.transpose ? shape(c, c.columns, stored, true) : shape(c, stored, c.columns, true)) +
        ">, transpose = " + (c.transpose ? "true" : "false") + ", row = " + std::to_string(c.row) +
        ", interleaved = " + std::to_string(c.interleaved) + "> layout <" + layout + ">\n";
    return parse(moduleOf(text, {{"w", type}}));
  }

  /// Makes the source; returns what its rows are, in their order there.
  EncodedRows makeSource(const Case &c) {
    Encoding encoding = *parseEncoding(c.encoding);
    int64_t rows = c.rows + c.extra;
    EncodedRows result;
    if (c.source == std::string("encoded")) {
      GgufBlock block = *ggufBlock(encoding);
      std::string bytes = randomBytes(rows * c.columns / block.values * block.bytes, c.rows);
      writeFile(directory / "model" / "w.bin", std::string(8, 'x') + bytes);
      readGgufRows(reinterpret_cast<const uint8_t *>(bytes.data()), rows, c.columns, encoding,
                   result);
      return result;
    }
    std::mt19937 generator(c.rows);
    std::normal_distribution<float> normal(0, 0.02f);
    std::vector<float> values(rows * c.columns);
    for (float &value : values) // exact in f16 and bf16
      value = std::round(normal(generator) * 1024) / 1024;
    EXPECT_EQ(quantizeRows(values.data(), rows, c.columns, encoding, result), -1);
    writeFile(directory / "model" / "w.bin", std::string(8, 'x') + stored(c, values));
    return result;
  }

  /// The bytes of floats in the source's type and order.
  std::string stored(const Case &c, const std::vector<float> &values) {
    std::string bytes;
    int64_t rows = c.rows + c.extra;
    for (int64_t i = 0; i < rows * c.columns; ++i) {
      float value = values[c.transpose ? i % rows * c.columns + i / rows : i];
      _Float16 half = static_cast<_Float16>(value);
      if (c.source == std::string("f16"))
        bytes.append(reinterpret_cast<char *>(&half), 2);
      else if (c.source == std::string("bf16"))
        bytes.append(reinterpret_cast<char *>(&value) + 2, 2);
      else
        bytes.append(reinterpret_cast<char *>(&value), 4);
    }
    return bytes;
  }

  /// The rows of the weight, out of those of the source.
  EncodedRows select(const Case &c, const EncodedRows &source) {
    EncodedRows result;
    result.resize(source.encoding, c.rows, c.columns);
    auto copyRow = [](auto &to, int64_t row, const auto &from, int64_t fromRow, int64_t count) {
      if (!to.empty())
        std::copy_n(from.begin() + fromRow * count, count, to.begin() + row * count);
    };
    for (int64_t row = 0; row < c.rows; ++row) {
      int64_t from = c.row + row;
      if (int64_t d = c.interleaved)
        for (int64_t p = 0; p < 2; ++p)
          for (int64_t i = 0; i < d / 2; ++i)
            if (row % d == p * d / 2 + i)
              from = c.row + row / d * d + 2 * i + p;
      copyRow(result.codes, row, source.codes, from, c.columns);
      copyRow(result.scale, row, source.scale, from, source.groups());
      copyRow(result.minimum, row, source.minimum, from, source.groups());
      copyRow(result.superScale, row, source.superScale, from, source.superBlocks());
      copyRow(result.superMinimum, row, source.superMinimum, from, source.superBlocks());
    }
    return result;
  }

  void check(const Case &c) {
    SCOPED_TRACE(testing::Message()
                 << c.encoding << " of " << c.source << " " << c.rows << "x" << c.columns
                 << (c.transpose ? " transposed" : "") << (c.interleaved ? " interleaved" : ""));
    EncodedRows expected = select(c, makeSource(c)), unpacked;
    auto module = moduleWith(c, "panel32");
    ASSERT_TRUE(module);
    ASSERT_EQ(write(*module), "");
    std::string file = readFile(output());
    const Weight &weight = *moduleOfFile(file)->weights()->Get(0);
    Panel32 panel(expected.encoding, c.columns);
    EXPECT_EQ(weight.type(), ElementType::encoded);
    EXPECT_EQ(weight.encoding()->str(), expected.encoding.name());
    EXPECT_EQ(weight.unit_bytes(), uint64_t(panel.unitBytes));
    std::string bytes = weightBytes(file, weight);
    ASSERT_EQ(bytes.size(), size_t(panel.bytes(c.rows)));
    unpackPanel32(reinterpret_cast<const uint8_t *>(bytes.data()), c.rows, c.columns,
                  expected.encoding, unpacked);
    EXPECT_TRUE(unpacked == expected);

    module = moduleWith(c, "row_major");
    ASSERT_EQ(write(*module), "");
    file = readFile(output());
    const Weight &plain = *moduleOfFile(file)->weights()->Get(0);
    EXPECT_EQ(plain.type(), ElementType::f32);
    EXPECT_EQ(plain.encoding(), nullptr);
    std::vector<float> decoded(c.rows * c.columns);
    decodeRows(expected, decoded.data());
    EXPECT_EQ(weightBytes(file, plain),
              std::string(reinterpret_cast<char *>(decoded.data()), decoded.size() * 4));
  }
};

TEST_F(EncodedTest, QuantizesFloats) {
  for (llvm::StringRef name : quantizableEncodingNames())
    check({name.data(), "f32", 70, 172});
  for (const char *type : {"f32", "f16", "bf16"})
    for (bool transpose : {false, true}) {
      check({"int4-g32", type, 40, 96, 0, 0, 0, transpose});
      check({"int4-g64-asym", type, 33, 100, 9, 5, 0, transpose});
    }
}

TEST_F(EncodedTest, KeepsGguf) {
  for (llvm::StringRef name : encodingNames())
    if (ggufBlock(*parseEncoding(name))) {
      check({name.data(), "encoded", 50, 512});
      check({name.data(), "encoded", 33, 256, 12, 7});
    }
}

TEST_F(EncodedTest, PutsInterleavedHeadsInOrder) {
  check({"int4-g32", "encoded", 64, 64, 64, 32, 16});
  check({"q6_k", "encoded", 96, 256, 0, 0, 96});
  check({"int8-g32", "bf16", 96, 64, 32, 16, 16});
}

/// Many chunks on several threads, and on one: the same bytes.
TEST_F(EncodedTest, SameBytesEachTime) {
  Case c{"int4-g128", "bf16", 2000, 1100};
  makeSource(c);
  auto module = moduleWith(c, "panel32");
  options.threads = 4;
  ASSERT_EQ(write(*module), "");
  std::string first = readFile(output());
  options.memoryCap = 1;
  ASSERT_EQ(write(*module), "");
  EXPECT_EQ(first, readFile(output()));
  check(c);
}

TEST_F(EncodedTest, InterleavedFloats) {
  std::string source = randomBytes(64 * 48 * 2, 3);
  writeFile(directory / "model" / "w.bin", source);
  for (bool panels : {false, true}) {
    std::string type = "!llm.weight<64x48xbf16>";
    auto module = parse(moduleOf("llm.weight @w : " + type +
                                     " from #llm.source<file = \"w.bin\", offset = 0, stored = "
                                     "tensor<64x48xbf16>, interleaved = 32> layout <" +
                                     (panels ? "panel16" : "row_major") + ">\n",
                                 {{"w", type}}));
    ASSERT_EQ(write(*module), "");
    std::string file = readFile(output());
    std::string packed = weightBytes(file, *moduleOfFile(file)->weights()->Get(0));
    for (int row = 0; row < 64; ++row)
      for (int column = 0; column < 48; ++column) {
        int from = row / 32 * 32 + row % 16 * 2 + row % 32 / 16;
        int at = panels ? (row / 16 * 48 + column) * 16 + row % 16 : row * 48 + column;
        ASSERT_EQ(packed.substr(at * 2, 2), source.substr((from * 48 + column) * 2, 2));
      }
  }
}

//===----------------------------------------------------------------------===//
// What is refused
//===----------------------------------------------------------------------===//

class EncodedFailureTest : public EncodedTest {
protected:
  void expectFailure(const Case &c, const std::string &layout, const std::string &message) {
    auto module = moduleWith(c, layout);
    ASSERT_TRUE(module);
    EXPECT_EQ(write(*module), message);
  }
};

TEST_F(EncodedFailureTest, Plans) {
  writeFile(directory / "model" / "w.bin", std::string(100000, 0));
  expectFailure({"int4-g32", "f32", 32, 32}, "panel16",
                "weight @w is encoded as int4-g32, but its layout is panel16");
  expectFailure(
      {"q4_k", "encoded", 32, 320}, "panel32",
      "weight @w cannot be read from its file: expected a multiple of 256 columns, but got 320");
  expectFailure({"int4-g128", "encoded", 32, 128}, "panel32",
                "weight @w cannot be read from its file: int4-g128 is not what format gguf holds");
  expectFailure({"int8", "f32", 1, 1 << 21}, "panel32",
                "weight @w has 2097152 columns, but at most 1048576 can be encoded as int8");
  auto plain =
      parse(moduleOf("llm.weight @w : !llm.weight<32x32xf32> from #llm.source<file = "
                     "\"w.bin\", offset = 0, stored = tensor<32x32xf32>> layout <panel32>\n",
                     {{"w", "!llm.weight<32x32xf32>"}}));
  EXPECT_EQ(write(*plain), "weight @w is not encoded, but its layout is panel32");
}

TEST_F(EncodedFailureTest, NotFinite) {
  std::string bytes(8 + 40 * 32 * 4, 0);
  float bad = std::numeric_limits<float>::infinity();
  memcpy(&bytes[8 + (33 * 32 + 5) * 4], &bad, 4);
  writeFile(directory / "model" / "w.bin", bytes);
  expectFailure({"int4-g32", "f32", 40, 32}, "panel32",
                "row 33 of weight 'w' has a value that is not finite, which int4-g32 cannot hold; "
                "is the checkpoint damaged?");
}

/// Codes, scales and zero points of GPTQ: all in place, then each of them wrong.
TEST_F(EncodedFailureTest, Parts) {
  auto failure = [&](uint64_t scales, uint64_t zeros) {
    std::string type = "!llm.weight<16x64x!llm.encoded<\"int4-g32\">>",
                file = "<file = \"w.bin\", offset = ";
    auto module = parse(moduleOf(
        "llm.weight @w : " + type + " from " + file +
            "0, stored = tensor<16x64x!llm.encoded<\"int4-g32\">>, format = \"gptq\", scales = " +
            file + std::to_string(scales) + ", stored = tensor<2x16xf16>>, zeros = " + file +
            std::to_string(zeros) + ", stored = tensor<2x2xi32>>> layout <panel32>\n",
        {{"w", type}}));
    return write(*module);
  };
  std::string zeros(16, 0x77); // 8, stored as 7
  writeFile(directory / "model" / "w.bin", std::string(512 + 64, 0) + zeros);
  EXPECT_EQ(failure(512, 576), "");
  EXPECT_NE(failure(560, 576).find("scales of weight 'w' lies at bytes 560 to 624 of"),
            std::string::npos);
  EXPECT_NE(failure(512, 580).find("zero points of weight 'w' lies at bytes 580 to 596 of"),
            std::string::npos);
  zeros[5] = 0x67; // second word, so rows 8 to 15; high half of its second byte
  writeFile(directory / "model" / "w.bin", std::string(512 + 64, 0) + zeros);
  EXPECT_EQ(failure(512, 576),
            "row 11 of weight 'w' has a zero point other than 8, but the checkpoint says that its "
            "quantization is symmetric; is its configuration that of these tensors?");
}

TEST_F(EncodedFailureTest, ShortFile) {
  writeFile(directory / "model" / "w.bin", std::string(100, 0));
  auto module = moduleWith({"q4_k", "encoded", 32, 256}, "panel32");
  EXPECT_NE(write(*module).find("weight 'w' lies at bytes 8 to 4616 of"), std::string::npos);
}

} // namespace
