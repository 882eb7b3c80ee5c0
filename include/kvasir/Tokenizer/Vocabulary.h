// A tokenizer as GGUF files describe it: tokens by id, with merges or scores. Compiled into the
// table that the runtime maps.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_TOKENIZER_VOCABULARY_H
#define KVASIR_TOKENIZER_VOCABULARY_H

#include "kvasir/Tokenizer/Tokenizer.h"
#include <optional>

namespace kvasir {

/// Values of tokenizer.ggml.token_type.
enum class TokenKind : uint8_t { normal = 1, unknown, control, userDefined, unused, byte };

struct VocabularyDescription {
  /// `gpt2`: byte-level BPE by `merges`; `llama`: SentencePiece BPE by `scores`. Others are
  /// refused.
  std::string model;
  /// Name of the rules that split text before BPE (tokenizer.ggml.pre).
  std::string preTokenizer;
  std::vector<std::string> tokens; ///< by id
  std::vector<float> scores;       ///< one for each token; higher merges first
  std::vector<TokenKind> kinds;    ///< one for each token
  std::vector<std::string> merges; ///< "left right", by rank
  int64_t bos = -1, eos = -1, unknown = -1, padding = -1;
  /// Whether encoding adds them; absent: as usual for the model and the rules.
  std::optional<bool> addBos, addEos;
  bool addSpacePrefix = true;     ///< of `llama`: text starts with a space that is not there
  bool stripAfterSpecial = false; ///< white space behind special tokens belongs to them (Phi-3)
};

/// Returns the same kind of table as compileTokenizer. The ids are those of llama.cpp, with special
/// tokens in the text found as in Hugging Face's tokenizers: leftmost, then longest.
llvm::Expected<std::vector<uint8_t>> compileVocabulary(const VocabularyDescription &vocabulary,
                                                       const TokenizerOptions &options = {});

} // namespace kvasir

#endif // KVASIR_TOKENIZER_VOCABULARY_H
