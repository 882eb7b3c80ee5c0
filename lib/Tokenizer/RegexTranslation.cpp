// Rewrites a pattern from Oniguruma's syntax to PCRE2's by recursive descent.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "RegexTranslation.h"
#include "CharacterClass.h"
#include "tokenizer/Regex.h"
#include "tokenizer/Unicode.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/Twine.h"

namespace kvasir::tokenizer {
namespace {

/// Nesting of groups and classes that is still sensible.
constexpr unsigned maxDepth = 64;

/// Every parse function returns false after it has set `problem`.
class Translator {
public:
  explicit Translator(llvm::StringRef pattern) : in(pattern) {}

  bool run() {
    if (!parseAlternatives(0))
      return false;
    return at == in.size() || fail("unmatched )");
  }

  std::string out, problem;

private:
  bool parseAlternatives(unsigned depth);
  bool parseGroup(unsigned depth);
  bool parseOptions(unsigned depth);
  bool parseEscape();
  bool parseQuantifier();
  bool parseInterval(std::string &interval, bool &exact);
  bool parseClass(unsigned depth, CharacterSet &set);
  bool parseClassItem(unsigned depth, CharacterSet &set);
  bool parsePosix(CharacterSet &set, bool &found);
  bool parseProperty(bool negated, CharacterSet &set);
  bool parseCharacterEscape(char letter, char32_t &character);
  bool parseHex(unsigned digits, char32_t &character);

  bool fail(const llvm::Twine &what) {
    problem = (what + " at offset " + llvm::Twine(at)).str();
    return false;
  }
  bool done() const { return at >= in.size(); }
  char peek(size_t ahead = 0) const {
    return at + ahead < in.size() ? in[at + ahead] : '\0';
  }
  bool consume(llvm::StringRef text) {
    if (!in.substr(at).starts_with(text))
      return false;
    at += text.size();
    return true;
  }
  char32_t takeCharacter() {
    return rt::tokenizer::nextCharacter({in.data(), in.size()}, at);
  }
  /// Starts something that a quantifier may follow.
  void startAtom() { atom = out.size(); }
  void noAtom() { atom = std::string::npos; }
  void wrapAtom() {
    out.insert(atom, "(?:");
    out += ')';
  }

