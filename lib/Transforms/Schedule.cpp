// Turns the step function into phases and programs: what runs between two barriers, in which
// buffers, at what cost. See also SchedulePhases.cpp, and ScheduleBlocks.cpp for GPUs.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "SchedulePhases.h"

#include "dialects/KV/KV.h"
#include "dialects/LLM/LLM.h"
#include "dialects/Step/Step.h"
#include "dialects/Step/Stored.h"
#include "dialects/Step/Sums.h"
#include "dialects/Step/TokenTile.h"
#include "kvasir/Transforms/Passes.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "llvm/ADT/StringMap.h"

#include <limits>
#include <set>

namespace kvasir {
#define GEN_PASS_DEF_SCHEDULEPASS
#include "kvasir/Transforms/Passes.h.inc"
} // namespace kvasir

using namespace mlir;
using namespace kvasir;

namespace {

/// What an argument of a phase stands for in the program that runs it.
struct Operand {
  Value value;              // tensor, weight or cache of the step function; null for the rest
  step::BufferType scratch; // a scratch buffer of this type
  bool isCounter = false;
  step::BufferType sums = {}; // a buffer of this type that blocks share while the phase runs
  bool counts = false;        // not `value`, but what the blocks that make it count themselves in

  /// Phases with the same one have the same buffer.
  std::pair<Value, unsigned> key() const { return {value, counts}; }
};

/// A phase of a program: the function it runs, and with what.
struct Run {
  mutable step::PhaseOp phase; // ops are handles
  SmallVector<Operand> operands;
  int64_t layer;
  step::CostAttr cost;
};

/// Makes the step.phase of a draft: one of the same text is used again.
class PhaseBuilder {
public:
  /// `blocks`: for a GPU. Elsewhere workers share out panels while they work, with the help of a
  /// counter.
  PhaseBuilder(ModuleOp module, func::FuncOp step, bool blocks)
      : module(module), step(step), blocks(blocks) {}

  /// `tokenTile`: of linear layers on a GPU.
  Run build(const PhaseDraft &draft, int64_t tokenTile);

private:
  Value argument(Operand operand, Type type);
  void addInputs(const PhaseDraft &draft);
  void addCompute(const PhaseDraft &draft, int64_t tokenTile);
  void addWrites(const PhaseDraft &draft);
  void addCounts(Value parts);
  step::BufferType bufferType(Value value, bool oneRow);
  Type storedType(Value value);
  bool isInterleaved(Value value);
  void markStored(Operation *op, Value value);
  step::PhaseOp deduplicate(step::PhaseOp phase, const PhaseDraft &draft);
  void write(Value value, Operand operand, Type type);

  ModuleOp module;
  func::FuncOp step;
  bool blocks;
  llvm::StringMap<step::PhaseOp> byText;
  llvm::StringMap<int> names;

  OpBuilder builder{module.getContext()};
  Block *body = nullptr;
  IRMapping mapping;
  SmallVector<Operand> operands;
};

} // namespace

static MLIRContext *contextOf(Value value) { return value.getContext(); }

step::BufferType PhaseBuilder::bufferType(Value value, bool oneRow) {
  auto rows = cast<RankedTensorType>(value.getType());
  step::Extent extent = oneRow ? step::Extent::one : extentOf(value);
  if (rows.getRank() == 1)
    return step::BufferType::get(contextOf(value), extent);
  return step::BufferType::get(contextOf(value), extent, rows.getDimSize(1),
                               dyn_cast_or_null<llm::Int8RowsAttr>(rows.getEncoding()));
}

