// The check of an access, copies and addresses.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "Emitter.h"

#include "llvm/ADT/TypeSwitch.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;

namespace kvasir::emulator {

namespace {
/// Bytes of a value in memory, and its natural alignment.
struct Extent {
  uint64_t bytes = 0, alignment = 1;
};
} // namespace

/// That one access may take.
static constexpr uint64_t mostBytes = 4096;

static Extent structExtent(LLVM::LLVMStructType type);

/// As NVPTX lays values out; 0 bytes: not known.
static Extent extentOf(Type type) {
  if (type.isIntOrFloat()) {
    uint64_t bytes = llvm::PowerOf2Ceil((type.getIntOrFloatBitWidth() + 7) / 8);
    return {bytes, bytes};
  }
  if (isa<LLVM::LLVMPointerType>(type))
    return {8, 8};
  if (auto vector = dyn_cast<VectorType>(type)) {
    uint64_t bytes = extentOf(vector.getElementType()).bytes * vector.getNumElements();
    return {bytes, llvm::PowerOf2Ceil(bytes)};
  }
  if (auto array = dyn_cast<LLVM::LLVMArrayType>(type)) {
    Extent element = extentOf(array.getElementType());
    return {element.bytes * array.getNumElements(), element.alignment};
  }
  if (auto structure = dyn_cast<LLVM::LLVMStructType>(type))
    return structExtent(structure);
  return {};
}

static Extent structExtent(LLVM::LLVMStructType type) {
  Extent whole;
  if (type.isPacked() || type.isOpaque())
    return {};
  for (Type part : type.getBody()) {
    Extent extent = extentOf(part);
    whole.alignment = std::max(whole.alignment, extent.alignment);
    whole.bytes = llvm::alignTo(whole.bytes, extent.alignment) + extent.bytes;
  }
  whole.bytes = llvm::alignTo(whole.bytes, whole.alignment);
  return whole;
}

static unsigned spaceOf(Value pointer) {
  return cast<LLVM::LLVMPointerType>(pointer.getType()).getAddressSpace();
}

static bool isKnownSpace(unsigned space) {
  return space == Space::generic || space == Space::global || space == Space::shared;
}

LogicalResult Emitter::access(unsigned pointerIndex, Type type, std::optional<uint64_t> alignment,
                              uint32_t what) {
  Value pointer = op->getOperand(pointerIndex);
  Extent extent = extentOf(type);
  uint64_t align = alignment.value_or(extent.alignment);
  if (!isKnownSpace(spaceOf(pointer)) || !extent.bytes || extent.bytes > mostBytes ||
      !llvm::isPowerOf2_64(align) || align > mostBytes)
    return op->emitOpError() << "is of a kind that the emulator does not know, expected numbers, "
                                "pointers or vectors in global or shared memory";
  what |= spaceOf(pointer) | llvm::Log2_64(align) << alignmentShift;
  Value host =
      call("kvasir_emu_access", this->pointer(),
           {thread(), address(pointer), constant(int64_t(extent.bytes)), constant(what), where()});
  op->setOperand(pointerIndex, host);
  return success();
}

static LogicalResult lowerCast(LLVM::AddrSpaceCastOp op, Emitter &e) {
  unsigned from = spaceOf(op.getArg());
  unsigned to = cast<LLVM::LLVMPointerType>(op.getType()).getAddressSpace();
  if (!isKnownSpace(from) || !isKnownSpace(to))
    return op.emitOpError("is to or from an address space that the emulator does not know, "
                          "expected 0, 1 or 3");
  if ((from == Space::shared) == (to == Space::shared))
    return success(); // generic and global addresses are the same
  StringRef callee = from == Space::shared ? "kvasir_emu_from_shared" : "kvasir_emu_to_shared";
  Value address = e.call(callee, e.i64(), {e.thread(), e.address(op.getArg())});
  return e.replace(LLVM::IntToPtrOp::create(e.b, op.getType(), address).getResult());
}

static LogicalResult lowerAddressOf(LLVM::AddressOfOp op, Emitter &e) {
  auto constant = e.findGlobal(op.getGlobalName());
  if (constant && constant.getConstant() && constant.getValueAttr() &&
      constant.getAddrSpace() <= Space::global) {
    Value address = LLVM::AddressOfOp::create(e.b, e.constantGlobal(constant));
    if (address.getType() != op.getType())
      address = LLVM::AddrSpaceCastOp::create(e.b, op.getType(), address);
    return e.replace(address);
  }
  if (!e.shared)
    return op.emitOpError("is in a device function; only kernels may name shared memory");
  auto found = e.shared->offsets.find(op.getGlobalName());
  if (found == e.shared->offsets.end())
    return op.emitOpError(
        "is not that of shared memory or of a constant, the only globals that the emulator knows");
  Value offset =
      LLVM::ConstantOp::create(e.b, e.i64(), e.b.getI64IntegerAttr(int64_t(found->second)));
  return e.replace(LLVM::IntToPtrOp::create(e.b, op.getType(), offset).getResult());
}

static LogicalResult lowerCopy(NVVM::CpAsyncOp op, Emitter &e) {
  if (failed(e.needs(80)))
    return failure();
  Value bytes = e.constant(op.getSize());
  e.call("kvasir_emu_copy_async", nullptr,
         {e.thread(), e.address(op.getDst()), e.address(op.getSrc()), bytes,
          op.getCpSize() ? op.getCpSize() : bytes, e.where()});
  return e.replace({});
}

LogicalResult lowerMemory(Operation *op, Emitter &e, bool &known) {
  known = true;
  return llvm::TypeSwitch<Operation *, LogicalResult>(op)
      .Case([&](LLVM::AddrSpaceCastOp op) { return lowerCast(op, e); })
      .Case([&](LLVM::AddressOfOp op) { return lowerAddressOf(op, e); })
      .Case([&](NVVM::CpAsyncOp op) { return lowerCopy(op, e); })
      .Case([&](NVVM::CpAsyncCommitGroupOp) {
        e.call("kvasir_emu_copy_commit", nullptr, {e.thread()});
        return e.replace({});
      })
      .Case([&](NVVM::CpAsyncWaitGroupOp op) {
        e.call("kvasir_emu_copy_wait", nullptr, {e.thread(), e.constant(op.getN())});
        return e.replace({});
      })
      .Case([&](NVVM::PrefetchOp) { return e.replace({}); }) // a hint
      .Default([&](Operation *) {
        known = false;
        return failure();
      });
}

} // namespace kvasir::emulator
