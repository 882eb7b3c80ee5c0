// Reads the parts of an Oniguruma pattern that stand for one character.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "ClassReader.h"
#include "tokenizer/Unicode.h"
#include "llvm/ADT/StringExtras.h"

namespace kvasir::tokenizer {

char32_t ClassReader::takeCharacter() {
  return rt::tokenizer::nextCharacter({in.data(), in.size()}, at);
}

/// Whether a backslash and this letter stand for a set of characters.
static bool isSetLetter(char letter) {
  return letter == 'p' || letter == 'P' || shorthandSet(letter).has_value();
}

bool ClassReader::parseHex(unsigned digits, char32_t &character) {
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
bool ClassReader::parseCharacterEscape(char letter, char32_t &character) {
  constexpr llvm::StringLiteral letters = "tnrfvae", values = "\t\n\r\f\v\a\x1b";
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

bool ClassReader::parseProperty(bool negated, CharacterSet &set) {
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

/// At [: inside brackets. `found` is false where that is no POSIX bracket.
bool ClassReader::parsePosix(CharacterSet &set, bool &found) {
  size_t end = in.find(":]", at + 2);
  llvm::StringRef name = in.slice(at + 2, end);
  bool negated = name.consume_front("^");
  found = end != llvm::StringRef::npos && !name.empty() && llvm::all_of(name, llvm::isAlpha);
  if (!found)
    return true;
  std::optional<CharacterSet> posix = posixSet(name);
  if (!posix || (caseless && isCaseProperty(name)))
    return fail("[:" + name + ":] is not supported");
  at = end + 2;
  set.add(negated ? posix->complement() : *posix);
  return true;
}

/// A literal or an escape that stands for one character.
bool ClassReader::parseCharacter(char32_t &value) {
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
}

/// A character or a range of them.
bool ClassReader::parseRange(CharacterSet &set) {
  char32_t low, high;
  if (!parseCharacter(low))
    return false;
  set.items += quoteCharacter(low);
  bool range = peek() == '-' && peek(1) != ']' && peek(1) != '[' && at + 1 < in.size();
  if (range && peek(1) == '\\' && isSetLetter(peek(2)))
    range = false;
  if (!range)
    return true;
  ++at;
  if (!parseCharacter(high))
    return false;
  if (high < low)
    return fail("empty range in a character class");
  set.items += "-" + quoteCharacter(high);
  return true;
}

/// One item: a nested class, a set, a character or a range.
bool ClassReader::parseItem(unsigned depth, CharacterSet &set) {
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
  if (peek() != '\\' || !isSetLetter(peek(1)))
    return parseRange(set);
  char letter = peek(1);
  at += 2;
  if (letter == 'p' || letter == 'P')
    return parseProperty(letter == 'P', set);
  set.add(*shorthandSet(letter));
  return true;
}

/// Behind an opening bracket, to behind the closing one. Parts between && are
/// intersected.
bool ClassReader::parseClass(unsigned depth, CharacterSet &set) {
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
    if (!parseItem(depth, parts.back()))
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

} // namespace kvasir::tokenizer
