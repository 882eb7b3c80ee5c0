// A verified table and what is derived from it once, when it is opened. The
// compiler uses it too: it asks the same code for the normal form of added
// tokens and for what BPE makes of a token.
// SPDX-License-Identifier: Apache-2.0
// WITH LLVM-exception
#ifndef KVASIR_RUNTIME_TOKENIZER_CORE_H
#define KVASIR_RUNTIME_TOKENIZER_CORE_H

#include "kvasir/Artifact/Tokenizer_generated.h"
#include "support/Status.h"
#include "tokenizer/Bpe.h"
#include "tokenizer/Regex.h"
#include "tokenizer/Vocabulary.h"
#include <memory>
#include <string>
#include <vector>

namespace kvasir::rt::tokenizer {
namespace fb = kvasir::artifact::tokenizer;

struct Core {
  /// Verifies everything; see Tokenizer::open.
  static Result<std::unique_ptr<Core>> open(const uint8_t *data, size_t size);

  explicit Core(const fb::Table &table) : table(table), vocabulary(table), bpe(table, vocabulary) {}
  Core(const Core &) = delete;
  Core &operator=(const Core &) = delete;

  const fb::Table &table;
  Vocabulary vocabulary;
  Bpe bpe;
  std::vector<Regex> regexes;
};

/// Every index, size and string of a table whose FlatBuffer structure is sound.
Status checkTable(const fb::Table &table);

/// A stretch of Segments::text: an added token (`id` >= 0), or text to split
/// further. `atOrigin`: it starts where the input starts.
struct Piece {
  size_t begin, end;
  int32_t id;
  bool atOrigin;
};

/// The input on its way to BPE: normalized text and its pieces, in order.
struct Segments {
  std::string text;
  std::vector<Piece> pieces;

  std::string_view view(const Piece &piece) const {
    return std::string_view(text).substr(piece.begin, piece.end - piece.begin);
  }
};

/// Applies the normalizers. `atOrigin` becomes false where the first character
/// is lost on the way.
Status normalize(const Core &core, std::string &text, bool &atOrigin);

/// Finds added tokens, before and after normalization.
Status extractAdded(const Core &core, std::string_view text, Segments &into);

/// Applies the pre-tokenizers.
Status preTokenize(const Core &core, Segments &segments);

/// Replaces every occurrence of `pattern` (not empty).
std::string replaceLiteral(std::string_view text, std::string_view pattern,
                           std::string_view content);
/// Replaces every match, by `content` as it is.
Status replaceRegex(std::string &text, Matcher &matcher, std::string_view content);

inline std::string_view view(const flatbuffers::String *string) {
  return string ? std::string_view(string->c_str(), string->size()) : std::string_view();
}

} // namespace kvasir::rt::tokenizer

#endif // KVASIR_RUNTIME_TOKENIZER_CORE_H
