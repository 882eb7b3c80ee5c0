// The kv dialect: its ops, types and attributes (generated from KVOps.td).
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_DIALECTS_KV_H
#define KVASIR_DIALECTS_KV_H

#include "dialects/LLM/LLM.h"
#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/IR/RegionKindInterface.h"
#include "mlir/IR/SymbolTable.h"
#include "mlir/Interfaces/InferTypeOpInterface.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

namespace kvasir::kv {
/// The memory of all caches, for side effects.
struct CacheResource : public mlir::SideEffects::Resource::Base<CacheResource> {
  llvm::StringRef getName() final { return "kv"; }
};
} // namespace kvasir::kv

#include "dialects/KV/KVDialect.h.inc"
#include "dialects/KV/KVEnums.h.inc"
#define GET_ATTRDEF_CLASSES
#include "dialects/KV/KVAttrs.h.inc"
#define GET_TYPEDEF_CLASSES
#include "dialects/KV/KVTypes.h.inc"
#define GET_OP_CLASSES
#include "dialects/KV/KVOps.h.inc"

#endif // KVASIR_DIALECTS_KV_H
