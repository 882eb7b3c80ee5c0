// Division of the step function into phases: a greedy walk in program order.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "SchedulePhases.h"

#include "dialects/KV/KV.h"
#include "dialects/LLM/LLM.h"
#include "llvm/ADT/TypeSwitch.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace kvasir;

static bool isElementwise(Operation *op) { return op->hasTrait<llm::ElementwiseOp>(); }

/// What is a phase of its own, but for the merge of partitions.
static bool isAttention(Operation *op) { return isa<kv::AttendOp, kv::AttendPartitionsOp>(op); }

static bool isConstant(Operation *op) { return isa<llm::GetWeightOp, kv::GetCacheOp>(op); }

//===----------------------------------------------------------------------===//
// Drafts
//===----------------------------------------------------------------------===//

bool PhaseDraft::makes(Value value) const { return llvm::is_contained(ops, value.getDefiningOp()); }

bool PhaseDraft::isRead(Value value) const {
  return llvm::any_of(value.getUsers(),
                      [&](Operation *user) { return !llvm::is_contained(ops, user); });
}

Operation *PhaseDraft::anchor() const {
  auto it =
      llvm::find_if(ops, [](Operation *op) { return isa<llm::LinearOp>(op) || isAttention(op); });
  return it == ops.end() ? nullptr : *it;
}

SmallVector<Value> PhaseDraft::rowValues() const {
  SmallVector<Value> values;
  if (kind != step::PhaseKind::rows && kind != step::PhaseKind::panels)
    return values;
  for (Operation *op : ops) {
    if (isa<llm::LinearOp>(op))
      break;
    llvm::append_range(values, op->getResults());
  }
  return values;
}

static bool isRows(Value value) {
  auto type = dyn_cast<RankedTensorType>(value.getType());
  return type && type.getRank() == 2;
}

/// The operands of an op have rows of one extent, so the first of them tells.
step::Extent kvasir::extentOf(Value value) {
  while (true) {
    Operation *op = value.getDefiningOp();
    if (isa<llm::SelectRowsOp>(op))
      return step::Extent::rows;
    auto operand = llvm::find_if(op->getOperands(), isRows);
    if (operand == op->operand_end())
      return step::Extent::tokens;
    value = *operand;
  }
}

/// The rows that an op makes, or writes to a cache.
static step::Extent extentOf(Operation *op) {
  return op->getNumResults() == 0 ? step::Extent::tokens : extentOf(op->getResult(0));
}

std::string PhaseDraft::name() const {
  std::string name;
  llvm::raw_string_ostream os(name);
  os << step::stringifyPhaseKind(kind);
  if (auto linear = dyn_cast_or_null<llm::LinearOp>(anchor())) {
    for (Value weight : linear.getWeights()) {
      auto type = cast<llm::WeightType>(weight.getType());
      os << "_" << type.getRows() << "x" << type.getColumns();
    }
    return name;
  }
  Operation *named = anchor() ? anchor() : ops.back();
  os << "_" << named->getName().stripDialect();
  return name;
}

int64_t PhaseDraft::layer() const {
  for (Operation *op : ops) {
    for (Value operand : op->getOperands()) {
      if (auto get = operand.getDefiningOp<kv::GetCacheOp>())
        return SymbolTable::lookupNearestSymbolFrom<kv::CacheOp>(get, get.getNameAttr()).getLayer();
      auto get = operand.getDefiningOp<llm::GetWeightOp>();
      StringRef rest = get ? get.getName() : "";
      int64_t index;
      if (rest.consume_front("layers.") && !rest.consumeInteger(10, index))
        return index;
    }
  }
  return -1;
}

//===----------------------------------------------------------------------===//
// Cost
//===----------------------------------------------------------------------===//

namespace {
struct Cost {
  int64_t weights = 0, tokens = 0, cache = 0, tokenFlops = 0, rowFlops = 0, contextFlops = 0;
};
} // namespace

static int64_t bytesOf(Type element) { return element.getIntOrFloatBitWidth() / 8; }

/// Bytes of a weight as it lies in panels.
static int64_t packedBytes(llm::WeightType type) {
  if (std::optional<Encoding> encoding = type.getEncoding())
    return Panel32(*encoding, type.getColumns()).bytes(type.getRows());
  return llvm::alignTo(type.getRows(), 16) * type.getColumns() * bytesOf(type.getElementType());
}

/// Bytes of one row of a table.
static int64_t rowBytes(llm::WeightType type) {
  if (std::optional<Encoding> encoding = type.getEncoding())
    return int64_t(type.getColumns() * encoding->bitsPerValue() / 8);
  return type.getColumns() * bytesOf(type.getElementType());
}

