// What the readers of configurations share: limits, names, linear layers.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_IMPORT_HUGGINGFACE_DESCRIBE_H
#define KVASIR_IMPORT_HUGGINGFACE_DESCRIBE_H

#include "Family.h"
#include "kvasir/Model/WeightNames.h"

namespace kvasir::hf {

// Bounds on sizes, so that products of them fit and a wrong configuration does
// not make an endless description.
constexpr int64_t maxLayers = 4096, maxHeads = 4096, maxHeadSize = 1 << 16, maxFeatures = 1 << 24,
                  maxVocabulary = 1 << 26, maxContextSize = int64_t(1) << 31;

/// The start of the tensors' names: `prefix`, unless the checkpoint was saved
/// from the model without its head, whose names have none.
std::string namePrefix(const WeightTable &table, llvm::StringRef prefix,
                       llvm::StringRef someTensor);

/// Head weight: the embedding itself when `tied`. A checkpoint may hold a tied
/// matrix under either name.
void describeHead(DecoderDescription &decoder, bool tied, const std::string &embeddingTensor,
                  const WeightTable &table);

} // namespace kvasir::hf

#endif // KVASIR_IMPORT_HUGGINGFACE_DESCRIBE_H
