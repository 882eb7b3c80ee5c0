// Checkpoints that are quantized already: several tensors become one encoded matrix.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_IMPORT_HUGGINGFACE_QUANTIZATION_H
#define KVASIR_IMPORT_HUGGINGFACE_QUANTIZATION_H

#include "kvasir/Model/WeightTable.h"
#include "kvasir/Support/Problems.h"
#include "llvm/ADT/StringRef.h"

namespace kvasir::hf {

/// Reads `quantization_config` of config.json (its text) and puts codes, scales
/// and zero points of each matrix together, under the name that the matrix has
/// in a plain checkpoint: model.layers.0.mlp.up_proj.weight. Nothing happens
/// when there is no such key. Everything that is not supported goes to
/// `problems`.
///
/// GPTQ, AWQ (gemm), compressed-tensors (pack-quantized, int-quantized,
/// float-quantized) and FP8 (E4M3, in blocks of 128x128, per row or as a whole).
void foldQuantized(llvm::StringRef config, llvm::StringRef directory, WeightTable &table,
                   Problems &problems);

} // namespace kvasir::hf

#endif // KVASIR_IMPORT_HUGGINGFACE_QUANTIZATION_H
