// UTF-8 and the Unicode properties that tokenizers ask for, on utf8proc.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "tokenizer/Unicode.h"
#include <algorithm>
#include <array>
#include <cstring>
#include <utf8proc.h>
#include <vector>

namespace kvasir::rt::tokenizer {
namespace {

constexpr std::string_view replacement = "\xef\xbf\xbd";

utf8proc_category_t category(char32_t character) {
  return utf8proc_category(static_cast<utf8proc_int32_t>(character));
}

/// Length announced by a lead byte and the range of its second byte; 0: no
/// lead.
struct Lead {
  uint32_t bytes;
  uint8_t low, high;
};
Lead classifyLead(uint8_t byte) {
  if (byte >= 0xc2 && byte <= 0xdf)
    return {2, 0x80, 0xbf};
  if (byte >= 0xe0 && byte <= 0xef)
    return {3, uint8_t(byte == 0xe0 ? 0xa0 : 0x80), uint8_t(byte == 0xed ? 0x9f : 0xbf)};
  if (byte >= 0xf0 && byte <= 0xf4)
    return {4, uint8_t(byte == 0xf0 ? 0x90 : 0x80), uint8_t(byte == 0xf4 ? 0x8f : 0xbf)};
  return {0, 0, 0};
}

} // namespace

Utf8Sequence scanUtf8(std::string_view bytes) {
  auto byteAt = [&](size_t i) { return static_cast<uint8_t>(bytes[i]); };
  if (byteAt(0) < 0x80)
    return {Utf8Sequence::character, 1};
  Lead lead = classifyLead(byteAt(0));
  if (!lead.bytes)
    return {Utf8Sequence::invalid, 1};
  for (uint32_t i = 1; i < lead.bytes; ++i) {
    if (i == bytes.size())
      return {Utf8Sequence::incomplete, i};
    uint8_t low = i == 1 ? lead.low : 0x80, high = i == 1 ? lead.high : 0xbf;
    if (byteAt(i) < low || byteAt(i) > high)
      return {Utf8Sequence::invalid, i};
  }
  return {Utf8Sequence::character, lead.bytes};
}

size_t findInvalidUtf8(std::string_view bytes) {
  constexpr uint64_t highBits = 0x8080808080808080ull;
  size_t at = 0;
  while (at < bytes.size()) {
    uint64_t word;
    if (bytes.size() - at >= 8 && (std::memcpy(&word, bytes.data() + at, 8), !(word & highBits))) {
      at += 8;
      continue;
    }
    Utf8Sequence sequence = scanUtf8(bytes.substr(at));
    if (sequence.kind != Utf8Sequence::character)
      return at;
    at += sequence.bytes;
  }
  return std::string_view::npos;
}

size_t appendLossy(std::string &text, std::string_view bytes, bool last) {
  size_t at = 0;
  while (at < bytes.size()) {
    Utf8Sequence sequence = scanUtf8(bytes.substr(at));
    if (sequence.kind == Utf8Sequence::incomplete && !last)
      break;
    if (sequence.kind == Utf8Sequence::character)
      text.append(bytes.substr(at, sequence.bytes));
    else
      text.append(replacement);
    at += sequence.bytes;
  }
  return at;
}

char32_t nextCharacter(std::string_view text, size_t &at) {
  auto byte = [&](size_t i) { return static_cast<char32_t>(static_cast<uint8_t>(text[at + i])); };
  char32_t lead = byte(0), character;
  if (lead < 0x80) {
    at += 1;
    return lead;
  }
  if (lead < 0xe0) {
    character = (lead & 0x1f) << 6 | (byte(1) & 0x3f);
    at += 2;
  } else if (lead < 0xf0) {
    character = (lead & 0x0f) << 12 | (byte(1) & 0x3f) << 6 | (byte(2) & 0x3f);
    at += 3;
  } else {
    character =
        (lead & 0x07) << 18 | (byte(1) & 0x3f) << 12 | (byte(2) & 0x3f) << 6 | (byte(3) & 0x3f);
    at += 4;
  }
  return character;
}

char32_t previousCharacter(std::string_view text, size_t &end) {
  do
    --end;
  while (end > 0 && isContinuation(text[end]));
  size_t at = end;
  return nextCharacter(text, at);
}

void appendCharacter(std::string &text, char32_t character) {
  if (character < 0x80) {
    text += static_cast<char>(character);
    return;
  }
  utf8proc_uint8_t bytes[4];
  utf8proc_ssize_t count = utf8proc_encode_char(static_cast<utf8proc_int32_t>(character), bytes);
  text.append(reinterpret_cast<char *>(bytes), static_cast<size_t>(count));
}

bool isWhitespace(char32_t c) {
  return (c >= 9 && c <= 13) || c == 0x20 || c == 0x85 || c == 0xa0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 || c == 0x202f || c == 0x205f ||
         c == 0x3000;
}

bool isPunctuation(char32_t c) {
  if (c < 0x80)
    return (c >= '!' && c <= '/') || (c >= ':' && c <= '@') || (c >= '[' && c <= '`') ||
           (c >= '{' && c <= '~');
  utf8proc_category_t kind = category(c);
  return kind >= UTF8PROC_CATEGORY_PC && kind <= UTF8PROC_CATEGORY_PO;
}

bool isNumeric(char32_t c) {
  utf8proc_category_t kind = category(c);
  return kind >= UTF8PROC_CATEGORY_ND && kind <= UTF8PROC_CATEGORY_NO;
}

bool isMark(char32_t c) {
  utf8proc_category_t kind = category(c);
  return kind >= UTF8PROC_CATEGORY_MN && kind <= UTF8PROC_CATEGORY_ME;
}

bool isNonspacingMark(char32_t c) { return category(c) == UTF8PROC_CATEGORY_MN; }

bool isWordCharacter(char32_t c) {
  utf8proc_category_t kind = category(c);
  bool letterOrMark = kind >= UTF8PROC_CATEGORY_LU && kind <= UTF8PROC_CATEGORY_ME;
  // The symbols that are Alphabetic, and the join controls.
  bool listed = (c >= 0x24b6 && c <= 0x24e9) || (c >= 0x1f130 && c <= 0x1f149) ||
                (c >= 0x1f150 && c <= 0x1f169) || (c >= 0x1f170 && c <= 0x1f189) || c == 0x200c ||
                c == 0x200d;
  return letterOrMark || kind == UTF8PROC_CATEGORY_ND || kind == UTF8PROC_CATEGORY_NL ||
         kind == UTF8PROC_CATEGORY_PC || listed;
}

bool isOther(char32_t c) {
  utf8proc_category_t kind = category(c);
  return kind == UTF8PROC_CATEGORY_CC || kind == UTF8PROC_CATEGORY_CF ||
         kind == UTF8PROC_CATEGORY_CO || kind == UTF8PROC_CATEGORY_CS;
}

bool isIdeograph(char32_t c) {
  return (c >= 0x4e00 && c <= 0x9fff) || (c >= 0x3400 && c <= 0x4dbf) ||
         (c >= 0x20000 && c <= 0x2a6df) || (c >= 0x2a700 && c <= 0x2b73f) ||
         (c >= 0x2b740 && c <= 0x2b81f) || (c >= 0x2b920 && c <= 0x2ceaf) ||
         (c >= 0xf900 && c <= 0xfaff) || (c >= 0x2f800 && c <= 0x2fa1f);
}

void appendLowercase(std::string &text, char32_t character) {
  // The one character whose lower case is longer, whatever stands around it.
  if (character == 0x130) {
    text += "i\xcc\x87";
    return;
  }
  appendCharacter(
      text, static_cast<char32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(character))));
}

