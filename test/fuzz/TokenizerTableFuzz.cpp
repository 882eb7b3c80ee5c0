// Any bytes as a compiled tokenizer: they are refused, or encode and decode without harm.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "tokenizer/Tokenizer.h"
#include <cstdlib>
#include <cstring>
#include <memory>
#include <vector>

using namespace kvasir::rt;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  // Tables are aligned where they are mapped; an exact copy lets the sanitizer
  // see the end.
  std::unique_ptr<unsigned char[]> copy(new unsigned char[size]);
  if (size)
    std::memcpy(copy.get(), data, size);
  auto tokenizer = Tokenizer::open(copy.get(), size);
  if (!tokenizer)
    return 0;
  std::vector<int32_t> some{0, 1, 2, -1, 60, 100, 100000, 5, 5, 7};
  for (std::string_view text : {"", " The boat's 3.14 <s> \xc3\x89 e\xcc\x81\n\n\xf0\x9f\x98\x80",
                                "aaabbb  ab\xe2\x96\x81\xe4\xbd\xa0 \xc2\xa0x"}) {
    auto ids = tokenizer->encode(text, true);
    if (ids)
      some.insert(some.end(), ids->begin(), ids->end());
  }
  for (bool skip : {false, true}) {
    std::string all = tokenizer->decode(some, skip), parts;
    StreamDecoder stream(*tokenizer, skip);
    for (int32_t id : some)
      parts += stream.push(id);
    if (parts + stream.flush() != all)
      abort();
  }
  for (int32_t id : some) {
    if (auto token = tokenizer->idToToken(id))
      (void)tokenizer->tokenToId(*token);
    (void)tokenizer->isSpecial(id);
  }
  return 0;
}
