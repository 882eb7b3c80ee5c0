// From a description of a decoder and a table of weights to the llm dialect.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_MODEL_BUILDER_H
#define KVASIR_MODEL_BUILDER_H

#include "kvasir/Model/Decoder.h"
#include "kvasir/Model/WeightTable.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"

namespace kvasir {

/// The module: `llm.weight` declarations and
/// `@step(ids, positions, totals, rows: tensor<?xi32>) -> tensor<?xVxf32>`.
/// `checkWeights` must have found nothing. `directory` is where the files are.
mlir::OwningOpRef<mlir::ModuleOp> buildDecoder(const DecoderDescription &decoder,
                                               const WeightTable &table, llvm::StringRef directory,
                                               mlir::MLIRContext &context);

} // namespace kvasir

#endif // KVASIR_MODEL_BUILDER_H
