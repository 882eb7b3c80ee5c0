// How Oniguruma patterns are written for PCRE2, and which are refused. What they match is compared
// with the reference in GoldenTest.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "RegexTranslation.h"
#include "gtest/gtest.h"

namespace kvasir::tokenizer {
namespace {

std::string translated(llvm::StringRef pattern) {
  auto result = translateRegex(pattern);
  return result ? *result : "refused: " + llvm::toString(result.takeError());
}

TEST(RegexTranslation, KeepsWhatIsTheSame) {
  for (const char *pattern :
       {"abc", "a|b", "(?:a|b)+", "a{2,3}?", "a*+", "(?=a)b", "(?<!a)b", "(?>a)b", "[a-z]",
        "[^a-z]+", "\\p{L}", "\\P{N}", "^a$", "\\Aa\\z", "(?<name>a)"})
    EXPECT_EQ(translated(pattern), pattern);
}

TEST(RegexTranslation, Sets) {
  EXPECT_EQ(translated("\\s"), "\\p{White_Space}");
  EXPECT_EQ(translated("\\S"), "\\P{White_Space}");
  EXPECT_EQ(translated("\\d"), "\\p{Nd}");
  EXPECT_EQ(translated("\\h"), "[0-9A-Fa-f]");
  EXPECT_EQ(translated("\\p{^L}"), "\\P{L}");
  EXPECT_EQ(translated("\\p{Letter}"), "\\p{L}");
  EXPECT_EQ(translated("\\p{Han}"), "\\p{sc:han}");
  EXPECT_EQ(translated("[^\\s\\p{L}\\p{N}]"), "[^\\p{White_Space}\\p{L}\\p{N}]");
  EXPECT_EQ(translated("[a[b-d]]"), "[ab-d]");
  EXPECT_EQ(translated("[a-z&&[^d]]"), "(?:(?=[a-z])[^d])");
  EXPECT_EQ(translated("[^a&&b]"), "(?:(?!(?:(?:(?=[a])[b])))(?s:.))");
  EXPECT_EQ(translated("[]a-]"), "[\\]a\\-]");
}

TEST(RegexTranslation, Quantifiers) {
  EXPECT_EQ(translated("a{2}?"), "(?:a{2})?");
  EXPECT_EQ(translated("a{1,2}+"), "(?:a{1,2})+");
  EXPECT_EQ(translated("a{,2}"), "a{0,2}");
  EXPECT_EQ(translated("a{x"), "a\\{x");
  EXPECT_EQ(translated("a**"), "(?:a*)*");
}

TEST(RegexTranslation, Options) {
  EXPECT_EQ(translated("(?i:a)b"), "(?i:a)b");
  EXPECT_EQ(translated("a(?i)b|c"), "a(?i:b|c)");
  EXPECT_EQ(translated("(?m-i:.)"), "(?s-i:.)");
}

TEST(RegexTranslation, Characters) {
  EXPECT_EQ(translated("\\x{41}\\u0042\\x43\\t"), "ABC\\x{9}");
  EXPECT_EQ(translated("\\-\\é #"), "\\-é \\#");
  EXPECT_EQ(escapeRegex("a.b*é"), "a\\.b\\*é");
}

TEST(RegexTranslation, Refuses) {
  for (const char *pattern :
       {"(",       ")",        "[",          "[]",       "a)",          "*a",
        "a|*",     "\\",       "\\q",        "\\xff",    "\\x{110000}", "\\p{Nope}",
        "\\p",     "(?x)a b",  "(?P<n>a)",   "(?|a)",    "(*UTF)a",     "(?R)",
        "(?(1)a)", "\\K",      "\\g<1>",     "\\k<a>",   "(?<a>b)\\1",  "(?i)\\p{Lu}",
        "[z-a]",   "(?<=a+)b", "[[:nope:]]", "(?<1a>b)", "\\C"})
    EXPECT_EQ(translated(pattern).find("refused: pattern"), 0u)
        << pattern << " became " << translated(pattern);
  EXPECT_EQ(translated(std::string(100000, '(')).find("refused"), 0u);
  EXPECT_EQ(translated(std::string(100000, '[')).find("refused"), 0u);
}

} // namespace
} // namespace kvasir::tokenizer
