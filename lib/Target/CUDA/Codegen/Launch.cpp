// How a kernel is launched, by its attributes, and how many of its blocks a multiprocessor holds.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "kvasir/Target/CUDA/Codegen.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/MathExtras.h"

namespace kvasir::cuda {

/// Of anything that is counted here: sums stay far from overflow.
static constexpr int64_t most = int64_t(1) << 31;

static bool waitsForOthers(mlir::LLVM::LLVMFuncOp kernel) {
  auto result = kernel.walk([](mlir::NVVM::GriddepcontrolOp op) {
    return op.getKind() == mlir::NVVM::GridDepActionKind::wait ? mlir::WalkResult::interrupt()
                                                               : mlir::WalkResult::advance();
  });
  return result.wasInterrupted();
}

static llvm::Error refuse(const KernelLaunch &launch, const llvm::Twine &what) {
  return llvm::createStringError("kernel '" + launch.name + "' cannot be launched: expected " +
                                 what);
}

/// Threads of a block; 0 for extents that no device has.
static int64_t threadsOf(llvm::ArrayRef<int32_t> extents) {
  int64_t threads = extents.size() > 3 ? 0 : 1;
  for (int32_t extent : extents)
    threads = extent < 1 || extent > 1024 ? 0 : threads * extent;
  return threads <= 1024 && threads % 32 == 0 ? threads : 0;
}

static llvm::Expected<KernelLaunch> launchOf(mlir::LLVM::LLVMFuncOp kernel) {
  KernelLaunch launch;
  launch.name = kernel.getName().str();
  auto block =
      kernel->getAttrOfType<mlir::DenseI32ArrayAttr>(mlir::NVVM::NVVMDialect::getReqntidAttrName());
  auto items = kernel->getAttrOfType<mlir::DenseI64ArrayAttr>("kvasir.items");
  if (!block || !items || items.size() != 4)
    return refuse(launch, "attributes nvvm.reqntid and kvasir.items of 4 numbers");
  launch.threads = threadsOf(block.asArrayRef());
  if (!launch.threads)
    return refuse(launch, "blocks (nvvm.reqntid) of a multiple of 32 threads up to 1024");
  llvm::copy(items.asArrayRef(), launch.items.begin());
  if (llvm::any_of(launch.items, [](int64_t n) { return n < 0 || n > most; }))
    return refuse(launch, "numbers of blocks (kvasir.items) from 0 to " + llvm::Twine(most));
  if (auto bytes = kernel->getAttrOfType<mlir::IntegerAttr>("kvasir.dynamic_shared")) {
    std::optional<int64_t> value = bytes.getValue().trySExtValue();
    if (!value || *value < 0 || *value > most)
      return refuse(launch, "bytes of shared memory (kvasir.dynamic_shared) from 0 to " +
                                llvm::Twine(most));
    launch.dynamicShared = *value;
  }
  launch.dependent = waitsForOthers(kernel);
  return launch;
}

llvm::Expected<std::vector<KernelLaunch>> kernelLaunches(mlir::gpu::GPUModuleOp module) {
  std::vector<KernelLaunch> launches;
  for (auto kernel : module.getOps<mlir::LLVM::LLVMFuncOp>()) {
    if (!kernel->hasAttr(mlir::NVVM::NVVMDialect::getKernelFuncAttrName()))
      continue;
    auto launch = launchOf(kernel);
    if (!launch)
      return launch.takeError();
    launches.push_back(std::move(*launch));
  }
  return launches;
}

namespace {
/// What the blocks of a multiprocessor share (CUDA C++ Programming Guide, technical specifications
/// per compute capability). All have 65536 registers, in 4 partitions.
struct Multiprocessor {
  int64_t shared, warps, blocks;
};
} // namespace

static Multiprocessor multiprocessorOf(const Architecture &architecture) {
  if (architecture.number >= 120)
    return {100 << 10, 48, 24};
  return {architecture.number >= 90 ? 228 << 10 : 164 << 10, 64, 32};
}

int64_t blocksPerMultiprocessor(const Architecture &architecture, int64_t threads,
                                int64_t registers, int64_t shared) {
  constexpr int64_t partitions = 4, partitionRegisters = 65536 / partitions, unit = 256;
  constexpr int64_t reserved = 1 << 10; // of each block's shared memory, for the system
  Multiprocessor limits = multiprocessorOf(architecture);
  int64_t warpRegisters = llvm::alignTo(std::max<int64_t>(registers, 1) * 32, unit);
  int64_t warps = std::min(limits.warps, partitionRegisters / warpRegisters * partitions);
  int64_t byShared = limits.shared / llvm::alignTo(shared + reserved, 128);
  return std::min({limits.blocks, warps / (threads / 32), byShared});
}

} // namespace kvasir::cuda
