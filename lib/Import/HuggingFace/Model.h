// From the files of a checkpoint to a description of a decoder; no MLIR here.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_IMPORT_HUGGINGFACE_MODEL_H
#define KVASIR_IMPORT_HUGGINGFACE_MODEL_H

#include "Family.h"

namespace kvasir::hf {

/// Reads config.json (as text) and generation_config.json (likewise, empty if
/// there is none) and compares them with the tensors. Everything that is not
/// understood goes to `problems`; the result is of use only if there are none.
DecoderDescription describeModel(llvm::StringRef config, llvm::StringRef generationConfig,
                                 const WeightTable &table, Problems &problems);

/// The same for a model without weights: `table` gets made-up ones of the type
/// that the configuration names.
DecoderDescription describeRandomModel(llvm::StringRef config, llvm::StringRef generationConfig,
                                       uint64_t seed, WeightTable &table, Problems &problems);

/// Special tokens and settings of generation, from both files.
void readGeneration(const Family &family, Config &config, const nlohmann::json &generation,
                    DecoderDescription &decoder, Problems &problems);

} // namespace kvasir::hf

#endif // KVASIR_IMPORT_HUGGINGFACE_MODEL_H
