// What the parts of the tokenizer compiler share: the table that is being
// built, the problems found so far, and readers of JSON members that add to
// them.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_LIB_TOKENIZER_COMPILATION_H
#define KVASIR_LIB_TOKENIZER_COMPILATION_H

#include "kvasir/Artifact/Tokenizer_generated.h"
#include "kvasir/Tokenizer/Tokenizer.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/ADT/Twine.h"
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

namespace kvasir::tokenizer {
namespace fb = kvasir::artifact::tokenizer;
using Json = nlohmann::json;

/// An added token as it is read, before it has its place in the tries.
struct AddedToken {
  uint32_t id = 0;
  std::string content;
  uint32_t flags = 0; // fb::AddedFlag
  bool normalized = true, special = false;
};

struct Compilation {
  fb::TableT table;
  /// Text of each id, empty where there is no token, and its fb::TokenFlag
  /// bits.
  std::vector<std::string> texts;
  std::vector<uint8_t> flags;
  llvm::StringMap<uint32_t> ids; // of all tokens
  std::vector<AddedToken> added; // by rising id
  struct Merge {
    uint32_t left, right, merged;
    uint32_t rank; // lower merges first, of equal ones the leftmost
  };
  std::vector<Merge> merges; // of a pair that is there twice, the last counts

  /// What is wrong with the input; of very many, the first are kept.
  std::vector<std::string> problems;
  size_t problemCount = 0;
  void problem(const llvm::Twine &path, const llvm::Twine &what) {
    constexpr size_t kept = 64;
    if (++problemCount <= kept)
      problems.push_back((path + ": " + what).str());
  }

  bool has(uint32_t id, fb::TokenFlag flag) const { return flags[id] & static_cast<uint8_t>(flag); }
  void set(uint32_t id, fb::TokenFlag flag) { flags[id] |= static_cast<uint8_t>(flag); }
  /// Id of a token, or nothing.
  std::optional<uint32_t> find(llvm::StringRef token) const {
    auto found = ids.find(token);
    return found == ids.end() ? std::nullopt : std::optional<uint32_t>(found->second);
  }
  /// Enters a token; false if the id is taken or out of bounds (a problem).
  bool enter(const llvm::Twine &path, llvm::StringRef text, uint64_t id);
};

/// Reads members of one JSON object. A missing or null member gives the
/// fallback, one of another type is a problem.
class ObjectReader {
public:
  ObjectReader(Compilation &compilation, const Json &object, std::string path)
      : compilation(compilation), object(object), path(std::move(path)) {}

  bool boolean(const char *key, bool fallback);
  std::string string(const char *key, llvm::StringRef fallback = "");
  /// Like string(), but missing is a problem, and so is "" if `nonEmpty`.
  std::string needString(const char *key, bool nonEmpty = true);
  uint32_t number(const char *key, uint32_t fallback);
  /// The member, or null where it is missing or null.
  const Json *member(const char *key) const;
  /// The member as an array; anything else is a problem and gives null.
  const Json *array(const char *key);
  /// Members with other names than these are a problem each.
  void allow(std::initializer_list<llvm::StringRef> keys);

  void problem(const llvm::Twine &what) { compilation.problem(path, what); }
  std::string memberPath(llvm::StringRef key) const {
    return (path.empty() ? key : path + "." + key).str();
  }

private:
  Compilation &compilation;
  const Json &object;
  std::string path;
};

/// For messages: what a JSON value is.
llvm::StringRef kindOf(const Json &value);

/// The parts of tokenizer.json. Each adds to the table and to the problems.
void readModel(Compilation &compilation, const Json &model);
void readAddedTokens(Compilation &compilation, const Json *tokens);
void readConfig(Compilation &compilation, llvm::StringRef text);
void readNormalizer(Compilation &compilation, const Json *normalizer);
void readPreTokenizer(Compilation &compilation, const Json *preTokenizer);
void readPostProcessor(Compilation &compilation, const Json *postProcessor);
void readDecoder(Compilation &compilation, const Json *decoder);

/// A pattern member {"String": ...} or {"Regex": ...}: the literal text, or the
/// index of the pattern in the table.
struct Pattern {
  std::string literal;
  uint32_t regex = 0;
  bool isRegex = false;
};
std::optional<Pattern> readPattern(Compilation &compilation, const Json *pattern,
                                   const std::string &path);
/// Index of a pattern in the table; translates it. Nothing if that is a
/// problem.
std::optional<uint32_t> addRegex(Compilation &compilation, const llvm::Twine &path,
                                 llvm::StringRef oniguruma);
/// Index of the pattern that matches `text`.
uint32_t addLiteralRegex(Compilation &compilation, llvm::StringRef text);

/// A Replace step, of the normalizers or of the decoders: `add(kind)` makes the step of the table.
template <typename Kind, typename Add>
void compileReplace(Compilation &compilation, ObjectReader &reader, Add add) {
  reader.allow({"type", "pattern", "content"});
  std::string content = reader.needString("content", false);
  std::optional<Pattern> pattern =
      readPattern(compilation, reader.member("pattern"), reader.memberPath("pattern"));
  if (!pattern)
    return;
  bool regex = pattern->isRegex || pattern->literal.empty();
  auto &step = add(regex ? Kind::replace_regex : Kind::replace_literal);
  step.content = content;
  step.text = pattern->literal;
  if (regex)
    step.regex = pattern->isRegex ? pattern->regex : addLiteralRegex(compilation, pattern->literal);
}

/// Members that hold one character, and those of Metaspace, which is a
/// pre-tokenizer and a decoder.
std::string readCharacter(ObjectReader &reader, const char *key);
void readMetaspace(ObjectReader &reader, std::string &text, fb::PrependScheme &scheme, bool &split);

/// A list of steps: one object, or a Sequence of them (nested too), whose list
/// is called `listKey`. Calls `step(type, object, path)` for each.
void forEachStep(
    Compilation &compilation, const Json *root, llvm::StringRef path, const char *listKey,
    llvm::function_ref<void(llvm::StringRef type, const Json &object, const std::string &path)>
        step,
    unsigned depth = 0);

/// The table of a compilation without problems, or one error with all of them.
llvm::Expected<std::vector<uint8_t>> finishTable(Compilation &compilation,
                                                 const TokenizerOptions &options);

/// Builds the FlatBuffer in two rounds: the second knows, from running the
/// first, what normalization makes of added tokens and which tokens BPE gives
/// back whole. Adds to the problems if that fails.
std::vector<uint8_t> buildTable(Compilation &compilation);

} // namespace kvasir::tokenizer

#endif // KVASIR_LIB_TOKENIZER_COMPILATION_H
