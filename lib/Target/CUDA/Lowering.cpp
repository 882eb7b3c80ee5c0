// One kernel for each phase and architecture.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "kvasir/Target/CUDA/Lowering.h"

#include "KernelEmitter.h"
#include "Meeting.h"

using namespace mlir;
using namespace kvasir;
using namespace kvasir::cuda;

/// Static shared memory of a block (CUDA C++ Programming Guide).
constexpr int64_t mostStaticShared = 48 << 10;

/// Says which phase has no kernel; what is supported and what to do follow.
static InFlightDiagnostic refuse(Operation *op, step::PhaseOp phase) {
  InFlightDiagnostic refusal = op->emitError("phase '") << phase.getSymName() << "': ";
  return refusal;
}

static LogicalResult checkOp(Operation &op, step::PhaseOp phase) {
  if (isa<llm::QuantizeRowsOp>(op))
    return refuse(&op, phase) << "activations rounded to 8 bits have no kernel, those of f32 do; "
                                 "compile with --activations exact";
  if (auto parts = dyn_cast<kv::AttendPartitionsOp>(op)) {
    constexpr int64_t most = int64_t(1) << 29; // a row's offsets in bytes are i32
    int64_t columns = cast<RankedTensorType>(parts.getType()).getDimSize(1);
    if (columns > most)
      return refuse(&op, phase) << "expected partitions of at most " << most
                                << " values for a token, but got " << columns
                                << "; compile with a smaller --context";
    auto counts = meetingBuffers(phase);
    int64_t heads = parts.getHeads();
    if (counts.size() != 1 || cast<step::BufferType>(counts[0].getType()).getColumns() != heads)
      return refuse(&op, phase) << "expected one buffer of " << heads
                                << " columns that no op uses, for blocks to count themselves in; "
                                   "run `schedule` with `blocks`";
  }
  return success();
}

static LogicalResult checkPhase(step::PhaseOp phase) {
  bool good = true;
  for (Operation &op : phase.getBody().front())
    good &= succeeded(checkOp(op, phase));
  return success(good);
}

static LLVM::LLVMFuncOp declareKernel(ImplicitLocOpBuilder &b, step::PhaseOp phase) {
  MLIRContext *context = b.getContext();
  Type pointer = LLVM::LLVMPointerType::get(context);
  SmallVector<Type> arguments(1 + phase.getBody().front().getNumArguments(), pointer);
  auto type = LLVM::LLVMFunctionType::get(LLVM::LLVMVoidType::get(context), arguments);
  auto kernel = LLVM::LLVMFuncOp::create(b, phase.getSymName(), type);
  kernel->setAttr(gpu::GPUDialect::getKernelFuncAttrName(), b.getUnitAttr());
  kernel->setAttr(NVVM::NVVMDialect::getKernelFuncAttrName(), b.getUnitAttr());
  kernel->setAttr(NVVM::NVVMDialect::getReqntidAttrName(),
                  b.getDenseI32ArrayAttr({static_cast<int32_t>(blockThreads), 1, 1}));
  return kernel;
}

static LogicalResult checkShared(KernelEmitter &emitter) {
  auto check = [&](int64_t needed, int64_t most, StringRef kind) -> LogicalResult {
    if (needed <= most)
      return success();
    return refuse(emitter.phase, emitter.phase)
           << "expected a kernel with at most " << most << " bytes of " << kind << " on "
           << emitter.architecture.name << ", but its rows or heads need " << needed
           << "; compile for another architecture, or for a CPU";
  };
  int64_t all = emitter.sharedBytes + emitter.dynamicBytes;
  return success(succeeded(check(all, emitter.architecture.blockShared, "shared memory")) &&
                 succeeded(check(emitter.sharedBytes, mostStaticShared, "static shared memory")));
}

static LogicalResult emitKernel(step::PhaseOp phase, gpu::GPUModuleOp into,
                                const Architecture &architecture) {
  if (failed(checkPhase(phase)))
    return failure();
  ImplicitLocOpBuilder b(phase.getLoc(), into.getContext());
  b.setInsertionPointToEnd(into.getBody());
  LLVM::LLVMFuncOp kernel = declareKernel(b, phase);
  Block *entry = kernel.addEntryBlock(b);
  b.setInsertionPointToStart(entry);
  LLVM::ReturnOp::create(b, ValueRange{});
  b.setInsertionPoint(entry->getTerminator());
  KernelEmitter emitter(b, phase, kernel, architecture);
  FailureOr<Items> items = emitter.emit();
  if (failed(items))
    return failure();
  // If nothing is said, ptxas spills to have more blocks.
  kernel->setAttr(NVVM::NVVMDialect::getMinctasmAttrName(),
                  b.getI32IntegerAttr(static_cast<int32_t>(emitter.blocksAtOnce)));
  if (emitter.dynamicBytes > 0)
    kernel->setAttr("kvasir.dynamic_shared", b.getI64IntegerAttr(emitter.dynamicBytes));
  if (failed(checkShared(emitter)))
    return failure();
  // For hosts that run any number of blocks: few, but more than one where there is work for more.
  int64_t blocks = std::clamp<int64_t>(items->constant, items->constant ? 1 : 4, 16);
  kernel->setAttr("kvasir.grid", b.getDenseI32ArrayAttr({static_cast<int32_t>(blocks), 1, 1}));
  kernel->setAttr("kvasir.items", b.getDenseI64ArrayAttr({items->constant, items->token, items->row,
                                                          items->attention}));
  return success();
}

LogicalResult kvasir::lowerToCUDA(ModuleOp module, ArrayRef<const Architecture *> architectures) {
  SmallVector<step::PhaseOp> phases(module.getOps<step::PhaseOp>());
  if (phases.empty())
    return module.emitError("expected phases to lower; run `schedule` first");
  OpBuilder builder(module.getContext());
  bool good = true;
  for (const Architecture *architecture : architectures) {
    builder.setInsertionPointToEnd(module.getBody());
    auto nested = gpu::GPUModuleOp::create(builder, module.getLoc(), architecture->name);
    for (step::PhaseOp phase : phases)
      good &= succeeded(emitKernel(phase, nested, *architecture));
    if (!good) // the others would say the same
      break;
  }
  return success(good);
}
