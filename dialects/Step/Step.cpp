// Verifiers and types of the step dialect.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "dialects/Step/Step.h"

#include "dialects/KV/KV.h"
#include "dialects/LLM/LLM.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/TypeSwitch.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace kvasir::step;

/// The columns of a buffer, or `i32`.
static ParseResult parseColumns(AsmParser &parser, int64_t &columns, bool &integers) {
  integers = succeeded(parser.parseOptionalKeyword("i32"));
  columns = 1;
  return integers ? success() : parser.parseInteger(columns);
}

static void printColumns(AsmPrinter &printer, int64_t columns, bool integers) {
  if (integers)
    printer << "i32";
  else
    printer << columns;
}

#include "dialects/Step/StepDialect.cpp.inc"
#include "dialects/Step/StepEnums.cpp.inc"
#define GET_ATTRDEF_CLASSES
#include "dialects/Step/StepAttrs.cpp.inc"
#define GET_TYPEDEF_CLASSES
#include "dialects/Step/StepTypes.cpp.inc"
#define GET_OP_CLASSES
#include "dialects/Step/StepOps.cpp.inc"

void StepDialect::initialize() {
  addTypes<
#define GET_TYPEDEF_LIST
#include "dialects/Step/StepTypes.cpp.inc"
      >();
  addAttributes<
#define GET_ATTRDEF_LIST
#include "dialects/Step/StepAttrs.cpp.inc"
      >();
  addOperations<
#define GET_OP_LIST
#include "dialects/Step/StepOps.cpp.inc"
      >();
}

LogicalResult BufferType::verify(function_ref<InFlightDiagnostic()> emitError, Extent extent,
                                 int64_t columns, bool integers,
                                 kvasir::llm::Int8RowsAttr quantized) {
  if (columns < 1 || columns > std::numeric_limits<int32_t>::max())
    return emitError() << "expected columns from 1 to 2^31 - 1, but got " << columns;
  if (integers && (columns != 1 || quantized))
    return emitError() << "expected one i32 for each row, and nothing quantized";
  return success();
}

BufferType::Tile BufferType::getTile() const {
  kvasir::llm::Int8RowsAttr rows = getQuantized();
  int64_t padded = llvm::alignTo(getColumns(), kvasir::pieceColumns);
  Tile tile;
  tile.scales = getTileRows() * padded;
  tile.sums = tile.scales + getTileRows() * 4 * llvm::divideCeil(padded, rows.getGroup());
  int64_t sumBytes = getTileRows() * 4 * llvm::divideCeil(padded, rows.getSums());
  tile.scaledSums = tile.sums + sumBytes;
  tile.bytes = tile.scaledSums + sumBytes;
  return tile;
}

int64_t BufferType::getRowBytes() const {
  return getQuantized() ? getTile().bytes / getTileRows() : getStride() * 4;
}

LogicalResult CostAttr::verify(function_ref<InFlightDiagnostic()> emitError, int64_t weightBytes,
                               int64_t bytesPerToken, int64_t cacheBytesPerContext,
                               int64_t flopsPerToken, int64_t flopsPerRow,
                               int64_t flopsPerContext) {
  for (int64_t cost : {weightBytes, bytesPerToken, cacheBytesPerContext, flopsPerToken, flopsPerRow,
                       flopsPerContext})
    if (cost < 0)
      return emitError() << "expected costs of 0 or more, but got " << cost;
  return success();
}

//===----------------------------------------------------------------------===//
// Phases
//===----------------------------------------------------------------------===//

/// What an op is to a phase.
static bool isPlumbing(Operation &op) { return isa<ReadOp, WriteOp, InputOp>(op); }

static bool isRowOp(Operation &op) {
  return op.hasTrait<kvasir::llm::RowOp>() || op.hasTrait<kvasir::llm::ElementwiseOp>();
}

static bool isAttention(Operation &op) {
  return isa<kvasir::kv::AttendOp, kvasir::kv::AttendPartitionsOp, kvasir::kv::MergePartitionsOp>(
      op);
}

