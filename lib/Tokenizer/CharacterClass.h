// Sets of characters in a pattern: escapes like \w, properties, and bracket
// expressions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_LIB_TOKENIZER_CHARACTERCLASS_H
#define KVASIR_LIB_TOKENIZER_CHARACTERCLASS_H

#include "llvm/ADT/StringRef.h"
#include <optional>
#include <string>
#include <vector>

namespace kvasir::tokenizer {

/// A set of characters in PCRE2 syntax: the union of `items`, the inside of a
/// bracket expression, and of `others`, patterns that match one character each
/// (what PCRE2 cannot say inside brackets).
struct CharacterSet {
  std::string items;
  std::vector<std::string> others;

  void add(const CharacterSet &more);
  /// A pattern that matches one character of the set, or one outside of it.
  std::string pattern(bool negated) const;
  /// The complement, again as a set.
  CharacterSet complement() const;
};

/// The set of a shorthand: one of w, s, d, h (capitals: complement).
std::optional<CharacterSet> shorthandSet(char letter);
/// Outside of brackets, and for \b, Oniguruma takes the Latin-1 superscripts
/// and fractions for word characters too.
CharacterSet wordSetOutsideBrackets();
/// The set of the POSIX bracket [:name:].
std::optional<CharacterSet> posixSet(llvm::StringRef name);
/// The set of \p{name}: a general category, script or binary property.
std::optional<CharacterSet> propertySet(llvm::StringRef name);
/// Whether \p{name} tells cases apart, which (?i) treats differently in the two
/// engines.
bool isCaseProperty(llvm::StringRef name);

/// How a character is written, inside of brackets or outside.
std::string quoteCharacter(char32_t character);

} // namespace kvasir::tokenizer

#endif // KVASIR_LIB_TOKENIZER_CHARACTERCLASS_H
