// Text in, text out: tokenizing requests, streaming, stop strings, refusals
// without a tokenizer.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "Support.h"
#include "ToyTokenizer.h"
#include "batch/StopMatcher.h"

#include <cstring>

namespace kvasir::test {
namespace {

ToyConfig withTokenizer() {
  ToyConfig config;
  config.tokenizer = true;
  config.eos = {};
  return config;
}

std::vector<int32_t> idsOf(const std::string &text) {
  std::vector<int32_t> ids;
  for (char c : text)
    ids.push_back(c - ' ' + 3);
  return ids;
}

std::string textOf(const std::vector<int32_t> &ids) {
  std::string text;
  for (int32_t id : ids)
    if (id >= 3)
      text += toyCharacter(id);
  return text;
}

uint64_t submitText(const EngineHandle &engine, const std::string &text,
                    const kvasir_request_options &options) {
  uint64_t request = 0;
  EXPECT_OK(kvasir_engine_submit_text(engine.get(), text.data(), text.size(), &options, &request));
  return request;
}

TEST(Text, PromptsAreTokenizedAndAnswersAreText) {
  ToyConfig config = withTokenizer();
  ModelHandle model = loadToy(config);
  EngineHandle engine = makeEngine(model, engineOptions());
  uint64_t request = submitText(engine, "hello", requestOptions(30));
  std::map<uint64_t, Answer> answers;
  drain(engine.get(), answers);
  std::vector<int32_t> expected = toyGreedy(config, idsOf("hello"), 30);
  EXPECT_EQ(answers[request].ids, expected);
  EXPECT_EQ(answers[request].text, textOf(expected));
  EXPECT_EQ(answers[request].promptTokens, 5);
}

TEST(Text, AnEmptyPromptStartsFromBos) {
  ToyConfig config = withTokenizer();
  ModelHandle model = loadToy(config);
  EngineHandle engine = makeEngine(model, engineOptions());
  uint64_t request = submitText(engine, "", requestOptions(5));
  std::map<uint64_t, Answer> answers;
  drain(engine.get(), answers);
  EXPECT_EQ(answers[request].ids, toyGreedy(config, {1}, 5));
  config.bos = -1;
  ModelHandle without = loadToy(config);
  EngineHandle second = makeEngine(without, engineOptions());
  EXPECT_REFUSED(kvasir_engine_submit_text(second.get(), "", 0, nullptr, &request),
                 KVASIR_INVALID_ARGUMENT, "no BOS");
}

TEST(Text, StopStringsCutAcrossTokens) {
  ToyConfig config = withTokenizer();
  ModelHandle model = loadToy(config);
  EngineHandle engine = makeEngine(model, engineOptions());
  std::string full = textOf(toyGreedy(config, idsOf("stop"), 60));
  ASSERT_GT(full.size(), 40u);
  std::string stop = full.substr(20, 3), never = full.substr(5, 2) + "\x01\x01";
  size_t cut = full.find(stop);
  kvasir_text stops[] = {{never.data(), never.size()}, {stop.data(), stop.size()}};
  kvasir_request_options options = requestOptions(60);
  options.stop = stops;
  options.stop_count = 2;
  uint64_t request = submitText(engine, "stop", options);
  std::map<uint64_t, Answer> answers;
  drain(engine.get(), answers);
  EXPECT_EQ(answers[request].text, full.substr(0, cut));
  EXPECT_EQ(answers[request].reason, KVASIR_FINISH_STOP);
  // Held-back text appears in the end when the string does not.
  options.max_new_tokens = 7;
  options.stop_count = 1;
  request = submitText(engine, "stop", options);
  drain(engine.get(), answers);
  EXPECT_EQ(answers[request].text, textOf(toyGreedy(config, idsOf("stop"), 7)));
}

TEST(Text, MatcherFindsTheFirstInEveryDivision) {
  std::string text = "aabaabaaabaac the end";
  for (size_t pieces = 1; pieces < 6; ++pieces) {
    rt::StopMatcher matcher({"aabaac", "the", "zzz"});
    std::string out;
    bool stopped = false;
    for (size_t at = 0; at < text.size() && !stopped; at += pieces)
      stopped = matcher.push(text.substr(at, pieces), out);
    EXPECT_TRUE(stopped);
    EXPECT_EQ(out, "aabaaba");
  }
  rt::StopMatcher matcher({"ab"});
  std::string out;
  EXPECT_FALSE(matcher.push("xa", out));
  EXPECT_EQ(out, "x");
  EXPECT_FALSE(matcher.push("a", out));
  EXPECT_EQ(out, "xa");
  matcher.flush(out);
  EXPECT_EQ(out, "xaa");
}

TEST(Text, BadTextIsRefused) {
  ModelHandle model = loadToy(withTokenizer());
  EngineHandle engine = makeEngine(model, engineOptions());
  uint64_t request = 0;
  EXPECT_REFUSED(kvasir_engine_submit_text(engine.get(), "ab\xff", 3, nullptr, &request),
                 KVASIR_INVALID_ARGUMENT, "2");
  kvasir_request_options options = requestOptions(5);
  kvasir_text stop = {"", 0};
  options.stop = &stop;
  options.stop_count = 1;
  EXPECT_REFUSED(kvasir_engine_submit_text(engine.get(), "a", 1, &options, &request),
                 KVASIR_INVALID_ARGUMENT, "stop string 0 is empty");
  stop = {"a\xc3", 2};
  EXPECT_REFUSED(kvasir_engine_submit_text(engine.get(), "a", 1, &options, &request),
                 KVASIR_INVALID_ARGUMENT, "offset 1");
  options.stop = nullptr;
  EXPECT_REFUSED(kvasir_engine_submit_text(engine.get(), "a", 1, &options, &request),
                 KVASIR_INVALID_ARGUMENT, "its count is 1");
}

TEST(Text, WithoutATokenizerTheReasonIsGiven) {
  ModelHandle model = loadToy({});
  EngineHandle engine = makeEngine(model, engineOptions());
  uint64_t request = 0;
  EXPECT_REFUSED(kvasir_engine_submit_text(engine.get(), "a", 1, nullptr, &request),
                 KVASIR_UNSUPPORTED, "the toy has none");
  kvasir_request_options options = requestOptions(5);
  kvasir_text stop = {"a", 1};
  options.stop = &stop;
  options.stop_count = 1;
  int32_t id = 5;
  EXPECT_REFUSED(kvasir_engine_submit(engine.get(), &id, 1, &options, &request), KVASIR_UNSUPPORTED,
                 "stop strings");
  char *text = nullptr;
  EXPECT_REFUSED(kvasir_detokenize(model.get(), &id, 1, true, &text, nullptr), KVASIR_UNSUPPORTED,
                 "no tokenizer");
}

TEST(Text, TokenizerFunctions) {
  ModelHandle model = loadToy(withTokenizer());
  int32_t *ids = nullptr;
  size_t count = 0, length = 0;
  ASSERT_OK(kvasir_tokenize(model.get(), "abc", 3, true, &ids, &count));
  EXPECT_EQ(std::vector<int32_t>(ids, ids + count), idsOf("abc"));
  kvasir_free(ids);
  int32_t some[] = {1, 68, 69, 2};
  char *text = nullptr;
  ASSERT_OK(kvasir_detokenize(model.get(), some, 4, true, &text, &length));
  EXPECT_EQ(std::string(text, length), "ab");
  kvasir_free(text);
  ASSERT_OK(kvasir_token_text(model.get(), 1, &text, &length));
  EXPECT_STREQ(text, "<s>");
  kvasir_free(text);
  EXPECT_REFUSED(kvasir_token_text(model.get(), -1, &text, &length), KVASIR_OUT_OF_RANGE, "id -1");
  kvasir_detokenizer *stream = nullptr;
  ASSERT_OK(kvasir_detokenizer_create(model.get(), false, &stream));
  std::string streamed;
  const char *piece = nullptr;
  for (int32_t id : some) {
    ASSERT_OK(kvasir_detokenizer_push(stream, id, &piece, &length));
    streamed.append(piece, length);
  }
  ASSERT_OK(kvasir_detokenizer_finish(stream, &piece, &length));
  EXPECT_EQ(streamed.append(piece, length), "<s>ab</s>");
  kvasir_detokenizer_free(stream);
}

} // namespace
} // namespace kvasir::test
