// The normalizer steps, each a function from text to text.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "tokenizer/Core.h"
#include "tokenizer/Unicode.h"

namespace kvasir::rt::tokenizer {

std::string replaceLiteral(std::string_view text, std::string_view pattern,
                           std::string_view content) {
  std::string result;
  result.reserve(text.size());
  size_t from = 0;
  for (size_t at; (at = text.find(pattern, from)) != std::string_view::npos;
       from = at + pattern.size()) {
    result += text.substr(from, at - from);
    result += content;
  }
  return result += text.substr(from);
}

Status replaceRegex(std::string &text, Matcher &matcher, std::string_view content) {
  // The reference implementation finds nothing in an empty text, not even an
  // empty match.
  if (text.empty())
    return Status::ok();
  std::string result;
  size_t from = 0;
  Status status = matcher.forEach(text, [&](size_t begin, size_t end) {
    result.append(text, from, begin - from);
    result += content;
    from = end;
  });
  if (!status)
    return status;
  result.append(text, from);
  text = std::move(result);
  return Status::ok();
}

namespace {

/// Keeps the characters for which `keep` holds, mapped by `map`.
template <class Keep, class Map>
void filter(std::string &text, bool &atOrigin, Keep keep, Map map) {
  std::string result;
  result.reserve(text.size());
  for (size_t at = 0; at < text.size();) {
    bool first = at == 0;
    char32_t character = nextCharacter(text, at);
    if (keep(character))
      appendCharacter(result, map(character));
    else if (first)
      atOrigin = false;
  }
  text = std::move(result);
}
template <class Keep> void filter(std::string &text, bool &atOrigin, Keep keep) {
  filter(text, atOrigin, keep, [](char32_t c) { return c; });
}

void stripSpaces(std::string &text, bool &atOrigin, bool left, bool right) {
  size_t begin = 0, end = text.size();
  while (right && end > 0) {
    size_t before = end;
    if (!isWhitespace(previousCharacter(text, before)))
      break;
    end = before;
  }
  while (left && begin < end) {
    size_t after = begin;
    if (!isWhitespace(nextCharacter(text, after)))
      break;
    begin = after;
  }
  if (begin > 0)
    atOrigin = false;
  text = text.substr(begin, end - begin);
}

void lowercase(std::string &text) {
  std::string result;
  result.reserve(text.size());
  for (size_t at = 0; at < text.size();)
    appendLowercase(result, nextCharacter(text, at));
  text = std::move(result);
}

void spaceIdeographs(std::string &text) {
  std::string result;
  result.reserve(text.size());
  for (size_t at = 0; at < text.size();) {
    char32_t character = nextCharacter(text, at);
    bool spaced = isIdeograph(character);
    if (spaced)
      result += ' ';
    appendCharacter(result, character);
    if (spaced)
      result += ' ';
  }
  text = std::move(result);
}

void byteLevel(std::string &text) {
  std::string result;
  result.reserve(text.size() * 2);
  for (char byte : text)
    result += byteLevelCharacter(static_cast<uint8_t>(byte));
  text = std::move(result);
}

void cleanText(std::string &text, bool &atOrigin) {
  auto isControl = [](char32_t c) {
    return c == 0 || c == 0xfffd || (c != '\t' && c != '\n' && c != '\r' && isOther(c));
  };
  filter(
      text, atOrigin, [&](char32_t c) { return !isControl(c); },
      [](char32_t c) { return isWhitespace(c) ? U' ' : c; });
}

Status replace(const Core &core, const fb::NormalizerStep &step, std::string &text,
               bool &atOrigin) {
  std::string_view pattern = view(step.text()), content = view(step.content());
  // What replaces several characters is taken to stand where the last was.
  auto noteFirst = [&](std::string_view matched) {
    size_t first = 0;
    if (!matched.empty())
      nextCharacter(matched, first);
    if (first < matched.size() || (content.empty() && !matched.empty()))
      atOrigin = false;
  };
  if (step.kind() == fb::NormalizerKind::replace_literal) {
    if (std::string_view(text).starts_with(pattern))
      noteFirst(pattern);
    text = replaceLiteral(text, pattern, content);
    return Status::ok();
  }
  Matcher matcher(core.regexes[step.regex()]);
  if (atOrigin) {
    // Only the first match matters, but a pattern is cheap on its way there.
    bool first = true;
    Status status = matcher.forEach(text, [&](size_t begin, size_t end) {
      if (first && begin == 0)
        noteFirst(std::string_view(text).substr(0, end));
      first = false;
    });
    if (!status)
      return status;
  }
  return replaceRegex(text, matcher, content);
}

Status applyStep(const Core &core, const fb::NormalizerStep &step, std::string &text,
                 bool &atOrigin) {
  using Kind = fb::NormalizerKind;
  switch (step.kind()) {
  case Kind::nfc:
    normalizeForm(text, Form::nfc);
    break;
  case Kind::nfd:
    normalizeForm(text, Form::nfd);
    break;
  case Kind::nfkc:
    normalizeForm(text, Form::nfkc);
    break;
  case Kind::nfkd:
    normalizeForm(text, Form::nfkd);
    break;
  case Kind::lowercase:
    lowercase(text);
    break;
  case Kind::strip_marks:
    filter(text, atOrigin, [](char32_t c) { return !isMark(c); });
    break;
  case Kind::strip_nonspacing_marks:
    filter(text, atOrigin, [](char32_t c) { return !isNonspacingMark(c); });
    break;
  case Kind::strip_spaces:
    stripSpaces(text, atOrigin, step.left(), step.right());
    break;
  case Kind::prepend:
    if (!text.empty())
      text.insert(0, view(step.text()));
    break;
  case Kind::replace_literal:
  case Kind::replace_regex:
    return replace(core, step, text, atOrigin);
  case Kind::clean_text:
    cleanText(text, atOrigin);
    break;
  case Kind::space_ideographs:
    spaceIdeographs(text);
    break;
  case Kind::byte_level:
    byteLevel(text);
    break;
  }
  return Status::ok();
}

} // namespace

Status normalize(const Core &core, std::string &text, bool &atOrigin) {
  if (!core.table.normalizers())
    return Status::ok();
  // Real normalizers expand a text a few times at most.
  size_t limit = text.size() * 64 + (size_t(1) << 20);
  for (const fb::NormalizerStep *step : *core.table.normalizers()) {
    if (Status status = applyStep(core, *step, text, atOrigin); !status)
      return status;
    if (text.size() > limit)
      return error(Code::resourceExhausted,
                   format("normalization makes the text longer than %zu bytes", limit));
  }
  return Status::ok();
}

} // namespace kvasir::rt::tokenizer
