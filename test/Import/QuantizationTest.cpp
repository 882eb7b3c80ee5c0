// What comes of the tensors of quantized checkpoints, and what is said when they do not fit.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "HuggingFace/Quantization.h"
#include "Checkpoint.h"

#include "gtest/gtest.h"

using namespace kvasir;

namespace {

struct Tensor {
  std::string name, type;
  std::vector<int64_t> shape;
};

class QuantizationTest : public testing::Test {
protected:
  /// Adds a tensor of zeros, or of the bytes given.
  void add(const Tensor &tensor, std::string bytes = "") {
    uint64_t length = tensor.type == "I64"                                                    ? 8
                      : tensor.type == "I32" || tensor.type == "F32"                          ? 4
                      : tensor.type == "I8" || llvm::StringRef(tensor.type).starts_with("F8") ? 1
                                                                                              : 2;
    for (int64_t size : tensor.shape)
      length *= size;
    bytes.resize(length);
    table[tensor.name] = {"w.bin", data.size(), length, tensor.type, tensor.shape, {}, {}};
    data += bytes;
  }
  void addGptq(int64_t columns, int64_t rows, int64_t groups) {
    add({"a.qweight", "I32", {columns / 8, rows}});
    add({"a.qzeros", "I32", {groups, rows / 8}});
    add({"a.scales", "F16", {groups, rows}});
  }

  /// The problems, one to a line.
  std::string fold(const std::string &config) {
    folder.write("w.bin", data);
    Problems problems;
    hf::foldQuantized("{\"quantization_config\": " + config + "}", folder.path(), table, problems);
    std::string text;
    for (const std::string &line : problems.get())
      text += line + "\n";
    return text;
  }

  static std::string integers(llvm::ArrayRef<int32_t> values) {
    return std::string(reinterpret_cast<const char *>(values.data()), values.size() * 4);
  }

  test::Folder folder;
  WeightTable table;
  std::string data = std::string(8, 0);
};

const char *gptq =
    R"({"quant_method": "gptq", "bits": 4, "group_size": 32, "sym": true, "desc_act": true})";

TEST_F(QuantizationTest, PutsGptqTogether) {
  addGptq(64, 16, 2);
  std::vector<int32_t> order(64);
  for (int i = 0; i < 64; ++i)
    order[i] = i / 32;
  add({"a.g_idx", "I32", {64}}, integers(order));
  add({"a.bias", "F16", {16}});
  EXPECT_EQ(fold(gptq), "");
  ASSERT_EQ(table.size(), 2u);
  const StoredTensor &weight = table["a.weight"];
  EXPECT_EQ(weight.type, "int4-g32");
  EXPECT_EQ(weight.format, "gptq");
  EXPECT_EQ(weight.shape, (std::vector<int64_t>{16, 64}));
  EXPECT_EQ(weight.offset, 8u);
  ASSERT_EQ(weight.parts.size(), 2u);
  EXPECT_EQ(weight.parts[0].type, "F16");
  EXPECT_EQ(weight.parts[1].type, "I32");
}

TEST_F(QuantizationTest, RefusesReorderedColumns) {
  addGptq(64, 16, 2);
  std::vector<int32_t> order(64);
  for (int i = 0; i < 64; ++i)
    order[i] = i % 2;
  add({"a.g_idx", "I32", {64}}, integers(order));
  EXPECT_EQ(
      fold(gptq),
      "tensor 'a.g_idx' reorders the columns by activation (desc_act, actorder), which is not "
      "supported; quantize without it, or with static groups\n");
}

TEST_F(QuantizationTest, NamesWhatDoesNotFit) {
  addGptq(64, 16, 3);
  EXPECT_EQ(fold(gptq), "tensor 'a.qweight' does not fit its scales: expected scales of shape [2, "
                        "16], but got [3, 16]\n");
  table.clear();
  addGptq(64, 16, 2);
  table.erase("a.scales");
  EXPECT_EQ(fold(gptq), "tensor 'a.scales' is missing\n");
  table.clear();
  addGptq(64, 16, 2);
  add({"a.qzeros", "I32", {2, 3}});
  EXPECT_EQ(fold(gptq), "tensor 'a.qweight' does not fit its scales: expected 16 bytes of zero "
                        "points, but got 24\n");
  table.clear();
  add({"a.qweight", "F32", {2, 3}});
  EXPECT_EQ(fold(gptq),
            "tensor 'a.qweight' should be a matrix of I32, but has 2 dimensions of F32\n");
}

/// Those of all layers share a line.
TEST_F(QuantizationTest, NamesGroupsThatNoEncodingHas) {
  for (const char *layer : {"l.0", "l.1", "l.2"}) {
    add({layer + std::string(".qweight"), "I32", {32, 16}});
    add({layer + std::string(".qzeros"), "I32", {1, 2}});
    add({layer + std::string(".scales"), "F16", {1, 16}});
  }
  EXPECT_EQ(fold(R"({"quant_method": "awq", "bits": 4, "group_size": 256})"),
            "tensor 'l.0.qweight' has asymmetric codes of 4 bits in groups of 256 with scales in "
            "F16, which is not supported; use groups of 32, 64 or 128 (and 2 more like it: "
            "l.*.qweight)\n");
}

const char *packed =
    R"({"quant_method": "compressed-tensors", "format": "pack-quantized", "config_groups": {
  "a": {"weights": {"num_bits": 8, "type": "int", "strategy": "channel", "symmetric": true}},
  "b": {"weights": {"num_bits": 4, "type": "int", "strategy": "group", "group_size": 32, "symmetric": true}}}})";

