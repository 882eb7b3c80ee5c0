// The decoder steps as a chain of stages.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "tokenizer/Decoder.h"
#include "tokenizer/Unicode.h"
#include <algorithm>

namespace kvasir::rt::tokenizer {
namespace {

/// The end of the chain.
class Collect : public Stage {
public:
  explicit Collect(std::string &output) : output(output) {}
  void text(std::string_view part) override { output += part; }
  void endPiece() override {}
  void finish() override {}

private:
  std::string &output;
};

/// A stage that passes on to another.
class Link : public Stage {
public:
  explicit Link(Stage &next) : next(next) {}

protected:
  Stage &next;
};

/// A stage that looks at whole pieces.
class WholePieces : public Link {
public:
  using Link::Link;
  void text(std::string_view part) override { held += part; }
  void endPiece() final {
    piece(held);
    held.clear();
  }
  void finish() override { next.finish(); }

protected:
  virtual void piece(std::string_view text) = 0;
  void pass(std::string_view text) {
    next.text(text);
    next.endPiece();
  }

private:
  std::string held;
};

/// Without a decoder: a space between tokens.
class JoinBySpaces : public Link {
public:
  using Link::Link;
  void text(std::string_view part) override {
    if (pending)
      next.text(" ");
    pending = false;
    next.text(part);
  }
  // The space waits until another token follows.
  void endPiece() override { pending = true; }
  void finish() override {
    pending = false;
    next.finish();
  }

private:
  bool pending = false;
};

/// Printable characters back to bytes; a token with any other character stands
/// for its own bytes. All pieces become one, with U+FFFD where the bytes are
/// not UTF-8.
class ByteLevel : public WholePieces {
public:
  using WholePieces::WholePieces;
  void finish() override {
    decode(true);
    next.endPiece();
    next.finish();
  }

protected:
  void piece(std::string_view token) override {
    size_t before = bytes.size();
    for (size_t at = 0; at < token.size();) {
      int byte = byteLevelByte(nextCharacter(token, at));
      if (byte < 0) {
        bytes.resize(before);
        bytes += token;
        break;
      }
      bytes += static_cast<char>(byte);
    }
    decode(false);
  }

private:
  void decode(bool last) {
    std::string text;
    bytes.erase(0, appendLossy(text, bytes, last));
    if (!text.empty())
      next.text(text);
  }
  std::string bytes;
};

/// Runs of <0xNN> tokens become one piece if together they are UTF-8, and one
/// U+FFFD for each of them otherwise; so nothing of a run is final before it
/// ends.
class ByteFallback : public WholePieces {
public:
  using WholePieces::WholePieces;
  void finish() override {
    endRun();
    next.finish();
  }

protected:
  void piece(std::string_view token) override {
    int byte = byteOf(token);
    if (byte >= 0) {
      run += static_cast<char>(byte);
      return;
    }
    endRun();
    pass(token);
  }

private:
  static int byteOf(std::string_view token) {
    auto digit = [](char c) {
      if (c >= '0' && c <= '9')
        return c - '0';
      char lower = static_cast<char>(c | 0x20);
      return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
    };
    if (token.size() != 6 || !token.starts_with("<0x") || token[5] != '>')
      return -1;
    int high = digit(token[3]), low = digit(token[4]);
    return high < 0 || low < 0 ? -1 : high * 16 + low;
  }
  void endRun() {
    if (run.empty())
      return;
    if (findInvalidUtf8(run) == std::string_view::npos)
      pass(run);
    else
      for (size_t i = 0; i < run.size(); ++i)
        pass("\xef\xbf\xbd");
    run.clear();
  }
  std::string run;
};

class Fuse : public Link {
public:
  using Link::Link;
  void text(std::string_view part) override { next.text(part); }
  void endPiece() override {}
  void finish() override {
    next.endPiece();
    next.finish();
  }
};

/// Up to `start` characters `mark` off the left end of each piece and up to
/// `stop` off the right end.
class Strip : public Link {
public:
  Strip(Stage &next, std::string_view mark, uint32_t start, uint32_t stop)
      : Link(next), mark(mark), start(start), stop(stop), left(start) {}

