// The decoder steps as a chain of stages through which tokens flow. A stage
// passes text on as soon as nothing that follows can change it.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_RUNTIME_TOKENIZER_DECODER_H
#define KVASIR_RUNTIME_TOKENIZER_DECODER_H

#include "tokenizer/Core.h"
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace kvasir::rt::tokenizer {

/// Receives pieces: the text of one in any number of parts, then endPiece().
class Stage {
public:
  virtual ~Stage() = default;
  virtual void text(std::string_view part) = 0;
  virtual void endPiece() = 0;
  /// No more pieces. Passes on what was held back and starts over.
  virtual void finish() = 0;
};

class DecoderChain {
public:
  explicit DecoderChain(const Core &core);

  void push(std::string_view token) {
    first().text(token);
    first().endPiece();
  }
  void finish() { first().finish(); }
  /// What has come out since the last call.
  std::string take() { return std::exchange(output, {}); }

private:
  Stage &first() { return *stages.back(); }

  std::string output;
  std::vector<std::unique_ptr<Stage>> stages; // the last comes first
};

} // namespace kvasir::rt::tokenizer

#endif // KVASIR_RUNTIME_TOKENIZER_DECODER_H
