// Sets of characters in a pattern, as Oniguruma defines them, in PCRE2 syntax.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "CharacterClass.h"
#include "tokenizer/Regex.h"
#include "tokenizer/Unicode.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSwitch.h"

namespace kvasir::tokenizer {

static constexpr const char *anyCharacter = "(?s:.)";
static constexpr const char *wordItems = "\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}";

void CharacterSet::add(const CharacterSet &more) {
  items += more.items;
  others.insert(others.end(), more.others.begin(), more.others.end());
}

/// Whether `items` is just one \p{...} or \P{...}.
static bool isOneProperty(llvm::StringRef items) {
  return (items.starts_with("\\p{") || items.starts_with("\\P{")) &&
         items.find('}') == items.size() - 1;
}

std::string CharacterSet::pattern(bool negated) const {
  // The plain forms are the ones that PCRE2 repeats fast.
  if (!negated && items.empty() && others.size() == 1)
    return others[0];
  if (others.empty() && isOneProperty(items))
    return (items[1] == 'p') != negated ? "\\p" + items.substr(2) : "\\P" + items.substr(2);
  if (others.empty())
    return (negated ? "[^" : "[") + items + "]";
  std::string unions = "(?:";
  if (!items.empty())
    unions += "[" + items + "]|";
  unions += llvm::join(others, "|") + ")";
  return negated ? "(?:(?!" + unions + ")" + anyCharacter + ")" : unions;
}

CharacterSet CharacterSet::complement() const { return {"", {pattern(/*negated=*/true)}}; }

std::optional<CharacterSet> shorthandSet(char letter) {
  switch (letter) {
  case 'w':
    return CharacterSet{wordItems, {}};
  case 's': // not \s, which has U+180E too
    return CharacterSet{"\\p{White_Space}", {}};
  case 'S':
    return CharacterSet{"\\P{White_Space}", {}};
  case 'd':
    return CharacterSet{"\\p{Nd}", {}};
  case 'D':
    return CharacterSet{"\\P{Nd}", {}};
  case 'h':
    return CharacterSet{"0-9A-Fa-f", {}};
  case 'W':
  case 'H':
    return shorthandSet(llvm::toLower(letter))->complement();
  default:
    return std::nullopt;
  }
}

CharacterSet wordSetOutsideBrackets() {
  return CharacterSet{std::string(wordItems) + "\\x{b2}\\x{b3}\\x{b9}\\x{bc}-\\x{be}", {}};
}

std::optional<CharacterSet> posixSet(llvm::StringRef name) {
  const char *items = llvm::StringSwitch<const char *>(name.lower())
                          .Case("alnum", "\\p{Alphabetic}\\p{Nd}")
                          .Case("alpha", "\\p{Alphabetic}")
                          .Case("ascii", "\\x00-\\x7f")
                          .Case("blank", "\\p{Zs}\\t")
                          .Case("cntrl", "\\p{Cc}")
                          .Case("digit", "\\p{Nd}")
                          .Case("lower", "\\p{Lowercase}")
                          .Case("punct", "\\p{P}\\p{S}")
                          .Case("space", "\\p{White_Space}")
                          .Case("upper", "\\p{Uppercase}")
                          .Case("word", wordItems)
                          .Case("xdigit", "0-9A-Fa-f")
                          .Default(nullptr);
  if (!items)
    return std::nullopt;
  return CharacterSet{items, {}};
}

/// The two-letter name of a general category, or "".
static llvm::StringRef categoryName(llvm::StringRef name) {
  return llvm::StringSwitch<llvm::StringRef>(name)
      .Cases({"c", "other"}, "C")
      .Cases({"cc", "control"}, "Cc")
      .Cases({"cf", "format"}, "Cf")
      .Cases({"cn", "unassigned"}, "Cn")
      .Cases({"co", "privateuse"}, "Co")
      .Cases({"cs", "surrogate"}, "Cs")
      .Cases({"l", "letter"}, "L")
      .Cases({"lc", "casedletter"}, "L&")
      .Cases({"ll", "lowercaseletter"}, "Ll")
      .Cases({"lm", "modifierletter"}, "Lm")
      .Cases({"lo", "otherletter"}, "Lo")
      .Cases({"lt", "titlecaseletter"}, "Lt")
      .Cases({"lu", "uppercaseletter"}, "Lu")
      .Cases({"m", "mark", "combiningmark"}, "M")
      .Cases({"mc", "spacingmark"}, "Mc")
      .Cases({"me", "enclosingmark"}, "Me")
      .Cases({"mn", "nonspacingmark"}, "Mn")
      .Cases({"n", "number"}, "N")
      .Cases({"nd", "decimalnumber"}, "Nd")
      .Cases({"nl", "letternumber"}, "Nl")
      .Cases({"no", "othernumber"}, "No")
      .Cases({"p", "punct", "punctuation"}, "P")
      .Cases({"pc", "connectorpunctuation"}, "Pc")
      .Cases({"pd", "dashpunctuation"}, "Pd")
      .Cases({"pe", "closepunctuation"}, "Pe")
      .Cases({"pf", "finalpunctuation"}, "Pf")
      .Cases({"pi", "initialpunctuation"}, "Pi")
      .Cases({"po", "otherpunctuation"}, "Po")
      .Cases({"ps", "openpunctuation"}, "Ps")
      .Cases({"s", "symbol"}, "S")
      .Cases({"sc", "currencysymbol"}, "Sc")
      .Cases({"sk", "modifiersymbol"}, "Sk")
      .Cases({"sm", "mathsymbol"}, "Sm")
      .Cases({"so", "othersymbol"}, "So")
      .Cases({"z", "separator"}, "Z")
      .Cases({"zl", "lineseparator"}, "Zl")
      .Cases({"zp", "paragraphseparator"}, "Zp")
      .Cases({"zs", "spaceseparator"}, "Zs")
      .Case("any", "Any")
      .Default("");
}

/// Case, spaces, hyphens and underscores do not count in names.
static std::string looseName(llvm::StringRef name) {
  std::string loose;
  for (char c : name)
    if (c != ' ' && c != '-' && c != '_')
      loose += llvm::toLower(c);
  return loose;
}

std::optional<CharacterSet> propertySet(llvm::StringRef name) {
  std::string loose = looseName(name);
  if (loose.empty() || !llvm::all_of(loose, llvm::isAlnum))
    return std::nullopt;
  if (llvm::StringRef category = categoryName(loose); !category.empty())
    return CharacterSet{("\\p{" + category + "}").str(), {}};
  if (std::optional<CharacterSet> set = posixSet(loose))
    return set;
  // A bare script name would mean script extensions to PCRE2.
  for (const char *kind : {"sc:", ""}) {
    std::string item = "\\p{" + std::string(kind) + loose + "}";
    if (rt::tokenizer::Regex::compile(item))
      return CharacterSet{item, {}};
  }
  return std::nullopt;
}

bool isCaseProperty(llvm::StringRef name) {
  return llvm::is_contained({"lu", "ll", "lt", "upper", "lower", "uppercase", "lowercase",
                             "uppercaseletter", "lowercaseletter", "titlecaseletter"},
                            looseName(name));
}

std::string quoteCharacter(char32_t character) {
  if (character < 0x20 || character == 0x7f)
    return "\\x{" + llvm::utohexstr(character) + "}";
  std::string text;
  rt::tokenizer::appendCharacter(text, character);
  bool plain = character >= 0x80 || llvm::isAlnum(text[0]) || text[0] == ' ' || text[0] == '\'' ||
               text[0] == '_';
  return plain ? text : "\\" + text;
}

} // namespace kvasir::tokenizer