static bool admits(PhaseKind kind, Operation &op) {
  if (isPlumbing(op))
    return true;
  switch (kind) {
  case PhaseKind::rows:
    return isRowOp(op) || isa<kvasir::kv::AppendOp, kvasir::llm::SelectRowsOp>(op);
  case PhaseKind::panels:
    return (isRowOp(op) && !isa<kvasir::llm::ArgmaxOp>(op)) ||
           isa<kvasir::llm::LinearOp, kvasir::llm::SelectRowsOp>(op);
  case PhaseKind::attend:
    return isAttention(op);
  case PhaseKind::serial:
    return isRowOp(op) || isa<kvasir::llm::LinearOp, kvasir::llm::SelectRowsOp,
                              kvasir::kv::AppendOp, kvasir::kv::AttendOp>(op);
  }
  llvm_unreachable("covered switch");
}

/// The values that must lie in a buffer: what is computed row by row, or by one op for all workers.
/// What follows the linear layers of a panel does not leave the worker's registers.
static LogicalResult verifyHomes(PhaseOp phase) {
  for (Operation &op : phase.getBody().front()) {
    if (phase.getKind() == PhaseKind::panels && isa<kvasir::llm::LinearOp>(op))
      return success();
    if (isPlumbing(op))
      continue;
    for (Value result : op.getResults())
      if (isa<RankedTensorType>(result.getType()) &&
          llvm::none_of(result.getUsers(), [](Operation *user) { return isa<WriteOp>(user); }))
        return op.emitOpError("phase_c4: expected the value to be put into a buffer");
  }
  return success();
}

/// A worker goes on with the panels that it has just computed.
static LogicalResult verifyEpilogue(PhaseOp phase) {
  if (phase.getKind() != PhaseKind::panels)
    return success();
  auto linear = *phase.getBody().front().getOps<kvasir::llm::LinearOp>().begin();
  llvm::SmallPtrSet<Value, 8> panels(llvm::from_range, linear.getResults());
  for (Operation *op = linear->getNextNode(); op; op = op->getNextNode()) {
    if (isPlumbing(*op))
      continue;
    bool onPanels = llvm::any_of(op->getOperands(), [&](Value v) { return panels.contains(v); });
    if (!onPanels || !op->hasTrait<kvasir::llm::ElementwiseOp>())
      return op->emitOpError("phase_c5: expected an elementwise op on results of the linear layer");
    panels.insert_range(op->getResults());
  }
  return success();
}

/// Partitions are merged where they are made, by whichever worker is the last.
static LogicalResult verifyMerge(PhaseOp phase) {
  Block &body = phase.getBody().front();
  auto parts = body.getOps<kvasir::kv::AttendPartitionsOp>();
  auto merges = body.getOps<kvasir::kv::MergePartitionsOp>();
  auto isOwn = [](kvasir::kv::MergePartitionsOp merge) {
    return merge.getParts().getDefiningOp<kvasir::kv::AttendPartitionsOp>();
  };
  if (llvm::range_size(parts) != llvm::range_size(merges) || !llvm::all_of(merges, isOwn))
    return phase.emitOpError("phase_c3: expected kv.attend_partitions with kv.merge_partitions of "
                             "its result, or neither");
  return success();
}

static LogicalResult verifyCounter(PhaseOp phase) {
  auto counters = llvm::count_if(phase.getBody().front().getArgumentTypes(),
                                 [](Type type) { return isa<CounterType>(type); });
  if (phase.getKind() == PhaseKind::attend && counters != 1)
    return phase.emitOpError("phase_c6: expected attention to have one counter, but got ")
           << counters;
  if (phase.getKind() == PhaseKind::panels && counters > 1)
    return phase.emitOpError("phase_c6: expected panels to have at most one counter, but got ")
           << counters;
  return success();
}

LogicalResult PhaseOp::verify() {
  Block &body = getBody().front();
  for (BlockArgument argument : body.getArguments()) {
    if (!isa<BufferType, CounterType, kvasir::llm::WeightType, kvasir::kv::PagedType>(
            argument.getType()))
      return emitOpError("phase_c2: expected a buffer, weight, cache or counter, but got ")
             << argument.getType();
    bool reads = false, writes = false;
    for (Operation *user : argument.getUsers()) {
      reads |= isa<ReadOp>(user);
      writes |= isa<WriteOp>(user);
    }
    if (reads && writes)
      return emitOpError("phase_c1: expected argument ")
             << argument.getArgNumber() << " to be read or written, but got both";
  }
  int anchors = 0;
  for (Operation &op : body) {
    if (!admits(getKind(), op)) {
      InFlightDiagnostic diag = emitOpError("phase_c3: expected only ops of a phase of kind ")
                                << stringifyPhaseKind(getKind());
      diag.attachNote(op.getLoc()) << "but got " << op.getName();
      return diag;
    }
    anchors += isa<kvasir::llm::LinearOp, kvasir::kv::AttendOp, kvasir::kv::AttendPartitionsOp>(op);
  }
  bool wantsAnchor = getKind() == PhaseKind::panels || getKind() == PhaseKind::attend;
  if (wantsAnchor && anchors != 1)
    return emitOpError("phase_c3: expected one anchor, but got ") << anchors;
  return failure(failed(verifyMerge(*this)) || failed(verifyHomes(*this)) ||
                 failed(verifyEpilogue(*this)) || failed(verifyCounter(*this)));
}

