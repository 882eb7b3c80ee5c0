// A compiled PCRE2 pattern and the successive matches of it in a text.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_RUNTIME_TOKENIZER_REGEX_H
#define KVASIR_RUNTIME_TOKENIZER_REGEX_H

#include "support/Status.h"
#include <memory>
#include <string_view>

struct pcre2_real_code_8;
struct pcre2_real_match_context_8;
struct pcre2_real_match_data_8;

namespace kvasir::rt::tokenizer {

/// Immutable after compile(), shared by threads.
class Regex {
public:
  /// UTF, UCP, `^` and `$` at lines, newline is LF. Uses the JIT where the
  /// machine allows it.
  static Result<Regex> compile(std::string_view pattern);

private:
  friend class Matcher;
  struct Free {
    void operator()(pcre2_real_code_8 *code) const;
    void operator()(pcre2_real_match_context_8 *context) const;
  };
  std::unique_ptr<pcre2_real_code_8, Free> code;
  std::unique_ptr<pcre2_real_match_context_8, Free> context;
};

/// Iterates over matches; one thread at a time, reused from text to text.
class Matcher {
public:
  explicit Matcher(const Regex &regex);

  /// Calls `found(begin, end)` for the matches in `text` (UTF-8) from left to
  /// right. They do not overlap; one that is empty never touches the end of the
  /// match before it.
  template <class F> Status forEach(std::string_view text, F &&found) {
    size_t from = 0, lastEnd = std::string_view::npos, begin = 0, end = 0;
    while (from <= text.size()) {
      Result<bool> more = next(text, from, begin, end);
      if (!more)
        return more.status();
      if (!*more)
        return Status::ok();
      if (begin == end && end == lastEnd) {
        from = afterCharacter(text, from);
        continue;
      }
      from = lastEnd = end;
      found(begin, end);
    }
    return Status::ok();
  }

private:
  Result<bool> next(std::string_view text, size_t from, size_t &begin, size_t &end);
  static size_t afterCharacter(std::string_view text, size_t at);

  struct Free {
    void operator()(pcre2_real_match_data_8 *data) const;
  };
  const Regex &regex;
  std::unique_ptr<pcre2_real_match_data_8, Free> data;
};

} // namespace kvasir::rt::tokenizer

#endif // KVASIR_RUNTIME_TOKENIZER_REGEX_H
