// Rewrites a pattern from Oniguruma's syntax to PCRE2's by recursive descent.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "RegexTranslation.h"
#include "ClassReader.h"
#include "tokenizer/Regex.h"
#include "tokenizer/Unicode.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"

namespace kvasir::tokenizer {
namespace {

class Translator : public ClassReader {
public:
  using ClassReader::ClassReader;

  bool run() {
    if (!parseAlternatives(0))
      return false;
    return at == in.size() || fail("unmatched )");
  }

  std::string out;

private:
  bool parseAlternatives(unsigned depth);
  bool parseAtom(unsigned depth);
  bool parseGroup(unsigned depth);
  bool parseGroupName();
  bool parseOptions(unsigned depth);
  bool parseEscape();
  bool parseSetEscape(char letter, bool &found);
  bool parseAnchorEscape(char letter);
  bool parseQuantifier();
  bool parseInterval(std::string &interval, bool &exact);

  /// Starts something that a quantifier may follow.
  void startAtom() { atom = out.size(); }
  void noAtom() { atom = std::string::npos; }
  void wrapAtom() {
    out.insert(atom, "(?:");
    out += ')';
  }

  size_t atom = std::string::npos; // where the last atom begins in `out`
  bool quantified = false;         // and whether it has a quantifier already
  bool namedGroups = false;
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
    } else if (!parseAtom(depth)) {
      return false;
    }
  }
  return true;
}

bool Translator::parseAtom(unsigned depth) {
  char c = peek();
  if (c == '(') {
    ++at;
    return parseGroup(depth);
  }
  startAtom();
  if (c == '\\') {
    ++at;
    return parseEscape();
  }
  if (c == '[') {
    ++at;
    CharacterSet set;
    if (!parseClass(depth, set))
      return false;
    out += set.pattern(false);
    return true;
  }
  if (c == '.') {
    ++at;
    out += '.';
    return true;
  }
  out += quoteCharacter(takeCharacter());
  return true;
}

/// At "?<", when neither = nor ! follows.
bool Translator::parseGroupName() {
  size_t end = in.find('>', at);
  llvm::StringRef name = in.slice(at + 2, end);
  auto isNameCharacter = [](char c) { return llvm::isAlnum(c) || c == '_'; };
  if (end == llvm::StringRef::npos || name.empty() || name.size() > 32 || llvm::isDigit(name[0]) ||
      !llvm::all_of(name, isNameCharacter))
    return fail("name of a group");
  out += ("(?<" + name + ">").str();
  at = end + 1;
  return namedGroups = true;
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
  bool known = peek() != '?';
  if (known)
    out += '(';
  for (const char *opening : {"?:", "?=", "?!", "?>", "?<=", "?<!"})
    if (!known && consume(opening)) {
      out += "(" + std::string(opening);
      known = true;
    }
  if (!known && peek(1) == '<') {
    if (!parseGroupName())
      return false;
    known = true;
  }
  if (!known && (++at, !parseOptions(depth)))
    return false;
  if (known && (!parseAlternatives(depth + 1) || !(consume(")") || fail("( without )"))))
    return false;
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
    return parseAlternatives(depth + 1) && (consume(")") || fail("( without )"));
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
    return !text.empty() && llvm::all_of(text, llvm::isDigit) && !text.getAsInteger(10, value);
  };
  if (!(low.empty() || isNumber(low)) || !(high.empty() || isNumber(high)) ||
      (low.empty() && high.empty()))
    return false;
  exact = !comma;
  interval = ("{" + (low.empty() ? "0" : low) + (comma ? "," : "") + high + "}").str();
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

/// Escapes that stand for a set of characters.
bool Translator::parseSetEscape(char letter, bool &found) {
  CharacterSet set;
  found = true;
  if (letter == 'p' || letter == 'P') {
    if (!parseProperty(letter == 'P', set))
      return false;
    out += set.pattern(false);
  } else if (letter == 'w' || letter == 'W') {
    out += wordSetOutsideBrackets().pattern(letter == 'W');
  } else if (std::optional<CharacterSet> shorthand = shorthandSet(letter)) {
    out += shorthand->pattern(false);
  } else if (letter == 'O') {
    out += "(?s:.)";
  } else {
    found = false;
  }
  return true;
}

/// Escapes that match between characters, and those that PCRE2 has too. False
/// if it is none of them, without a problem.
bool Translator::parseAnchorEscape(char letter) {
  if (letter == 'b' || letter == 'B') {
    std::string word = wordSetOutsideBrackets().pattern(false);
    std::string behind = "(?<=" + word + ")", notBehind = "(?<!" + word + ")";
    std::string ahead = "(?=" + word + ")", notAhead = "(?!" + word + ")";
    out += letter == 'b' ? "(?:" + behind + notAhead + "|" + notBehind + ahead + ")"
                         : "(?:" + behind + ahead + "|" + notBehind + notAhead + ")";
    return true;
  }
  if (!llvm::StringRef("AZzGRXN").contains(letter))
    return false;
  if (llvm::StringRef("AZzG").contains(letter))
    noAtom();
  out += std::string("\\") + letter;
  return true;
}

/// Behind a backslash outside of brackets.
bool Translator::parseEscape() {
  if (done())
    return fail("\\ at the end");
  char letter = in[at++];
  bool isSet;
  if (!parseSetEscape(letter, isSet))
    return false;
  if (isSet || parseAnchorEscape(letter))
    return true;
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
  return llvm::createStringError("pattern \"" + pattern + "\" is not supported: " + problem);
}

std::string escapeRegex(llvm::StringRef text) {
  std::string pattern;
  for (size_t at = 0; at < text.size();)
    pattern += quoteCharacter(rt::tokenizer::nextCharacter({text.data(), text.size()}, at));
  return pattern;
}

} // namespace kvasir::tokenizer
