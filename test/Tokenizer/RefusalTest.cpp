// What the compiler does not understand is refused, all of it, by name.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "TestSupport.h"

namespace kvasir::test {
namespace {

std::string refusal(const Json &json, const TokenizerOptions &options = {}) {
  auto result = compileText(json.dump(), options);
  EXPECT_FALSE(*result) << "was compiled";
  return result->message;
}

void expectRefused(const Json &patch, const std::string &message) {
  std::string text = refusal(patched("byte", patch));
  EXPECT_NE(text.find(message), std::string::npos)
      << "expected: " << message << "\n     got: " << text;
}

Json step(const char *json) { return Json::parse(json, nullptr, false); }

TEST(Refusal, OtherModels) {
  for (const char *type : {"Unigram", "WordPiece", "WordLevel", "Surprise"})
    expectRefused({{"model", {{"type", type}}}},
                  std::string("tokenizer model \"") + type + "\" is not supported");
  Json untyped = golden()["bases"]["byte"];
  untyped["model"] = step(R"({"unk_id": 2, "vocab": [["a", -1.5]]})");
  EXPECT_NE(refusal(untyped).find("\"Unigram\""), std::string::npos);
}

TEST(Refusal, UnknownParts) {
  expectRefused({{"normalizer", step(R"({"type": "Nmt"})")}},
                "normalizer: normalizer \"Nmt\" is not supported");
  expectRefused({{"normalizer", step(R"({"type": "Sequence", "normalizers":
                    [{"type": "NFC"}, {"type": "Precompiled"}]})")}},
                "normalizer.normalizers[1]: normalizer \"Precompiled\"");
  expectRefused({{"pre_tokenizer", step(R"({"type": "UnicodeScripts"})")}},
                "pre-tokenizer \"UnicodeScripts\" is not supported");
  expectRefused({{"decoder", step(R"({"type": "WordPiece"})")}},
                "decoder \"WordPiece\" is not supported");
  expectRefused({{"post_processor", step(R"({"type": "Other"})")}},
                "post-processor \"Other\" is not supported");
  expectRefused({{"surprise", 1}}, "surprise: not known");
  expectRefused({{"model", {{"surprise", 1}}}}, "model.surprise: not known");
  expectRefused({{"model", {{"dropout", 0.1}}}}, "dropout is for training");
  expectRefused({{"version", "2.0"}}, "version: expected \"1.0\"");
}

TEST(Refusal, WrongTypes) {
  expectRefused({{"normalizer", 3}}, "normalizer: expected an object with a \"type\"");
  expectRefused({{"model", {{"byte_fallback", "yes"}}}},
                "model.byte_fallback: expected a boolean, but got a string");
  expectRefused({{"model", {{"vocab", Json::array()}}}}, "model");
  expectRefused({{"model", {{"merges", 3}}}}, "model.merges: expected an array");
  expectRefused({{"added_tokens", 3}}, "added_tokens: expected an array");
  expectRefused({{"pre_tokenizer", step(R"({"type": "Split", "pattern": "x",
                    "behavior": "Isolated", "invert": false})")}},
                "pre_tokenizer.pattern: expected");
  expectRefused({{"pre_tokenizer", step(R"({"type": "Split",
                    "pattern": {"String": "x"}, "behavior": "Sideways"})")}},
                "behavior \"Sideways\" is not known");
  expectRefused({{"pre_tokenizer", step(R"({"type": "Metaspace", "replacement": "ab"})")}},
                "expected one character");
}

TEST(Refusal, BrokenPatterns) {
  auto split = [](const char *pattern) {
    return Json{{"pre_tokenizer",
                 {{"type", "Split"},
                  {"pattern", {{"Regex", pattern}}},
                  {"behavior", "Isolated"},
                  {"invert", false}}}};
  };
  expectRefused(split("(a"), "pattern \"(a\" is not supported: ( without )");
  expectRefused(split("\\p{Nonsense}"), "property \"Nonsense\" is not known");
  expectRefused(split("(?<=a*)b"), "does not compile");
}

TEST(Refusal, Vocabulary) {
  Json json = golden()["bases"]["byte"];
  json["model"]["vocab"]["one more"] = 5;
  EXPECT_NE(refusal(json).find("id 5 is given to both"), std::string::npos);
  json["model"]["vocab"]["one more"] = 4294967295u;
  EXPECT_NE(refusal(json).find("is out of range"), std::string::npos);
  json["model"]["vocab"]["one more"] = -1;
  EXPECT_NE(refusal(json).find("expected a whole number"), std::string::npos);
}

TEST(Refusal, Merges) {
  expectRefused({{"model", {{"merges", {"a b", "a zz"}}}}},
                "model.merges[1]: \"zz\" is not in the vocabulary");
  expectRefused({{"model", {{"merges", {"abc"}}}}}, "model.merges[0]: expected \"left right\"");
  expectRefused({{"model", {{"merges", {{"a", "b", "c"}}}}}},
                "model.merges[0]: expected \"left right\"");
  Json many = Json::array();
  for (int i = 0; i < 100; ++i)
    many.push_back("nothing like");
  expectRefused({{"model", {{"merges", many}}}}, "92 more merges like these");
}

Json addedToken(int id, const std::string &content) {
  return {{"id", id},        {"content", content}, {"single_word", false}, {"lstrip", false},
          {"rstrip", false}, {"normalized", true}, {"special", false}};
}

TEST(Refusal, AddedTokens) {
  expectRefused({{"added_tokens", {addedToken(1, "new")}}}, "id 1 is given to both");
  expectRefused({{"added_tokens", {addedToken(7, "<s>")}}},
                "id of \"<s>\" is 7, but 0 in the vocabulary");
  expectRefused({{"added_tokens", {addedToken(900, std::string(5000, 'x'))}}}, "at most 1024");
  expectRefused({{"normalizer", {{"type", "Lowercase"}}},
                 {"added_tokens", {addedToken(900, "New One"), addedToken(901, "new one")}}},
                "two tokens are both \"new one\"");
}

TEST(Refusal, Template) {
  expectRefused({{"post_processor", step(R"({"type": "TemplateProcessing",
        "single": [{"SpecialToken": {"id": "<s>"}}, {"Sequence": {"id": "A"}}],
        "special_tokens": {"<s>": {"ids": [99999]}}})")}},
                "has an id that is not in the vocabulary");
  expectRefused({{"post_processor", step(R"({"type": "TemplateProcessing",
        "single": [{"SpecialToken": {"id": "gone"}}],
        "special_tokens": {}})")}},
                "token \"gone\" is not in \"special_tokens\"");
}

TEST(Refusal, CollectsAllProblems) {
  std::string text =
      refusal(patched("byte", {{"normalizer", {{"type", "Nmt"}}}, {"decoder", {{"type", "CTC"}}}}));
  EXPECT_NE(text.find("2 problems"), std::string::npos) << text;
  EXPECT_NE(text.find("\"Nmt\""), std::string::npos);
  EXPECT_NE(text.find("\"CTC\""), std::string::npos);
}

TEST(Refusal, NotJson) {
  std::string json = golden()["bases"]["words"].dump();
  for (size_t size = 0; size < json.size(); size += 37) {
    auto result = compileText(json.substr(0, size));
    ASSERT_FALSE(*result) << size;
    EXPECT_NE(result->message.find("not JSON"), std::string::npos);
  }
  EXPECT_NE(compileText("[1]")->message.find("expected a JSON object"), std::string::npos);
  std::string deep(100000, '[');
  EXPECT_FALSE(*compileText(deep));
  deep = R"({"model":)" + deep + std::string(100000, ']') + "}";
  EXPECT_FALSE(*compileText(deep));
}

TEST(Refusal, TooManyIdsForTheModel) {
  TokenizerOptions options;
  options.modelVocabularySize = 300;
  EXPECT_NE(
      refusal(golden()["bases"]["byte"], options).find("the model has embeddings for 300 ids"),
      std::string::npos);
}

TEST(Config, NamesSpecialTokens) {
  TokenizerOptions options;
  options.config = R"({"bos_token": {"content": "<s>"}, "eos_token": "</s>",
    "pad_token": "<pad>", "added_tokens_decoder": {"700": {"content": "<extra>",
    "special": true}, "0": {"content": "<s>"}}})";
  auto tokenizer = compileText(golden()["bases"]["byte"].dump(), options);
  ASSERT_TRUE(*tokenizer) << tokenizer->message;
  EXPECT_EQ((*tokenizer)->bosId(), 0);
  EXPECT_EQ((*tokenizer)->eosId(), 1);
  EXPECT_EQ((*tokenizer)->padId(), std::nullopt);
  EXPECT_EQ((*tokenizer)->tokenToId("<extra>"), 700);
  EXPECT_TRUE((*tokenizer)->isSpecial(700));
  EXPECT_EQ(tokenizer->encode("<extra>"), std::vector<int32_t>{700});
  options.config = R"({"bos_token": "<none>"})";
  EXPECT_NE(
      refusal(golden()["bases"]["byte"], options).find("token \"<none>\" is not in the vocabulary"),
      std::string::npos);
  options.config = "{";
  EXPECT_NE(refusal(golden()["bases"]["byte"], options)
                .find("tokenizer_config.json: expected a JSON object"),
            std::string::npos);
}

} // namespace
} // namespace kvasir::test
