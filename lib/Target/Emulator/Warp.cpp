// Barriers and operations among the lanes of a warp.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "Emitter.h"

#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;

namespace kvasir::emulator {

//===----------------------------------------------------------------------===//
// Barriers
//===----------------------------------------------------------------------===//

static BarrierReduction convert(std::optional<NVVM::BarrierReduction> reduction) {
  if (!reduction)
    return BarrierReduction::none;
  switch (*reduction) {
  case NVVM::BarrierReduction::POPC:
    return BarrierReduction::count;
  case NVVM::BarrierReduction::AND:
    return BarrierReduction::all;
  case NVVM::BarrierReduction::OR:
    break;
  }
  return BarrierReduction::any;
}

static Value orZero(Value value, Emitter &e) { return value ? value : e.constant(0); }

static LogicalResult lowerBarrierOp(NVVM::BarrierOp op, Emitter &e) {
  e.partialBarriers |= op.getNumberOfThreads() != nullptr;
  Value result =
      e.call("kvasir_emu_barrier", e.i32(),
             {e.thread(), orZero(op.getBarrierId(), e), orZero(op.getNumberOfThreads(), e),
              e.constant(int64_t(convert(op.getReductionOp()))),
              orZero(op.getReductionPredicate(), e), e.where()});
  return op.getRes() ? e.replace(result) : e.replace({});
}

static LogicalResult lowerBarrier0(Emitter &e) {
  Value zero = e.constant(0);
  e.call("kvasir_emu_barrier", e.i32(), {e.thread(), zero, zero, zero, zero, e.where()});
  return e.replace({});
}

/// By the intrinsic: LLVM IR has nothing for nvvm.barrier.arrive.
static LogicalResult lowerArrive(LLVM::CallIntrinsicOp op, Emitter &e, bool &known) {
  ValueRange arguments = op.getArgs();
  known = op.getIntrin() == "llvm.nvvm.barrier.cta.arrive.aligned.count" && arguments.size() == 2 &&
          op->getNumResults() == 0;
  if (!known)
    return failure();
  e.partialBarriers = true;
  e.call("kvasir_emu_barrier_arrive", nullptr, {e.thread(), arguments[0], arguments[1], e.where()});
  return e.replace({});
}

static LogicalResult lowerGridDependency(NVVM::GriddepcontrolOp op, Emitter &e) {
  if (failed(e.needs(90)))
    return failure();
  if (op.getKind() == NVVM::GridDepActionKind::wait) {
    e.waitsForGrid = true;
    e.call("kvasir_emu_grid_wait", nullptr, {e.thread()});
  }
  return e.replace({});
}

LogicalResult lowerBarrier(Operation *op, Emitter &e, bool &known) {
  known = true;
  return llvm::TypeSwitch<Operation *, LogicalResult>(op)
      .Case([&](NVVM::BarrierOp op) { return lowerBarrierOp(op, e); })
      .Case([&](NVVM::Barrier0Op) { return lowerBarrier0(e); })
      .Case([&](LLVM::CallIntrinsicOp op) { return lowerArrive(op, e, known); })
      .Case([&](NVVM::GriddepcontrolOp op) { return lowerGridDependency(op, e); })
      .Case([&](NVVM::NanosleepOp) { return e.replace({}); })
      .Default([&](Operation *) {
        known = false;
        return failure();
      });
}

//===----------------------------------------------------------------------===//
// Lanes of a warp
//===----------------------------------------------------------------------===//

static Shuffle convert(NVVM::ShflKind kind) {
  switch (kind) {
  case NVVM::ShflKind::bfly:
    return Shuffle::butterfly;
  case NVVM::ShflKind::up:
    return Shuffle::up;
  case NVVM::ShflKind::down:
    return Shuffle::down;
  case NVVM::ShflKind::idx:
    break;
  }
  return Shuffle::indexed;
}

/// The low half of a result, and bit 32 as i1.
static std::pair<Value, Value> split(Value both, Emitter &e) {
  Value low = LLVM::TruncOp::create(e.b, e.i32(), both);
  Value shift = LLVM::ConstantOp::create(e.b, e.i64(), e.b.getI64IntegerAttr(32));
  Value high = LLVM::LShrOp::create(e.b, both, shift);
  return {low, LLVM::TruncOp::create(e.b, e.b.getI1Type(), high)};
}

static Value pair(Type type, Value first, Value second, Emitter &e) {
  Value result = LLVM::PoisonOp::create(e.b, type);
  result = LLVM::InsertValueOp::create(e.b, result, first, ArrayRef<int64_t>{0});
  return LLVM::InsertValueOp::create(e.b, result, second, ArrayRef<int64_t>{1});
}

static LogicalResult lowerShuffle(NVVM::ShflOp op, Emitter &e) {
  Value both = e.call("kvasir_emu_shuffle", e.i64(),
                      {e.thread(), e.constant(int64_t(convert(op.getKind()))), op.getThreadMask(),
                       e.toBits(op.getVal()), op.getOffset(), op.getMaskAndClamp(), e.where()});
  auto [bits, valid] = split(both, e);
  Value value = e.fromBits(bits, op.getVal().getType());
  if (op.getReturnValueAndIsValid())
    return e.replace(pair(op.getType(), value, valid, e));
  return e.replace(value);
}

static Vote convert(NVVM::VoteSyncKind kind) {
  switch (kind) {
  case NVVM::VoteSyncKind::any:
    return Vote::any;
  case NVVM::VoteSyncKind::all:
    return Vote::all;
  case NVVM::VoteSyncKind::uni:
    return Vote::uniform;
  case NVVM::VoteSyncKind::ballot:
    break;
  }
  return Vote::ballot;
}

static LogicalResult lowerVote(NVVM::VoteSyncOp op, Emitter &e) {
  Value predicate = LLVM::ZExtOp::create(e.b, e.i32(), op.getPred());
  Value result = e.call(
      "kvasir_emu_vote", e.i32(),
      {e.thread(), e.constant(int64_t(convert(op.getKind()))), op.getMask(), predicate, e.where()});
  if (op.getType() != e.i32())
    result = LLVM::TruncOp::create(e.b, op.getType(), result);
  return e.replace(result);
}

static std::optional<Reduction> convert(NVVM::ReduxKind kind) {
  switch (kind) {
  case NVVM::ReduxKind::ADD:
    return Reduction::add;
  case NVVM::ReduxKind::AND:
    return Reduction::bitAnd;
  case NVVM::ReduxKind::MAX:
    return Reduction::max;
  case NVVM::ReduxKind::MIN:
    return Reduction::min;
  case NVVM::ReduxKind::OR:
    return Reduction::bitOr;
  case NVVM::ReduxKind::UMAX:
    return Reduction::umax;
  case NVVM::ReduxKind::UMIN:
    return Reduction::umin;
  case NVVM::ReduxKind::XOR:
    return Reduction::bitXor;
  case NVVM::ReduxKind::FMIN:
    return Reduction::fmin;
  case NVVM::ReduxKind::FMAX:
    return Reduction::fmax;
  }
  return std::nullopt;
}

static LogicalResult lowerReduction(NVVM::ReduxOp op, Emitter &e) {
  std::optional<Reduction> kind = convert(op.getKind());
  if (!kind)
    return op.emitOpError("has a kind that the emulator does not know");
  if (failed(e.needs(op.getType().isF32() ? 100 : 80)))
    return failure();
  Value result =
      e.call("kvasir_emu_reduce", e.i32(),
             {e.thread(), e.constant(int64_t(*kind)), op.getMaskAndClamp(), e.toBits(op.getVal()),
              e.constant(op.getAbs() | op.getNan() << 1), e.where()});
  return e.replace(e.fromBits(result, op.getType()));
}

static LogicalResult lowerMatch(NVVM::MatchSyncOp op, Emitter &e) {
  Value value = op.getVal();
  if (value.getType() != e.i64())
    value = LLVM::ZExtOp::create(e.b, e.i64(), value);
  bool all = op.getKind() == NVVM::MatchSyncKind::all;
  Value both = e.call("kvasir_emu_match", e.i64(),
                      {e.thread(), e.constant(all), op.getThreadMask(), value, e.where()});
  auto [mask, same] = split(both, e);
  return e.replace(all ? pair(op.getType(), mask, same, e) : mask);
}

static LogicalResult lowerElect(NVVM::ElectSyncOp op, Emitter &e) {
  if (failed(e.needs(90)))
    return failure();
  Value mask = op.getMembermask() ? op.getMembermask() : e.constant(-1);
  Value result = e.call("kvasir_emu_elect", e.i32(), {e.thread(), mask, e.where()});
  return e.replace(LLVM::TruncOp::create(e.b, op.getType(), result).getResult());
}

LogicalResult lowerWarp(Operation *op, Emitter &e, bool &known) {
  known = true;
  return llvm::TypeSwitch<Operation *, LogicalResult>(op)
      .Case([&](NVVM::SyncWarpOp op) {
        e.partialBarriers = true;
        e.call("kvasir_emu_warp_sync", nullptr, {e.thread(), op.getMask(), e.where()});
        return e.replace({});
      })
      .Case([&](NVVM::ShflOp op) { return lowerShuffle(op, e); })
      .Case([&](NVVM::VoteSyncOp op) { return lowerVote(op, e); })
      .Case([&](NVVM::ReduxOp op) { return lowerReduction(op, e); })
      .Case([&](NVVM::MatchSyncOp op) { return lowerMatch(op, e); })
      .Case([&](NVVM::ElectSyncOp op) { return lowerElect(op, e); })
      .Default([&](Operation *) {
        known = false;
        return failure();
      });
}

} // namespace kvasir::emulator
