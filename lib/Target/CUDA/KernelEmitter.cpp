// Threads, operands and shared memory of kernels; phases of kind rows.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "KernelEmitter.h"
#include "Meeting.h"

#include "kvasir-c/abi.h"

using namespace mlir;
using namespace kvasir;
using namespace kvasir::cuda;

constexpr unsigned globalSpace = 1, sharedSpace = 3; // address spaces of the NVPTX back end

static Type pointerIn(KernelEmitter &e, unsigned space) {
  return LLVM::LLVMPointerType::get(e.b.getContext(), space);
}

KernelEmitter::KernelEmitter(ImplicitLocOpBuilder &b, step::PhaseOp phase, LLVM::LLVMFuncOp kernel,
                             const Architecture &architecture)
    : Emitter(b), phase(phase), kernel(kernel), architecture(architecture) {
  index = i32();
  if (isDependent()) {
    // The next kernel's blocks may take what room there is at once, and load weights.
    NVVM::GriddepcontrolOp::create(b, NVVM::GridDepActionKind::launch_dependents);
    kernel->setAttr(dependentAttribute, b.getUnitAttr());
  }
  args = globalPointer(kernel.getArgument(0));
  thread = NVVM::ThreadIdXOp::create(b, i32());
  block = NVVM::BlockIdXOp::create(b, i32());
  grid = NVVM::GridDimXOp::create(b, i32());
  lane = andBits(thread, warpLanes - 1);
  warp = shiftRight(thread, 5);
  auto field = [&](size_t offset) { return loadConstant(i32(), at(args, offset)); };
  tokens = field(offsetof(kvasir_step_args, tokens));
  rows = field(offsetof(kvasir_step_args, rows));
  blocks = field(offsetof(kvasir_step_args, blocks));
}

//===----------------------------------------------------------------------===//
// Threads
//===----------------------------------------------------------------------===//

KernelEmitter::FreshThread::FreshThread(KernelEmitter &e)
    : e(e), thread(e.thread), lane(e.lane), warp(e.warp) {
  e.thread = e.shuffle(thread, lane);
  e.lane = e.andBits(e.thread, warpLanes - 1);
  e.warp = e.shiftRight(e.thread, 5);
}

KernelEmitter::FreshThread::~FreshThread() {
  e.thread = thread;
  e.lane = lane;
  e.warp = warp;
}

void KernelEmitter::barrier() { NVVM::Barrier0Op::create(b); }

Value KernelEmitter::shuffleXor(Value value, int64_t mask) {
  return NVVM::ShflOp::create(b, value.getType(), integer(i32(), -1), value, c(mask), c(31),
                              NVVM::ShflKind::bfly, UnitAttr());
}

Value KernelEmitter::shuffle(Value value, Value lane) {
  return NVVM::ShflOp::create(b, value.getType(), integer(i32(), -1), value, lane, c(31),
                              NVVM::ShflKind::idx, UnitAttr());
}

Value KernelEmitter::sumWarp(Value value) {
  for (int64_t mask = warpLanes / 2; mask > 0; mask /= 2)
    value = fadd(value, shuffleXor(value, mask));
  return value;
}

Value KernelEmitter::maxWarp(Value value) {
  for (int64_t mask = warpLanes / 2; mask > 0; mask /= 2)
    value = fmax(value, shuffleXor(value, mask));
  return value;
}

Value KernelEmitter::sumBlock(Value value) {
  if (!warpSums)
    warpSums = shared(blockWarps * 4);
  value = sumWarp(value);
  barrier(); // whoever still reads the sums before
  when(equal(lane, c(0)), [&] { store(value, at(warpSums, mul(warp, c(4)))); });
  barrier();
  Value sum = load(f32(), warpSums);
  for (int64_t w = 1; w < blockWarps; ++w)
    sum = fadd(sum, load(f32(), at(warpSums, w * 4)));
  return sum;
}