/// What all readers of a value round it to: null unless they are linear layers that have weights of
/// one type, and the op that makes it has a kernel that can round it.
Type PhaseBuilder::storedType(Value value) {
  Operation *op = value.getDefiningOp();
  auto rows = dyn_cast<RankedTensorType>(value.getType());
  bool can =
      isa_and_nonnull<llm::RmsNormOp, llm::LayerNormOp, kv::AttendOp, kv::MergePartitionsOp>(op) ||
      (op && op->hasTrait<llm::ElementwiseOp>());
  if (!blocks || !can || !rows || rows.getRank() != 2 || rows.getDimSize(1) % 32 != 0)
    return {};
  Type common;
  for (OpOperand &use : value.getUses()) {
    auto linear = dyn_cast<llm::LinearOp>(use.getOwner());
    if (!linear || use.getOperandNumber() != 0)
      return {};
    for (Value weight : linear.getWeights()) {
      auto type = cast<llm::WeightType>(weight.getType());
      Type wanted = type.getEncoding() ? builder.getBF16Type() : type.getElementType();
      if (wanted.isF32() || (common && common != wanted))
        return {};
      common = wanted;
    }
  }
  return common;
}

/// Whether all weights that meet a value are codes.
bool PhaseBuilder::isInterleaved(Value value) {
  return llvm::all_of(value.getUsers(), [](Operation *user) {
    return llvm::all_of(cast<llm::LinearOp>(user).getWeights(), [](Value weight) {
      return cast<llm::WeightType>(weight.getType()).getEncoding().has_value();
    });
  });
}

void PhaseBuilder::markStored(Operation *op, Value value) {
  Type type = storedType(value);
  if (!type)
    return;
  op->setAttr(step::storedAttribute, TypeAttr::get(type));
  if (isInterleaved(value))
    op->setAttr(step::interleavedAttribute, builder.getUnitAttr());
}

Value PhaseBuilder::argument(Operand operand, Type type) {
  operands.push_back(operand);
  return body->addArgument(type, builder.getUnknownLoc());
}

/// Everything that the draft's ops use and do not make becomes an argument or an input.
void PhaseBuilder::addInputs(const PhaseDraft &draft) {
  for (Operation *op : draft.ops)
    for (Value value : op->getOperands()) {
      if (mapping.contains(value) || draft.makes(value))
        continue;
      if (auto arg = dyn_cast<BlockArgument>(value)) {
        auto kind = static_cast<step::InputKind>(arg.getArgNumber());
        mapping.map(value, step::InputOp::create(builder, op->getLoc(), value.getType(), kind));
      } else if (isa<RankedTensorType>(value.getType())) {
        Value buffer = argument({value, {}}, bufferType(value, /*oneRow=*/false));
        auto read = step::ReadOp::create(builder, op->getLoc(), value.getType(), buffer);
        markStored(read, value);
        mapping.map(value, read);
      } else {
        mapping.map(value, argument({value, {}}, value.getType()));
      }
    }
}

void PhaseBuilder::addCompute(const PhaseDraft &draft, int64_t tokenTile) {
  for (Operation *op : draft.ops) {
    Operation *copy = builder.clone(*op, mapping);
    if (blocks && isa<llm::LinearOp>(copy))
      copy->setAttr(step::tokenTileAttribute, builder.getI64IntegerAttr(tokenTile));
    if (auto embedding = dyn_cast<llm::EmbeddingOp>(copy)) {
      auto get = cast<llm::GetWeightOp>(cast<llm::EmbeddingOp>(op).getTable().getDefiningOp());
      auto weight = SymbolTable::lookupNearestSymbolFrom<llm::WeightOp>(get, get.getNameAttr());
      embedding.setLayoutAttr(weight.getLayoutAttr());
    }
  }
}

void PhaseBuilder::write(Value value, Operand operand, Type type) {
  Value buffer = argument(operand, type);
  auto write = step::WriteOp::create(builder, value.getLoc(), mapping.lookup(value), buffer);
  markStored(write, value);
}

/// Values on rows get their home first (scratch, unless the phase is of rows and others read them),
/// then what later phases read is written. Phases that are nothing but their op write its results
/// even if nobody reads them.
void PhaseBuilder::addWrites(const PhaseDraft &draft) {
  bool rows = draft.kind == step::PhaseKind::rows;
  bool whole = draft.kind == step::PhaseKind::serial || draft.kind == step::PhaseKind::attend;
  for (Value value : draft.rowValues())
    if (!rows || !draft.isRead(value)) {
      step::BufferType type = bufferType(value, /*oneRow=*/rows);
      write(value, {{}, type}, type);
    }
  for (Operation *op : draft.ops)
    for (Value value : op->getResults())
      if (whole || draft.isRead(value))
        write(value, {value, {}}, bufferType(value, /*oneRow=*/false));
}

