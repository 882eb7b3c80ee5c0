// The runtime side: lookups, broken tables, broken texts, long texts, threads, and streaming.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "TestSupport.h"
#include <ctime>
#include <thread>

namespace kvasir::test {
namespace {

std::unique_ptr<Compiled> base(const char *name, const Json &patch = {}) {
  auto result = compileText(patched(name, patch).dump());
  EXPECT_TRUE(*result) << result->message;
  return result;
}

TEST(Tokenizer, LooksUpTokens) {
  auto tokenizer = base("byte");
  EXPECT_EQ((*tokenizer)->vocabSize(), 700);
  EXPECT_EQ((*tokenizer)->idToToken(0), "<s>");
  EXPECT_EQ((*tokenizer)->tokenToId("</s>"), 1);
  EXPECT_TRUE((*tokenizer)->isSpecial(1));
  EXPECT_FALSE((*tokenizer)->isSpecial(2));
  EXPECT_EQ((*tokenizer)->tokenToId("not a token"), std::nullopt);
  for (int32_t id : {-1, 700, INT32_MAX, INT32_MIN}) {
    EXPECT_EQ((*tokenizer)->idToToken(id), std::nullopt);
    EXPECT_FALSE((*tokenizer)->isSpecial(id));
  }
  for (int32_t id = 0; id < 700; ++id)
    EXPECT_EQ((*tokenizer)->tokenToId(*(*tokenizer)->idToToken(id)), id);
}

TEST(Tokenizer, LeavesHolesBetweenIds) {
  Json token = {{"id", 1000}, {"content", "<far>"}, {"special", true}};
  auto tokenizer = base("byte", {{"added_tokens", {token}}});
  EXPECT_EQ((*tokenizer)->vocabSize(), 1001);
  EXPECT_EQ((*tokenizer)->idToToken(900), std::nullopt);
  EXPECT_EQ(tokenizer->encode("<far>"), std::vector<int32_t>{1000});
  EXPECT_EQ((*tokenizer)->decode(std::vector<int32_t>{900, 1000}, false), "<far>");
}

TEST(Tokenizer, ReadsMergesAsStringsAndAsPairs) {
  Json json = golden()["bases"]["byte"];
  Json strings = Json::array({"#version: 0.2"});
  for (const Json &merge : json["model"]["merges"])
    strings.push_back(merge[0].get<std::string>() + " " + merge[1].get<std::string>());
  auto pairs = compileText(json.dump());
  json["model"]["merges"] = strings;
  auto texts = compileText(json.dump());
  ASSERT_TRUE(*texts) << texts->message;
  EXPECT_EQ(pairs->table, texts->table);
}

TEST(Tokenizer, RefusesTextThatIsNotUtf8) {
  auto tokenizer = base("byte");
  for (auto [text, offset] : std::initializer_list<std::pair<std::string, const char *>>{
           {"\xff", "0xff at offset 0"},
           {"abcdefghijk\x80", "0x80 at offset 11"},
           {"\xc3\xa9\xc3", "0xc3 at offset 2"},
           {"\xe4\xbd", "0xe4 at offset 0"},
           {"a\xed\xa0\x80", "0xed at offset 1"},
           {"\xc0\x80", "0xc0 at offset 0"},
           {"\xf4\x90\x80\x80", "0xf4 at offset 0"}}) {
    auto ids = (*tokenizer)->encode(text, true);
    ASSERT_FALSE(ids);
    EXPECT_EQ(ids.status().code(), rt::Code::invalidArgument);
    EXPECT_NE(ids.status().message().find(offset), std::string::npos) << ids.status().message();
  }
}

TEST(Tokenizer, NeedsAnUnknownTokenOnlyWhereItIsMissing) {
  auto tokenizer =
      base("sentence", {{"model", {{"byte_fallback", false}, {"unk_token", "<gone>"}}}});
  EXPECT_FALSE(tokenizer->encode("the").empty());
  auto ids = (*tokenizer)->encode("\xf0\x9f\xa6\x84", true);
  ASSERT_FALSE(ids);
  EXPECT_NE(ids.status().message().find("\"<gone>\""), std::string::npos);
}

TEST(StreamDecoder, NeverSplitsCharacters) {
  auto tokenizer = base("byte", {{"model", {{"merges", Json::array()}}}});
  std::vector<int32_t> ids = tokenizer->encode("\xf0\x9f\x98\x80x\xc3\xa9");
  ASSERT_EQ(ids.size(), 7u);
  rt::StreamDecoder decoder(*tokenizer->tokenizer, false);
  for (int i = 0; i < 3; ++i)
    EXPECT_EQ(decoder.push(ids[i]), "");
  EXPECT_EQ(decoder.push(ids[3]), "\xf0\x9f\x98\x80");
  EXPECT_EQ(decoder.push(ids[4]), "x");
  EXPECT_EQ(decoder.push(ids[5]), "");
  EXPECT_EQ(decoder.flush(), "\xef\xbf\xbd");
  // As new: the second half alone is not a character.
  EXPECT_EQ(decoder.push(ids[6]), "\xef\xbf\xbd");
  EXPECT_EQ(decoder.flush(), "");
}

TEST(StreamDecoder, GivesTextAsSoonAsItIsFinal) {
  auto tokenizer = base("sentence");
  std::vector<int32_t> ids = tokenizer->encode("the boats went there");
  rt::StreamDecoder decoder(*tokenizer->tokenizer, false);
  size_t silent = 0;
  for (int32_t id : ids)
    silent += decoder.push(id).empty();
  // The first token may be just the space that decoding strips.
  EXPECT_LE(silent, 1u);
  EXPECT_EQ(decoder.flush(), "");
}

TEST(Table, TruncatedAnywhereIsRefused) {
  auto tokenizer = base("words");
  for (size_t size = 0; size < tokenizer->table.size(); size += 1 + tokenizer->table.size() / 997) {
    std::vector<uint8_t> part(tokenizer->table.begin(), tokenizer->table.begin() + size);
    auto opened = rt::Tokenizer::open(part.data(), part.size());
    EXPECT_FALSE(opened) << size;
  }
}

TEST(Table, FlippedBitsNeverCrash) {
  auto tokenizer = base("sentence");
  std::vector<uint8_t> table = tokenizer->table;
  size_t refused = 0;
  for (size_t at = 0; at < table.size(); at += 1 + table.size() / 1999) {
    for (uint8_t bit : {0x01, 0x80}) {
      table[at] ^= bit;
      auto opened = rt::Tokenizer::open(table.data(), table.size());
      if (opened) {
        (void)opened->encode("The boat \xf0\x9f\x98\x80 <s> x", true);
        (void)opened->decode(std::vector<int32_t>{1, 5, 300, 379}, false);
      } else {
        ++refused;
      }
      table[at] ^= bit;
    }
  }
  EXPECT_GT(refused, 100u);
}

TEST(Table, OtherVersionIsRefusedByName) {
  // The version is the only uint with value 1 right behind the root's vtable
  // offset; find it by trying.
  auto tokenizer = base("words");
  bool named = false;
  for (size_t at = 0; at + 4 <= 512 && !named; at += 4) {
    std::vector<uint8_t> table = tokenizer->table;
    if (table[at] != 1 || table[at + 1] || table[at + 2] || table[at + 3])
      continue;
    table[at] = 99;
    auto opened = rt::Tokenizer::open(table.data(), table.size());
    named = !opened && opened.status().code() == rt::Code::unsupported &&
            opened.status().message().find("version 99") != std::string::npos;
  }
  EXPECT_TRUE(named);
}

TEST(Table, MustBeAligned) {
  auto tokenizer = base("words");
  std::vector<uint8_t> shifted(tokenizer->table.size() + 8);
  std::copy(tokenizer->table.begin(), tokenizer->table.end(), shifted.begin() + 1);
  EXPECT_FALSE(rt::Tokenizer::open(shifted.data() + 1, tokenizer->table.size()));
}

/// Texts that are hard on one part or another. Quadratic work would take
/// minutes of processor time, not the seconds that a sanitizer build needs.
TEST(LongTexts, TakeLinearTime) {
  Json patch = {{"normalizer", {{"type", "NFC"}}},
                {"pre_tokenizer",
                 {{"type", "ByteLevel"},
                  {"add_prefix_space", false},
                  {"trim_offsets", true},
                  {"use_regex", true}}}};
  std::clock_t start = std::clock();
  for (auto &tokenizer : {base("byte", patch), base("sentence")})
    for (std::string unit : {"a", " ", "\n", "ab ", "!", "7", "\xc3\xa9", "\xcc\x81\xcc\xa3", "<s",
                             "\xf0\x9f\x98\x80"}) {
      std::string text;
      while (text.size() < 200'000)
        text += unit;
      std::vector<int32_t> ids = tokenizer->encode(text);
      EXPECT_FALSE(ids.empty());
      EXPECT_FALSE((*tokenizer)->decode(ids, false).empty());
    }
  EXPECT_LT((std::clock() - start) / CLOCKS_PER_SEC, 60);
}

TEST(LongTexts, HostilePatternEndsWithAnError) {
  auto tokenizer = base("byte", {{"pre_tokenizer",
                                  {{"type", "Split"},
                                   {"pattern", {{"Regex", "(?:a+)+c"}}},
                                   {"behavior", "Isolated"},
                                   {"invert", false}}}});
  auto ids = (*tokenizer)->encode(std::string(5000, 'a') + "!c", true);
  ASSERT_FALSE(ids);
  EXPECT_EQ(ids.status().code(), rt::Code::resourceExhausted);
}

TEST(Threads, ShareOneTokenizer) {
  auto tokenizer = base("byte");
  std::string text = "The lighthouse keeper counted caf\xc3\xa9s <s>";
  std::vector<int32_t> expected = tokenizer->encode(text);
  std::vector<std::thread> threads;
  std::vector<int> wrong(4);
  for (int &count : wrong)
    threads.emplace_back([&] {
      for (int i = 0; i < 200; ++i) {
        auto ids = (*tokenizer)->encode(text, true);
        if (!ids || *ids != expected || (*tokenizer)->decode(*ids, false) != text)
          ++count;
      }
    });
  for (std::thread &thread : threads)
    thread.join();
  EXPECT_EQ(wrong, std::vector<int>(4));
}

} // namespace
} // namespace kvasir::test
