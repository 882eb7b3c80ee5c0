// The weights that a decoder needs, made up: for models without a checkpoint.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_MODEL_RANDOMWEIGHTS_H
#define KVASIR_MODEL_RANDOMWEIGHTS_H

#include "kvasir/Model/Decoder.h"
#include "kvasir/Model/WeightTable.h"
#include "kvasir/Support/GeneratedFile.h"
#include "kvasir/Support/Problems.h"

namespace kvasir {

/// A table with every tensor that `decoder` uses, in generated files: scales of
/// norms are ones, everything else is random. Sizes beyond 64 bits are problems.
WeightTable makeRandomWeights(const DecoderDescription &decoder, GeneratedFile::Type type,
                              uint64_t seed, Problems &problems);

} // namespace kvasir

#endif // KVASIR_MODEL_RANDOMWEIGHTS_H
