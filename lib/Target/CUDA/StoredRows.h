// Rows that are stored in 16 bits because linear layers would round them anyway.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_LIB_TARGET_CUDA_STOREDROWS_H
#define KVASIR_LIB_TARGET_CUDA_STOREDROWS_H

#include "KernelEmitter.h"

#include "dialects/Step/Stored.h"

namespace kvasir::cuda {

/// How values of rows lie in memory.
struct Stored {
  Type type;
  bool interleaved = false; ///< of each 4 the second and the third change places
};

/// How the values of a `step.read` or `step.write` are stored.
inline Stored storedBy(KernelEmitter &e, mlir::Operation *op) {
  auto stored = op->getAttrOfType<mlir::TypeAttr>(step::storedAttribute);
  return {stored ? stored.getValue() : e.f32(), op->hasAttr(step::interleavedAttribute)};
}

/// How the rows of a value are stored at home.
inline Stored storedAtHome(KernelEmitter &e, Value value) {
  if (auto read = value.getDefiningOp<step::ReadOp>())
    return storedBy(e, read);
  for (mlir::Operation *user : value.getUsers())
    if (auto write = llvm::dyn_cast<step::WriteOp>(user);
        write && write.getBuffer() == homeOf(value))
      return storedBy(e, write);
  return {e.f32()};
}

/// Puts `value` (f32) into column `column` of a row that starts at `row`.
inline void storeColumn(KernelEmitter &e, Stored stored, Value value, Value row, Value column) {
  if (stored.interleaved) {
    Value second = e.andBits(e.shiftLeft(column, 1), 2),
          third = e.andBits(e.shiftRight(column, 1), 1);
    column = e.orBits(e.andBits(column, ~3), e.orBits(second, third));
  }
  e.storeElement(stored.type, value, e.at(row, e.mul(column, e.c(bytesOf(stored.type)))));
}

} // namespace kvasir::cuda

#endif // KVASIR_LIB_TARGET_CUDA_STOREDROWS_H
