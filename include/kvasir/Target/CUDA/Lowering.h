// Lowering of step phases to kernels in the NVVM dialect.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_TARGET_CUDA_LOWERING_H
#define KVASIR_TARGET_CUDA_LOWERING_H

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/DialectRegistry.h"
#include "mlir/Pass/PassManager.h"

#include <string>
#include <vector>

namespace kvasir::cuda {

/// A compute capability that kernels are made for.
struct Architecture {
  std::string name;        ///< "sm_90", on the command line and of the gpu.module
  int number;              ///< 90
  std::string ptxFeature;  ///< LLVM's name of the PTX version: "+ptx80"
  int64_t blockShared;     ///< bytes of shared memory that one block may have
  int64_t threadRegisters; ///< most registers of a thread
  int64_t linearShared;    ///< bytes that a block of a linear layer takes, most of it for weights
                           ///< that are under way
};

/// All architectures, oldest first.
llvm::ArrayRef<Architecture> architectures();

/// A kernel with this unit attribute waits for the kernels before it (griddepcontrol.wait, in every
/// thread) ahead of reading what they wrote: it may be launched with programmatic dependence.
constexpr llvm::StringLiteral dependentAttribute("kvasir.dependent");

/// The architecture of that name, or null.
const Architecture *findArchitecture(llvm::StringRef name);

/// "sm_80, sm_90, ...", for messages.
std::string architectureNames();

} // namespace kvasir::cuda

namespace kvasir {

/// Adds to a module that was scheduled for blocks one gpu.module for each architecture, named after
/// it, with one kernel for each step.phase, in arith, scf, llvm and nvvm. The step ops stay.
/// docs/Rationale/CUDA.md says what a kernel takes and what hosts may rely on. What cannot be
/// lowered is reported, all of it.
llvm::LogicalResult lowerToCUDA(mlir::ModuleOp module,
                                llvm::ArrayRef<const cuda::Architecture *> architectures);

/// Adds the passes that take the gpu.modules to the LLVM and NVVM dialects.
void buildCUDAConversion(mlir::OpPassManager &nested);

/// Makes the dialects of gpu.modules known and translatable to LLVM IR.
void registerCUDA(mlir::DialectRegistry &registry);

} // namespace kvasir

#endif // KVASIR_TARGET_CUDA_LOWERING_H
