// Special registers.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "Emitter.h"

#include "llvm/ADT/StringSwitch.h"

using namespace mlir;

namespace kvasir::emulator {

static std::optional<Register> findRegister(StringRef name) {
  if (!name.consume_front("nvvm.read.ptx.sreg."))
    return std::nullopt;
  return llvm::StringSwitch<std::optional<Register>>(name)
      .Case("tid.x", Register::threadX)
      .Case("tid.y", Register::threadY)
      .Case("tid.z", Register::threadZ)
      .Case("ntid.x", Register::blockDimX)
      .Case("ntid.y", Register::blockDimY)
      .Case("ntid.z", Register::blockDimZ)
      .Case("ctaid.x", Register::blockX)
      .Case("ctaid.y", Register::blockY)
      .Case("ctaid.z", Register::blockZ)
      .Case("nctaid.x", Register::gridDimX)
      .Case("nctaid.y", Register::gridDimY)
      .Case("nctaid.z", Register::gridDimZ)
      .Case("laneid", Register::lane)
      .Case("warpid", Register::warp)
      .Case("nwarpid", Register::warps)
      .Case("warpsize", Register::warpSize)
      .Case("lanemask.eq", Register::maskEqual)
      .Case("lanemask.lt", Register::maskLess)
      .Case("lanemask.le", Register::maskLessEqual)
      .Case("lanemask.gt", Register::maskGreater)
      .Case("lanemask.ge", Register::maskGreaterEqual)
      .Case("dynamic.smem.size", Register::dynamicShared)
      .Case("total.smem.size", Register::staticAndDynamicShared)
      .Default(std::nullopt);
}

LogicalResult lowerRegister(Operation *op, Emitter &e, bool &known) {
  std::optional<Register> which = findRegister(op->getName().getStringRef());
  known = which.has_value();
  if (!known)
    return failure();
  return e.replace(
      e.call("kvasir_emu_register", e.i32(), {e.thread(), e.constant(int64_t(*which))}));
}

} // namespace kvasir::emulator
