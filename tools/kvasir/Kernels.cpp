// Chooses an architecture and runs LLVM and ptxas on its kernels.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "Kernels.h"

#include "kvasir/Target/CUDA/Codegen.h"
#include "kvasir/Target/Codegen.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/IR/LLVMContext.h"
#include "llvm/IR/Module.h"

namespace kvasir::cli {

static std::string namesOf(mlir::ModuleOp module) {
  auto kernels = module.getOps<mlir::gpu::GPUModuleOp>();
  return llvm::join(llvm::map_range(kernels, [](auto op) { return op.getName().str(); }), ", ");
}

/// The kernels of the architecture that was asked for.
static llvm::Expected<mlir::gpu::GPUModuleOp> findKernels(mlir::ModuleOp module,
                                                          llvm::StringRef name) {
  auto all = llvm::to_vector(module.getOps<mlir::gpu::GPUModuleOp>());
  if (name.empty() && all.size() == 1)
    return all.front();
  for (mlir::gpu::GPUModuleOp kernels : all)
    if (kernels.getName() == name)
      return kernels;
  return llvm::createStringError(
      (name.empty() ? "there is more than one architecture; say which with --variant"
                    : "there is no code for architecture '" + name.str() + "'") +
      ": expected one of " + namesOf(module));
}

/// Blocks that a multiprocessor holds at once by their registers (65536, given out in units of 256
/// to warps) and threads (2048).
static int64_t blocksByRegisters(int64_t registers, int64_t threads) {
  int64_t warpRegisters = (registers * 32 + 255) / 256 * 256;
  int64_t warps = warpRegisters ? 65536 / warpRegisters : 64;
  return std::min<int64_t>(warps, 64) / (threads / 32);
}

llvm::Error emitKernels(mlir::ModuleOp module, const CompileOptions &options,
                        CompileOutcome &outcome) {
  auto kernels = findKernels(module, options.variants.empty() ? "" : options.variants.front());
  if (!kernels)
    return kernels.takeError();
  const cuda::Architecture *architecture = cuda::findArchitecture(kernels->getName());
  if (!architecture)
    return llvm::createStringError("unknown architecture '" + kernels->getName() +
                                   "'; expected one of " + cuda::architectureNames());
  llvm::LLVMContext context;
  auto translated = cuda::translateKernels(*kernels, context, *architecture);
  if (!translated)
    return translated.takeError();
  if (options.emit == Emit::llvm) {
    outcome.bytes = target::emitLLVMText(**translated);
    return llvm::Error::success();
  }
  auto ptx = cuda::emitPTX(**translated, *architecture);
  if (!ptx)
    return ptx.takeError();
  if (options.emit == Emit::ptx) {
    outcome.bytes = std::move(*ptx);
    return llvm::Error::success();
  }
  auto ptxas = cuda::findPtxas(options.ptxas);
  if (!ptxas)
    return ptxas.takeError();
  auto cubin = cuda::assemble(*ptx, *architecture, *ptxas);
  if (!cubin)
    return cubin.takeError();
  outcome.bytes.assign(cubin->bytes.begin(), cubin->bytes.end());
  for (const cuda::KernelResources &kernel : cubin->kernels)
    outcome.kernels.push_back({kernel.name, kernel.registers, kernel.sharedBytes,
                               blocksByRegisters(kernel.registers, 256)});
  return llvm::Error::success();
}

} // namespace kvasir::cli
