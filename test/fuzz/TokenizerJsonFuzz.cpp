// Any text as tokenizer.json (and, after a zero byte, tokenizer_config.json): it is refused, or
// gives a table that opens, encodes, and decodes the same at once and as a stream.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "kvasir/Tokenizer/Tokenizer.h"
#include "tokenizer/Tokenizer.h"
#include <cstdlib>

using namespace kvasir;

static void check(bool holds) {
  if (!holds)
    abort();
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  llvm::StringRef input(reinterpret_cast<const char *>(data), size);
  auto [json, config] = input.split('\0');
  TokenizerOptions options;
  options.config = config;
  auto table = compileTokenizer(json, options);
  if (!table) {
    check(!llvm::toString(table.takeError()).empty());
    return 0;
  }
  auto tokenizer = rt::Tokenizer::open(table->data(), table->size());
  check(static_cast<bool>(tokenizer));
  for (std::string text : {"", " The boat's 3.14 <s> \xc3\x89 e\xcc\x81\n\n\xf0\x9f\x98\x80",
                           "aaabbb  ab\xe2\x96\x81\xe4\xbd\xa0 \xc2\xa0x"}) {
    auto ids = tokenizer->encode(text, true);
    if (!ids)
      continue;
    std::string all = tokenizer->decode(*ids, false);
    rt::StreamDecoder stream(*tokenizer, false);
    std::string parts;
    for (int32_t id : *ids) {
      check(id >= 0 && id < tokenizer->vocabSize());
      parts += stream.push(id);
    }
    check(parts + stream.flush() == all);
    // What was decoded is UTF-8 and so can be encoded, unless it is hopeless.
    auto again = tokenizer->encode(all, false);
    check(again || again.status().code() != rt::Code::internal);
  }
  return 0;
}