void KernelEmitter::forThreads(Value count, Body body) { loop(thread, count, blockThreads, body); }

void KernelEmitter::forItems(Value count, Body body) { loopBy(block, count, grid, body); }

/// A kernel ends after those before it, since all its threads have waited for them: so whoever
/// waits for one kernel has waited for all.
void KernelEmitter::awaitKernels() {
  if (isDependent())
    NVVM::GriddepcontrolOp::create(b, NVVM::GridDepActionKind::wait);
}

//===----------------------------------------------------------------------===//
// Memory
//===----------------------------------------------------------------------===//

Value KernelEmitter::globalPointer(Value pointer) {
  return LLVM::AddrSpaceCastOp::create(b, pointerIn(*this, globalSpace), pointer);
}

Value KernelEmitter::far(Value base, Value i, int64_t stride) {
  Value wide = signExtend(i64(), i);
  return at(base, mul(wide, integer(i64(), stride)));
}

Value KernelEmitter::shared(int64_t bytes) {
  bytes = (bytes + 15) / 16 * 16;
  sharedBytes += bytes;
  auto module = kernel->getParentOfType<gpu::GPUModuleOp>();
  int64_t count = llvm::range_size(module.getOps<LLVM::GlobalOp>());
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPoint(kernel);
  auto global = LLVM::GlobalOp::create(b, LLVM::LLVMArrayType::get(b.getI8Type(), bytes),
                                       /*isConstant=*/false, LLVM::Linkage::Internal,
                                       "shared" + std::to_string(count), Attribute(),
                                       /*alignment=*/16, sharedSpace);
  b.setInsertionPointToStart(&kernel.getBody().front());
  return LLVM::AddressOfOp::create(b, global);
}

/// One range for all kernels of a module, each of which has its own size of it.
Value KernelEmitter::dynamicShared() {
  auto module = kernel->getParentOfType<gpu::GPUModuleOp>();
  constexpr llvm::StringLiteral name("dynamic_shared");
  auto global = module.lookupSymbol<LLVM::GlobalOp>(name);
  OpBuilder::InsertionGuard guard(b);
  if (!global) {
    b.setInsertionPointToStart(module.getBody());
    global = LLVM::GlobalOp::create(b, LLVM::LLVMArrayType::get(b.getI8Type(), 0),
                                    /*isConstant=*/false, LLVM::Linkage::External, name,
                                    Attribute(), /*alignment=*/128, sharedSpace);
  }
  b.setInsertionPointToStart(&kernel.getBody().front());
  return LLVM::AddressOfOp::create(b, global);
}

void KernelEmitter::copyAsync(Value to, Value from, int64_t bytes) {
  auto cache = bytes == 16 ? NVVM::LoadCacheModifierKind::CG : NVVM::LoadCacheModifierKind::CA;
  NVVM::CpAsyncOp::create(b, to, from, bytes, cache, Value());
}

void KernelEmitter::commitCopies() { NVVM::CpAsyncCommitGroupOp::create(b); }

void KernelEmitter::awaitCopies(int64_t pending) { NVVM::CpAsyncWaitGroupOp::create(b, pending); }

void KernelEmitter::syncWarp() { NVVM::SyncWarpOp::create(b, integer(i32(), -1)); }

Value KernelEmitter::loadConstant(Type type, Value pointer, int64_t alignment) {
  Value value = load(type, pointer, alignment);
  value.getDefiningOp<LLVM::LoadOp>().setInvariant(true);
  return value;
}

void KernelEmitter::storeElement(Type element, Value value, Value pointer) {
  if (!element.isF32())
    value = arith::TruncFOp::create(b, element, value);
  store(value, pointer);
}

//===----------------------------------------------------------------------===//
// Arguments and operands
//===----------------------------------------------------------------------===//

Value KernelEmitter::argsField(size_t offset) {
  return globalPointer(loadConstant(ptr(), at(args, offset)));
}

