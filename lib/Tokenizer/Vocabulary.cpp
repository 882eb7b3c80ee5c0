// Compiles a tokenizer of a GGUF file. SentencePiece merges the adjacent pair whose joined text is
// the token with the highest score; as a table that is every pair of tokens whose texts join to a
// token, with the rank of the score.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "kvasir/Tokenizer/Vocabulary.h"
#include "Compilation.h"
#include "SplitRules.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/Support/JSON.h"
#include <cmath>

namespace kvasir::tokenizer {
namespace {

/// Every place in a token is looked at, and tokens are short.
constexpr size_t maxTokenBytes = 1024;
constexpr size_t maxProblems = 8; ///< of one kind
/// U+2581, which stands for a space in SentencePiece.
constexpr llvm::StringLiteral spaceMark = "\xe2\x96\x81";

class VocabularyCompiler {
public:
  VocabularyCompiler(Compilation &compilation, const VocabularyDescription &vocabulary)
      : compilation(compilation), vocabulary(vocabulary) {}

  void compile();

private:
  bool checkSizes();
  void enterTokens();
  void enterToken(uint32_t id, TokenKind kind, const std::string &text);
  void addToken(uint32_t id, TokenKind kind, const std::string &text);
  void compileBytePairs();
  void readMerges();
  std::string resolveMerge(llvm::StringRef merge, Compilation::Merge &result);
  void compileSentencePiece();
  void deriveMerges();
  void addMergesOf(uint32_t id, uint32_t rank);
  bool isPlain(uint32_t id) const;
  void addTemplate(bool addBos, bool addEos);
  int32_t special(int64_t id, const char *name);

  fb::PreTokenizerStepT &addPreTokenizer(fb::PreTokenizerKind kind);
  fb::NormalizerStepT &addNormalizer(fb::NormalizerKind kind);
  fb::DecoderStepT &addDecoder(fb::DecoderKind kind);

  /// One more problem of a kind that `count` counts; of many, the first are told.
  void tell(size_t &count, const llvm::Twine &path, const llvm::Twine &what) {
    if (++count <= maxProblems)
      compilation.problem(path, what);
  }
  void tellRest(size_t count, const llvm::Twine &path) {
    if (count > maxProblems)
      compilation.problem(path, llvm::Twine(count - maxProblems) + " more like these");
  }