static LogicalResult verifyColumns(Operation *op, StringRef label, Type rows, BufferType buffer) {
  auto type = cast<RankedTensorType>(rows);
  if ((type.getRank() == 1) != buffer.getIntegers())
    return op->emitOpError() << label << ": expected a value for " << buffer << ", but got "
                             << rows;
  if (type.getRank() == 1)
    return success();
  int64_t columns = type.getDimSize(1);
  if (columns != buffer.getColumns())
    return op->emitOpError() << label << ": expected a value of " << buffer.getColumns()
                             << " columns, but got " << rows;
  Attribute quantized = type.getEncoding();
  if (quantized != buffer.getQuantized())
    return op->emitOpError() << label << ": expected a value quantized as " << buffer
                             << ", but got " << rows;
  return success();
}

LogicalResult ReadOp::verify() {
  return verifyColumns(*this, "read_c1", getType(), getBuffer().getType());
}

LogicalResult WriteOp::verify() {
  return verifyColumns(*this, "write_c1", getValue().getType(), getBuffer().getType());
}

//===----------------------------------------------------------------------===//
// Programs
//===----------------------------------------------------------------------===//

LogicalResult ProgramOp::verify() {
  if (getBody().front().getNumArguments() != 0)
    return emitOpError("program_c2: expected a body without arguments");
  for (Operation &op : getBody().front())
    if (!isa<BufferOp, CounterOp, RunOp, LogitsOp, ChosenOp, kvasir::llm::GetWeightOp,
             kvasir::kv::GetCacheOp>(op)) {
      InFlightDiagnostic diag = emitOpError("program_c2: expected only ops of a phase table");
      diag.attachNote(op.getLoc()) << "but got " << op.getName();
      return diag;
    }
  auto outputs = llvm::range_size(getBody().front().getOps<LogitsOp>());
  if (outputs != 1)
    return emitOpError("program_c1: expected one step.logits, but got ") << outputs;
  auto choices = llvm::range_size(getBody().front().getOps<ChosenOp>());
  if (choices > 1)
    return emitOpError("program_c1: expected at most one step.chosen, but got ") << choices;
  return success();
}

static bool isOfRows(Value buffer) {
  auto op = buffer.getDefiningOp<BufferOp>();
  return op && !op.getScratch() && op.getType().getExtent() == Extent::rows;
}

LogicalResult ChosenOp::verify() {
  if (!getBuffer().getType().getIntegers() || !isOfRows(getBuffer()))
    return emitOpError("chosen_c1: expected a buffer of i32 for rows that is not scratch, but got ")
           << getBuffer().getType();
  return success();
}

LogicalResult LogitsOp::verify() {
  BufferType type = getBuffer().getType();
  if (type.getIntegers() || !isOfRows(getBuffer()))
    return emitOpError("logits_c1: expected a buffer of rows that is not scratch, but got ")
           << type;
  return success();
}

LogicalResult RunOp::verifySymbolUses(SymbolTableCollection &symbols) {
  auto phase = symbols.lookupNearestSymbolFrom<PhaseOp>(*this, getPhaseAttr());
  if (!phase)
    return emitOpError("run_c1: expected a step.phase named ") << getPhaseAttr();
  if (!llvm::equal(phase.getBody().front().getArgumentTypes(), getOperands().getTypes())) {
    InFlightDiagnostic diag = emitOpError("run_c1: expected the operands of ") << getPhaseAttr();
    diag.attachNote(phase.getLoc()) << "the phase is declared here";
    return diag;
  }
  return success();
}
