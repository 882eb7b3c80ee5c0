// Tokenizers from GGUF metadata: llama.cpp's vectors, merges from scores, what is refused.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "kvasir/Tokenizer/Vocabulary.h"
#include "SplitRules.h"
#include "TestSupport.h"
#include "lib/Import/GGUF/Model.h"
#include "llvm/ADT/StringExtras.h"
#include <algorithm>
#include <random>

namespace kvasir::test {
namespace {

const std::string shared = std::string(KVASIR_SHARED_DATA) + "/";

std::unique_ptr<Compiled> compileDescription(const VocabularyDescription &vocabulary) {
  auto result = std::make_unique<Compiled>();
  TokenizerOptions options;
  options.name = "test.gguf";
  auto table = compileVocabulary(vocabulary, options);
  if (!table) {
    result->message = llvm::toString(table.takeError());
    return result;
  }
  result->table = std::move(*table);
  auto opened = rt::Tokenizer::open(result->table.data(), result->table.size());
  if (opened)
    result->tokenizer.emplace(std::move(*opened));
  else
    result->message = opened.status().message();
  return result;
}

std::optional<VocabularyDescription> readFrom(const std::string &bytes) {
  gguf::Container container;
  Problems problems;
  gguf::Metadata metadata = gguf::parseFile(bytes, "test.gguf", container, problems);
  std::string missing;
  auto vocabulary = gguf::readVocabulary(metadata, missing, problems);
  EXPECT_TRUE(problems.empty()) << problems.get().front();
  return vocabulary;
}

std::vector<std::string> splitText(const std::string &text, const std::string &separator) {
  std::vector<std::string> parts;
  size_t begin = 0;
  for (size_t at; (at = text.find(separator, begin)) != std::string::npos;
       begin = at + separator.size())
    parts.push_back(text.substr(begin, at - begin));
  parts.push_back(text.substr(begin));
  return parts;
}

/// llama.cpp's vectors: texts, and a line of ids for each, without special tokens around them.
class Vectors : public testing::TestWithParam<const char *> {};

TEST_P(Vectors, GiveTheIdsOfLlamaCpp) {
  std::string base = shared + "tokenizers/ggml-vocab-" + GetParam() + ".gguf";
  std::string bytes = readFile(base), texts = readFile(base + ".inp"),
              ids = readFile(base + ".out");
  if (bytes.empty() || texts.empty() || ids.empty())
    GTEST_SKIP() << "not available: " << base;
  auto vocabulary = readFrom(bytes);
  ASSERT_TRUE(vocabulary);
  auto tokenizer = compileDescription(*vocabulary);
  ASSERT_TRUE(*tokenizer) << tokenizer->message;
  std::vector<std::string> inputs = splitText(texts, "\n__ggml_vocab_test__\n");
  std::vector<std::string> lines = splitText(ids, "\n");
  ASSERT_GE(lines.size(), inputs.size());
  for (size_t i = 0; i < inputs.size(); ++i) {
    std::string line;
    for (int32_t id : tokenizer->encode(inputs[i], false))
      line += " " + std::to_string(id);
    EXPECT_EQ(line, lines[i]) << "text " << i << ": " << inputs[i];
    // The space that SentencePiece adds is taken off again.
    EXPECT_EQ((*tokenizer)->decode(tokenizer->encode(inputs[i], false), false), inputs[i]);
  }
}

INSTANTIATE_TEST_SUITE_P(Tokenizer, Vectors, testing::Values("gpt-2", "mpt", "phi-3", "refact"),
                         [](const auto &info) {
                           std::string name = info.param;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

/// The same model as Hugging Face stores it: merges by rank instead of scores.
TEST(Vocabulary, ScoresGiveTheIdsOfMerges) {
  std::string bytes = readFile(shared + "tokenizers/ggml-vocab-phi-3.gguf"),
              json = readFile(shared + "tokenizers/phi-3-mini.tokenizer.json"),
              prose = readFile(shared + "text/tinyshakespeare.txt");
  if (bytes.empty() || json.empty() || prose.empty())
    GTEST_SKIP() << "not available";
  auto scores = compileDescription(*readFrom(bytes));
  auto merges = compileText(json);
  ASSERT_TRUE(*scores) << scores->message;
  ASSERT_TRUE(*merges) << merges->message;
  prose.resize(200'000);
  // Without the token that starts a text: only one of the two files asks for it.
  EXPECT_EQ(scores->encode(prose, false), merges->encode(prose, false));
  for (const char *text :
       {"<|user|>\nHi!<|end|> \n<|assistant|>", "a</s>  b<unk> c", "\u00e9\u4f60\U0001f600"})
    EXPECT_EQ(scores->encode(text, false), merges->encode(text, false)) << text;
}

TEST(Vocabulary, BertIsRefusedByName) {
  std::string bytes = readFile(shared + "tokenizers/ggml-vocab-bert-bge.gguf");
  if (bytes.empty())
    GTEST_SKIP() << "not available";
  auto tokenizer = compileDescription(*readFrom(bytes));
  EXPECT_NE(
      tokenizer->message.find("tokenizer.ggml.model: 'bert' is not supported (supported: gpt2"),
      std::string::npos)
      << tokenizer->message;
}

/// A SentencePiece vocabulary of single characters, bytes and the given pieces.
VocabularyDescription pieces(const std::vector<std::pair<std::string, float>> &list) {
  VocabularyDescription result;
  result.model = "llama";
  auto add = [&](const std::string &text, float score, TokenKind kind) {
    result.tokens.push_back(text);
    result.scores.push_back(score);
    result.kinds.push_back(kind);
  };
  add("<unk>", 0, TokenKind::unknown);
  add("<s>", 0, TokenKind::control);
  add("</s>", 0, TokenKind::control);
  for (int byte = 0; byte < 256; ++byte)
    add("<0x" + llvm::utohexstr(byte, false, 2) + ">", 0, TokenKind::byte);
  for (auto &[text, score] : list)
    add(text, score, TokenKind::normal);
  result.bos = 1;
  result.eos = 2;
  result.unknown = 0;
  return result;
}

/// The definition, in quadratic time: join the adjacent pair whose text is the token with the
/// highest score, of equal ones the leftmost.
std::vector<std::string> joinSlowly(const VocabularyDescription &vocabulary,
                                    std::vector<std::string> symbols) {
  for (;;) {
    size_t best = symbols.size();
    float bestScore = 0;
    for (size_t i = 0; i + 1 < symbols.size(); ++i) {
      auto found = std::find(vocabulary.tokens.begin(), vocabulary.tokens.end(),
                             symbols[i] + symbols[i + 1]);
      if (found == vocabulary.tokens.end())
        continue;
      float score = vocabulary.scores[found - vocabulary.tokens.begin()];
      if (best == symbols.size() || score > bestScore) {
        best = i;
        bestScore = score;
      }
    }
    if (best == symbols.size())
      return symbols;
    symbols[best] += symbols[best + 1];
    symbols.erase(symbols.begin() + static_cast<ptrdiff_t>(best) + 1);
  }
}

TEST(Vocabulary, MergesFromScoresAreThoseOfTheDefinition) {
  std::mt19937 random(7);
  auto letters = [&](size_t length) {
    std::string text;
    for (size_t i = 0; i < length; ++i)
      text += static_cast<char>('a' + random() % 3);
    return text;
  };
  for (int round = 0; round < 200; ++round) {
    std::map<std::string, float> list = {{"a", 0}, {"b", 0}, {"c", 0}};
    for (int i = 0; i < 25; ++i) // few scores: many ties
      list[letters(2 + random() % 4)] = -static_cast<float>(random() % 6);
    VocabularyDescription vocabulary = pieces({list.begin(), list.end()});
    vocabulary.addSpacePrefix = false;
    auto tokenizer = compileDescription(vocabulary);
    ASSERT_TRUE(*tokenizer) << tokenizer->message;
    for (int i = 0; i < 20; ++i) {
      std::string text = letters(1 + random() % 20);
      std::vector<std::string> symbols;
      for (char c : text)
        symbols.push_back(std::string(1, c));
      std::vector<std::string> got;
      for (int32_t id : tokenizer->encode(text, false))
        got.push_back(vocabulary.tokens[id]);
      EXPECT_EQ(got, joinSlowly(vocabulary, symbols)) << text;
    }
  }
}

TEST(Vocabulary, SpecialTokensAndFlags) {
  VocabularyDescription vocabulary = pieces({{"\u2581", 0}, {"a", 0}, {"\u2581a", -1}});
  EXPECT_EQ(compileDescription(vocabulary)->encode("a"), (std::vector<int32_t>{1, 261}));
  // Each stretch between special tokens starts with the space that is not there.
  EXPECT_EQ(compileDescription(vocabulary)->encode("a</s>a"),
            (std::vector<int32_t>{1, 261, 2, 261}));
  vocabulary.addBos = false;
  vocabulary.addEos = true;
  EXPECT_EQ(compileDescription(vocabulary)->encode("a"), (std::vector<int32_t>{261, 2}));
  vocabulary.addSpacePrefix = false;
  EXPECT_EQ(compileDescription(vocabulary)->encode("a"), (std::vector<int32_t>{260, 2}));
  // U+00E9 is no token: its bytes are.
  EXPECT_EQ(compileDescription(vocabulary)->encode("\u00e9", false),
            (std::vector<int32_t>{3 + 0xc3, 3 + 0xa9}));
  vocabulary.stripAfterSpecial = true;
  EXPECT_EQ(compileDescription(vocabulary)->encode("</s>  a", false),
            (std::vector<int32_t>{2, 260}));
}

TEST(Vocabulary, EveryNameOfSplitRulesCompiles) {
  VocabularyDescription vocabulary;
  vocabulary.model = "gpt2";
  for (const char *text :
       {"1", "2", "a", "b", "\u0120", "11", "111", "ab", "\u0120a", "\u0120ab"}) {
    vocabulary.tokens.push_back(text);
    vocabulary.kinds.push_back(TokenKind::normal);
  }
  vocabulary.merges = {"1 1", "11 1", "a b", "\u0120 a", "\u0120a b", "\u0120 ab"};
  llvm::SmallVector<llvm::StringRef> names;
  std::string all = tokenizer::splitRuleNames();
  llvm::SplitString(all, names, ", ");
  EXPECT_GT(names.size(), 40u);
  for (llvm::StringRef name : names) {
    vocabulary.preTokenizer = name.str();
    auto tokenizer = compileDescription(vocabulary);
    ASSERT_TRUE(*tokenizer) << name.str() << ": " << tokenizer->message;
    EXPECT_EQ((*tokenizer)->decode(tokenizer->encode("ab ab 1112", false), false), "ab ab 1112");
  }
  // Three digits are a piece, each digit is, or all of them are.
  auto digits = [&](const char *name, const char *text) {
    vocabulary.preTokenizer = name;
    return compileDescription(vocabulary)->encode(text, false);
  };
  EXPECT_EQ(digits("llama-bpe", "1111"), (std::vector<int32_t>{6, 0}));
  EXPECT_EQ(digits("qwen2", "111"), (std::vector<int32_t>{0, 0, 0}));
  EXPECT_EQ(digits("starcoder", "111"), (std::vector<int32_t>{0, 0, 0}));
  EXPECT_EQ(digits("gpt-2", "1111"), (std::vector<int32_t>{5, 5}));
  EXPECT_EQ(digits("gpt-4o", " ab"), std::vector<int32_t>{9});
}

/// The tokenizer of golden.json's base "byte", as a GGUF file would hold it.
VocabularyDescription describeByteBase() {
  const Json &base = golden()["bases"]["byte"];
  VocabularyDescription result;
  result.model = "gpt2";
  const Json &tokens = base["model"]["vocab"];
  result.tokens.resize(tokens.size());
  result.kinds.assign(tokens.size(), TokenKind::normal);
  for (auto token = tokens.begin(); token != tokens.end(); ++token)
    result.tokens[token->get<size_t>()] = token.key();
  for (const Json &token : base["added_tokens"])
    result.kinds[token["id"].get<size_t>()] = TokenKind::control;
  for (const Json &merge : base["model"]["merges"])
    result.merges.push_back(merge.is_string()
                                ? merge.get<std::string>()
                                : merge[0].get<std::string>() + " " + merge[1].get<std::string>());
  return result;
}

/// golden.json has what the reference makes of texts with the patterns of the models themselves.
TEST(Vocabulary, SplitRulesAreThoseOfTheModels) {
  const std::map<std::string, const char *> names = {{"pattern: gpt2", "gpt-2"},
                                                     {"pattern: llama3", "dbrx"},
                                                     {"pattern: qwen2", "qwen2"},
                                                     {"pattern: o200k", "gpt-4o"}};
  size_t compared = 0;
  for (const Json &entry : golden()["cases"]) {
    auto name = names.find(entry["name"].get<std::string>());
    if (name == names.end() || entry["base"] != "byte")
      continue;
    VocabularyDescription vocabulary = describeByteBase();
    vocabulary.preTokenizer = name->second;
    auto tokenizer = compileDescription(vocabulary);
    ASSERT_TRUE(*tokenizer) << tokenizer->message;
    for (const Json &test : entry["tests"]) {
      std::string text = test["text"];
      EXPECT_EQ(Json(tokenizer->encode(text, false)), test.value("plain", test["ids"]))
          << name->second << ": " << Json(text).dump();
    }
    ++compared;
  }
  EXPECT_EQ(compared, names.size());
}

void expectRefused(const VocabularyDescription &vocabulary, const std::string &message) {
  auto tokenizer = compileDescription(vocabulary);
  EXPECT_FALSE(*tokenizer);
  EXPECT_NE(tokenizer->message.find(message), std::string::npos)
      << "expected: " << message << "\n     got: " << tokenizer->message;
}

TEST(Vocabulary, BrokenOnesAreRefused) {
  VocabularyDescription good = pieces({{"a", 0}, {"aa", -1}}), bad = good;
  bad.scores.pop_back();
  expectRefused(bad, "tokenizer.ggml.scores: expected one for each of the 261 tokens, but got 260");
  bad = good;
  bad.kinds.clear();
  expectRefused(bad, "tokenizer.ggml.token_type: expected one for each of the 261 tokens");
  bad = good;
  bad.tokens[260] = "a";
  expectRefused(bad, "token 260: \"a\" is also token 259");
  bad = good;
  bad.tokens[260] = "\xff";
  expectRefused(bad, "token 260: its text is not UTF-8");
  bad = good;
  bad.tokens[260] = std::string(1025, 'a');
  expectRefused(bad, "token 260: has 1025 bytes, at most 1024 are supported");
  bad = good;
  bad.scores[260] = NAN;
  expectRefused(bad, "tokenizer.ggml.scores[260]: is not a number");
  bad = good;
  bad.eos = 261;
  expectRefused(bad, "tokenizer.ggml.eos_token_id: 261 is outside the vocabulary of 261 tokens");
  bad.model = "gpt2";
  bad.preTokenizer = "surprise";
  expectRefused(bad, "tokenizer.ggml.pre: 'surprise' is not known (known: default, llama-bpe");
  bad.preTokenizer = "gpt-2";
  bad.merges = {"a a", "a", "a zz", "a "};
  expectRefused(bad, "tokenizer.ggml.merges[1]: expected \"left right\"");
  expectRefused(bad, "tokenizer.ggml.merges[2]: \"zz\" is not in the vocabulary");
  VocabularyDescription empty;
  empty.model = "llama";
  expectRefused(empty, "tokenizer.ggml.tokens: expected at least one token");
}

} // namespace
} // namespace kvasir::test
