// A compiled PCRE2 pattern and the successive matches of it in a text.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "tokenizer/Regex.h"
#include "tokenizer/Unicode.h"
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

namespace kvasir::rt::tokenizer {
namespace {

// Bounds on one search, far above what sensible patterns need: a hostile one
// ends with an error in about a second instead of never.
constexpr uint32_t maxSteps = 10'000'000;
constexpr uint32_t maxHeapKiB = 256 * 1024;
constexpr size_t maxPatternBytes = 64 * 1024;

std::string describe(int code) {
  PCRE2_UCHAR text[128] = {};
  pcre2_get_error_message(code, text, sizeof(text));
  return reinterpret_cast<const char *>(text);
}

struct FreeCompileContext {
  void operator()(pcre2_compile_context *context) const { pcre2_compile_context_free(context); }
};

} // namespace

void Regex::Free::operator()(pcre2_real_code_8 *code) const { pcre2_code_free(code); }
void Regex::Free::operator()(pcre2_real_match_context_8 *context) const {
  pcre2_match_context_free(context);
}
void Matcher::Free::operator()(pcre2_real_match_data_8 *data) const { pcre2_match_data_free(data); }

Result<Regex> Regex::compile(std::string_view pattern) {
  if (pattern.size() > maxPatternBytes)
    return error(Code::invalidArgument, format("pattern of %zu bytes, at most %zu are supported",
                                               pattern.size(), maxPatternBytes));
  std::unique_ptr<pcre2_compile_context, FreeCompileContext> settings(
      pcre2_compile_context_create(nullptr));
  Regex regex;
  regex.context.reset(pcre2_match_context_create(nullptr));
  if (!settings || !regex.context)
    return error(Code::resourceExhausted, "out of memory for a pattern");
  pcre2_set_newline(settings.get(), PCRE2_NEWLINE_LF);
  pcre2_set_match_limit(regex.context.get(), maxSteps);
  pcre2_set_heap_limit(regex.context.get(), maxHeapKiB);

  int code = 0;
  PCRE2_SIZE offset = 0;
  regex.code.reset(pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern.data()), pattern.size(),
                                 PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C,
                                 &code, &offset, settings.get()));
  if (!regex.code)
    return error(Code::invalidArgument,
                 format("pattern \"%.*s\" does not compile: %s at offset %zu",
                        static_cast<int>(pattern.size()), pattern.data(), describe(code).c_str(),
                        size_t(offset)));
  // Without the JIT (no executable memory, say) the interpreter does it.
  (void)pcre2_jit_compile(regex.code.get(), PCRE2_JIT_COMPLETE);
  return regex;
}

Matcher::Matcher(const Regex &regex)
    : regex(regex), data(pcre2_match_data_create_from_pattern(regex.code.get(), nullptr)) {}

Result<bool> Matcher::next(std::string_view text, size_t from, size_t &begin, size_t &end) {
  if (!data)
    return error(Code::resourceExhausted, "out of memory for a match");
  // The text is known to be UTF-8; checking again would cost its whole length
  // at every match.
  auto match = [&](uint32_t options) {
    return pcre2_match(regex.code.get(), reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(),
                       from, PCRE2_NO_UTF_CHECK | options, data.get(), regex.context.get());
  };
  int code = match(0);
  if (code == PCRE2_ERROR_JIT_STACKLIMIT)
    code = match(PCRE2_NO_JIT);
  if (code == PCRE2_ERROR_NOMATCH)
    return false;
  if (code < 0)
    return error(Code::resourceExhausted,
                 format("a tokenizer pattern gave up on a piece of %zu bytes: "
                        "%s; split the text",
                        text.size(), describe(code).c_str()));
  PCRE2_SIZE *bounds = pcre2_get_ovector_pointer(data.get());
  begin = bounds[0];
  end = bounds[1];
  if (begin < from || begin > end || end > text.size())
    return error(Code::unsupported, "a tokenizer pattern moved the start of its match");
  return true;
}

size_t Matcher::afterCharacter(std::string_view text, size_t at) {
  if (at < text.size())
    nextCharacter(text, at);
  else
    ++at;
  return at;
}

} // namespace kvasir::rt::tokenizer