/// Canonical order: runs of characters with a combining class, sorted stably.
/// utf8proc's own ordering is quadratic in the length of a run.
static void orderMarks(std::vector<utf8proc_int32_t> &text) {
  auto combiningClass = [](utf8proc_int32_t c) -> uint64_t {
    return static_cast<uint64_t>(utf8proc_get_property(c)->combining_class);
  };
  std::vector<uint64_t> keys; // class, place in the run, character
  for (size_t i = 0; i < text.size(); ++i) {
    size_t end = i;
    keys.clear();
    for (uint64_t rank; end < text.size(); ++end) {
      if ((rank = combiningClass(text[end])) == 0)
        break;
      keys.push_back(rank << 53 | uint64_t(end - i) << 21 | static_cast<uint64_t>(text[end]));
    }
    if (keys.size() > 1) {
      std::sort(keys.begin(), keys.end());
      for (size_t k = 0; k < keys.size(); ++k)
        text[i + k] = static_cast<utf8proc_int32_t>(keys[k] & 0x1fffff);
    }
    i = end;
  }
}

void normalizeForm(std::string &text, Form form) {
  bool ascii = std::none_of(text.begin(), text.end(), [](char c) { return c & 0x80; });
  if (ascii)
    return;
  int options = UTF8PROC_STABLE | UTF8PROC_DECOMPOSE;
  if (form == Form::nfkc || form == Form::nfkd)
    options |= UTF8PROC_COMPAT;
  std::vector<utf8proc_int32_t> decomposed;
  decomposed.reserve(text.size());
  for (size_t at = 0; at < text.size();) {
    utf8proc_int32_t parts[32];
    int boundary = 0;
    char32_t character = nextCharacter(text, at);
    utf8proc_ssize_t count =
        utf8proc_decompose_char(static_cast<utf8proc_int32_t>(character), parts, 32,
                                static_cast<utf8proc_option_t>(options), &boundary);
    if (count < 0 || count > 32) { // cannot happen: no character has more parts
      parts[0] = static_cast<utf8proc_int32_t>(character);
      count = 1;
    }
    decomposed.insert(decomposed.end(), parts, parts + count);
  }
  orderMarks(decomposed);
  utf8proc_ssize_t length = static_cast<utf8proc_ssize_t>(decomposed.size());
  if (form == Form::nfc || form == Form::nfkc)
    length = utf8proc_normalize_utf32(
        decomposed.data(), length,
        static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE));
  text.clear();
  for (utf8proc_ssize_t i = 0; i < length; ++i)
    appendCharacter(text, static_cast<char32_t>(decomposed[i]));
}

namespace {
/// Bytes that print stand for themselves; the others for 256, 257 and so on.
struct ByteLevelAlphabet {
  std::array<std::array<char, 2>, 256> text{};
  std::array<uint8_t, 256> length{};
  std::array<int16_t, 0x144> byte{};

  constexpr ByteLevelAlphabet() {
    byte.fill(-1);
    unsigned next = 256;
    for (unsigned b = 0; b < 256; ++b) {
      bool prints = (b >= 0x21 && b <= 0x7e) || (b >= 0xa1 && b != 0xad);
      unsigned character = prints ? b : next++;
      byte[character] = static_cast<int16_t>(b);
      length[b] = character < 0x80 ? 1 : 2;
      text[b][0] = static_cast<char>(character < 0x80 ? character : 0xc0 | character >> 6);
      text[b][1] = static_cast<char>(0x80 | (character & 0x3f));
    }
  }
};
constexpr ByteLevelAlphabet alphabet;
} // namespace

std::string_view byteLevelCharacter(uint8_t byte) {
  return {alphabet.text[byte].data(), alphabet.length[byte]};
}

int byteLevelByte(char32_t character) {
  return character < alphabet.byte.size() ? alphabet.byte[character] : -1;
}

} // namespace kvasir::rt::tokenizer
