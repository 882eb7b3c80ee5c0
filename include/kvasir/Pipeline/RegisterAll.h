// Everything that a tool of the compiler may meet in a file or on its command line.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_PIPELINE_REGISTERALL_H
#define KVASIR_PIPELINE_REGISTERALL_H

namespace mlir {
class DialectRegistry;
}

namespace kvasir {

/// The dialects of Kvasir and those of MLIR that it lowers to, with their translation to LLVM IR.
void registerAllDialects(mlir::DialectRegistry &registry);

/// The passes of Kvasir, the pipeline `kvasir-pipeline`, and of MLIR canonicalize, cse and
/// symbol-dce.
void registerAllPasses();

} // namespace kvasir

#endif // KVASIR_PIPELINE_REGISTERALL_H
