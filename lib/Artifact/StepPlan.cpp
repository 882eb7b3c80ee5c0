// Resolves step IR into the tables of the artifact: slots, rows, operands.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "StepPlan.h"

#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/DenseSet.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/SmallBitVector.h"

#include <limits>

namespace kvasir {

constexpr int64_t maxSlots = 1 << 20;

static llvm::Error broken(const llvm::Twine &what) {
  return llvm::createStringError("internal error in the step program: " + what);
}

uint32_t TensorTable::indexOf(llm::WeightOp weight) {
  auto [entry, isNew] = places.try_emplace(weight->getAttrDictionary(), weights.size());
  if (isNew)
    weights.push_back(weight);
  return entry->second;
}

llvm::Error TensorTable::addCaches(mlir::ModuleOp module) {
  llvm::SmallVector<kv::CacheOp> own(module.getOps<kv::CacheOp>());
  if (caches.empty()) {
    caches.assign(own.begin(), own.end());
    return llvm::Error::success();
  }
  auto same = [](kv::CacheOp a, kv::CacheOp b) {
    return a->getAttrDictionary() == b->getAttrDictionary();
  };
  return llvm::equal(caches, own, same) ? llvm::Error::success()
                                        : broken("the targets differ in their caches");
}

/// The arguments of a phase that are weights whose panels workers divide.
static llvm::SmallBitVector streamedArguments(step::PhaseOp phase) {
  mlir::Block &body = phase.getBody().front();
  llvm::SmallBitVector streamed(body.getNumArguments());
  if (phase.getKind() != step::PhaseKind::panels)
    return streamed;
  for (auto linear : body.getOps<llm::LinearOp>())
    for (mlir::Value weight : linear.getWeights())
      if (auto argument = llvm::dyn_cast<mlir::BlockArgument>(weight))
        streamed.set(argument.getArgNumber());
  return streamed;
}

namespace {
class Planner {
public:
  Planner(mlir::ModuleOp module, TensorTable &tensors) : module(module), tensors(tensors) {}
  llvm::Expected<StepPlan> run();

private:
  void collectSymbols();
  llvm::Error addProgram(step::ProgramOp program);
  llvm::Error addOp(mlir::Operation &op);
  llvm::Error addSlot(step::BufferOp buffer);
  llvm::Error addRow(step::RunOp run);
  void markBegins(step::RunOp run, llvm::MutableArrayRef<artifact::Operand> operands);
  llvm::Error setLogits(step::LogitsOp logits);
  llvm::Expected<artifact::Operand> resolve(mlir::Value value, bool streamed);
  llvm::Expected<artifact::Operand> resolveWeight(llm::GetWeightOp get, bool streamed);

