// Readers of JSON members, patterns and lists of steps.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "Compilation.h"
#include "RegexTranslation.h"
#include "llvm/ADT/STLExtras.h"

namespace kvasir::tokenizer {

/// Ids of a tokenizer; far above any vocabulary, and what the runtime accepts.
static constexpr uint64_t maxId = (1u << 22) - 2;

llvm::StringRef kindOf(const Json &value) {
  if (value.is_number())
    return "a number";
  if (value.is_boolean())
    return "a boolean";
  if (value.is_string())
    return "a string";
  if (value.is_array())
    return "an array";
  return value.is_object() ? "an object" : "null";
}

bool Compilation::enter(const llvm::Twine &path, llvm::StringRef text, uint64_t id) {
  if (id > maxId) {
    problem(path, "id " + llvm::Twine(id) + " of \"" + text + "\" is out of range, at most " +
                      llvm::Twine(maxId) + " is supported");
    return false;
  }
  if (id >= texts.size()) {
    texts.resize(id + 1);
    flags.resize(id + 1);
  }
  if (has(static_cast<uint32_t>(id), fb::TokenFlag::present)) {
    problem(path, "id " + llvm::Twine(id) + " is given to both \"" + texts[id] + "\" and \"" +
                      text + "\"");
    return false;
  }
  texts[id] = text.str();
  set(static_cast<uint32_t>(id), fb::TokenFlag::present);
  ids[text] = static_cast<uint32_t>(id);
  return true;
}

const Json *ObjectReader::member(const char *key) const {
  if (!object.is_object())
    return nullptr;
  auto found = object.find(key);
  return found == object.end() || found->is_null() ? nullptr : &*found;
}

bool ObjectReader::boolean(const char *key, bool fallback) {
  const Json *value = member(key);
  if (!value)
    return fallback;
  if (value->is_boolean())
    return value->get<bool>();
  compilation.problem(memberPath(key), "expected a boolean, but got " + kindOf(*value));
  return fallback;
}

std::string ObjectReader::string(const char *key, llvm::StringRef fallback) {
  const Json *value = member(key);
  if (!value)
    return fallback.str();
  if (value->is_string())
    return value->get_ref<const std::string &>();
  compilation.problem(memberPath(key), "expected a string, but got " + kindOf(*value));
  return fallback.str();
}

std::string ObjectReader::needString(const char *key, bool nonEmpty) {
  const Json *value = member(key);
  if (!value)
    compilation.problem(memberPath(key), "missing");
  std::string text = string(key);
  if (value && value->is_string() && nonEmpty && text.empty())
    compilation.problem(memberPath(key), "expected a string that is not empty");
  if (text.size() > 4096)
    compilation.problem(memberPath(key), "longer than 4096 bytes is not supported");
  return text;
}

uint32_t ObjectReader::number(const char *key, uint32_t fallback) {
  const Json *value = member(key);
  if (!value)
    return fallback;
  if (value->is_number_unsigned() && value->get<uint64_t>() <= UINT32_MAX)
    return static_cast<uint32_t>(value->get<uint64_t>());
  compilation.problem(memberPath(key), "expected a whole number from 0 to 4294967295");
  return fallback;
}

const Json *ObjectReader::array(const char *key) {
  const Json *value = member(key);
  if (value && value->is_array())
    return value;
  compilation.problem(memberPath(key),
                      value ? "expected an array, but got " + kindOf(*value) : "missing");
  return nullptr;
}

void ObjectReader::allow(std::initializer_list<llvm::StringRef> keys) {
  if (!object.is_object())
    return problem("expected an object, but got " + kindOf(object));
  for (auto it = object.begin(); it != object.end(); ++it)
    if (!llvm::is_contained(keys, llvm::StringRef(it.key())))
      compilation.problem(memberPath(it.key()), "not known");
}

std::optional<uint32_t> addRegex(Compilation &compilation, const llvm::Twine &path,
                                 llvm::StringRef oniguruma) {
  llvm::Expected<std::string> pattern = translateRegex(oniguruma);
  if (!pattern) {
    compilation.problem(path, llvm::toString(pattern.takeError()));
    return std::nullopt;
  }
  auto &regexes = compilation.table.regexes;
  auto found = llvm::find(regexes, *pattern);
  if (found == regexes.end())
    found = regexes.insert(regexes.end(), *pattern);
  return static_cast<uint32_t>(found - regexes.begin());
}

uint32_t addLiteralRegex(Compilation &compilation, llvm::StringRef text) {
  compilation.table.regexes.push_back(escapeRegex(text));
  return static_cast<uint32_t>(compilation.table.regexes.size() - 1);
}

std::optional<Pattern> readPattern(Compilation &compilation, const Json *pattern,
                                   const std::string &path) {
  if (pattern && pattern->is_object() && pattern->size() == 1) {
    const std::string &key = pattern->begin().key();
    const Json &value = *pattern->begin();
    if (key == "String" && value.is_string())
      return Pattern{value.get<std::string>(), 0, false};
    if (key == "Regex" && value.is_string()) {
      std::optional<uint32_t> regex =
          addRegex(compilation, path, value.get_ref<const std::string &>());
      if (!regex)
        return std::nullopt;
      return Pattern{"", *regex, true};
    }
  }
  compilation.problem(path, R"(expected {"String": "..."} or {"Regex": "..."})");
  return std::nullopt;
}

void forEachStep(Compilation &compilation, const Json *root, llvm::StringRef path,
                 const char *listKey,
                 llvm::function_ref<void(llvm::StringRef, const Json &, const std::string &)> step,
                 unsigned depth) {
  if (!root)
    return;
  ObjectReader reader(compilation, *root, path.str());
  const Json *type = reader.member("type");
  if (!type || !type->is_string())
    return reader.problem("expected an object with a \"type\"");
  llvm::StringRef name = type->get_ref<const std::string &>();
  if (name != "Sequence")
    return step(name, *root, path.str());
  constexpr unsigned maxDepth = 8;
  if (depth == maxDepth)
    return reader.problem("sequences nested too deeply");
  reader.allow({"type", listKey});
  const Json *list = reader.array(listKey);
  for (size_t i = 0; list && i < list->size(); ++i)
    forEachStep(compilation, &(*list)[i],
                (reader.memberPath(listKey) + "[" + llvm::Twine(i) + "]").str(), listKey, step,
                depth + 1);
}

} // namespace kvasir::tokenizer
