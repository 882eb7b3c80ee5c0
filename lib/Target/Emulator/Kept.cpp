// Ops of the LLVM dialect that mean the same on the host, to the bit.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "Emitter.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringSet.h"

using namespace mlir;

namespace kvasir::emulator {

static const llvm::StringSet<> &keptNames() {
  static const llvm::StringSet<> names = {
      // control
      "br", "cond_br", "switch", "return", "call", "unreachable", "intr.assume", "intr.expect",
      // integers
      "add", "sub", "mul", "sdiv", "udiv", "srem", "urem", "and", "or", "xor", "shl", "lshr",
      "ashr", "icmp", "intr.abs", "intr.smax", "intr.smin", "intr.umax", "intr.umin", "intr.ctpop",
      "intr.ctlz", "intr.cttz", "intr.bitreverse", "intr.bswap", "intr.fshl", "intr.fshr",
      "intr.sadd.sat", "intr.uadd.sat", "intr.ssub.sat", "intr.usub.sat", "intr.vector.reduce.add",
      "intr.vector.reduce.and", "intr.vector.reduce.or", "intr.vector.reduce.xor",
      "intr.vector.reduce.smax", "intr.vector.reduce.smin", "intr.vector.reduce.umax",
      "intr.vector.reduce.umin",
      // floats
      "fadd", "fsub", "fmul", "fdiv", "fneg", "fcmp", "intr.fma", "intr.fabs", "intr.sqrt",
      "intr.copysign", "intr.minnum", "intr.maxnum", "intr.minimum", "intr.maximum", "intr.floor",
      "intr.ceil", "intr.trunc", "intr.rint", "intr.roundeven", "intr.nearbyint",
      // conversions
      "zext", "sext", "trunc", "fpext", "fptrunc", "sitofp", "uitofp", "fptosi", "fptoui",
      "intr.fptosi.sat", "intr.fptoui.sat", "bitcast", "inttoptr", "ptrtoint",
      // values
      "mlir.constant", "mlir.undef", "mlir.poison", "mlir.zero", "select", "freeze",
      "getelementptr", "extractvalue", "insertvalue", "extractelement", "insertelement",
      "shufflevector"};
  return names;
}

/// The host rounds an fma of half precision twice.
static bool roundsTwice(Operation *op) {
  if (!isa<LLVM::FMAOp>(op))
    return false;
  Type type = getElementTypeOrSelf(op->getResult(0).getType());
  return !type.isF32() && !type.isF64();
}

bool isKept(Operation *op) {
  StringRef name = op->getName().getStringRef();
  return name.consume_front("llvm.") && keptNames().contains(name) && !roundsTwice(op);
}

} // namespace kvasir::emulator