/// A word for each token and head of queries.
void PhaseBuilder::addCounts(Value parts) {
  int64_t heads = parts.getDefiningOp<kv::AttendPartitionsOp>().getHeads();
  auto type = step::BufferType::get(module.getContext(), step::Extent::tokens, heads);
  argument({parts, {}, /*isCounter=*/false, {}, /*counts=*/true}, type);
}

step::PhaseOp PhaseBuilder::deduplicate(step::PhaseOp phase, const PhaseDraft &draft) {
  std::string text;
  llvm::raw_string_ostream os(text);
  phase.print(os, OpPrintingFlags().useLocalScope().elideLargeElementsAttrs(-1));
  auto [known, inserted] = byText.try_emplace(text, phase);
  if (!inserted) {
    phase.erase();
    return known->second;
  }
  std::string name = draft.name();
  int count = names[name]++;
  if (count > 0)
    name += "_" + std::to_string(count);
  phase.setSymName(name);
  return phase;
}

/// Whether blocks may have a share of the columns each: where a step of some tokens has few units
/// of work (step::SharedSums), and each share has columns. For few tokens a block's warps have
/// them.
static bool mayDivideColumns(const PhaseDraft &draft, int64_t tokenTile) {
  auto linear = dyn_cast_or_null<llm::LinearOp>(draft.anchor());
  if (!linear || tokenTile <= step::fewTokens)
    return false;
  int64_t rows = 0, columns = cast<RankedTensorType>(linear.getX().getType()).getDimSize(1);
  for (Value weight : linear.getWeights())
    rows += cast<llm::WeightType>(weight.getType()).getRows();
  return rows <= step::SharedSums::units(tokenTile) * step::SharedSums::outputs &&
         columns >= step::SharedSums::shares * 32;
}

/// The form that a linear layer has for steps of which `wanted` is the best: weights of f32 have
/// the one for few tokens only, codes none for prompts.
static int64_t formOf(const PhaseDraft &draft, int64_t wanted) {
  auto linear = dyn_cast_or_null<llm::LinearOp>(draft.anchor());
  auto any = [&](llvm::function_ref<bool(llm::WeightType)> is) {
    return linear && llvm::any_of(linear.getWeights(), [&](Value weight) {
             return is(cast<llm::WeightType>(weight.getType()));
           });
  };
  if (!any([](llm::WeightType type) { return !type.getElementType().isF32(); }))
    return step::fewTokens;
  bool codes = any([](llm::WeightType type) { return type.getEncoding().has_value(); });
  return codes ? std::min(wanted, step::manyTokens) : wanted;
}

Run PhaseBuilder::build(const PhaseDraft &draft, int64_t tokenTile) {
  tokenTile = formOf(draft, tokenTile);
  mapping.clear();
  operands.clear();
  builder.setInsertionPoint(step);
  auto phase = step::PhaseOp::create(builder, draft.ops.front()->getLoc(), "phase", draft.kind);
  body = &phase.getBody().emplaceBlock();
  builder.setInsertionPointToStart(body);
  addInputs(draft);
  addCompute(draft, tokenTile);
  addWrites(draft);
  for (Value parts : draft.counts)
    addCounts(parts);
  bool sums = blocks && mayDivideColumns(draft, tokenTile);
  if (sums) {
    constexpr int64_t columns = step::SharedSums::bytes / sizeof(float);
    auto type = step::BufferType::get(module.getContext(), step::Extent::one, columns);
    argument({{}, {}, /*isCounter=*/false, type}, type);
  }
  if (draft.kind == step::PhaseKind::attend ||
      (draft.kind == step::PhaseKind::panels && (sums || !blocks)))
    argument({{}, {}, /*isCounter=*/true}, step::CounterType::get(module.getContext()));
  return {deduplicate(phase, draft), operands, draft.layer(), draft.cost()};
}

//===----------------------------------------------------------------------===//
// Programs
//===----------------------------------------------------------------------===//

