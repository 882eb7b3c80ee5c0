// The keys tokenizer.*: what the tokenizer is compiled from, and the ids that end a text.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "Keys.h"
#include "Model.h"
#include "llvm/ADT/STLExtras.h"

using namespace kvasir;
using namespace kvasir::gguf;
using llvm::StringRef;
using llvm::Twine;

/// The strings of a key; nothing if it is absent or, with a problem, something else.
static const std::vector<StringRef> *readStrings(Keys &keys, StringRef key) {
  const Value *value = keys.value(key);
  if (!value)
    return nullptr;
  if (value->isArrayOf(ValueType::string))
    return &value->strings;
  keys.problem(key, "should be an array of strings, but is " + describeValue(*value));
  return nullptr;
}

static std::vector<std::string> copyStrings(Keys &keys, StringRef key) {
  const std::vector<StringRef> *strings = readStrings(keys, key);
  if (!strings)
    return {};
  return std::vector<std::string>(strings->begin(), strings->end());
}

/// The numbers of an array, as `convert(value, index)` makes them.
template <class T, class F> static std::vector<T> readArray(Keys &keys, StringRef key, F convert) {
  std::vector<T> result;
  const Value *value = keys.value(key);
  if (!value)
    return result;
  bool array = value->type == ValueType::array && value->elementType != ValueType::array &&
               value->elementType != ValueType::string;
  for (uint64_t i = 0; array && i != value->count; ++i)
    if (std::optional<T> element = convert(*value, i))
      result.push_back(*element);
    else
      array = false;
  if (array)
    return result;
  keys.problem(key, "should be an array of numbers of its kind, but is " + describeValue(*value));
  return {};
}

static std::optional<TokenKind> convertKind(const Value &value, uint64_t index) {
  std::optional<int64_t> kind = value.integer(index);
  if (!kind)
    return std::nullopt;
  // 0 and numbers that are not known mean nothing in particular.
  return *kind >= 1 && *kind <= 6 ? static_cast<TokenKind>(*kind) : TokenKind::normal;
}

static int64_t readId(Keys &keys, StringRef key, int64_t absent = -1) {
  // Some writers say -1 for none, in 32 bits.
  const Value *value = keys.value(key);
  std::optional<int64_t> id = value ? value->integer() : std::nullopt;
  if (id == -1 || id == int64_t(UINT32_MAX))
    return -1;
  return keys.integer(key, 0, INT32_MAX).value_or(absent);
}

/// SentencePiece vocabularies have these ids unless they say otherwise.
static bool isSentencePiece(const Metadata &metadata) {
  auto found = metadata.find("tokenizer.ggml.model");
  return found != metadata.end() && found->second.text() == StringRef("llama");
}

/// Tokens, and what belongs to each.
static void readTokens(Keys &keys, VocabularyDescription &result) {
  result.tokens = copyStrings(keys, "tokens");
  result.merges = copyStrings(keys, "merges");
  result.kinds = readArray<TokenKind>(keys, "token_type", convertKind);
  if (result.kinds.empty()) // old files do not say what their tokens are
    result.kinds.assign(result.tokens.size(), TokenKind::normal);
  result.scores = readArray<float>(keys, "scores", [](const Value &value, uint64_t i) {
    std::optional<double> score = value.number(i);
    return score ? std::optional<float>(static_cast<float>(*score)) : std::nullopt;
  });
}

static void readIds(const Metadata &metadata, Keys &keys, VocabularyDescription &result) {
  // What is wrong with these two is said where the model is described.
  Problems said;
  Keys ends(metadata, "tokenizer.ggml.", said);
  bool pieces = isSentencePiece(metadata);
  result.bos = readId(ends, "bos_token_id", pieces ? 1 : -1);
  result.eos = readId(ends, "eos_token_id", pieces ? 2 : -1);
  result.unknown = readId(keys, "unknown_token_id", pieces ? 0 : -1);
  result.padding = readId(keys, "padding_token_id");
}

std::optional<VocabularyDescription>
gguf::readVocabulary(const Metadata &metadata, std::string &missing, Problems &problems) {
  Keys keys(metadata, "tokenizer.ggml.", problems);
  std::optional<std::string> model = keys.text("model");
  if (!model || *model == "no_vocab" || *model == "none" || !keys.value("tokens")) {
    missing = "the file has no vocabulary";
    return std::nullopt;
  }
  VocabularyDescription result;
  result.model = *model;
  result.preTokenizer = keys.text("pre").value_or("default");
  readTokens(keys, result);
  readIds(metadata, keys, result);
  result.addBos = keys.boolean("add_bos_token");
  result.addEos = keys.boolean("add_eos_token");
  result.addSpacePrefix = keys.boolean("add_space_prefix").value_or(true);
  std::string name = Keys(metadata, "general.", problems).text("name").value_or("");
  name = StringRef(name).lower();
  result.stripAfterSpecial = StringRef(name).contains("phi-3") || StringRef(name).contains("phi3");
  return result;
}

/// Control tokens that end a turn or a text in the models that have them.
static const StringRef endTokens[] = {"<|eot_id|>",    "<|eom_id|>",    "<|im_end|>",
                                      "<|end|>",       "<|endoftext|>", "<|end_of_text|>",
                                      "<end_of_turn>", "<EOT>"};

void gguf::readSpecialTokens(const Metadata &metadata, DecoderDescription &decoder,
                             Problems &problems) {
  Keys keys(metadata, "tokenizer.ggml.", problems);
  bool pieces = isSentencePiece(metadata);
  auto inside = [&](int64_t id) { return id >= 0 && id < decoder.vocabularySize; };
  int64_t bos = readId(keys, "bos_token_id", pieces ? 1 : -1);
  if (bos >= decoder.vocabularySize && keys.value("bos_token_id"))
    keys.problem("bos_token_id", "= " + Twine(bos) + " is outside the vocabulary of " +
                                     Twine(decoder.vocabularySize) + " ids");
  decoder.bos = inside(bos) ? bos : -1;
  auto addEnd = [&](int64_t id) {
    // An id outside the vocabulary is never chosen, so it ends nothing.
    if (inside(id) && !llvm::is_contained(decoder.eos, id))
      decoder.eos.push_back(id);
  };
  addEnd(readId(keys, "eos_token_id", pieces ? 2 : -1));
  addEnd(readId(keys, "eot_token_id"));
  addEnd(readId(keys, "eom_token_id"));
  const Value *tokens = keys.value("tokens"), *kinds = keys.value("token_type");
  if (!tokens || !kinds || !tokens->isArrayOf(ValueType::string))
    return;
  for (size_t id = 0; id < tokens->strings.size(); ++id)
    if (llvm::is_contained(endTokens, tokens->strings[id]) &&
        kinds->integer(id) == int64_t(TokenKind::control))
      addEnd(static_cast<int64_t>(id));
}