Value KernelEmitter::inputArray(step::InputKind kind) { return argsField(emit::offsetOf(kind)); }

Value KernelEmitter::operand(Value blockArgument) {
  unsigned number = cast<BlockArgument>(blockArgument).getArgNumber();
  return globalPointer(kernel.getArgument(1 + number));
}

/// A buffer of one row is scratch: it lies in shared memory, the operand is not used.
Value KernelEmitter::bufferRow(Value buffer, Value row) {
  auto type = cast<step::BufferType>(buffer.getType());
  if (type.getExtent() != step::Extent::one)
    return far(operand(buffer), row, type.getRowBytes());
  Value &memory = scratch[buffer];
  if (!memory)
    memory = shared(type.getColumns() * 4);
  return memory;
}

Value KernelEmitter::rowAddress(Value value, Value row) {
  Value home = homeOf(value);
  assert(home && "a value on rows has a home");
  return bufferRow(home, row);
}

Value KernelEmitter::tableOf(Value request) {
  Value stride = loadConstant(i32(), at(args, offsetof(kvasir_step_args, page_stride)));
  Value entry = mul(signExtend(i64(), request), signExtend(i64(), stride));
  return at(argsField(offsetof(kvasir_step_args, page_table)), mul(entry, integer(i64(), 4)));
}

Value KernelEmitter::pageOf(Value cache, Value request, Value position) {
  auto type = cast<kv::PagedType>(cache.getType());
  Value page = loadInt(tableOf(request), div(position, c(KVASIR_PAGE_TOKENS)));
  return far(operand(cache), page, type.getPageBytes());
}

//===----------------------------------------------------------------------===//
// Phases
//===----------------------------------------------------------------------===//

FailureOr<Items> KernelEmitter::emit() {
  switch (phase.getKind()) {
  case step::PhaseKind::rows: {
    awaitKernels();
    emitRows();
    Operation *last = &phase.getBody().front().back();
    auto write = dyn_cast<step::WriteOp>(last);
    bool onRows = write && emit::isOnRows(write.getValue());
    return onRows ? Items{0, 0, 1, 0} : Items{0, 1, 0, 0};
  }
  case step::PhaseKind::panels:
    return emitLinear(*this);
  case step::PhaseKind::attend:
    awaitKernels();
    return emitAttend(*this);
  case step::PhaseKind::serial:
    break;
  }
  return phase.emitError("phase '")
         << phase.getSymName()
         << "' of kind serial has no kernel, those of kinds rows, panels "
            "and attend do; compile without --naive";
}

/// Every row by one block, all ops of the row before the next row. What the blocks of a later phase
/// count in is cleared.
void KernelEmitter::emitRows() {
  Block &body = phase.getBody().front();
  Value count = tokens;
  for (Operation &op : body)
    if (op.getNumResults() == 1 && !isa<step::ReadOp, step::InputOp>(op)) {
      count = extent(op.getResult(0));
      break;
    }
  forItems(count, [&](Value row) {
    for (Operation &op : body) {
      if (isa<step::ReadOp, step::InputOp, step::WriteOp>(op))
        continue;
      emitRowOp(*this, &op, row);
      barrier();
    }
    for (auto write : body.getOps<step::WriteOp>()) {
      if (write.getBuffer() == homeOf(write.getValue()))
        continue;
      Value from = rowAddress(write.getValue(), row), to = bufferRow(write.getBuffer(), row);
      forThreads(write.getBuffer().getType().getColumns(), [&](Value i) {
        Value offset = mul(i, c(4));
        store(load(f32(), at(from, offset)), at(to, offset));
      });
      barrier(); // scratch is written again for the next row
    }
    for (Value buffer : meetingBuffers(phase)) {
      Value words = bufferRow(buffer, row);
      forThreads(cast<step::BufferType>(buffer.getType()).getColumns(),
                 [&](Value i) { store(c(0), at(words, mul(i, c(4)))); });
    }
  });
}
