// The LLVM target machine of a variant.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_LIB_TARGET_CPU_CODEGEN_TARGETMACHINE_H
#define KVASIR_LIB_TARGET_CPU_CODEGEN_TARGETMACHINE_H

#include "kvasir/Target/Codegen.h"

#include "llvm/Target/TargetMachine.h"

namespace kvasir::target {

/// Position-independent code, no contraction of floating-point operations.
llvm::Expected<std::unique_ptr<llvm::TargetMachine>> makeTargetMachine(const CPUVariant &variant);

} // namespace kvasir::target

#endif // KVASIR_LIB_TARGET_CPU_CODEGEN_TARGETMACHINE_H