/// Floating-point operations for an element of a row op, a rough count.
static int64_t flopsPerElement(Operation *op) {
  return TypeSwitch<Operation *, int64_t>(op)
      .Case<llm::RmsNormOp, llm::RopeOp, llm::QuantizeRowsOp>([](auto) { return 4; })
      .Case<llm::LayerNormOp>([](auto) { return 7; })
      .Case<llm::ActivationOp, llm::GatedActOp, llm::RopeTableOp>([](auto) { return 20; })
      .Case<llm::AddOp>([](auto) { return 2; })
      .Default([](auto) { return 1; });
}

static void addCost(Cost &cost, Operation *op) {
  if (auto linear = dyn_cast<llm::LinearOp>(op)) {
    bool rows = extentOf(linear.getResult(0)) == step::Extent::rows;
    for (Value weight : linear.getWeights()) {
      auto type = cast<llm::WeightType>(weight.getType());
      int64_t n = type.getRows(), k = type.getColumns();
      cost.weights += packedBytes(type);
      (rows ? cost.rowFlops : cost.tokenFlops) += 2 * n * k;
    }
    return;
  }
  if (isa<kv::AttendOp, kv::AttendPartitionsOp>(op)) {
    auto cache = cast<kv::PagedType>(op->getOperand(0).getType());
    cost.cache += cache.getTokenBytes();
    cost.contextFlops += 4 * op->getAttrOfType<IntegerAttr>("heads").getInt() * cache.getHeadSize();
    return;
  }
  if (auto embedding = dyn_cast<llm::EmbeddingOp>(op)) {
    auto type = cast<llm::WeightType>(embedding.getTable().getType());
    cost.tokens += rowBytes(type);
    return;
  }
  if (auto argmax = dyn_cast<llm::ArgmaxOp>(op)) {
    cost.rowFlops += argmax.getCount();
    return;
  }
  for (Value result : op->getResults()) {
    int64_t flops = flopsPerElement(op) * cast<RankedTensorType>(result.getType()).getDimSize(1);
    (extentOf(result) == step::Extent::rows ? cost.rowFlops : cost.tokenFlops) += flops;
  }
}

step::CostAttr PhaseDraft::cost() const {
  Cost cost;
  for (Operation *op : ops)
    addCost(cost, op);
  // Activations that come from earlier phases: read once for each token.
  llvm::SmallPtrSet<Value, 8> inputs;
  for (Operation *op : ops)
    for (Value operand : op->getOperands())
      if (auto type = dyn_cast<RankedTensorType>(operand.getType()))
        if (type.getRank() == 2 && !makes(operand) && inputs.insert(operand).second &&
            extentOf(operand) == step::Extent::tokens)
          cost.tokens += type.getDimSize(1) * bytesOf(type.getElementType());
  return step::CostAttr::get(ops.front()->getContext(), cost.weights, cost.tokens, cost.cache,
                             cost.tokenFlops, cost.rowFlops, cost.contextFlops);
}

//===----------------------------------------------------------------------===//
// Division
//===----------------------------------------------------------------------===//

namespace {

/// Walks the ops in order. Ops on rows wait in `pending` until it is known which phase they belong
/// to: the prologue of a linear layer (decode), or a phase of rows.
class Divider {
public:
  explicit Divider(ProgramKind kind) : kind(kind) {}

  void add(Operation *op) {
    if (kind == ProgramKind::naive)
      return open(step::PhaseKind::serial, {op});
    if (isa<llm::LinearOp>(op))
      return addLinear(op);
    if (isAttention(op)) {
      flush();
      return open(step::PhaseKind::attend, {op});
    }
    if (isa<kv::MergePartitionsOp>(op)) // the blocks that made the partitions merge them
      return drafts.back().ops.push_back(op);
    if (joinsCurrent(op))
      return drafts.back().ops.push_back(op);
    pending.push_back(op);
  }

  SmallVector<PhaseDraft> finish() {
    flush();
    return std::move(drafts);
  }

private:
  void open(step::PhaseKind phase, ArrayRef<Operation *> ops) {
    drafts.push_back({phase, SmallVector<Operation *>(ops)});
  }

  /// Decode repeats the pending work on rows in every worker; prefill divides it first. What
  /// writes a cache is never repeated, nor is the step's beginning (embedding, rope table): others
  /// read it, and one phase of the step is no time lost.
  void addLinear(Operation *op) {
    bool repeat = kind == ProgramKind::decode && llvm::none_of(pending, [](Operation *p) {
                    return isa<kv::AppendOp, llm::EmbeddingOp, llm::RopeTableOp>(p);
                  });
    if (!repeat)
      flush();
    open(step::PhaseKind::panels, pending);
    drafts.back().ops.push_back(op);
    pending.clear();
  }

