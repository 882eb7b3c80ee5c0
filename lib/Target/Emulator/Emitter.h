// What the lowerings of the op families share: calls of the emulator, names of places, scratch.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_LIB_TARGET_EMULATOR_EMITTER_H
#define KVASIR_LIB_TARGET_EMULATOR_EMITTER_H

#include "kvasir/Target/Emulator/Calls.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "llvm/ADT/StringMap.h"

namespace kvasir::emulator {

/// Where the shared memory of one kernel lies.
struct SharedLayout {
  llvm::StringMap<uint64_t> offsets; // by the name of the global
  uint64_t staticBytes = 0, dynamicBytes = 0;
};

/// Offsets of the globals that `kernel` refers to. Reports what does not fit the machine.
mlir::FailureOr<SharedLayout> layOutSharedMemory(mlir::LLVM::LLVMFuncOp kernel, int chip);

/// Bytes of a global.
uint64_t sizeOf(mlir::Type type);

/// Rewrites the ops of one function. Inserts before the op at hand.
class Emitter {
public:
  Emitter(mlir::Operation *source, mlir::ModuleOp into, int chip)
      : b(into.getLoc(), into.getContext()), chip(chip), source(source), into(into) {}

  /// Starts on another function; `shared` is null in device functions.
  void startFunction(mlir::LLVM::LLVMFuncOp lowered, const SharedLayout *layout);
  /// Starts on another op.
  void startOp(mlir::Operation *op);

  mlir::ImplicitLocOpBuilder b;
  const int chip;
  const SharedLayout *shared = nullptr;
  bool partialBarriers = false; // something met needs them
  bool waitsForGrid = false;

  mlir::Type i32() { return b.getI32Type(); }
  mlir::Type i64() { return b.getI64Type(); }
  mlir::Type pointer() { return mlir::LLVM::LLVMPointerType::get(b.getContext()); }
  mlir::Value constant(int64_t value) {
    return mlir::LLVM::ConstantOp::create(b, i32(), b.getI32IntegerAttr(int32_t(value)));
  }
  mlir::Value thread() { return function.getArgument(0); }
  /// Text that names the op at hand: "nvvm.barrier0 #3 (attend.mlir:12:5)".
  mlir::Value where();
  /// Calls a function of the emulator; `result` may be null.
  mlir::Value call(llvm::StringRef name, mlir::Type result, mlir::ValueRange arguments);
  /// The pointer as an integer of 64 bits; in address space 3 an offset.
  mlir::Value address(mlir::Value pointer);
  /// Checks the access of the op at hand through its operand `pointerIndex` to a value of `type`,
  /// and makes it one of the host. `what`: flags of Access.
  mlir::LogicalResult access(unsigned pointerIndex, mlir::Type type,
                             std::optional<uint64_t> alignment, uint32_t what);
  /// A value of 32 bits as i32 and back.
  mlir::Value toBits(mlir::Value value);
  mlir::Value fromBits(mlir::Value bits, mlir::Type type);
  /// Room for ten i32 in the function's frame.
  mlir::Value scratch();
  void storeScratch(unsigned index, mlir::Value bits);
  mlir::Value loadScratch(unsigned index);
  /// A constant of the module, the same for the same values.
  mlir::Value table(llvm::ArrayRef<int32_t> values);
  /// A private constant string, ended by a zero.
  mlir::Value text(llvm::StringRef prefix, llvm::StringRef value);

  /// A global of the gpu.module, or null.
  mlir::LLVM::GlobalOp findGlobal(llvm::StringRef name);
  /// The module's copy of a constant global of the source, which is made when it is first asked
  /// for.
  mlir::LLVM::GlobalOp constantGlobal(mlir::LLVM::GlobalOp source);
  /// Writes the table of these copies.
  void writeConstantRanges();

  /// Replaces the op at hand by `values` and takes it away.
  mlir::LogicalResult replace(mlir::ValueRange values);
  /// Refuses the op when the machine is older than `least`.
  mlir::LogicalResult needs(int least);

private:
  mlir::Operation *source; // the gpu.module
  mlir::Operation *op = nullptr;
  mlir::ModuleOp into;
  mlir::LLVM::LLVMFuncOp function;
  mlir::Value scratchSpace;
  llvm::StringMap<mlir::LLVM::LLVMFuncOp> callees;
  unsigned ordinal = 0, texts = 0;
  llvm::SmallVector<mlir::LLVM::GlobalOp> constants;
};

/// Lowers the op if it is of the family; otherwise failure with `known` left false.
using LowerFamily = mlir::LogicalResult (*)(mlir::Operation *, Emitter &, bool &known);
mlir::LogicalResult lowerAtomic(mlir::Operation *op, Emitter &e, bool &known);
mlir::LogicalResult lowerMemory(mlir::Operation *op, Emitter &e, bool &known);
mlir::LogicalResult lowerRegister(mlir::Operation *op, Emitter &e, bool &known);
mlir::LogicalResult lowerBarrier(mlir::Operation *op, Emitter &e, bool &known);
mlir::LogicalResult lowerWarp(mlir::Operation *op, Emitter &e, bool &known);
mlir::LogicalResult lowerMatrix(mlir::Operation *op, Emitter &e, bool &known);
mlir::LogicalResult lowerConversion(mlir::Operation *op, Emitter &e, bool &known);

/// Whether the host computes the op as the device does, so that it stays.
bool isKept(mlir::Operation *op);

} // namespace kvasir::emulator

#endif // KVASIR_LIB_TARGET_EMULATOR_EMITTER_H
