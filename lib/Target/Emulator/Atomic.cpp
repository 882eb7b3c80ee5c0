// Atomic and volatile accesses, and fences.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "Emitter.h"

#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;

namespace kvasir::emulator {

/// Flags of an access in that scope; nothing for a scope that there is not. Scopes are NVPTX's.
static std::optional<uint32_t> scopeFlags(std::optional<StringRef> scope) {
  if (!scope || scope->empty() || *scope == "device")
    return device;
  if (*scope == "block" || *scope == "cluster")
    return 0;
  return std::nullopt;
}

static LogicalResult unknownScope(Operation *op, StringRef scope) {
  return op->emitOpError() << "has the scope '" << scope
                           << "' that the emulator does not know, expected 'block', 'cluster', "
                              "'device' or none";
}

static uint32_t orderFlags(LLVM::AtomicOrdering order) {
  switch (order) {
  case LLVM::AtomicOrdering::acquire:
    return acquires;
  case LLVM::AtomicOrdering::release:
    return releases;
  case LLVM::AtomicOrdering::acq_rel:
  case LLVM::AtomicOrdering::seq_cst:
    return acquires | releases;
  default:
    return 0;
  }
}

/// Whether PTX has the operation; LLVM makes a loop of others.
static bool hasInstruction(LLVM::AtomicRMWOp op) {
  using Kind = LLVM::AtomicBinOp;
  Type type = op.getVal().getType();
  bool wide = type.isInteger(64), whole = type.isInteger(32) || wide;
  switch (op.getBinOp()) {
  case Kind::xchg:
    return whole || type.isF32() || type.isF64();
  case Kind::add:
  case Kind::sub:
  case Kind::_and:
  case Kind::_or:
  case Kind::_xor:
  case Kind::max:
  case Kind::min:
  case Kind::umax:
  case Kind::umin:
    return whole;
  case Kind::uinc_wrap:
  case Kind::udec_wrap:
    return whole && !wide;
  case Kind::fadd:
    return type.isF32() || type.isF64();
  default:
    return false;
  }
}

static LogicalResult lowerUpdate(LLVM::AtomicRMWOp op, Emitter &e) {
  if (!hasInstruction(op))
    return op.emitOpError(
        "is of a kind that PTX has no instruction for, expected xchg, add, sub, and, or, xor, max, "
        "min, umax, umin of i32 or i64, uinc_wrap, udec_wrap of i32, xchg, fadd of f32 or f64");
  // What LLVM 22 makes of every order and scope is "atom.add": relaxed, gpu.
  if (op.getOrdering() != LLVM::AtomicOrdering::monotonic)
    return op.emitOpError("has an order that LLVM leaves out of its PTX, expected monotonic and "
                          "fences before and after (nvvm.memory.barrier or llvm.fence)");
  auto scope = scopeFlags(op.getSyncscope());
  if (!scope)
    return unknownScope(op, *op.getSyncscope());
  Type type = op.getVal().getType();
  if (failed(e.access(0, type, op.getAlignment(), write | atomic | fetch | *scope)))
    return failure();
  op.removeSyncscopeAttr();
  if (op.getBinOp() == LLVM::AtomicBinOp::fadd && type.isF32())
    return e.replace(
        e.call("kvasir_emu_atomic_add_f32", type, {e.thread(), op.getPtr(), op.getVal()}));
  return success();
}

static LogicalResult lowerCompare(LLVM::AtomicCmpXchgOp op, Emitter &e) {
  Type type = op.getVal().getType();
  if (!type.isInteger(32) && !type.isInteger(64))
    return op.emitOpError("is of a type that the emulator does not know, expected i32 or i64");
  auto scope = scopeFlags(op.getSyncscope());
  if (!scope)
    return unknownScope(op, *op.getSyncscope());
  uint32_t order = orderFlags(op.getSuccessOrdering()) | orderFlags(op.getFailureOrdering());
  op.removeSyncscopeAttr();
  return e.access(0, type, op.getAlignment(), write | atomic | fetch | order | *scope);
}

/// A load or store, which may be atomic. ld.volatile and st.volatile are relaxed, of the system.
template <class Op>
static LogicalResult lowerSimple(Op op, Emitter &e, unsigned pointer, Type type, uint32_t what) {
  if (op.getOrdering() != LLVM::AtomicOrdering::not_atomic) {
    auto scope = scopeFlags(op.getSyncscope());
    if (!scope)
      return unknownScope(op, *op.getSyncscope());
    what |= atomic | orderFlags(op.getOrdering()) | *scope;
    op.removeSyncscopeAttr();
  } else if (op.getVolatile_()) {
    what |= atomic | device;
  }
  return e.access(pointer, type, op.getAlignment(), what);
}

static LogicalResult emitFence(uint32_t flags, Emitter &e) {
  e.call("kvasir_emu_fence", nullptr, {e.thread(), e.constant(flags)});
  return e.replace({});
}

static LogicalResult lowerFence(LLVM::FenceOp op, Emitter &e) {
  auto scope = scopeFlags(op.getSyncscope());
  return scope ? emitFence(*scope, e) : unknownScope(op, *op.getSyncscope());
}

static LogicalResult lowerMembar(NVVM::MembarOp op, Emitter &e) {
  bool wide = op.getScope() == NVVM::MemScopeKind::GPU || op.getScope() == NVVM::MemScopeKind::SYS;
  return emitFence(wide ? device : 0, e);
}

LogicalResult lowerAtomic(Operation *op, Emitter &e, bool &known) {
  known = true;
  return llvm::TypeSwitch<Operation *, LogicalResult>(op)
      .Case([&](LLVM::LoadOp op) { return lowerSimple(op, e, 0, op.getType(), read); })
      .Case([&](LLVM::StoreOp op) { return lowerSimple(op, e, 1, op.getValue().getType(), write); })
      .Case([&](LLVM::AtomicRMWOp op) { return lowerUpdate(op, e); })
      .Case([&](LLVM::AtomicCmpXchgOp op) { return lowerCompare(op, e); })
      .Case([&](LLVM::FenceOp op) { return lowerFence(op, e); })
      .Case([&](NVVM::MembarOp op) { return lowerMembar(op, e); })
      .Case([&](NVVM::FenceScClusterOp op) {
        return failed(e.needs(90)) ? failure() : emitFence(0, e);
      })
      .Default([&](Operation *) {
        known = false;
        return failure();
      });
}

} // namespace kvasir::emulator
