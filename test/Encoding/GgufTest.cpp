// Blocks of GGUF, read and decoded, against what gguf-py makes of them (make_golden.py), bit by
// bit.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "kvasir/Encoding/Rows.h"

#include "llvm/ADT/StringExtras.h"
#include "gtest/gtest.h"

#include <cmath>
#include <cstring>
#include <fstream>

using namespace kvasir;

namespace {

struct Golden {
  std::string name, blocks, values;
};

std::vector<Golden> readGolden() {
  std::ifstream stream(GGUF_BLOCKS);
  std::vector<Golden> all;
  for (std::string name, blocks, values; stream >> name >> blocks >> values;)
    all.push_back({name, llvm::fromHex(blocks), llvm::fromHex(values)});
  return all;
}

TEST(Gguf, DecodesToTheSameBits) {
  std::vector<Golden> all = readGolden();
  EXPECT_EQ(all.size(), 13u);
  for (const Golden &golden : all) {
    SCOPED_TRACE(golden.name);
    std::optional<Encoding> encoding = parseEncoding(golden.name);
    ASSERT_TRUE(encoding);
    std::optional<GgufBlock> block = ggufBlock(*encoding);
    ASSERT_TRUE(block);
    int64_t columns = golden.values.size() / sizeof(float);
    ASSERT_EQ(columns / block->values * block->bytes, int64_t(golden.blocks.size()));
    EncodedRows rows;
    readGgufRows(reinterpret_cast<const uint8_t *>(golden.blocks.data()), 1, columns, *encoding,
                 rows);
    std::vector<float> expected(columns), decoded(columns);
    std::memcpy(expected.data(), golden.values.data(), golden.values.size());
    decodeRows(rows, decoded.data());
    for (int64_t i = 0; i < columns; ++i)
      ASSERT_EQ(std::bit_cast<uint32_t>(decoded[i]), std::bit_cast<uint32_t>(expected[i]))
          << "column " << i << ": " << decoded[i] << ", expected " << expected[i];
  }
}

TEST(Gguf, RowsFollowEachOther) {
  std::vector<Golden> all = readGolden();
  for (const Golden &golden : all) {
    SCOPED_TRACE(golden.name);
    Encoding encoding = *parseEncoding(golden.name);
    std::string twice = golden.blocks + golden.blocks;
    auto *bytes = reinterpret_cast<const uint8_t *>(twice.data());
    int64_t columns = golden.values.size() / sizeof(float);
    EncodedRows rows;
    readGgufRows(bytes, 2, columns, encoding, rows);
    std::vector<float> values(2 * columns);
    decodeRows(rows, values.data());
    EXPECT_EQ(std::memcmp(&values[0], golden.values.data(), golden.values.size()), 0);
    EXPECT_EQ(std::memcmp(&values[columns], golden.values.data(), golden.values.size()), 0);
  }
}

/// The format of MXFP4's scales has no infinity, and its last code is NaN.
TEST(Gguf, ScaleOfAllOnesIsNaN) {
  uint8_t block[17] = {255, 0x10};
  EncodedRows rows;
  readGgufRows(block, 1, 32, *parseEncoding("mxfp4"), rows);
  float values[32];
  decodeRows(rows, values);
  for (float value : values)
    EXPECT_TRUE(std::isnan(value)) << value;
}

TEST(Gguf, OthersHaveNoBlocks) {
  for (const char *name : {"int8", "int4-g64", "int4-g32-asym", "int4-g32-bf16", "fp8-e4m3"})
    EXPECT_FALSE(ggufBlock(*parseEncoding(name))) << name;
}

} // namespace
