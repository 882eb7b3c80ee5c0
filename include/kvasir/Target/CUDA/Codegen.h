// From a gpu.module of the LLVM and NVVM dialects to PTX, and from PTX to a cubin by ptxas.
// Nothing here contracts, reassociates or calls a library: bits are those that the IR says.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_TARGET_CUDA_CODEGEN_H
#define KVASIR_TARGET_CUDA_CODEGEN_H

#include "kvasir/Target/CUDA/Lowering.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "llvm/Support/Error.h"

#include <cstdint>

namespace llvm {
class LLVMContext;
class Module;
} // namespace llvm

namespace kvasir::cuda {

/// What ptxas says of a kernel.
struct KernelResources {
  std::string name;
  int64_t registers = 0;   ///< of a thread
  int64_t sharedBytes = 0; ///< static, of a block
  int64_t spillBytes = 0;  ///< stores and loads
  int64_t stackBytes = 0;  ///< of a thread
};

struct Cubin {
  std::vector<uint8_t> bytes;
  std::vector<KernelResources> kernels;
};

/// Translates and optimizes. Fast-math flags that change results are refused.
llvm::Expected<std::unique_ptr<llvm::Module>> translateKernels(mlir::gpu::GPUModuleOp module,
                                                               llvm::LLVMContext &context,
                                                               const Architecture &architecture);

/// PTX text; the module stays as it is.
llvm::Expected<std::string> emitPTX(const llvm::Module &module, const Architecture &architecture);

/// The ptxas to use: `path`, or for an empty one that of PATH or of /usr/local/cuda.
llvm::Expected<std::string> findPtxas(llvm::StringRef path);

/// Runs ptxas. A kernel that spills, or that needs more shared memory than a block can have, is an
/// error that names it.
llvm::Expected<Cubin> assemble(llvm::StringRef ptx, const Architecture &architecture,
                               llvm::StringRef ptxas);

} // namespace kvasir::cuda

#endif // KVASIR_TARGET_CUDA_CODEGEN_H
