// Are the weights that a decoder needs the weights that the checkpoint has?
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_MODEL_CHECKWEIGHTS_H
#define KVASIR_MODEL_CHECKWEIGHTS_H

#include "kvasir/Model/Decoder.h"
#include "kvasir/Model/WeightTable.h"
#include "kvasir/Support/Problems.h"
#include "llvm/ADT/ArrayRef.h"

namespace kvasir {

/// Adds a problem for each tensor that is missing, has another shape, or a type
/// other than F32, F16, BF16 and (for matrices) the encodings of GGUF, and for each tensor that
/// nothing uses; those that differ only in a number of their name (the layer) share a line.
/// `ignored` are ends of names of tensors that may be left over (a buffer that
/// is computed anyway).
void checkWeights(const DecoderDescription &decoder, const WeightTable &table,
                  llvm::ArrayRef<llvm::StringRef> ignored, Problems &problems);

} // namespace kvasir

#endif // KVASIR_MODEL_CHECKWEIGHTS_H
