// Homes of values, groups of linear results, elementwise ops.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "Phase.h"

#include "kvasir-c/abi.h"
#include "llvm/ADT/EquivalenceClasses.h"

#include <map>

using namespace mlir;
using namespace kvasir;
using namespace kvasir::emit;

Value emit::homeOf(Value value) {
  if (auto read = value.getDefiningOp<step::ReadOp>())
    return read.getBuffer();
  // Users come in no useful order; the home is the first write in the block.
  step::WriteOp first;
  for (Operation *user : value.getUsers())
    if (auto write = dyn_cast<step::WriteOp>(user))
      if (!first || write->isBeforeInBlock(first))
        first = write;
  return first ? Value(first.getBuffer()) : Value();
}

size_t emit::offsetOf(step::InputKind kind) {
  switch (kind) {
  case step::InputKind::ids:
    return offsetof(kvasir_step_args, ids);
  case step::InputKind::positions:
    return offsetof(kvasir_step_args, positions);
  case step::InputKind::totals:
    return offsetof(kvasir_step_args, request_total);
  case step::InputKind::rows:
    return offsetof(kvasir_step_args, row_token);
  }
  llvm_unreachable("covered switch");
}

bool emit::isOnRows(Value value) {
  if (auto read = value.getDefiningOp<step::ReadOp>())
    return read.getBuffer().getType().getExtent() == step::Extent::rows;
  if (value.getDefiningOp<llm::SelectRowsOp>())
    return true;
  for (Value operand : value.getDefiningOp()->getOperands())
    if (auto type = dyn_cast<RankedTensorType>(operand.getType()))
      if (type.getRank() == 2)
        return isOnRows(operand);
  return false;
}

SmallVector<LinearGroup> emit::linearGroups(llm::LinearOp linear) {
  llvm::EquivalenceClasses<unsigned> classes;
  DenseMap<Value, unsigned> resultOf; // every epilogue value -> one linear result it stems from
  for (auto [index, result] : llvm::enumerate(linear.getResults())) {
    classes.insert(index);
    resultOf[result] = index;
  }
  SmallVector<Operation *> epilogue;
  for (Operation *op = linear->getNextNode(); op; op = op->getNextNode()) {
    if (!op->hasTrait<llm::ElementwiseOp>())
      continue;
    for (Value operand : op->getOperands()) {
      auto it = resultOf.find(operand);
      if (it == resultOf.end())
        continue;
      auto [own, inserted] = resultOf.try_emplace(op->getResult(0), it->second);
      classes.unionSets(own->second, it->second);
    }
    epilogue.push_back(op);
  }
  std::map<unsigned, LinearGroup> byLeader; // ordered: the code must not depend on addresses
  for (unsigned i = 0; i < linear.getNumResults(); ++i)
    byLeader[classes.getLeaderValue(i)].results.push_back(i);
  for (Operation *op : epilogue)
    byLeader[classes.getLeaderValue(resultOf.lookup(op->getResult(0)))].epilogue.push_back(op);
  SmallVector<LinearGroup> groups;
  for (auto &[leader, group] : byLeader) {
    group.outputs = featuresOf(linear.getResult(group.results.front()));
    groups.push_back(group);
  }
  llvm::sort(groups, [](const LinearGroup &x, const LinearGroup &y) {
    return x.results[0] < y.results[0];
  });
  return groups;
}

static Value emitActivation(Emitter &e, llm::ActivationKind kind, Value x) {
  Type type = x.getType();
  auto k = [&](double value) { return e.constant(type, value); };
  switch (kind) {
  case llm::ActivationKind::silu:
    return e.fdiv(x, e.fadd(k(1), emitExp(e, e.fneg(x))));
  case llm::ActivationKind::gelu:
    return e.fmul(e.fmul(x, k(0.5)), e.fadd(k(1), emitErf(e, e.fmul(x, k(0.70710678118654752)))));
  case llm::ActivationKind::gelu_tanh: {
    Value cube = e.fmul(e.fmul(x, x), x);
    Value inner = e.fmul(k(0.79788456080286536), e.fadd(x, e.fmul(k(0.044715), cube)));
    return e.fmul(e.fmul(k(0.5), x), e.fadd(k(1), emitTanh(e, inner)));
  }
  case llm::ActivationKind::relu:
    return arith::MaximumFOp::create(e.b, x, k(0));
  }
  llvm_unreachable("covered switch");
}

Value emit::emitElementwise(Emitter &e, Operation *op, ValueRange operands) {
  Type type = operands[0].getType();
  if (auto add = dyn_cast<llm::AddOp>(op)) {
    float scale = add.getScale().convertToFloat();
    Value y = scale == 1.0f ? operands[1] : e.fmul(operands[1], e.constant(type, scale));
    return e.fadd(operands[0], y);
  }
  if (auto scale = dyn_cast<llm::ScaleOp>(op))
    return e.fmul(operands[0], e.constant(type, scale.getFactor().convertToFloat()));
  if (auto activation = dyn_cast<llm::ActivationOp>(op))
    return emitActivation(e, activation.getKind(), operands[0]);
  auto gated = cast<llm::GatedActOp>(op);
  return e.fmul(emitActivation(e, gated.getKind(), operands[0]), operands[1]);
}
