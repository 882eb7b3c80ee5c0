// Arguments, operands and homes; phases of kind rows.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "PhaseEmitter.h"

#include "kvasir-c/abi.h"

using namespace mlir;
using namespace kvasir;
using namespace kvasir::cpu;

PhaseEmitter::PhaseEmitter(ImplicitLocOpBuilder &b, step::PhaseOp phase, func::FuncOp function,
                           const target::CPUVariant &variant)
    : Emitter(b), phase(phase), function(function), variant(variant) {
  args = function.getArgument(0);
  operands = function.getArgument(1);
  auto widen = [&](Value v) -> Value { return arith::ExtSIOp::create(b, i64(), v); };
  auto field = [&](size_t offset) { return widen(load(i32(), at(args, offset))); };
  worker = widen(function.getArgument(2));
  workers = widen(function.getArgument(3));
  tokens = field(offsetof(kvasir_step_args, tokens));
  rows = field(offsetof(kvasir_step_args, rows));
  blocks = field(offsetof(kvasir_step_args, blocks));
}

Value PhaseEmitter::argsField(size_t offset) { return load(ptr(), at(args, offset)); }

Value PhaseEmitter::inputArray(step::InputKind kind) { return argsField(emit::offsetOf(kind)); }

Value PhaseEmitter::operand(Value blockArgument) {
  unsigned index = cast<BlockArgument>(blockArgument).getArgNumber();
  return load(ptr(), at(operands, index * sizeof(void *)));
}

Value PhaseEmitter::bufferRow(Value buffer, Value row) {
  auto type = cast<step::BufferType>(buffer.getType());
  Value base = operand(buffer);
  if (int64_t rows = type.getTileRows(); rows > 1)
    return type.getExtent() == step::Extent::one
               ? base
               : at(base, mul(div(row, c(rows)), c(type.getTile().bytes)));
  return type.getExtent() == step::Extent::one ? base : at(base, mul(row, c(type.getRowBytes())));
}

Value PhaseEmitter::rowAddress(Value value, Value row) {
  Value home = homeOf(value);
  assert(home && "a value on rows has a home");
  return bufferRow(home, row);
}

Value PhaseEmitter::extent(Value value) { return isOnRows(value) ? rows : tokens; }

Value PhaseEmitter::tableOf(Value request) {
  Value stride = arith::ExtSIOp::create(
      b, i64(), load(i32(), at(args, offsetof(kvasir_step_args, page_stride))));
  return at(argsField(offsetof(kvasir_step_args, page_table)), mul(mul(request, stride), c(4)));
}

Value PhaseEmitter::pageOf(Value cache, Value request, Value position) {
  auto type = cast<kv::PagedType>(cache.getType());
  Value page = loadInt(tableOf(request), div(position, c(KVASIR_PAGE_TOKENS)));
  return at(operand(cache), mul(page, c(type.getPageBytes())));
}

Value PhaseEmitter::phaseStack(int64_t bytes) {
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(&function.getBody().front());
  return stack(bytes);
}

std::pair<Value, Value> PhaseEmitter::ownRange(Value count) {
  Value first = div(mul(count, worker), workers);
  Value last = div(mul(count, add(worker, c(1))), workers);
  return {first, last};
}

func::FuncOp PhaseEmitter::declareInternal(StringRef name, ArrayRef<Type> inputs) {
  auto internal = func::FuncOp::create(b, name, b.getFunctionType(inputs, {}));
  internal.setPrivate();
  internal->setAttr("llvm.linkage",
                    LLVM::LinkageAttr::get(b.getContext(), LLVM::Linkage::Internal));
  Block *entry = internal.addEntryBlock();
  b.setInsertionPointToStart(entry);
  func::ReturnOp::create(b);
  b.setInsertionPoint(entry->getTerminator());
  return internal;
}

void PhaseEmitter::copyRow(Value from, Value to, int64_t columns) {
  int64_t lanes = lanesFor(columns);
  loop(c(0), c(columns * 4), lanes * 4,
       [&](Value i) { store(load(vec(lanes), at(from, i)), at(to, i)); });
}

func::FuncOp PhaseEmitter::declareOnce(const std::string &name, ArrayRef<Type> inputs,
                                       llvm::function_ref<void(ValueRange)> body) {
  auto module = function->getParentOfType<ModuleOp>();
  if (auto known = module.lookupSymbol<func::FuncOp>(name))
    return known;
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPoint(function);
  auto declared = declareInternal(name, inputs);
  body(declared.getArguments());
  return declared;
}

void PhaseEmitter::emit() {
  switch (phase.getKind()) {
  case step::PhaseKind::rows:
    return emitRowsPhase();
  case step::PhaseKind::panels:
    return emitPanels(*this);
  case step::PhaseKind::attend:
    return emitAttend(*this);
  case step::PhaseKind::serial:
    return emitSerial(*this);
  }
}

/// Every row by its owner, all ops of the row before the next row.
void PhaseEmitter::emitRowsPhase() {
  Block &body = phase.getBody().front();
  Value count = tokens;
  for (Operation &op : body)
    if (op.getNumResults() == 1 && !isa<step::ReadOp, step::InputOp>(op)) {
      count = extent(op.getResult(0));
      break;
    }
  auto [first, last] = ownRange(count);
  loop(first, last, 1, [&](Value row) {
    for (Operation &op : body)
      if (!isa<step::ReadOp, step::InputOp, step::WriteOp>(op))
        emitRow(&op, row);
    for (auto write : body.getOps<step::WriteOp>())
      if (write.getBuffer() != homeOf(write.getValue()))
        copyBufferRow(homeOf(write.getValue()), write.getBuffer(), row);
  });
}
