// UTF-8 and the Unicode properties that tokenizers ask for.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_RUNTIME_TOKENIZER_UNICODE_H
#define KVASIR_RUNTIME_TOKENIZER_UNICODE_H

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace kvasir::rt::tokenizer {

/// What stands at the start of some bytes: a character, an invalid sequence, or
/// the beginning of a character that is cut off. `bytes` is its length, at
/// least 1; an invalid sequence is as long as a single U+FFFD replaces.
struct Utf8Sequence {
  enum Kind { character, invalid, incomplete } kind;
  uint32_t bytes;
};
Utf8Sequence scanUtf8(std::string_view bytes);

/// Offset of the first byte that is not part of a UTF-8 character, or npos.
size_t findInvalidUtf8(std::string_view bytes);

/// Appends the longest decided prefix of `bytes` to `text`, with U+FFFD in
/// place of invalid sequences, and returns its length. With `last`, a cut-off
/// character at the end is invalid too, and everything is decided.
size_t appendLossy(std::string &text, std::string_view bytes, bool last);

inline bool isContinuation(char byte) { return (byte & 0xc0) == 0x80; }

/// The character at `at`, which moves behind it. `text` must be UTF-8.
char32_t nextCharacter(std::string_view text, size_t &at);
/// The character before `end`, which moves in front of it.
char32_t previousCharacter(std::string_view text, size_t &end);
void appendCharacter(std::string &text, char32_t character);

bool isWhitespace(char32_t character);     ///< White_Space
bool isPunctuation(char32_t character);    ///< P and all ASCII punctuation
bool isNumeric(char32_t character);        ///< N
bool isWordCharacter(char32_t character);  ///< \w of UTS 18, annex C
bool isMark(char32_t character);           ///< M
bool isNonspacingMark(char32_t character); ///< Mn
bool isOther(char32_t character);          ///< C, without unassigned ones
bool isIdeograph(char32_t character);      ///< what BERT puts spaces around

/// Appends the lower case of a character, context-free, possibly longer.
void appendLowercase(std::string &text, char32_t character);

enum class Form { nfc, nfd, nfkc, nfkd };
/// Normalizes in place, in linear time but for sorting runs of marks.
void normalizeForm(std::string &text, Form form);

/// The printable character (at most two bytes) that stands for a byte in
/// byte-level vocabularies.
std::string_view byteLevelCharacter(uint8_t byte);
/// The byte that a character stands for, or -1.
int byteLevelByte(char32_t character);

} // namespace kvasir::rt::tokenizer

#endif // KVASIR_RUNTIME_TOKENIZER_UNICODE_H