  llvm::StringRef in;
  size_t at = 0;
  size_t atom = std::string::npos; // where the last atom begins in `out`
  bool quantified = false;         // and whether it has a quantifier already
  bool caseless = false, namedGroups = false;
};

/// Up to the end or a ) that is left for the caller.
bool Translator::parseAlternatives(unsigned depth) {
  if (depth > maxDepth)
    return fail("groups nested too deeply");
  noAtom();
  while (!done() && peek() != ')') {
    char c = peek();
    if (c == '*' || c == '+' || c == '?' || c == '{') {
      if (!parseQuantifier())
        return false;
      continue;
    }
    quantified = false;
    if (c == '|' || c == '^' || c == '$') {
      out += c;
      ++at;
      noAtom();
    } else if (c == '(') {
      ++at;
      if (!parseGroup(depth))
        return false;
    } else if (c == '\\') {
      ++at;
      startAtom();
      if (!parseEscape())
        return false;
    } else if (c == '[') {
      ++at;
      startAtom();
      CharacterSet set;
      if (!parseClass(depth, set))
        return false;
      out += set.pattern(false);
    } else if (c == '.') {
      ++at;
      startAtom();
      out += '.';
    } else {
      startAtom();
      out += quoteCharacter(takeCharacter());
    }
  }
  return true;
}

/// Behind an opening parenthesis.
bool Translator::parseGroup(unsigned depth) {
  size_t begin = out.size();
  bool caselessOutside = caseless;
  if (peek() == '*')
    return fail("(* is not supported");
  if (consume("?#")) {
    size_t end = in.find(')', at);
    if (end == llvm::StringRef::npos)
      return fail("comment without end");
    at = end + 1;
    return true;
  }
  bool plain = peek() != '?';
  bool known = plain;
  if (plain)
    out += '(';
  for (const char *opening : {"?:", "?=", "?!", "?>", "?<=", "?<!"})
    if (!known && consume(opening)) {
      out += "(" + std::string(opening);
      known = true;
    }
  if (!known && peek(1) == '<') {
    size_t end = in.find('>', at);
    llvm::StringRef name = in.slice(at + 2, end);
    if (end == llvm::StringRef::npos || name.empty() || name.size() > 32 ||
        llvm::isDigit(name[0]) || name.find_if_not([](char c) {
          return llvm::isAlnum(c) || c == '_';
        }) != llvm::StringRef::npos)
      return fail("name of a group");
    out += ("(?<" + name + ">").str();
    at = end + 1;
    known = namedGroups = true;
  }
  if (!known) {
    ++at;
    if (!parseOptions(depth))
      return false;
  } else if (!parseAlternatives(depth + 1)) {
    return false;
  } else if (!consume(")")) {
    return fail("( without )");
  }
  out += ')';
  caseless = caselessOutside;
  atom = begin;
  quantified = false;
  return true;
}

/// Behind "(?": options up to : or ). In Oniguruma (?i) takes everything up to
/// the end of the enclosing group with it, alternatives too.
bool Translator::parseOptions(unsigned depth) {
  bool on = true;
  std::string set, cleared;
  for (; !done() && peek() != ':' && peek() != ')'; ++at) {
    char c = peek();
    if (c == '-' && on) {
      on = false;
    } else if (c == 'i') {
      (on ? set : cleared) += 'i';
      caseless = on;
    } else if (c == 'm') { // lets . match line ends
      (on ? set : cleared) += 's';
    } else {
      return fail("group (?" + llvm::Twine(c) + " is not supported");
    }
  }
  out += "(?" + set + (cleared.empty() ? "" : "-" + cleared) + ":";
  if (consume(":"))
    return parseAlternatives(depth + 1) &&
           (consume(")") || fail("( without )"));
  if (!consume(")"))
    return fail("( without )");
  return parseAlternatives(depth + 1);
}

bool Translator::parseInterval(std::string &interval, bool &exact) {
  // {n} {n,} {,n} {n,m}; anything else is a literal brace.
  size_t end = in.find('}', at);
  if (end == llvm::StringRef::npos)
    return false;
  llvm::StringRef inside = in.slice(at + 1, end);
  auto [low, high] = inside.split(',');
  bool comma = inside.contains(',');
  unsigned value;
  auto isNumber = [&](llvm::StringRef text) {
    return !text.empty() && llvm::all_of(text, llvm::isDigit) &&
           !text.getAsInteger(10, value);
  };
  if (!(low.empty() || isNumber(low)) || !(high.empty() || isNumber(high)) ||
      (low.empty() && high.empty()))
    return false;
  exact = !comma;
  interval =
      ("{" + (low.empty() ? "0" : low) + (comma ? "," : "") + high + "}").str();
  at = end + 1;
  return true;
}

/// At * + ? or {. A quantifier behind another one applies to both together, and
/// only behind * + ? does a + mean possessive.
bool Translator::parseQuantifier() {
  std::string quantifier;
  bool interval = false, exact = false;
  if (peek() == '{') {
    if (!parseInterval(quantifier, exact)) {
      quantified = false;
      startAtom();
      out += "\\{";
      ++at;
      return true;
    }
    interval = true;
  } else {
    quantifier = std::string(1, in[at++]);
  }
  if (atom == std::string::npos)
    return fail("quantifier with nothing to repeat");
  if (quantified)
    wrapAtom();
  out += quantifier;
  quantified = true;
  if (peek() == '?' && !exact) {
    out += '?';
    ++at;
  } else if (peek() == '+' && !interval) {
    out += '+';
    ++at;
  }
  return true;
}

bool Translator::parseHex(unsigned digits, char32_t &character) {
  llvm::StringRef text = in.substr(at, digits);
  unsigned value;
  if (text.size() != digits || !llvm::all_of(text, llvm::isHexDigit) ||
      text.getAsInteger(16, value))
    return fail("hexadecimal number expected");
  at += digits;
  character = value;
  return true;
}

/// Escapes that stand for one character, behind the backslash and `letter`.
bool Translator::parseCharacterEscape(char letter, char32_t &character) {
  constexpr llvm::StringLiteral letters = "tnrfvae",
                                values = "\t\n\r\f\v\a\x1b";
  if (size_t found = letters.find(letter); found != llvm::StringRef::npos) {
    character = static_cast<char32_t>(values[found]);
    return true;
  }
  if (letter == 'u')
    return parseHex(4, character);
  if (letter == 'x' && consume("{")) {
    size_t length = in.find('}', at);
    if (length == llvm::StringRef::npos || length - at > 8 || length == at)
      return fail("\\x{...} expected");
    if (!parseHex(static_cast<unsigned>(length - at), character))
      return false;
    ++at;
    return character <= 0x10ffff && (character < 0xd800 || character > 0xdfff)
               ? true
               : fail("no such character");
  }
  if (letter == 'x') {
    if (!parseHex(2, character))
      return false;
    return character < 0x80 || fail("\\x above 7f is a byte, not a character");
  }
  if (llvm::isAlnum(letter))
    return fail("escape \\" + llvm::Twine(letter) + " is not supported");
  --at; // itself, and it may be more than one byte
  character = takeCharacter();
  return true;
}

bool Translator::parseProperty(bool negated, CharacterSet &set) {
  if (!consume("{"))
    return fail("\\p{...} expected");
  if (consume("^"))
    negated = !negated;
  size_t end = in.find('}', at);
  if (end == llvm::StringRef::npos)
    return fail("\\p{...} expected");
  llvm::StringRef name = in.slice(at, end);
  std::optional<CharacterSet> found = propertySet(name);
  if (!found)
    return fail("property \"" + name + "\" is not known");
  if (caseless && isCaseProperty(name))
    return fail("property \"" + name + "\" under (?i) is not supported");
  at = end + 1;
  llvm::StringRef items = found->items;
  bool single = items.starts_with("\\p{") && items.count('\\') == 1;
  if (negated && single)
    set.items += "\\P" + items.substr(2).str();
  else
    set.add(negated ? found->complement() : *found);
  return true;
}

/// Behind a backslash outside of brackets.
bool Translator::parseEscape() {
  if (done())
    return fail("\\ at the end");
  char letter = in[at++];
  if (letter == 'p' || letter == 'P') {
    CharacterSet set;
    if (!parseProperty(letter == 'P', set))
      return false;
    out += set.pattern(false);
    return true;
  }
  if (letter == 'w' || letter == 'W') {
    out += wordSetOutsideBrackets().pattern(letter == 'W');
    return true;
  }
  if (std::optional<CharacterSet> set = shorthandSet(letter)) {
    out += set->pattern(false);
    return true;
  }
  switch (letter) {
  case 'b':
  case 'B': {
    std::string word = wordSetOutsideBrackets().pattern(false);
    std::string behind = "(?<=" + word + ")", notBehind = "(?<!" + word + ")";
    std::string ahead = "(?=" + word + ")", notAhead = "(?!" + word + ")";
    out += letter == 'b'
               ? "(?:" + behind + notAhead + "|" + notBehind + ahead + ")"
               : "(?:" + behind + ahead + "|" + notBehind + notAhead + ")";
    return true;
  }
  case 'A':
  case 'Z':
  case 'z':
  case 'G':
    noAtom();
    [[fallthrough]];
  case 'R':
  case 'X':
  case 'N':
    out += std::string("\\") + letter;
    return true;
  case 'O':
    out += "(?s:.)";
    return true;
  }
  if (letter >= '1' && letter <= '9') {
    if (namedGroups || llvm::isDigit(peek()))
      return fail("this back-reference is not supported");
    out += std::string("(?:\\") + letter + ")";
    return true;
  }
  char32_t character;
  if (!parseCharacterEscape(letter, character))
    return false;
  out += quoteCharacter(character);
  return true;
}

/// At [: inside brackets. `found` is false where that is no POSIX bracket.
bool Translator::parsePosix(CharacterSet &set, bool &found) {
  size_t end = in.find(":]", at + 2);
  llvm::StringRef name = in.slice(at + 2, end);
  bool negated = name.consume_front("^");
  found = end != llvm::StringRef::npos && !name.empty() &&
          llvm::all_of(name, llvm::isAlpha);
  if (!found)
    return true;
  std::optional<CharacterSet> posix = posixSet(name);
  if (!posix || (caseless && isCaseProperty(name)))
    return fail("[:" + name + ":] is not supported");
  at = end + 2;
  set.add(negated ? posix->complement() : *posix);
  return true;
}

/// One item: a nested class, a set, a character or a range.
bool Translator::parseClassItem(unsigned depth, CharacterSet &set) {
  if (peek() == '[') {
    bool posix = false;
    if (peek(1) == ':' && !parsePosix(set, posix))
      return false;
    if (posix)
      return true;
    ++at;
    CharacterSet nested;
    if (!parseClass(depth + 1, nested))
      return false;
    set.add(nested);
    return true;
  }
  auto character = [&](char32_t &value) {
    if (!consume("\\")) {
      value = takeCharacter();
      return true;
    }
    if (done())
      return fail("\\ at the end");
    char letter = in[at++];
    if (letter == 'b') {
      value = 8;
      return true;
    }
    return parseCharacterEscape(letter, value);
  };
  if (peek() == '\\') {
    char letter = peek(1);
    if (letter == 'p' || letter == 'P') {
      at += 2;
      return parseProperty(letter == 'P', set);
    }
    if (std::optional<CharacterSet> shorthand = shorthandSet(letter)) {
      at += 2;
      set.add(*shorthand);
      return true;
    }
  }
  char32_t low, high;
  if (!character(low))
    return false;
  bool range =
      peek() == '-' && peek(1) != ']' && peek(1) != '[' && at + 1 < in.size();
  if (range && peek(1) == '\\' &&
      (shorthandSet(peek(2)) || peek(2) == 'p' || peek(2) == 'P'))
    range = false;
  set.items += quoteCharacter(low);
  if (!range)
    return true;
  ++at;
  if (!character(high))
    return false;
  if (high < low)
    return fail("empty range in a character class");
  set.items += "-" + quoteCharacter(high);
  return true;
}

/// Behind an opening bracket, to behind the closing one. Parts between && are
/// intersected.
bool Translator::parseClass(unsigned depth, CharacterSet &set) {
  if (depth > maxDepth)
    return fail("character classes nested too deeply");
  bool negated = consume("^");
  std::vector<CharacterSet> parts(1);
  for (bool first = true; peek() != ']' || first; first = false) {
    if (done())
      return fail("[ without ]");
    if (consume("&&")) {
      parts.emplace_back();
      continue;
    }
    if (first && peek() == ']') {
      ++at;
      parts.back().items += "\\]";
      continue;
    }
    if (!parseClassItem(depth, parts.back()))
      return false;
  }
  ++at;
  for (const CharacterSet &part : parts)
    if (part.items.empty() && part.others.empty())
      return fail("empty character class");
  CharacterSet whole = parts[0];
  if (parts.size() > 1) {
    std::string both = "(?:";
    for (size_t i = 0; i + 1 < parts.size(); ++i)
      both += "(?=" + parts[i].pattern(false) + ")";
    whole = {"", {both + parts.back().pattern(false) + ")"}};
  }
  // Brackets can hold the complement themselves where the class is the set.
  set = negated ? whole.complement() : whole;
  return true;
}

} // namespace

llvm::Expected<std::string> translateRegex(llvm::StringRef pattern) {
  Translator translator(pattern);
  std::string problem;
  if (!translator.run()) {
    problem = translator.problem;
  } else {
    auto compiled = rt::tokenizer::Regex::compile(translator.out);
    if (compiled)
      return translator.out;
    problem = compiled.status().message();
  }
  return llvm::createStringError("pattern \"" + pattern +
                                 "\" is not supported: " + problem);
}

std::string escapeRegex(llvm::StringRef text) {
  std::string pattern;
  for (size_t at = 0; at < text.size();)
    pattern += quoteCharacter(
        rt::tokenizer::nextCharacter({text.data(), text.size()}, at));
  return pattern;
}

} // namespace kvasir::tokenizer
