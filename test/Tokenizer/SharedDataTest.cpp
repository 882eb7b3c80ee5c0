// Published tokenizers with their golden ids, where the shared test data is available.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "TestSupport.h"
#include <algorithm>

namespace kvasir::test {
namespace {

const std::string shared = KVASIR_SHARED_DATA "/";

struct Published {
  const char *file;                // below tokenizers/
  std::vector<const char *> names; // entries of the golden ids with this file
};

void PrintTo(const Published &published, std::ostream *out) { *out << published.file; }

class PublishedIds : public testing::TestWithParam<Published> {};

TEST_P(PublishedIds, Match) {
  std::string folder = shared + "tokenizers/";
  std::string text = readFile(folder + GetParam().file + ".tokenizer.json");
  Json golden = Json::parse(readFile(folder + "golden-ids-174-tokenizers.json"), nullptr, false);
  if (text.empty() || !golden.is_object())
    GTEST_SKIP() << "not available: " << folder;
  auto tokenizer = compileText(text);
  ASSERT_TRUE(*tokenizer) << tokenizer->message;
  for (const char *name : GetParam().names) {
    ASSERT_TRUE(golden["models"].contains(name)) << name;
    for (const Json &test : golden["models"][name]["tests"]) {
      std::string input = test["input"];
      EXPECT_EQ(Json(tokenizer->encode(input, test.value("add_special_tokens", true))),
                test["golden_ids"])
          << name << ": " << input;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(
    Tokenizer, PublishedIds,
    testing::Values(
        Published{"gpt-neox-20b",
                  {"EleutherAI/gpt-neox-20b", "EleutherAI/pythia-1.4b", "EleutherAI/pythia-410m",
                   "EleutherAI/pythia-6.9b", "togethercomputer/RedPajama-INCITE-7B-Base"}},
        // Phi-2 took over the tokenizer of CodeGen.
        Published{"phi-2", {"Salesforce/codegen-350M-mono", "Salesforce/codegen2-1B"}},
        Published{"phi-3-mini", {"microsoft/Phi-3-mini-4k-instruct"}},
        Published{"whisper-tiny",
                  {"openai/whisper-tiny", "openai/whisper-base", "openai/whisper-small",
                   "openai/whisper-medium", "openai/whisper-large", "openai/whisper-large-v2"}}),
    [](const testing::TestParamInfo<Published> &info) {
      std::string name = info.param.file;
      std::replace(name.begin(), name.end(), '-', '_');
      return name;
    });

/// Decoding gives the text back, for byte-level tokenizers exactly.
TEST_P(PublishedIds, RoundTrip) {
  std::string text = readFile(shared + "tokenizers/" + GetParam().file + ".tokenizer.json");
  std::string prose = readFile(shared + "text/tinyshakespeare.txt");
  if (text.empty() || prose.empty())
    GTEST_SKIP() << "not available: " << shared;
  auto tokenizer = compileText(text);
  ASSERT_TRUE(*tokenizer) << tokenizer->message;
  prose.resize(100'000);
  std::vector<int32_t> ids = tokenizer->encode(prose, false);
  EXPECT_EQ((*tokenizer)->decode(ids, false), prose);
  EXPECT_EQ(streamed(*tokenizer->tokenizer, ids, false), prose);
}

TEST(SharedData, UnigramIsRefusedByName) {
  std::string text = readFile(shared + "tokenizers/t5-small.tokenizer.json");
  if (text.empty())
    GTEST_SKIP() << "not available: " << shared;
  auto tokenizer = compileText(text);
  EXPECT_FALSE(*tokenizer);
  EXPECT_NE(tokenizer->message.find("tokenizer model \"Unigram\""), std::string::npos)
      << tokenizer->message;
}

TEST(SharedData, AddedTokensKeepTheirIds) {
  std::string text = readFile(shared + "tokenizers/added-tokens.tokenizer.json");
  if (text.empty())
    GTEST_SKIP() << "not available: " << shared;
  auto tokenizer = compileText(text);
  ASSERT_TRUE(*tokenizer) << tokenizer->message;
  // The prepended U+2581 is unknown, and an unknown character waits for byte
  // tokens that follow it.
  EXPECT_EQ(tokenizer->encode("<|user|>\n<|end|>"), (std::vector<int32_t>{32010, 13, 0, 32007}));
  EXPECT_EQ(tokenizer->encode("<|system|><s>"), (std::vector<int32_t>{32006, 1}));
}

TEST(SharedData, Stories260K) {
  std::string folder = shared + "models/stories260k/";
  std::string text = readFile(folder + "tokenizer.json");
  std::string config = readFile(folder + "tokenizer_config.json");
  std::string story = readFile(shared + "stories260k/expected-greedy-t0-n200.txt");
  if (text.empty() || story.empty())
    GTEST_SKIP() << "not available: " << shared;
  TokenizerOptions options;
  options.config = config;
  options.modelVocabularySize = 512;
  auto tokenizer = compileText(text, options);
  ASSERT_TRUE(*tokenizer) << tokenizer->message;
  EXPECT_EQ((*tokenizer)->bosId(), 1);
  EXPECT_EQ((*tokenizer)->eosId(), 2);
  EXPECT_EQ(tokenizer->encode(""), std::vector<int32_t>{1});
  std::vector<int32_t> ids = tokenizer->encode(story);
  EXPECT_EQ(ids[0], 1);
  EXPECT_EQ((*tokenizer)->decode(ids, true), story);
}

} // namespace
} // namespace kvasir::test
