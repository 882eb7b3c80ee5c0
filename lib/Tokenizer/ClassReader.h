// Reads the parts of an Oniguruma pattern that stand for one character: escapes, properties and
// bracket expressions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_LIB_TOKENIZER_CLASSREADER_H
#define KVASIR_LIB_TOKENIZER_CLASSREADER_H

#include "CharacterClass.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/ADT/Twine.h"
#include <string>

namespace kvasir::tokenizer {

/// A position in a pattern. Every parse function returns false after it has set
/// `problem`.
class ClassReader {
public:
  explicit ClassReader(llvm::StringRef pattern) : in(pattern) {}

  std::string problem;

protected:
  /// Nesting of groups and classes that is still sensible.
  static constexpr unsigned maxDepth = 64;

  /// Behind an opening bracket, to behind the closing one.
  bool parseClass(unsigned depth, CharacterSet &set);
  /// Behind \p or \P.
  bool parseProperty(bool negated, CharacterSet &set);
  /// Behind a backslash and `letter`, where they stand for one character.
  bool parseCharacterEscape(char letter, char32_t &character);

  bool fail(const llvm::Twine &what) {
    problem = (what + " at offset " + llvm::Twine(at)).str();
    return false;
  }
  bool done() const { return at >= in.size(); }
  char peek(size_t ahead = 0) const { return at + ahead < in.size() ? in[at + ahead] : '\0'; }
  bool consume(llvm::StringRef text) {
    if (!in.substr(at).starts_with(text))
      return false;
    at += text.size();
    return true;
  }
  char32_t takeCharacter();

  llvm::StringRef in;
  size_t at = 0;
  bool caseless = false;

private:
  bool parseItem(unsigned depth, CharacterSet &set);
  bool parseRange(CharacterSet &set);
  bool parseCharacter(char32_t &value);
  bool parsePosix(CharacterSet &set, bool &found);
  bool parseHex(unsigned digits, char32_t &character);
};

} // namespace kvasir::tokenizer

#endif // KVASIR_LIB_TOKENIZER_CLASSREADER_H
