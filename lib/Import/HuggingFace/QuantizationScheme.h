// What config.json says about the quantization of a checkpoint.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_IMPORT_HUGGINGFACE_QUANTIZATIONSCHEME_H
#define KVASIR_IMPORT_HUGGINGFACE_QUANTIZATIONSCHEME_H

#include "kvasir/Encoding/Stored.h"
#include "kvasir/Support/Problems.h"
#include "llvm/ADT/StringRef.h"

namespace kvasir::hf {

/// How matrices are quantized.
struct QuantizationScheme {
  int64_t bits = 4;
  int64_t group = 0; ///< columns that share a scale; 0: whole rows
  bool isFloat = false, symmetric = true;

  /// The encoding, given the type of the scales; nothing if there is none.
  std::optional<Encoding> encoding(ScaleKind scales) const;
  /// "codes of 4 bits in groups of 256 with scales in BF16".
  std::string text(ScaleKind scales) const;
};

struct QuantizationSettings {
  std::string method;                        ///< as the configuration calls it
  StoredFormat format = StoredFormat::bytes; ///< of tensors that are not bytes
  std::vector<QuantizationScheme> schemes;   ///< matrices may have different ones
};

/// Reads `quantization_config`; nothing if there is none, or after a problem.
std::optional<QuantizationSettings> readQuantization(llvm::StringRef config, Problems &problems);

} // namespace kvasir::hf

#endif // KVASIR_IMPORT_HUGGINGFACE_QUANTIZATIONSCHEME_H
