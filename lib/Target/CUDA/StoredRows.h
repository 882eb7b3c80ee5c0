// Rows that are stored in 16 bits because linear layers would round them anyway.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_LIB_TARGET_CUDA_STOREDROWS_H
#define KVASIR_LIB_TARGET_CUDA_STOREDROWS_H

#include "KernelEmitter.h"

#include "dialects/Step/Stored.h"

namespace kvasir::cuda {

/// What the values of a `step.read` or `step.write` are stored as.
inline Type storedBy(KernelEmitter &e, mlir::Operation *op) {
  auto stored = op->getAttrOfType<mlir::TypeAttr>(step::storedAttribute);
  return stored ? stored.getValue() : e.f32();
}

/// What the rows of a value are stored as at home.
inline Type storedType(KernelEmitter &e, Value value) {
  if (auto read = value.getDefiningOp<step::ReadOp>())
    return storedBy(e, read);
  for (mlir::Operation *user : value.getUsers())
    if (auto write = llvm::dyn_cast<step::WriteOp>(user);
        write && write.getBuffer() == homeOf(value))
      return storedBy(e, write);
  return e.f32();
}

/// Puts `value` (f32) into column `column` of a row that starts at `row`.
inline void storeColumn(KernelEmitter &e, Type stored, Value value, Value row, Value column) {
  e.storeElement(stored, value, e.at(row, e.mul(column, e.c(bytesOf(stored)))));
}

} // namespace kvasir::cuda

#endif // KVASIR_LIB_TARGET_CUDA_STOREDROWS_H