  void text(std::string_view part) override {
    while (left > 0 && part.starts_with(mark)) {
      part.remove_prefix(mark.size());
      --left;
    }
    if (part.empty())
      return;
    left = 0;
    if (stop == 0) {
      next.text(part);
      return;
    }
    // Marks at the end may yet turn out to be the last ones of the piece.
    size_t end = part.size(), marks = 0;
    while (std::string_view(part).substr(0, end).ends_with(mark)) {
      end -= mark.size();
      ++marks;
    }
    if (end > 0)
      release(0);
    next.text(part.substr(0, end));
    held += marks;
    if (held > stop)
      release(stop);
  }
  void endPiece() override {
    held = held > stop ? held - stop : 0;
    release(0);
    next.endPiece();
    left = start;
  }
  void finish() override { next.finish(); }

private:
  void release(size_t keep) {
    for (; held > keep; --held)
      next.text(mark);
  }
  std::string_view mark;
  uint32_t start, stop, left;
  size_t held = 0;
};

/// Holds back what may be the beginning of `pattern`.
class ReplaceLiteral : public Link {
public:
  ReplaceLiteral(Stage &next, std::string_view pattern, std::string_view content)
      : Link(next), pattern(pattern), content(content) {}

  void text(std::string_view part) override {
    held += part;
    size_t from = 0;
    for (size_t at; (at = held.find(pattern, from)) != std::string::npos;
         from = at + pattern.size()) {
      pass(std::string_view(held).substr(from, at - from));
      pass(content);
    }
    size_t keep = std::min(held.size() - from, pattern.size() - 1);
    while (!pattern.starts_with(std::string_view(held).substr(held.size() - keep)))
      --keep;
    pass(std::string_view(held).substr(from, held.size() - keep - from));
    held.erase(0, held.size() - keep);
  }
  void endPiece() override {
    pass(held);
    held.clear();
    next.endPiece();
  }
  void finish() override { next.finish(); }

private:
  void pass(std::string_view text) {
    if (!text.empty())
      next.text(text);
  }
  std::string_view pattern, content;
  std::string held;
};

class ReplaceRegex : public WholePieces {
public:
  ReplaceRegex(Stage &next, const Regex &regex, std::string_view content)
      : WholePieces(next), matcher(regex), content(content) {}

protected:
  void piece(std::string_view text) override {
    std::string replaced(text);
    // A piece on which the pattern gives up stays as it is.
    (void)replaceRegex(replaced, matcher, content);
    pass(replaced);
  }

private:
  Matcher matcher;
  std::string_view content;
};

/// The mark becomes a space, and nothing in the first piece if encoding
/// prepended one there.
class Metaspace : public WholePieces {
public:
  Metaspace(Stage &next, std::string_view mark, bool prepended)
      : WholePieces(next), mark(mark), prepended(prepended) {}
  void finish() override {
    first = true;
    next.finish();
  }

protected:
  void piece(std::string_view text) override {
    pass(replaceLiteral(text, mark, first && prepended ? "" : " "));
    first = false;
  }

private:
  std::string_view mark;
  bool prepended, first = true;
};

/// The suffix of a word becomes a space, but nothing in the last piece; so one
/// piece is held back.
class WordSuffix : public WholePieces {
public:
  WordSuffix(Stage &next, std::string_view suffix) : WholePieces(next), suffix(suffix) {}
  void finish() override {
    if (waiting)
      pass(replaceLiteral(last, suffix, ""));
    waiting = false;
    next.finish();
  }

protected:
  void piece(std::string_view text) override {
    if (waiting)
      pass(replaceLiteral(last, suffix, " "));
    last = text;
    waiting = true;
  }

private:
  std::string_view suffix;
  std::string last;
  bool waiting = false;
};

std::unique_ptr<Stage> makeStage(const Core &core, const fb::DecoderStep &step, Stage &next) {
  using Kind = fb::DecoderKind;
  std::string_view text = view(step.text());
  switch (step.kind()) {
  case Kind::byte_level:
    return std::make_unique<ByteLevel>(next);
  case Kind::byte_fallback:
    return std::make_unique<ByteFallback>(next);
  case Kind::fuse:
    return std::make_unique<Fuse>(next);
  case Kind::strip:
    return std::make_unique<Strip>(next, text, step.start(), step.stop());
  case Kind::replace_literal:
    return std::make_unique<ReplaceLiteral>(next, text, view(step.content()));
  case Kind::replace_regex:
    return std::make_unique<ReplaceRegex>(next, core.regexes[step.regex()], view(step.content()));
  case Kind::metaspace:
    return std::make_unique<Metaspace>(next, text, step.scheme() != fb::PrependScheme::never);
  case Kind::word_suffix:
    return std::make_unique<WordSuffix>(next, text);
  }
  return std::make_unique<Fuse>(next);
}

} // namespace

DecoderChain::DecoderChain(const Core &core) {
  stages.push_back(std::make_unique<Collect>(output));
  if (!core.table.has_decoder()) {
    stages.push_back(std::make_unique<JoinBySpaces>(first()));
    return;
  }
  const auto *steps = core.table.decoders();
  for (uint32_t i = steps ? steps->size() : 0; i-- > 0;)
    stages.push_back(makeStage(core, *steps->Get(i), first()));
}

} // namespace kvasir::rt::tokenizer
