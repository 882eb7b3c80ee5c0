// Text to ids and back, from a compiled tokenizer (Tokenizer.fbs) that stays
// where it is mapped. A Tokenizer is immutable: any number of threads may use
// one at the same time.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_RUNTIME_TOKENIZER_TOKENIZER_H
#define KVASIR_RUNTIME_TOKENIZER_TOKENIZER_H

#include "support/Status.h"
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace kvasir::rt {
namespace tokenizer {
struct Core;
class DecoderChain;
} // namespace tokenizer

class Tokenizer {
public:
  /// Checks the whole table, so that nothing in it can make a later call fail
  /// other than by a Status. `data` must be 8-byte aligned and outlive the
  /// tokenizer; it is not copied.
  static Result<Tokenizer> open(const uint8_t *data, size_t size);

  Tokenizer(Tokenizer &&);
  Tokenizer &operator=(Tokenizer &&);
  ~Tokenizer();

  /// Ids of `utf8`. With `addSpecialTokens`, also what the post-processor puts
  /// around it. Special tokens spelled out in the text are recognised either
  /// way. Text that is not UTF-8 is refused with the offset of the first bad
  /// byte; a pattern that needs too many steps for a text is
  /// `resourceExhausted`.
  Result<std::vector<int32_t>> encode(std::string_view utf8, bool addSpecialTokens) const;

  /// Text of all ids together, always UTF-8 (bytes that are not become U+FFFD).
  /// Ids that have no token are left out, and with `skipSpecial` the special
  /// ones too.
  std::string decode(std::span<const int32_t> ids, bool skipSpecial) const;

  /// One more than the highest id.
  int32_t vocabSize() const;
  /// The token as the vocabulary spells it, valid as long as the table is.
  std::optional<std::string_view> idToToken(int32_t id) const;
  std::optional<int32_t> tokenToId(std::string_view token) const;
  bool isSpecial(int32_t id) const;

  /// From tokenizer_config.json; nothing where it does not say.
  std::optional<int32_t> bosId() const;
  std::optional<int32_t> eosId() const;
  std::optional<int32_t> padId() const;

  const tokenizer::Core &core() const { return *implementation; }

private:
  explicit Tokenizer(std::unique_ptr<tokenizer::Core> core);
  std::unique_ptr<tokenizer::Core> implementation;
};

/// Decodes ids as they come. All pieces and flush() together are what decode()
/// gives for all ids, and each piece is whole UTF-8 characters: what later ids
/// could still change is held back. Belongs to one thread at a time; the
/// tokenizer must outlive it.
class StreamDecoder {
public:
  StreamDecoder(const Tokenizer &tokenizer, bool skipSpecial);
  StreamDecoder(StreamDecoder &&);
  StreamDecoder &operator=(StreamDecoder &&);
  ~StreamDecoder();

  /// Text that became final with `id`, often empty.
  std::string push(int32_t id);
  /// The rest. Afterwards the decoder is as new.
  std::string flush();

private:
  const tokenizer::Core *core;
  bool skipSpecial;
  std::unique_ptr<tokenizer::DecoderChain> chain;
};

} // namespace kvasir::rt

#endif // KVASIR_RUNTIME_TOKENIZER_TOKENIZER_H
