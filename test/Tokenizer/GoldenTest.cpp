// Every component against what the reference implementation gives for tokenizers trained for the
// purpose, recorded in golden.json.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "TestSupport.h"

namespace kvasir::test {
namespace {

class Golden : public testing::TestWithParam<size_t> {};

TEST_P(Golden, MatchesReference) {
  const Json &entry = golden()["cases"][GetParam()];
  std::string json = patched(entry["base"], entry["patch"]).dump();
  auto tokenizer = compileText(json);
  ASSERT_TRUE(*tokenizer) << tokenizer->message;
  for (const Json &test : entry["tests"]) {
    std::string text = test["text"];
    SCOPED_TRACE(entry["name"].get<std::string>() + ": " + Json(text).dump());
    std::vector<int32_t> ids = test["ids"];
    EXPECT_EQ(tokenizer->encode(text), ids);
    EXPECT_EQ(Json(tokenizer->encode(text, false)), test.value("plain", test["ids"]));
    Json all = test["decoded"], skipped = test.value("skipped", all);
    for (bool skip : {false, true}) {
      std::string decoded = (*tokenizer)->decode(ids, skip);
      // The reference cannot decode some empty texts.
      if (const Json &expected = skip ? skipped : all; !expected.is_null())
        EXPECT_EQ(Json(decoded), expected);
      EXPECT_EQ(streamed(*tokenizer->tokenizer, ids, skip), decoded);
    }
  }
}

TEST_P(Golden, CompilesToTheSameBytes) {
  const Json &entry = golden()["cases"][GetParam()];
  std::string json = patched(entry["base"], entry["patch"]).dump();
  EXPECT_EQ(compileText(json)->table, compileText(json)->table);
}

INSTANTIATE_TEST_SUITE_P(Tokenizer, Golden, testing::Range<size_t>(0, golden()["cases"].size()),
                         [](const testing::TestParamInfo<size_t> &info) {
                           const Json &entry = golden()["cases"][info.param];
                           std::string name = entry["base"].get<std::string>() + "_" +
                                              entry["name"].get<std::string>();
                           for (char &c : name)
                             if (!std::isalnum(static_cast<unsigned char>(c)))
                               c = '_';
                           return name + "_" + std::to_string(info.param);
                         });

/// Any ids, not only those of a text.
TEST(StreamDecoder, AgreesWithDecodeOnRandomIds) {
  for (const Json &entry : golden()["cases"]) {
    auto tokenizer = compileText(patched(entry["base"], entry["patch"]).dump());
    ASSERT_TRUE(*tokenizer) << tokenizer->message;
    uint32_t state = 1;
    for (int round = 0; round < 20; ++round) {
      std::vector<int32_t> ids;
      for (int i = 0; i < 30; ++i) {
        state = state * 1664525 + 1013904223;
        ids.push_back(static_cast<int32_t>(state >> 8) % ((*tokenizer)->vocabSize() + 5));
      }
      bool skip = round % 2;
      EXPECT_EQ(streamed(*tokenizer->tokenizer, ids, skip), (*tokenizer)->decode(ids, skip))
          << entry["name"];
    }
  }
}

} // namespace
} // namespace kvasir::test