  Compilation &compilation;
  const VocabularyDescription &vocabulary;
};

} // namespace

void VocabularyCompiler::compile() {
  const std::string &model = vocabulary.model;
  if (model != "gpt2" && model != "llama")
    return compilation.problem("tokenizer.ggml.model", "'" + model +
                                                           "' is not supported (supported: gpt2, "
                                                           "which is BPE, and llama, which is "
                                                           "SentencePiece)");
  if (!checkSizes())
    return;
  enterTokens();
  fb::TableT &table = compilation.table;
  table.bos_id = special(vocabulary.bos, "bos");
  table.eos_id = special(vocabulary.eos, "eos");
  table.pad_id = special(vocabulary.padding, "padding");
  table.unknown_id = special(vocabulary.unknown, "unknown");
  table.has_decoder = true;
  if (model == "gpt2")
    compileBytePairs();
  else
    compileSentencePiece();
}

bool VocabularyCompiler::checkSizes() {
  size_t count = vocabulary.tokens.size();
  auto check = [&](size_t size, const char *key) {
    if (size != count)
      compilation.problem(key, "expected one for each of the " + llvm::Twine(count) +
                                   " tokens, but got " + llvm::Twine(size));
    return size == count;
  };
  bool same = check(vocabulary.kinds.size(), "tokenizer.ggml.token_type");
  if (vocabulary.model == "llama")
    same &= check(vocabulary.scores.size(), "tokenizer.ggml.scores");
  if (count == 0)
    compilation.problem("tokenizer.ggml.tokens", "expected at least one token");
  return same && count != 0;
}

void VocabularyCompiler::enterTokens() {
  size_t wrong = 0;
  for (uint32_t id = 0; id < vocabulary.tokens.size(); ++id) {
    std::string text = vocabulary.tokens[id];
    std::string path = "token " + std::to_string(id);
    if (text.empty()) // as llama.cpp calls it: its text is never found
      text = "[EMPTY_" + std::to_string(id) + "]";
    if (!llvm::json::isUTF8(text))
      tell(wrong, path, "its text is not UTF-8");
    else if (text.size() > maxTokenBytes)
      tell(wrong, path,
           "has " + llvm::Twine(text.size()) + " bytes, at most " + llvm::Twine(maxTokenBytes) +
               " are supported");
    else if (std::optional<uint32_t> other = compilation.find(text))
      tell(wrong, path, "\"" + text + "\" is also token " + llvm::Twine(*other));
    else
      enterToken(id, vocabulary.kinds[id], text);
  }
  tellRest(wrong, "tokens");
}

void VocabularyCompiler::enterToken(uint32_t id, TokenKind kind, const std::string &text) {
  if (!compilation.enter("tokenizer.ggml.tokens", text, id))
    return;
  if (kind != TokenKind::control && kind != TokenKind::unknown)
    compilation.set(id, fb::TokenFlag::model);
  if (kind == TokenKind::control || kind == TokenKind::unknown || kind == TokenKind::userDefined)
    addToken(id, kind, text);
}

/// A token that is found in the text before it is split.
void VocabularyCompiler::addToken(uint32_t id, TokenKind kind, const std::string &text) {
  AddedToken token;
  token.id = id;
  token.content = text;
  token.normalized = false;
  token.special = kind != TokenKind::userDefined;
  bool bare = text == "<unk>" || text == "<s>" || text == "<|endoftext|>";
  if (vocabulary.stripAfterSpecial && !bare)
    token.flags |= static_cast<uint32_t>(fb::AddedFlag::strip_right);
  if (token.special)
    compilation.set(id, fb::TokenFlag::special);
  compilation.set(id, fb::TokenFlag::added);
  compilation.added.push_back(std::move(token));
}

int32_t VocabularyCompiler::special(int64_t id, const char *name) {
  if (id < 0 || id < int64_t(vocabulary.tokens.size()))
    return static_cast<int32_t>(std::max<int64_t>(id, -1));
  compilation.problem("tokenizer.ggml." + llvm::Twine(name) + "_token_id",
                      llvm::Twine(id) + " is outside the vocabulary of " +
                          llvm::Twine(vocabulary.tokens.size()) + " tokens");
  return -1;
}

void VocabularyCompiler::addTemplate(bool addBos, bool addEos) {
  fb::TableT &table = compilation.table;
  bool bos = vocabulary.addBos.value_or(addBos) && table.bos_id >= 0;
  bool eos = vocabulary.addEos.value_or(addEos) && table.eos_id >= 0;
  if (!bos && !eos)
    return;
  if (bos)
    table.template_.push_back(table.bos_id);
  table.template_.push_back(-1);
  if (eos)
    table.template_.push_back(table.eos_id);
}

fb::PreTokenizerStepT &VocabularyCompiler::addPreTokenizer(fb::PreTokenizerKind kind) {
  auto &steps = compilation.table.pre_tokenizers;
  steps.push_back(std::make_unique<fb::PreTokenizerStepT>());
  steps.back()->kind = kind;
  return *steps.back();
}

fb::NormalizerStepT &VocabularyCompiler::addNormalizer(fb::NormalizerKind kind) {
  auto &steps = compilation.table.normalizers;
  steps.push_back(std::make_unique<fb::NormalizerStepT>());
  steps.back()->kind = kind;
  return *steps.back();
}

fb::DecoderStepT &VocabularyCompiler::addDecoder(fb::DecoderKind kind) {
  auto &steps = compilation.table.decoders;
  steps.push_back(std::make_unique<fb::DecoderStepT>());
  steps.back()->kind = kind;
  return *steps.back();
}

void VocabularyCompiler::compileBytePairs() {
  const SplitRules *rules = findSplitRules(vocabulary.preTokenizer);
  if (!rules)
    return compilation.problem("tokenizer.ggml.pre",
                               "'" + vocabulary.preTokenizer +
                                   "' is not known (known: " + splitRuleNames() + ")");
  fb::TableT &table = compilation.table;
  // Every byte has a token; without one it vanishes.
  table.unknown_id = -1;
  table.ignore_merges = rules->ignoreMerges;
  for (llvm::StringRef pattern : rules->patterns)
    if (std::optional<uint32_t> regex = addRegex(compilation, "tokenizer.ggml.pre", pattern)) {
      fb::PreTokenizerStepT &step = addPreTokenizer(fb::PreTokenizerKind::split_regex);
      step.regex = *regex;
      step.behavior = fb::SplitBehavior::isolated;
    }
  addPreTokenizer(fb::PreTokenizerKind::byte_level);
  addDecoder(fb::DecoderKind::byte_level);
  readMerges();
  addTemplate(rules->addBos, false);
}

/// Looks up the halves of a merge; a message if something is not in the vocabulary.
std::string VocabularyCompiler::resolveMerge(llvm::StringRef merge, Compilation::Merge &result) {
  size_t space = merge.find(' ', 1);
  if (space == llvm::StringRef::npos || space + 1 == merge.size())
    return "expected \"left right\"";
  llvm::StringRef left = merge.take_front(space), right = merge.drop_front(space + 1);
  std::string merged = (left + right).str();
  for (auto [text, id] : {std::make_pair(left, &result.left), std::make_pair(right, &result.right),
                          std::make_pair(llvm::StringRef(merged), &result.merged)}) {
    std::optional<uint32_t> found = compilation.find(text);
    if (!found)
      return ("\"" + text + "\" is not in the vocabulary").str();
    *id = *found;
  }
  return "";
}

void VocabularyCompiler::readMerges() {
  size_t wrong = 0;
  llvm::StringSet<> seen;
  for (size_t rank = 0; rank < vocabulary.merges.size(); ++rank) {
    if (!seen.insert(vocabulary.merges[rank]).second)
      continue; // the first place counts
    Compilation::Merge merge;
    merge.rank = static_cast<uint32_t>(rank);
    if (std::string what = resolveMerge(vocabulary.merges[rank], merge); what.empty())
      compilation.merges.push_back(merge);
    else
      tell(wrong, "tokenizer.ggml.merges[" + llvm::Twine(rank) + "]", what);
  }
  tellRest(wrong, "tokenizer.ggml.merges");
}

void VocabularyCompiler::compileSentencePiece() {
  fb::TableT &table = compilation.table;
  table.byte_fallback = llvm::is_contained(vocabulary.kinds, TokenKind::byte);
  if (vocabulary.addSpacePrefix)
    addNormalizer(fb::NormalizerKind::prepend).text = spaceMark.str();
  fb::NormalizerStepT &mark = addNormalizer(fb::NormalizerKind::replace_literal);
  mark.text = " ";
  mark.content = spaceMark.str();
  fb::DecoderStepT &space = addDecoder(fb::DecoderKind::replace_literal);
  space.text = spaceMark.str();
  space.content = " ";
  addDecoder(fb::DecoderKind::byte_fallback);
  addDecoder(fb::DecoderKind::fuse);
  if (vocabulary.addSpacePrefix) {
    fb::DecoderStepT &strip = addDecoder(fb::DecoderKind::strip);
    strip.text = " ";
    strip.start = 1;
  }
  deriveMerges();
  addTemplate(true, false);
}

bool VocabularyCompiler::isPlain(uint32_t id) const {
  TokenKind kind = vocabulary.kinds[id];
  return kind == TokenKind::normal || kind == TokenKind::userDefined || kind == TokenKind::unused;
}

void VocabularyCompiler::deriveMerges() {
  size_t wrong = 0;
  std::vector<float> scores;
  for (uint32_t id = 0; id < vocabulary.tokens.size(); ++id) {
    if (!std::isnan(vocabulary.scores[id]))
      scores.push_back(vocabulary.scores[id]);
    else
      tell(wrong, "tokenizer.ggml.scores[" + llvm::Twine(id) + "]", "is not a number");
  }
  tellRest(wrong, "tokenizer.ggml.scores");
  if (compilation.problemCount)
    return;
  llvm::sort(scores, std::greater<>());
  scores.erase(llvm::unique(scores), scores.end());
  for (uint32_t id = 0; id < vocabulary.tokens.size(); ++id)
    if (isPlain(id)) {
      auto rank = llvm::lower_bound(scores, vocabulary.scores[id], std::greater<>());
      addMergesOf(id, static_cast<uint32_t>(rank - scores.begin()));
    }
}

/// All ways to put a token together from two others. Pairs of equal score have the same rank, so
/// that the leftmost of them merges first.
void VocabularyCompiler::addMergesOf(uint32_t id, uint32_t rank) {
  llvm::StringRef text = compilation.texts[id];
  for (size_t place = 1; place < text.size(); ++place) {
    if ((text[place] & 0xc0) == 0x80) // inside a character
      continue;
    std::optional<uint32_t> left = compilation.find(text.take_front(place)),
                            right = compilation.find(text.drop_front(place));
    if (left && right && isPlain(*left) && isPlain(*right))
      compilation.merges.push_back({*left, *right, id, rank});
  }
}

} // namespace kvasir::tokenizer

llvm::Expected<std::vector<uint8_t>>
kvasir::compileVocabulary(const VocabularyDescription &vocabulary,
                          const TokenizerOptions &options) {
  tokenizer::Compilation compilation;
  tokenizer::VocabularyCompiler(compilation, vocabulary).compile();
  return tokenizer::finishTable(compilation, options);
}
