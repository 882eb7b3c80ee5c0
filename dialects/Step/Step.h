// The step dialect: its ops, types and attributes (generated from StepOps.td).
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_DIALECTS_STEP_H
#define KVASIR_DIALECTS_STEP_H

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

namespace kvasir::step {}

#include "dialects/Step/StepDialect.h.inc"
#include "dialects/Step/StepEnums.h.inc"
#define GET_ATTRDEF_CLASSES
#include "dialects/Step/StepAttrs.h.inc"
#define GET_TYPEDEF_CLASSES
#include "dialects/Step/StepTypes.h.inc"
#define GET_OP_CLASSES
#include "dialects/Step/StepOps.h.inc"

#endif // KVASIR_DIALECTS_STEP_H
