// Patterns of tokenizer.json are written for Oniguruma; this rewrites them in
// PCRE2 syntax.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_LIB_TOKENIZER_REGEXTRANSLATION_H
#define KVASIR_LIB_TOKENIZER_REGEXTRANSLATION_H

#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"
#include <string>

namespace kvasir::tokenizer {

/// The PCRE2 pattern (for UTF, UCP and MULTILINE) that matches what `pattern`
/// matches in Oniguruma with its default syntax and UTF-8. Where the two differ
/// the pattern is rewritten: the Unicode sets behind \w \s \h \b and POSIX
/// brackets, properties that are scripts, nested and intersected character
/// classes, interval quantifiers, (?m), and how far (?i) reaches. What has no
/// equal is an error. The result has been compiled once.
llvm::Expected<std::string> translateRegex(llvm::StringRef pattern);

/// A PCRE2 pattern that matches `text` and nothing else.
std::string escapeRegex(llvm::StringRef text);

} // namespace kvasir::tokenizer

#endif // KVASIR_LIB_TOKENIZER_REGEXTRANSLATION_H
