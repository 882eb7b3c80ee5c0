// The pre-tokenizer steps: each splits the pieces of a text further, some
// rewrite them first.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "tokenizer/Core.h"
#include "tokenizer/Unicode.h"
#include <algorithm>

namespace kvasir::rt::tokenizer {
namespace {

/// A stretch of a piece that is a delimiter or lies between delimiters.
struct Stretch {
  size_t begin, end;
  bool delimiter;
};
using Stretches = std::vector<Stretch>;

void addDelimiter(Stretches &stretches, size_t &done, size_t begin, size_t end) {
  if (done != begin)
    stretches.push_back({done, begin, false});
  stretches.push_back({begin, end, true});
  done = end;
}

/// Every character for which `isDelimiter` holds is a delimiter of its own.
template <class F> void findCharacters(std::string_view text, Stretches &stretches, F isDelimiter) {
  size_t done = 0;
  for (size_t at = 0; at < text.size();) {
    size_t begin = at;
    if (isDelimiter(nextCharacter(text, at)))
      addDelimiter(stretches, done, begin, at);
  }
  if (done != text.size())
    stretches.push_back({done, text.size(), false});
}

Status findMatches(std::string_view text, Stretches &stretches, Matcher &matcher) {
  size_t done = 0;
  Status status = matcher.forEach(
      text, [&](size_t begin, size_t end) { addDelimiter(stretches, done, begin, end); });
  if (status && done != text.size())
    stretches.push_back({done, text.size(), false});
  return status;
}

/// Joins delimiters to their neighbours as `behavior` says, in place. What is
/// left with `delimiter` set is to be removed.
void applyBehavior(Stretches &stretches, fb::SplitBehavior behavior) {
  using Behavior = fb::SplitBehavior;
  if (behavior == Behavior::removed)
    return;
  bool fromRight = behavior == Behavior::merged_with_next;
  if (fromRight)
    std::reverse(stretches.begin(), stretches.end());
  size_t kept = 0;
  bool previous = false;
  for (const Stretch &next : Stretches(stretches)) {
    bool join = false;
    if (behavior == Behavior::contiguous)
      join = next.delimiter == previous;
    else if (behavior != Behavior::isolated)
      join = next.delimiter && !previous;
    previous = next.delimiter;
    if (!join || kept == 0)
      stretches[kept++] = {next.begin, next.end, false};
    else if (fromRight)
      stretches[kept - 1].begin = next.begin;
    else
      stretches[kept - 1].end = next.end;
  }
  stretches.resize(kept);
  if (fromRight)
    std::reverse(stretches.begin(), stretches.end());
}

/// Splits every piece of text with `find(text, stretches)`.
template <class F>
Status splitPieces(Segments &segments, fb::SplitBehavior behavior, bool invert, F &&find) {
  std::vector<Piece> result;
  result.reserve(segments.pieces.size());
  Stretches stretches;
  for (const Piece &piece : segments.pieces) {
    if (piece.id >= 0) {
      result.push_back(piece);
      continue;
    }
    stretches.clear();
    if (Status status = find(segments.view(piece), stretches); !status)
      return status;
    if (invert)
      for (Stretch &stretch : stretches)
        stretch.delimiter = !stretch.delimiter;
    applyBehavior(stretches, behavior);
    for (const Stretch &stretch : stretches)
      if (!stretch.delimiter && stretch.begin < stretch.end)
        result.push_back({piece.begin + stretch.begin, piece.begin + stretch.end, -1,
                          piece.atOrigin && stretch.begin == 0});
  }
  segments.pieces = std::move(result);
  return Status::ok();
}

template <class F>
Status splitCharacters(Segments &segments, fb::SplitBehavior behavior, F isDelimiter) {
  return splitPieces(segments, behavior, false, [&](std::string_view text, Stretches &stretches) {
    findCharacters(text, stretches, isDelimiter);
    return Status::ok();
  });
}

/// Rewrites every piece of text with `rewrite(piece, text, result)`.
template <class F> void rewritePieces(Segments &segments, F &&rewrite) {
  std::string text;
  text.reserve(segments.text.size() + segments.pieces.size());
  for (Piece &piece : segments.pieces) {
    size_t begin = text.size();
    if (piece.id < 0)
      rewrite(piece, segments.view(piece), text);
    piece.begin = begin;
    piece.end = text.size();
  }
  segments.text = std::move(text);
}

void prefixSpace(Segments &segments) {
  rewritePieces(segments, [](const Piece &, std::string_view text, std::string &result) {
    if (!text.starts_with(' '))
      result += ' ';
    result += text;
  });
}

void byteLevel(Segments &segments) {
  rewritePieces(segments, [](const Piece &, std::string_view text, std::string &result) {
    for (char byte : text)
      result += byteLevelCharacter(static_cast<uint8_t>(byte));
  });
}

Status metaspace(Segments &segments, const fb::PreTokenizerStep &step) {
  std::string_view mark = view(step.text());
  rewritePieces(segments, [&](const Piece &piece, std::string_view text, std::string &result) {
    bool here = step.scheme() == fb::PrependScheme::always ||
                (step.scheme() == fb::PrependScheme::first && piece.atOrigin);
    if (here && !text.starts_with(' ') && !text.starts_with(mark))
      result += mark;
    result += replaceLiteral(text, " ", mark);
  });
  if (!step.split())
    return Status::ok();
  size_t at = 0;
  char32_t delimiter = nextCharacter(mark, at);
  return splitCharacters(segments, fb::SplitBehavior::merged_with_next,
                         [&](char32_t c) { return c == delimiter; });
}

Status applyStep(const Core &core, const fb::PreTokenizerStep &step, Segments &segments) {
  using Kind = fb::PreTokenizerKind;
  switch (step.kind()) {
  case Kind::prefix_space:
    prefixSpace(segments);
    return Status::ok();
  case Kind::split_regex: {
    Matcher matcher(core.regexes[step.regex()]);
    return splitPieces(segments, step.behavior(), step.invert(),
                       [&](std::string_view text, Stretches &stretches) {
                         return findMatches(text, stretches, matcher);
                       });
  }
  case Kind::split_whitespace:
    return splitCharacters(segments, step.behavior(), isWhitespace);
  case Kind::split_punctuation:
    return splitCharacters(segments, step.behavior(), isPunctuation);
  case Kind::split_numeric:
    return splitCharacters(segments, step.behavior(), isNumeric);
  case Kind::metaspace:
    return metaspace(segments, step);
  case Kind::byte_level:
    byteLevel(segments);
    return Status::ok();
  }
  return Status::ok();
}

} // namespace

Status preTokenize(const Core &core, Segments &segments) {
  if (!core.table.pre_tokenizers())
    return Status::ok();
  size_t limit = segments.text.size() * 64 + (size_t(1) << 20);
  for (const fb::PreTokenizerStep *step : *core.table.pre_tokenizers()) {
    if (Status status = applyStep(core, *step, segments); !status)
      return status;
    if (segments.text.size() > limit)
      return error(Code::resourceExhausted,
                   format("pre-tokenization makes the text longer than %zu "
                          "bytes",
                          limit));
  }
  return Status::ok();
}

} // namespace kvasir::rt::tokenizer
