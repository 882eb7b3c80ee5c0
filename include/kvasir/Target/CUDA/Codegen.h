// From a gpu.module of the LLVM and NVVM dialects to PTX, and from PTX to a cubin by ptxas.
// Nothing here contracts, reassociates or calls a library: bits are those that the IR says.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_TARGET_CUDA_CODEGEN_H
#define KVASIR_TARGET_CUDA_CODEGEN_H

#include "kvasir/Target/CUDA/Lowering.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "llvm/Support/Error.h"

#include <array>
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
  std::string ptx; ///< that was assembled: kernels may have been given more registers
  std::vector<KernelResources> kernels;
};

/// How a kernel is launched.
struct KernelLaunch {
  std::string name;
  int64_t threads = 0;       ///< of a block
  int64_t dynamicShared = 0; ///< bytes
  std::array<int64_t, 4> items =
      {};                 ///< constant, per token, per row of logits, per attention block
  bool dependent = false; ///< has griddepcontrol.wait
};

/// The kernels of a module of the LLVM and NVVM dialects, by their attributes.
llvm::Expected<std::vector<KernelLaunch>> kernelLaunches(mlir::gpu::GPUModuleOp module);

/// Blocks that a multiprocessor holds at once; 0: it cannot have one. `registers` of a thread,
/// `shared` bytes of a block, static and dynamic. With code for sm_80 that of 8.0, although 8.6 and
/// 8.9 hold fewer.
int64_t blocksPerMultiprocessor(const Architecture &architecture, int64_t threads,
                                int64_t registers, int64_t shared);

/// Translates and optimizes. Fast-math flags that change results are refused.
llvm::Expected<std::unique_ptr<llvm::Module>> translateKernels(mlir::gpu::GPUModuleOp module,
                                                               llvm::LLVMContext &context,
                                                               const Architecture &architecture);

/// PTX text; the module stays as it is.
llvm::Expected<std::string> emitPTX(const llvm::Module &module, const Architecture &architecture);

/// The ptxas to use: `path`, or for an empty one that of PATH or of /usr/local/cuda.
llvm::Expected<std::string> findPtxas(llvm::StringRef path);

/// Its version: "V13.0.88".
llvm::Expected<std::string> ptxasVersion(llvm::StringRef ptxas);

/// How long one run of ptxas may take, in seconds: a model's kernels take it some minutes at most.
inline constexpr unsigned ptxasSeconds = 1800;

/// Runs ptxas. A kernel that spills, or that needs more shared memory than a block can have, is an
/// error that names it; so is a run of more than `seconds`, which is ended.
llvm::Expected<Cubin> assemble(llvm::StringRef ptx, const Architecture &architecture,
                               llvm::StringRef ptxas, unsigned seconds = ptxasSeconds);

} // namespace kvasir::cuda

#endif // KVASIR_TARGET_CUDA_CODEGEN_H
