// Compiles a Hugging Face tokenizer.json into the table that the runtime maps.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_TOKENIZER_TOKENIZER_H
#define KVASIR_TOKENIZER_TOKENIZER_H

#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"
#include <cstdint>
#include <string>
#include <vector>

namespace kvasir {

struct TokenizerOptions {
  /// What error messages call the file.
  std::string name = "tokenizer.json";
  /// Text of tokenizer_config.json, or empty. It names the BOS, EOS and padding
  /// tokens and may hold added tokens that tokenizer.json lacks; everything
  /// else is left to tokenizer.json.
  llvm::StringRef config;
  /// Number of ids that the model has embeddings for; 0: not known. A token
  /// beyond it is refused.
  uint32_t modelVocabularySize = 0;
};

/// Returns a FlatBuffer (kvasir/Artifact/Tokenizer.fbs), the same bytes for the
/// same input. It wants 8-byte alignment where it is mapped.
///
/// Byte-pair encoding is supported, byte-level and SentencePiece style, with
/// the normalizers, pre-tokenizers, post-processors and decoders that go with
/// it. Whatever is not understood is refused, all of it in one message. Not
/// taken over: truncation and padding, which are the caller's business, and
/// offsets.
llvm::Expected<std::vector<uint8_t>> compileTokenizer(llvm::StringRef tokenizerJson,
                                                      const TokenizerOptions &options = {});

} // namespace kvasir

#endif // KVASIR_TOKENIZER_TOKENIZER_H
