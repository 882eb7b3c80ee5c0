// The importer as a library: what comes along with the module.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "kvasir/Import/HuggingFace.h"
#include "Checkpoint.h"
#include "mlir/IR/MLIRContext.h"
#include "gtest/gtest.h"

using namespace kvasir;
using namespace kvasir::test;

namespace {

class HuggingFace : public ::testing::Test {
protected:
  HuggingFace() {
    folder.write("config.json", tinyConfig());
    folder.write("model.safetensors", tinyWeights());
  }
  std::string import(ImportedModel &model, const HuggingFaceOptions &options = {}) {
    auto result = importHuggingFace(folder.path(), context, options);
    if (!result)
      return llvm::toString(result.takeError());
    model = std::move(*result);
    return "";
  }
  Folder folder;
  mlir::MLIRContext context;
  ImportedModel model;
};

} // namespace

TEST_F(HuggingFace, WithoutTokenizer) {
  ASSERT_EQ(import(model), "");
  EXPECT_TRUE(*model.module);
  EXPECT_EQ(model.inputs, (std::vector<std::string>{"config.json", "model.safetensors"}));
  EXPECT_FALSE(model.tokenizerJson);
  EXPECT_EQ(model.tokenizerMissing, "the checkpoint has no tokenizer.json");
  folder.write("tokenizer.model", "");
  ASSERT_EQ(import(model), "");
  EXPECT_EQ(model.tokenizerMissing,
            "the checkpoint has no tokenizer.json; tokenizer.model is not read: save the "
            "tokenizer again with a fast tokenizer");
}

TEST_F(HuggingFace, TokenizerFilesAndTheirTemplate) {
  folder.write("generation_config.json", "{}");
  folder.write("tokenizer.json", "{\"a\": 1}");
  folder.write("tokenizer_config.json", R"({"chat_template": "of the config"})");
  ASSERT_EQ(import(model), "");
  EXPECT_EQ(model.tokenizerJson, "{\"a\": 1}");
  EXPECT_EQ(model.tokenizerMissing, "");
  EXPECT_EQ(model.chatTemplate, "of the config");
  EXPECT_EQ(model.inputs,
            (std::vector<std::string>{"config.json", "generation_config.json", "model.safetensors",
                                      "tokenizer.json", "tokenizer_config.json"}));
  folder.write(
      "tokenizer_config.json",
      R"({"chat_template": [{"name": "tool", "template": "t"}, {"name": "default", "template": "d"}]})");
  ASSERT_EQ(import(model), "");
  EXPECT_EQ(model.chatTemplate, "d");
  folder.write("chat_template.jinja", "of the file");
  ASSERT_EQ(import(model), "");
  EXPECT_EQ(model.chatTemplate, "of the file");
  EXPECT_EQ(model.inputs.back(), "chat_template.jinja");
  ASSERT_EQ(import(model, {.readTokenizer = false}), "");
  EXPECT_FALSE(model.chatTemplate);
}

TEST_F(HuggingFace, Refusals) {
  folder.write("tokenizer_config.json", "{");
  EXPECT_NE(import(model).find("tokenizer_config.json is not valid JSON"), std::string::npos);
  auto result = importHuggingFace("/nonexistent/folder", context);
  ASSERT_FALSE(static_cast<bool>(result));
  EXPECT_EQ(llvm::toString(result.takeError()),
            "cannot import /nonexistent/folder\n  - it is not a folder; expected "
            "one with config.json and model.safetensors");
}

TEST_F(HuggingFace, LooksLike) {
  EXPECT_TRUE(looksLikeHuggingFace(folder.path()));
  EXPECT_FALSE(looksLikeHuggingFace((folder.path() + "/config.json").str()));
  EXPECT_FALSE(looksLikeHuggingFace("/nonexistent/folder"));
  EXPECT_FALSE(looksLikeHuggingFace(Folder().path()));
}