namespace {

/// Gives every buffer a slot; buffers whose lifetimes are disjoint share one.
class SlotAllocator {
public:
  /// A buffer alive in the phases [first, last].
  int64_t take(step::BufferType type, bool scratch, size_t first, size_t last) {
    Slot *best = nullptr;
    for (Slot &slot : slots)
      if (slot.scratch == scratch && slot.extent == type.getExtent() && slot.freeFrom <= first &&
          (!best || fits(slot, type) > fits(*best, type)))
        best = &slot;
    if (!best)
      best = &slots.emplace_back(Slot{scratch, type.getExtent(), 0, 0});
    best->bytes = std::max(best->bytes, type.getRowBytes());
    best->freeFrom = last + 1;
    return best - slots.data();
  }

private:
  struct Slot {
    bool scratch;
    step::Extent extent;
    int64_t bytes;
    size_t freeFrom;
  };
  /// Large is good: the tightest slot that is large enough, else the largest.
  static int64_t fits(const Slot &slot, step::BufferType type) {
    int64_t wasted = slot.bytes - type.getRowBytes();
    return wasted >= 0 ? (int64_t(1) << 40) - wasted : wasted;
  }
  std::vector<Slot> slots;
};

/// Writes the step.program of a list of runs.
class ProgramBuilder {
public:
  ProgramBuilder(func::FuncOp step, ArrayRef<Run> runs) : runs(runs), builder(step) {
    outputs = step.getBody().front().getTerminator()->getOperands();
    for (auto [index, run] : llvm::enumerate(runs))
      for (const Operand &operand : run.operands)
        if (operand.value) {
          first.try_emplace(operand.key(), index);
          last[operand.key()] = index;
        }
    for (Value output : outputs)
      last[{output, 0}] = runs.size();
  }

  void build(Location loc, StringRef name, int64_t maxTokens) {
    auto program = step::ProgramOp::create(builder, loc, name, maxTokens);
    builder.setInsertionPointToStart(&program.getBody().emplaceBlock());
    for (auto [index, run] : llvm::enumerate(runs)) {
      SmallVector<Value> values;
      for (auto [operand, argument] :
           llvm::zip(run.operands, run.phase.getBody().front().getArguments()))
        values.push_back(resolve(operand, argument.getType(), index));
      step::RunOp::create(builder, run.phase.getLoc(), run.phase.getSymName(), values, run.layer,
                          run.cost);
    }
    step::LogitsOp::create(builder, loc, resolved.lookup({outputs[0], 0}));
    if (outputs.size() > 1)
      step::ChosenOp::create(builder, loc, resolved.lookup({outputs[1], 0}));
  }

private:
  Value resolve(const Operand &operand, Type type, size_t index) {
    Location loc = builder.getUnknownLoc();
    if (operand.isCounter)
      return step::CounterOp::create(builder, loc, type);
    if (operand.scratch) {
      int64_t slot = slots.take(operand.scratch, /*scratch=*/true, index, index);
      return step::BufferOp::create(builder, loc, operand.scratch, "scratch", slot, true);
    }
    if (operand.sums) {
      int64_t slot = slots.take(operand.sums, /*scratch=*/false, index, index);
      return step::BufferOp::create(builder, loc, operand.sums, "sums", slot, false);
    }
    Value &value = resolved[operand.key()];
    if (value)
      return value;
    if (auto buffer = dyn_cast<step::BufferType>(type)) {
      int64_t slot = slots.take(buffer, /*scratch=*/false, first.lookup(operand.key()),
                                last.lookup(operand.key()));
      std::string name = operand.counts ? "counts" : "b" + std::to_string(buffers++);
      return value = step::BufferOp::create(builder, loc, buffer, name, slot, false);
    }
    return value = builder.clone(*operand.value.getDefiningOp())->getResult(0);
  }

  ArrayRef<Run> runs;
  OpBuilder builder;
  SmallVector<Value> outputs;                               // logits, and with them the choice
  DenseMap<std::pair<Value, unsigned>, size_t> first, last; // by Operand::key
  DenseMap<std::pair<Value, unsigned>, Value> resolved;
  SlotAllocator slots;
  int buffers = 0;
};

//===----------------------------------------------------------------------===//
// The pass
//===----------------------------------------------------------------------===//

struct SchedulePass : kvasir::impl::SchedulePassBase<SchedulePass> {
  using SchedulePassBase::SchedulePassBase;