  /// Pending ops become phases of rows, one for each stretch with rows of one extent; a choice of
  /// rows needs a barrier before it.
  void flush() {
    for (size_t begin = 0, i = 1; i <= pending.size(); ++i) {
      if (i < pending.size() && !isa<llm::SelectRowsOp>(pending[i]) &&
          extentOf(pending[i]) == extentOf(pending[begin]))
        continue;
      open(step::PhaseKind::rows, ArrayRef(pending).slice(begin, i - begin));
      begin = i;
    }
    pending.clear();
  }

  /// Whether the op can be done where the latest phase left its operands: elementwise ops on the
  /// panels of a linear layer, any op on rows in a phase of rows of the same extent.
  bool joinsCurrent(Operation *op) {
    if (drafts.empty() || !pending.empty() || isa<llm::SelectRowsOp>(op))
      return false;
    PhaseDraft &current = drafts.back();
    if (current.kind == step::PhaseKind::panels)
      return isElementwise(op) &&
             llvm::any_of(op->getOperands(),
                          [&](Value v) {
                            return current.makes(v) && !llvm::is_contained(current.rowValues(), v);
                          }) &&
             samePanels(op);
    return current.kind == step::PhaseKind::rows && extentOf(op) == extentOf(current.ops.front());
  }

  /// All operands of an epilogue op are as wide as its result by the op's own constraint.
  static bool samePanels(Operation *op) { return op->getNumResults() == 1; }

  ProgramKind kind;
  SmallVector<PhaseDraft> drafts;
  SmallVector<Operation *> pending;
};

} // namespace

/// Counts are cleared by the latest phase of rows before they are used. There is one, since queries
/// come from an embedding.
static void placeCounts(MutableArrayRef<PhaseDraft> drafts) {
  PhaseDraft *clears = nullptr;
  for (PhaseDraft &draft : drafts) {
    if (draft.kind == step::PhaseKind::rows && extentOf(draft.ops.front()) == step::Extent::tokens)
      clears = &draft;
    auto parts = dyn_cast<kv::AttendPartitionsOp>(draft.ops.front());
    if (!parts)
      continue;
    assert(clears && "rows of tokens are made before there is attention");
    clears->counts.push_back(parts);
    draft.counts.push_back(parts);
  }
}

SmallVector<PhaseDraft> kvasir::draftPhases(func::FuncOp step, ProgramKind kind) {
  Divider divider(kind);
  for (Operation &op : step.getBody().front().without_terminator())
    if (!isConstant(&op))
      divider.add(&op);
  SmallVector<PhaseDraft> drafts = divider.finish();
  placeCounts(drafts);
  return drafts;
}

//===----------------------------------------------------------------------===//
// What can be scheduled
//===----------------------------------------------------------------------===//

static bool hasSignature(func::FuncOp step) {
  auto isIntegers = [](Type type) {
    auto tensor = dyn_cast<RankedTensorType>(type);
    return tensor && tensor.getRank() == 1 && tensor.getElementType().isInteger(32);
  };
  return step.getBody().hasOneBlock() &&
         isa<func::ReturnOp>(step.getBody().front().getTerminator()) &&
         step.getNumArguments() == 4 && llvm::all_of(step.getArgumentTypes(), isIntegers) &&
         step.getNumResults() == 1;
}

static LogicalResult checkOp(Operation *op) {
  if (isConstant(op) || isa<llm::LinearOp, llm::SelectRowsOp>(op) || op->hasTrait<llm::RowOp>() ||
      isElementwise(op))
    return success();
  if (!isa<kv::AttendOp, kv::AppendOp>(op))
    return op->emitError("expected an op that can be scheduled, but got ")
           << op->getName() << "; run the phases before `schedule` first";
  if (!isa<kv::PagedType>(op->getOperand(0).getType()))
    return op->emitError("expected a cache that has pages, but got ")
           << op->getOperand(0).getType() << "; run `kv-layout` first";
  return success();
}

LogicalResult kvasir::checkStep(func::FuncOp step) {
  if (!hasSignature(step))
    return step.emitError("expected @step to have one block, the arguments ids, positions, totals "
                          "and rows, each tensor<?xi32>, and one result, but got ")
           << step.getFunctionType();
  bool ok = true;
  for (Operation &op : step.getBody().front().without_terminator())
    ok &= succeeded(checkOp(&op));
  if (!ok)
    return failure();
  Value output = step.getBody().front().getTerminator()->getOperand(0);
  if (!isRows(output) || extentOf(output) != step::Extent::rows)
    return step.emitError("expected a result that the step computes on the rows chosen by "
                          "llm.select_rows");
  return success();
}
