// A compiled tokenizer for the toy model: ids 0 to 2 are <pad>, <s> and </s>,
// id i >= 3 is the one character toyCharacter(i). No merges.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_TEST_RUNTIME_TOYTOKENIZER_H
#define KVASIR_TEST_RUNTIME_TOYTOKENIZER_H

#include <cstdint>
#include <string>

namespace kvasir::test {

/// From the space on, in the order of ASCII.
inline char toyCharacter(int32_t id) { return static_cast<char>(' ' + id - 3); }

/// The bytes of the table; `vocab` is at most 97.
std::string toyTokenizer(int32_t vocab);

} // namespace kvasir::test

#endif // KVASIR_TEST_RUNTIME_TOYTOKENIZER_H