std::string shape(int64_t rows, int64_t columns) {
  int64_t values[] = {rows, columns};
  return std::string(reinterpret_cast<const char *>(values), sizeof(values));
}

/// Each matrix takes the scheme that fits it.
TEST_F(QuantizationTest, PutsPackedTogether) {
  add({"a.weight_packed", "I32", {7, 24}});
  add({"a.weight_scale", "BF16", {7, 1}});
  add({"a.weight_shape", "I64", {2}}, shape(7, 96));
  add({"b.weight_packed", "I32", {7, 12}});
  add({"b.weight_scale", "BF16", {7, 3}});
  add({"b.weight_shape", "I64", {2}}, shape(7, 96));
  EXPECT_EQ(fold(packed), "");
  ASSERT_EQ(table.size(), 2u);
  EXPECT_EQ(table["a.weight"].type, "int8");
  EXPECT_EQ(table["b.weight"].type, "int4-g32-bf16");
}

TEST_F(QuantizationTest, ChecksPackedShapes) {
  add({"a.weight_packed", "I32", {7, 24}});
  add({"a.weight_scale", "BF16", {7, 1}});
  add({"a.weight_shape", "I64", {2}}, shape(7, -96));
  add({"b.weight_packed", "I32", {7, 24}});
  add({"b.weight_scale", "BF16", {7, 1}});
  add({"b.weight_shape", "I64", {2}}, shape(7, 100));
  add({"c.weight_packed", "I32", {7, 24}});
  EXPECT_EQ(
      fold(packed),
      "tensor 'a.weight_shape' does not hold the shape of a matrix\n"
      "tensor 'b.weight_packed' does not fit its scales: expected scales of shape [7, 4], but "
      "got [7, 1]\n"
      "tensor 'c.weight_shape' is missing\n");
}

/// Scales of fixed activations are left out: activations are not rounded with them here.
TEST_F(QuantizationTest, PutsBytesTogether) {
  add({"a.weight", "F8_E4M3", {300, 200}});
  add({"a.weight_scale_inv", "F32", {3, 2}});
  add({"b.weight", "F8_E4M3", {30, 200}});
  add({"b.weight_scale", "BF16", {}});
  add({"b.input_scale", "F32", {}});
  add({"c.weight", "BF16", {30, 200}});
  EXPECT_EQ(fold(R"({"quant_method": "fp8", "weight_block_size": [128, 128]})"), "");
  EXPECT_EQ(table.size(), 3u);
  EXPECT_EQ(table["a.weight"].type, "fp8-e4m3-g128");
  EXPECT_EQ(table["b.weight"].type, "fp8-e4m3");
  EXPECT_EQ(table["b.weight"].parts[0].shape, (std::vector<int64_t>{1, 1}));
  EXPECT_EQ(table["c.weight"].type, "BF16");
}

TEST_F(QuantizationTest, KeepsPlainCheckpoints) {
  add({"a.weight", "F8_E4M3", {3, 2}});
  Problems problems;
  hf::foldQuantized("{\"model_type\": \"llama\"}", folder.path(), table, problems);
  EXPECT_TRUE(problems.empty());
  EXPECT_EQ(table["a.weight"].type, "F8_E4M3");
}

} // namespace
