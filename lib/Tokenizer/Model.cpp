// The BPE model, the added tokens and tokenizer_config.json: everything that
// has ids.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "Compilation.h"
#include "llvm/ADT/STLExtras.h"

namespace kvasir::tokenizer {
namespace {

/// Longer ones would make looking for them slow, and are no tokens.
constexpr size_t maxAddedBytes = 1024;
/// A table with this many wrong merges is not worth listing to the end.
constexpr size_t maxMergeProblems = 8;

/// The type of a model, also of old files that do not name it.
std::string modelType(const Json &model) {
  auto has = [&](const char *key) { return model.contains(key); };
  if (has("type"))
    return model["type"].is_string() ? model["type"].get<std::string>() : "?";
  if (has("unk_id") || (has("vocab") && model["vocab"].is_array()))
    return "Unigram";
  if (has("max_input_chars_per_word"))
    return "WordPiece";
  return has("merges") ? "BPE" : "WordLevel";
}

void readVocabulary(Compilation &compilation, ObjectReader &reader) {
  const Json *vocabulary = reader.member("vocab");
  std::string path = reader.memberPath("vocab");
  if (!vocabulary || !vocabulary->is_object())
    return compilation.problem(path, "expected an object from token to id");
  for (auto it = vocabulary->begin(); it != vocabulary->end(); ++it) {
    const Json &id = *it;
    if (!id.is_number_unsigned()) {
      compilation.problem(path, "id of \"" + it.key() + "\": expected a whole number, but got " +
                                    kindOf(id));
      continue;
    }
    if (compilation.enter(path, it.key(), id.get<uint64_t>()))
      compilation.set(static_cast<uint32_t>(id.get<uint64_t>()), fb::TokenFlag::model);
  }
}

/// The two halves of a merge, written as "a b" or ["a", "b"].
std::optional<std::pair<llvm::StringRef, llvm::StringRef>> splitMerge(const Json &merge) {
  if (merge.is_string()) {
    auto [left, right] = llvm::StringRef(merge.get_ref<const std::string &>()).split(' ');
    if (left.empty() || right.empty() || right.contains(' '))
      return std::nullopt;
    return std::make_pair(left, right);
  }
  if (!merge.is_array() || merge.size() != 2 || !merge[0].is_string() || !merge[1].is_string())
    return std::nullopt;
  return std::make_pair(llvm::StringRef(merge[0].get_ref<const std::string &>()),
                        llvm::StringRef(merge[1].get_ref<const std::string &>()));
}

/// Looks up a merge in the vocabulary; a message if something is not in it.
std::string resolveMerge(const Compilation &compilation, const Json &json,
                         Compilation::Merge &merge) {
  auto halves = splitMerge(json);
  if (!halves)
    return "expected \"left right\" or [\"left\", \"right\"]";
  auto [left, right] = *halves;
  llvm::StringRef prefix = compilation.table.continuing_prefix;
  if (right.size() < prefix.size())
    return ("\"" + right + "\" is shorter than continuing_subword_prefix").str();
  std::string merged = (left + right.drop_front(prefix.size())).str();
  for (auto [text, id] : {std::make_pair(left, &merge.left), std::make_pair(right, &merge.right),
                          std::make_pair(llvm::StringRef(merged), &merge.merged)}) {
    std::optional<uint32_t> found = compilation.find(text);
    if (!found)
      return ("\"" + text + "\" is not in the vocabulary").str();
    *id = *found;
  }
  return "";
}

void readMerges(Compilation &compilation, ObjectReader &reader) {
  const Json *merges = reader.member("merges");
  std::string path = reader.memberPath("merges");
  // Some writers know only one kind of empty table.
  if (merges && merges->is_object() && merges->empty())
    return;
  if (!merges || !merges->is_array())
    return compilation.problem(path, "expected an array");
  size_t wrong = 0;
  for (size_t i = 0; i < merges->size(); ++i) {
    const Json &json = (*merges)[i];
    // What merges.txt starts with.
    if (json.is_string() &&
        llvm::StringRef(json.get_ref<const std::string &>()).starts_with("#version"))
      continue;
    Compilation::Merge merge;
    merge.rank = static_cast<uint32_t>(compilation.merges.size());
    std::string what = resolveMerge(compilation, json, merge);
    if (what.empty())
      compilation.merges.push_back(merge);
    else if (++wrong <= maxMergeProblems)
      compilation.problem(path + "[" + llvm::Twine(i) + "]", what);
  }
  if (wrong > maxMergeProblems)
    compilation.problem(path, llvm::Twine(wrong - maxMergeProblems) + " more merges like these");
}

void readUnknown(Compilation &compilation, ObjectReader &reader) {
  compilation.table.fuse_unknown = reader.boolean("fuse_unk", false);
  std::string unknown = reader.string("unk_token");
  if (!reader.member("unk_token"))
    return;
  std::optional<uint32_t> id = compilation.find(unknown);
  // Only an error if it is ever needed, which byte-level models never do.
  compilation.table.unknown_id = id ? static_cast<int32_t>(*id) : -2;
  compilation.table.unknown_token = unknown;
}

} // namespace

void readModel(Compilation &compilation, const Json &model) {
  ObjectReader reader(compilation, model, "model");
  if (!model.is_object())
    return reader.problem("expected an object, but got " + kindOf(model));
  std::string type = modelType(model);
  if (type != "BPE")
    return reader.problem("tokenizer model \"" + type + "\" is not supported (supported: BPE)");
  reader.allow({"type", "dropout", "unk_token", "continuing_subword_prefix", "end_of_word_suffix",
                "fuse_unk", "byte_fallback", "ignore_merges", "vocab", "merges"});
  if (const Json *dropout = reader.member("dropout"))
    if (!dropout->is_number() || dropout->get<double>() != 0)
      reader.problem("dropout is for training; set it to null");
  fb::TableT &table = compilation.table;
  table.continuing_prefix = reader.string("continuing_subword_prefix");
  table.end_suffix = reader.string("end_of_word_suffix");
  table.byte_fallback = reader.boolean("byte_fallback", false);
  table.ignore_merges = reader.boolean("ignore_merges", false);
  readVocabulary(compilation, reader);
  readMerges(compilation, reader);
  readUnknown(compilation, reader);
}

/// One added token. Tokens of the vocabulary keep their id; for others the file
/// says it, whereas the reference implementation counts on from the vocabulary,
/// which is the same in files that it wrote.
static void addToken(Compilation &compilation, ObjectReader &reader, const Json *id) {
  reader.allow({"id", "content", "single_word", "lstrip", "rstrip", "normalized", "special"});
  AddedToken token;
  token.content = reader.needString("content", false);
  token.special = reader.boolean("special", false);
  token.normalized = reader.boolean("normalized", !token.special);
  auto flag = [&](const char *key, fb::AddedFlag bit) {
    if (reader.boolean(key, false))
      token.flags |= static_cast<uint32_t>(bit);
  };
  flag("single_word", fb::AddedFlag::single_word);
  flag("lstrip", fb::AddedFlag::strip_left);
  flag("rstrip", fb::AddedFlag::strip_right);
  if (token.content.empty())
    return; // never matches anything
  if (token.content.size() > maxAddedBytes)
    return reader.problem("added token of " + llvm::Twine(token.content.size()) +
                          " bytes, at most " + llvm::Twine(maxAddedBytes) + " are supported");
  if (!id || !id->is_number_unsigned())
    return reader.problem("id of \"" + token.content + "\": expected a whole number");
  uint64_t value = id->get<uint64_t>();
  if (std::optional<uint32_t> known = compilation.find(token.content)) {
    if (*known != value)
      return reader.problem("id of \"" + token.content + "\" is " + llvm::Twine(value) + ", but " +
                            llvm::Twine(*known) + " in the vocabulary");
  } else if (!compilation.enter(reader.memberPath("id"), token.content, value)) {
    return;
  }
  token.id = static_cast<uint32_t>(value);
  if (token.special)
    compilation.set(token.id, fb::TokenFlag::special);
  if (!compilation.has(token.id, fb::TokenFlag::added))
    compilation.added.push_back(token);
  else // said twice: the last one counts
    *llvm::find_if(compilation.added,
                   [&](const AddedToken &other) { return other.id == token.id; }) = token;
  compilation.set(token.id, fb::TokenFlag::added);
}

void readAddedTokens(Compilation &compilation, const Json *tokens) {
  if (!tokens)
    return;
  if (!tokens->is_array())
    return compilation.problem("added_tokens", "expected an array, but got " + kindOf(*tokens));
  for (size_t i = 0; i < tokens->size(); ++i) {
    const Json &token = (*tokens)[i];
    ObjectReader reader(compilation, token, ("added_tokens[" + llvm::Twine(i) + "]").str());
    addToken(compilation, reader, reader.member("id"));
  }
}

/// Tokens of added_tokens_decoder (an object from id to token) that
/// tokenizer.json lacks.
static void readAddedTokensDecoder(Compilation &compilation, ObjectReader &config) {
  const Json *tokens = config.member("added_tokens_decoder");
  if (!tokens || !tokens->is_object())
    return;
  for (auto it = tokens->begin(); it != tokens->end(); ++it) {
    ObjectReader reader(compilation, *it, config.memberPath("added_tokens_decoder." + it.key()));
    std::string content = reader.string("content");
    std::optional<uint32_t> known = compilation.find(content);
    if (known && compilation.has(*known, fb::TokenFlag::added))
      continue;
    uint64_t value;
    if (llvm::StringRef(it.key()).getAsInteger(10, value)) {
      reader.problem("expected an id as the key");
      continue;
    }
    Json id = value;
    addToken(compilation, reader, &id);
  }
}

/// The token that a member names, as a string or as an added token.
static int32_t readNamedToken(Compilation &compilation, ObjectReader &config, const char *key,
                              bool needed) {
  const Json *value = config.member(key);
  if (!value)
    return -1;
  std::string content;
  if (value->is_object())
    content = ObjectReader(compilation, *value, config.memberPath(key)).string("content");
  else
    content = config.string(key);
  if (content.empty())
    return -1;
  if (std::optional<uint32_t> id = compilation.find(content))
    return static_cast<int32_t>(*id);
  if (needed)
    config.problem("\"" + llvm::Twine(key) + "\": token \"" + content +
                   "\" is not in the vocabulary");
  return -1;
}

void readConfig(Compilation &compilation, llvm::StringRef text) {
  if (text.empty())
    return;
  Json json = Json::parse(text.begin(), text.end(), nullptr, false);
  ObjectReader config(compilation, json, "tokenizer_config.json");
  if (!json.is_object())
    return config.problem("expected a JSON object");
  readAddedTokensDecoder(compilation, config);
  fb::TableT &table = compilation.table;
  table.bos_id = readNamedToken(compilation, config, "bos_token", true);
  table.eos_id = readNamedToken(compilation, config, "eos_token", true);
  // Many files name a padding token that training would have added.
  table.pad_id = readNamedToken(compilation, config, "pad_token", false);
}

} // namespace kvasir::tokenizer
