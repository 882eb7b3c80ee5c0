// From CUDA target modules to code for the host that runs them on the emulator.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_TARGET_EMULATOR_LOWERING_H
#define KVASIR_TARGET_EMULATOR_LOWERING_H

#include "kvasir/Target/Codegen.h"

namespace kvasir {

struct EmulatorOptions {
  /// Blocks of a kernel run in an order that this chooses; 0: ascending.
  uint64_t seed = 0;
  /// Most blocks of a kernel that takes any number of them. Few, so that blocks go through several
  /// items of work: that is where a barrier may be missing.
  int64_t blocks = 16;
};

/// Replaces every gpu.module @sm_NN by a nested module "emulate:sm_NN" of the LLVM dialect, with
/// one public function of type kvasir_phase_fn for each kernel. Ops that the emulator does not know
/// are reported, all of them. docs/Rationale/Emulator.md says what a gpu.module holds.
llvm::LogicalResult lowerToEmulator(mlir::ModuleOp module, const EmulatorOptions &options);

namespace target {

/// The instruction set of emulated code, with the name of such a nested module; null for other
/// names. What it needs to link is in `library`.
const CPUVariant *findEmulatorVariant(llvm::StringRef name);

} // namespace target
} // namespace kvasir

#endif // KVASIR_TARGET_EMULATOR_LOWERING_H