  void runOnOperation() override {
    ModuleOp module = getOperation();
    auto step = module.lookupSymbol<func::FuncOp>("step");
    if (!step || step.isExternal()) {
      module.emitError("expected a function @step with a body");
      return signalPassFailure();
    }
    if (failed(checkStep(step)))
      return signalPassFailure();
    eraseUnused(step.getBody().front());
    setLayouts(module, step);
    PhaseBuilder phases(module, step, blocks);
    if (naive) {
      addProgram(phases, step, "naive", ProgramKind::naive, 0);
    } else if (blocks) {
      addChoice(step, getOperation());
      addProgramsForBlocks(phases, step);
    } else {
      addProgram(phases, step, "decode", ProgramKind::decode, decodeTokens);
      addProgram(phases, step, "prefill", ProgramKind::prefill, 0);
    }
    step.erase();
  }

  /// Programs for up to so many tokens each: linear layers have forms for few tokens, many, and
  /// prompts, and contexts are divided up to a number that depends on their length.
  void addProgramsForBlocks(PhaseBuilder &phases, func::FuncOp step) {
    func::FuncOp split = splitContexts(step, getOperation());
    int64_t mostSplit = split ? splitTokens(split) : 0;
    std::set<int64_t> bounds = {step::fewSteps, step::manyTokens};
    if (split)
      bounds.insert(mostSplit);
    bounds.insert(std::numeric_limits<int64_t>::max());
    for (int64_t most : bounds) {
      bool last = most == *bounds.rbegin();
      std::string name = last ? "prefill" : "decode" + std::to_string(most);
      int64_t tile = most <= step::fewSteps     ? step::fewTokens
                     : most <= step::manyTokens ? step::manyTokens
                                                : step::promptTokens;
      addProgram(phases, most <= mostSplit ? split : step, name, ProgramKind::prefill,
                 last ? 0 : most, tile);
    }
    if (split)
      split.erase();
  }

  /// A value that nobody reads has no buffer.
  static void eraseUnused(Block &block) {
    for (Operation &op : llvm::make_early_inc_range(llvm::reverse(block)))
      if (isOpTriviallyDead(&op))
        op.erase();
  }

  /// Linear layers read panels; what only other ops use lies as it is.
  void setLayouts(ModuleOp module, func::FuncOp step) {
    module.walk([&](llm::WeightOp weight) {
      weight.setLayoutAttr(llm::WeightLayoutAttr::get(&getContext(), llm::WeightLayout::row_major));
    });
    if (naive)
      return;
    auto setLayout = [&](Value value, llm::WeightLayout layout) {
      auto get = value.getDefiningOp<llm::GetWeightOp>();
      module.lookupSymbol<llm::WeightOp>(get.getNameAttr())
          .setLayoutAttr(llm::WeightLayoutAttr::get(&getContext(), layout));
    };
    auto isEncoded = [](Value value) {
      return cast<llm::WeightType>(value.getType()).getEncoding().has_value();
    };
    auto plain = blocks ? llm::WeightLayout::mma16 : llm::WeightLayout::panel16;
    step.walk([&](llm::LinearOp linear) {
      for (Value value : linear.getWeights())
        setLayout(value, isEncoded(value) ? llm::WeightLayout::panel32 : plain);
    });
    step.walk([&](llm::EmbeddingOp embedding) {
      if (isEncoded(embedding.getTable()))
        setLayout(embedding.getTable(), llm::WeightLayout::panel32);
    });
  }

  void addProgram(PhaseBuilder &phases, func::FuncOp step, StringRef name, ProgramKind kind,
                  int64_t maxTokens, int64_t tokenTile = 0) {
    SmallVector<Run> runs;
    for (const PhaseDraft &draft : draftPhases(step, kind))
      runs.push_back(phases.build(draft, tokenTile));
    ProgramBuilder(step, runs).build(step.getLoc(), name, maxTokens);
  }
};

} // namespace