  mlir::ModuleOp module;
  TensorTable &tensors;
  StepPlan plan;
  ProgramPlan *current = nullptr;
  llvm::DenseSet<mlir::Value> begun; // buffers of the rows so far
  llvm::DenseMap<mlir::StringAttr, std::pair<uint32_t, step::PhaseOp>> phases;
  llvm::DenseMap<mlir::StringAttr, llm::WeightOp> weights;
  llvm::DenseMap<mlir::StringAttr, uint32_t> cacheIndex;
};
} // namespace

void Planner::collectSymbols() {
  for (auto phase : module.getOps<step::PhaseOp>()) {
    phases[phase.getSymNameAttr()] = {plan.functions.size(), phase};
    plan.functions.push_back(phase.getSymName().str());
  }
  for (auto weight : module.getOps<llm::WeightOp>())
    weights[weight.getSymNameAttr()] = weight;
  for (auto [index, cache] : llvm::enumerate(tensors.caches))
    cacheIndex[cache.getSymNameAttr()] = index;
}

llvm::Expected<artifact::Operand> Planner::resolveWeight(llm::GetWeightOp get, bool streamed) {
  mlir::StringAttr name = get.getNameAttr().getAttr();
  llm::WeightOp weight = weights.lookup(name);
  if (!weight || !weight.getLayout())
    return broken("weight @" + name.getValue() + " " +
                  (weight ? "has no layout" : "does not exist"));
  int64_t rows = llvm::cast<llm::WeightType>(weight.getType()).getRows();
  llm::WeightLayout layout = *weight.getLayout();
  int64_t unit = layout == llm::WeightLayout::row_major ? 0
                 : layout == llm::WeightLayout::panel32 ? unitRows
                                                        : 16;
  return artifact::Operand(artifact::OperandKind::weight, tensors.indexOf(weight),
                           streamed && unit ? (rows + unit - 1) / unit : 0);
}

llvm::Expected<artifact::Operand> Planner::resolve(mlir::Value value, bool streamed) {
  mlir::Operation *op = value.getDefiningOp();
  if (auto buffer = llvm::dyn_cast_or_null<step::BufferOp>(op))
    return artifact::Operand(artifact::OperandKind::slot, buffer.getSlot(), 0);
  if (auto get = llvm::dyn_cast_or_null<llm::GetWeightOp>(op))
    return resolveWeight(get, streamed);
  if (auto get = llvm::dyn_cast_or_null<kv::GetCacheOp>(op)) {
    auto found = cacheIndex.find(get.getNameAttr().getAttr());
    if (found == cacheIndex.end())
      return broken("cache @" + get.getName() + " does not exist");
    return artifact::Operand(artifact::OperandKind::cache, found->second, 0);
  }
  if (llvm::isa_and_nonnull<step::CounterOp>(op))
    return artifact::Operand(artifact::OperandKind::counter, 0, 0);
  return broken("expected an operand from step.buffer, llm.get_weight, "
                "kv.get_cache or step.counter, but got one from " +
                (op ? op->getName().getStringRef() : "a block argument"));
}

llvm::Error Planner::addSlot(step::BufferOp buffer) {
  int64_t index = buffer.getSlot();
  if (index < 0 || index >= maxSlots)
    return broken("buffer '" + buffer.getName() + "' has slot " + llvm::Twine(index));
  if (current->slots.size() <= uint64_t(index))
    current->slots.resize(index + 1);
  SlotPlan &slot = current->slots[index];
  if (slot.used && slot.scratch != buffer.getScratch())
    return broken("slot " + llvm::Twine(index) + " of @" + current->name +
                  " holds both scratch and shared buffers");
  slot.used = true;
  slot.scratch = buffer.getScratch();
  auto type = llvm::cast<step::BufferType>(buffer.getType());
  uint64_t bytes = type.getRowBytes();
  switch (type.getExtent()) {
  case step::Extent::tokens:
    slot.perToken = std::max(slot.perToken, bytes);
    break;
  case step::Extent::rows:
    slot.perRow = std::max(slot.perRow, bytes);
    break;
  case step::Extent::one:
    slot.constant = std::max(slot.constant, type.getTileRows() * bytes);
    break;
  }
  // The last tile of rows is whole.
  slot.constant = std::max(slot.constant, (type.getTileRows() - 1) * bytes);
  return llvm::Error::success();
}

static artifact::Cost convertCost(step::CostAttr cost) {
  return artifact::Cost(cost.getWeightBytes(), cost.getBytesPerToken(),
                        cost.getCacheBytesPerContext(), cost.getFlopsPerToken(),
                        cost.getFlopsPerRow(), cost.getFlopsPerContext());
}

/// Says of buffers that no row before has that they begin here. One that takes the place of another
/// operand of the row does not: its phase works in place.
void Planner::markBegins(step::RunOp run, llvm::MutableArrayRef<artifact::Operand> operands) {
  auto isSlot = [](const artifact::Operand &operand) {
    return operand.kind() == artifact::OperandKind::slot;
  };
  for (auto [value, operand] : llvm::zip(run->getOperands(), operands)) {
    if (!isSlot(operand) || begun.contains(value))
      continue;
    bool inPlace = false;
    for (auto [other, place] : llvm::zip(run->getOperands(), operands))
      inPlace |= isSlot(place) && place.index() == operand.index() && other != value;
    if (!inPlace)
      operand = artifact::Operand(operand.kind(), operand.index(), 1);
  }
  begun.insert(run->operand_begin(), run->operand_end());
}

llvm::Error Planner::addRow(step::RunOp run) {
  auto found = phases.find(run.getPhaseAttr().getAttr());
  if (found == phases.end())
    return broken("phase @" + run.getPhase() + " does not exist");
  auto [function, phase] = found->second;
  llvm::SmallBitVector streamed = streamedArguments(phase);
  if (streamed.size() != run->getNumOperands())
    return broken("phase @" + run.getPhase() + " has " + llvm::Twine(streamed.size()) +
                  " arguments, but got " + llvm::Twine(run->getNumOperands()));
  RowPlan row{function, int32_t(run.getLayer()), {}, convertCost(run.getCost())};
  for (auto [index, value] : llvm::enumerate(run->getOperands())) {
    auto operand = resolve(value, streamed[index]);
    if (!operand)
      return operand.takeError();
    row.operands.push_back(*operand);
  }
  markBegins(run, row.operands);
  current->rows.push_back(std::move(row));
  return llvm::Error::success();
}

llvm::Error Planner::setLogits(step::LogitsOp logits) {
  auto buffer = logits.getBuffer().getDefiningOp<step::BufferOp>();
  if (!buffer || buffer.getScratch())
    return broken("the logits of @" + current->name + " are not in a shared buffer");
  current->logitsSlot = buffer.getSlot();
  current->logitsStride = llvm::cast<step::BufferType>(buffer.getType()).getStride();
  return llvm::Error::success();
}

llvm::Error Planner::addOp(mlir::Operation &op) {
  if (auto buffer = llvm::dyn_cast<step::BufferOp>(op))
    return addSlot(buffer);
  if (auto run = llvm::dyn_cast<step::RunOp>(op))
    return addRow(run);
  if (auto logits = llvm::dyn_cast<step::LogitsOp>(op))
    return setLogits(logits);
  if (auto chosen = llvm::dyn_cast<step::ChosenOp>(op)) // a buffer, by the op's constraints
    current->chosenSlot = chosen.getBuffer().getDefiningOp<step::BufferOp>().getSlot();
  return llvm::Error::success();
}

llvm::Error Planner::addProgram(step::ProgramOp program) {
  int64_t maxTokens = program.getMaxTokens();
  if (maxTokens < 0 || maxTokens > std::numeric_limits<int32_t>::max())
    return broken("@" + program.getSymName() + " has max_tokens " + llvm::Twine(maxTokens));
  current = &plan.programs.emplace_back();
  current->name = program.getSymName().str();
  current->maxTokens = maxTokens;
  for (mlir::Operation &op : program.getBody().front())
    if (llvm::Error error = addOp(op))
      return error;
  return llvm::Error::success();
}

llvm::Expected<StepPlan> Planner::run() {
  if (llvm::Error error = tensors.addCaches(module))
    return std::move(error);
  collectSymbols();
  llvm::SmallVector<step::ProgramOp> programs(module.getOps<step::ProgramOp>());
  if (programs.empty())
    return broken("there is no step.program");
  // A step takes the first program that admits it; 0 admits all.
  llvm::sort(programs, [](step::ProgramOp a, step::ProgramOp b) {
    return uint64_t(a.getMaxTokens()) - 1 < uint64_t(b.getMaxTokens()) - 1;
  });
  for (step::ProgramOp program : programs)
    if (llvm::Error error = addProgram(program))
      return std::move(error);
  return std::move(plan);
}

llvm::Expected<StepPlan> planSteps(mlir::ModuleOp module, TensorTable &tensors) {
  return Planner(module, tensors).run();
}

} // namespace kvasir
