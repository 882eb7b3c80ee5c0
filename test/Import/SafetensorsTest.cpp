// Headers of safetensors files: what is read, and that nothing broken gets by.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "HuggingFace/Safetensors.h"
#include "Checkpoint.h"
#include "gtest/gtest.h"

using namespace kvasir;
using namespace kvasir::test;

static const char *const header = R"({"__metadata__": {"format": "pt"},
  "b": {"dtype": "F16", "shape": [], "data_offsets": [24, 26]},
  "a": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]},
  "c": {"dtype": "I64", "shape": [0, 7], "data_offsets": [26, 26]}} )";

TEST(Safetensors, ReadsNamesTypesShapesAndPlaces) {
  Folder folder;
  folder.write("model.safetensors", safetensors(header, 26));
  WeightTable table;
  Problems problems;
  std::vector<std::string> files;
  hf::readCheckpoint(folder.path(), table, files, problems);
  ASSERT_TRUE(problems.empty()) << problems.get().front();
  ASSERT_EQ(table.size(), 3u);
  EXPECT_EQ(files, std::vector<std::string>{"model.safetensors"});
  const StoredTensor &a = table.at("a");
  EXPECT_EQ(a.file, "model.safetensors");
  EXPECT_EQ(a.offset, 8 + strlen(header));
  EXPECT_EQ(a.length, 24u);
  EXPECT_EQ(a.type, "F32");
  EXPECT_EQ(a.shape, (std::vector<int64_t>{2, 3}));
  EXPECT_EQ(table.at("b").offset, a.offset + 24);
  EXPECT_EQ(table.at("c").length, 0u);
}

TEST(Safetensors, TruncatedAtAnyByteIsRefused) {
  std::string whole = safetensors(header, 26);
  Folder folder;
  for (size_t size = 0; size != whole.size(); ++size) {
    folder.write("x", whole.substr(0, size));
    WeightTable table;
    Problems problems;
    hf::readSafetensors(folder.path(), "x", table, problems);
    EXPECT_FALSE(problems.empty()) << size << " bytes";
  }
}

TEST(Safetensors, AnyFlippedByteOfTheHeaderIsReadOrRefused) {
  std::string whole = safetensors(header, 26);
  for (size_t at = 8; at != 8 + strlen(header); ++at)
    for (int value = 0; value != 256; ++value) {
      std::string text(header);
      text[at - 8] = static_cast<char>(value);
      WeightTable table;
      Problems problems;
      hf::parseSafetensorsHeader(text, "x", whole.size(), table, problems);
      for (auto &[name, tensor] : table)
        EXPECT_LE(tensor.offset + tensor.length, whole.size());
    }
}

TEST(Safetensors, TheSameTensorInTwoShardsIsRefused) {
  Folder folder;
  const char *one = R"({"a": {"dtype": "U8", "shape": [1], "data_offsets": [0, 1]}})";
  folder.write("1.safetensors", safetensors(one, 1));
  folder.write("2.safetensors", safetensors(one, 1));
  folder.write("model.safetensors.index.json",
               R"({"weight_map": {"a": "1.safetensors", "b": "2.safetensors"}})");
  WeightTable table;
  Problems problems;
  std::vector<std::string> files;
  hf::readCheckpoint(folder.path(), table, files, problems);
  ASSERT_EQ(problems.size(), 1u);
  EXPECT_EQ(problems.get().front(), "2.safetensors: tensor 'a' is also in 1.safetensors");
}
