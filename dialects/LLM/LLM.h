// The llm dialect: its ops, types and attributes (generated from LLMOps.td).
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_DIALECTS_LLM_H
#define KVASIR_DIALECTS_LLM_H

#include "kvasir/Encoding/Encoding.h"
#include "kvasir/Encoding/Stored.h"

#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/IR/RegionKindInterface.h"
#include "mlir/IR/SymbolTable.h"
#include "mlir/Interfaces/InferTypeOpInterface.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

namespace kvasir::llm {
/// An op whose result at row t depends on row t of its operands only.
template <typename ConcreteType>
class RowOp : public mlir::OpTrait::TraitBase<ConcreteType, RowOp> {};
/// An op whose result at an element depends on that element of its operands only.
template <typename ConcreteType>
class ElementwiseOp : public mlir::OpTrait::TraitBase<ConcreteType, ElementwiseOp> {};
} // namespace kvasir::llm

#include "dialects/LLM/LLMDialect.h.inc"
#include "dialects/LLM/LLMEnums.h.inc"
#define GET_ATTRDEF_CLASSES
#include "dialects/LLM/LLMAttrs.h.inc"
#define GET_TYPEDEF_CLASSES
#include "dialects/LLM/LLMTypes.h.inc"
#define GET_OP_CLASSES
#include "dialects/LLM/LLMOps.h.inc"

#endif // KVASIR_DIALECTS_LLM_H
