// Rules that split text before BPE, by the names that GGUF files give them.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_LIB_TOKENIZER_SPLITRULES_H
#define KVASIR_LIB_TOKENIZER_SPLITRULES_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include <string>

namespace kvasir::tokenizer {

struct SplitRules {
  /// Patterns for Oniguruma; each splits what the one before left, at its matches.
  llvm::ArrayRef<llvm::StringLiteral> patterns;
  bool ignoreMerges = false; ///< a piece that is a token is that token
  bool addBos = false;
};

/// The rules of a name, or null.
const SplitRules *findSplitRules(llvm::StringRef name);

/// All names, for messages.
std::string splitRuleNames();

} // namespace kvasir::tokenizer

#endif // KVASIR_LIB_TOKENIZER_SPLITRULES_H
