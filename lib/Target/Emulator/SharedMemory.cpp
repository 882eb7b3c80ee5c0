// Where the shared memory of a kernel lies, and whether the machine has that much.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "Emitter.h"

#include "llvm/ADT/SmallPtrSet.h"
#include "llvm/Support/MathExtras.h"

#include <algorithm>

using namespace mlir;

namespace kvasir::emulator {

/// Most bytes of a block (CUDA C++ Programming Guide, compute capabilities), of which static data
/// may take 48 KB.
static uint64_t mostShared(int chip) {
  switch (chip) {
  case 80:
  case 87:
    return 163 << 10;
  case 86:
  case 89:
  case 120:
  case 121:
    return 99 << 10;
  default:
    return chip < 80 ? 64 << 10 : 227 << 10;
  }
}
static constexpr uint64_t mostStatic = 48 << 10;

uint64_t sizeOf(Type type) {
  if (auto array = dyn_cast<LLVM::LLVMArrayType>(type))
    return llvm::SaturatingMultiply<uint64_t>(array.getNumElements(),
                                              sizeOf(array.getElementType()));
  if (auto vector = dyn_cast<VectorType>(type))
    return vector.getNumElements() * sizeOf(vector.getElementType());
  return type.isIntOrFloat() ? (type.getIntOrFloatBitWidth() + 7) / 8 : 0;
}

/// The globals that the kernel refers to, in the order of the module.
static SmallVector<LLVM::GlobalOp> usedGlobals(LLVM::LLVMFuncOp kernel) {
  Operation *module = kernel->getParentOp();
  llvm::SmallPtrSet<Operation *, 8> used;
  kernel.walk([&](LLVM::AddressOfOp op) {
    used.insert(SymbolTable::lookupSymbolIn(module, op.getGlobalNameAttr()));
  });
  SmallVector<LLVM::GlobalOp> globals;
  for (auto global : module->getRegion(0).getOps<LLVM::GlobalOp>())
    if (used.contains(global) && global.getAddrSpace() == Space::shared)
      globals.push_back(global);
  return globals;
}

static uint64_t alignmentOf(LLVM::GlobalOp global) { return global.getAlignment().value_or(16); }

static bool isDynamic(LLVM::GlobalOp global) {
  return global.getLinkage() == LLVM::Linkage::External && sizeOf(global.getGlobalType()) == 0;
}

FailureOr<SharedLayout> layOutSharedMemory(LLVM::LLVMFuncOp kernel, int chip) {
  SharedLayout layout;
  LLVM::GlobalOp dynamic;
  for (LLVM::GlobalOp global : usedGlobals(kernel)) {
    if (!llvm::isPowerOf2_64(alignmentOf(global)) || alignmentOf(global) > 1024)
      return global.emitOpError() << "has alignment " << alignmentOf(global)
                                  << ", expected a power of two up to 1024";
    if (isDynamic(global)) {
      if (dynamic)
        return global.emitOpError() << "is the second external one of kernel '" << kernel.getName()
                                    << "', expected one: dynamic shared memory is one range";
      dynamic = global;
      continue;
    }
    layout.staticBytes = llvm::alignTo(layout.staticBytes, alignmentOf(global));
    layout.offsets[global.getSymName()] = layout.staticBytes;
    // More than there can be is said below, without overflow.
    layout.staticBytes += std::min<uint64_t>(sizeOf(global.getGlobalType()), uint64_t(1) << 32);
  }
  if (layout.staticBytes > mostStatic)
    return kernel.emitOpError() << "has " << layout.staticBytes
                                << " bytes of static shared memory, expected at most "
                                << mostStatic;
  layout.staticBytes = llvm::alignTo(layout.staticBytes, dynamic ? alignmentOf(dynamic) : 16);
  if (dynamic)
    layout.offsets[dynamic.getSymName()] = layout.staticBytes;
  if (auto bytes = kernel->getAttrOfType<IntegerAttr>("kvasir.dynamic_shared"))
    layout.dynamicBytes = bytes.getValue().getLimitedValue(uint64_t(1) << 32); // if negative, too
  if (layout.staticBytes + layout.dynamicBytes > mostShared(chip))
    return kernel.emitOpError() << "has " << layout.staticBytes + layout.dynamicBytes
                                << " bytes of shared memory, but a block of sm_" << chip
                                << " has at most " << mostShared(chip);
  return layout;
}

} // namespace kvasir::emulator
