// Lengths of operands, by the step.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "workers/Checker.h"

namespace kvasir::rt {

using namespace artifact;

Result<std::unique_ptr<Checker>> Checker::create(const kvasir_checker &functions,
                                                 const Module &module, const MemoryPlan &plan) {
  void *state = functions.create(plan.threads);
  if (!state)
    return error(Code::resourceExhausted,
                 format("cannot take the memory to check the code of %d workers", plan.threads));
  std::unique_ptr<Checker> checker(new Checker(functions, module, plan));
  checker->state = state;
  return checker;
}

/// Buffers get their length when the step is known.
kvasir_operand_extent Checker::extent(const Operand &operand) const {
  switch (operand.kind()) {
  case OperandKind::weight:
    return {module.weights()->Get(operand.index())->size(), /*writable=*/0, 0};
  case OperandKind::cache:
    return {module.caches()->Get(operand.index())->page_bytes() * plan.pages, 1, 0};
  case OperandKind::counter:
    return {KVASIR_ALIGNMENT, 1, 0};
  case OperandKind::slot:
    break;
  }
  return {0, 1, 0};
}

void *Checker::addRow(const Program &program, const Row &row) {
  CheckedRow &added = rows.emplace_back(CheckedRow{&program, &row, {}, {}});
  if (row.operands())
    for (const Operand *operand : *row.operands())
      added.extents.push_back(extent(*operand));
  added.handed = {state, added.extents.data()};
  return &added.handed;
}

void Checker::startStep(const Program &program, const kvasir_step_args &args) {
  for (CheckedRow &row : rows) {
    if (row.program != &program)
      continue;
    for (size_t i = 0; i < row.extents.size(); ++i) {
      const Operand &operand = *row.row->operands()->Get(static_cast<uint32_t>(i));
      if (operand.kind() != OperandKind::slot)
        continue;
      const Size &size = *program.slots()->Get(operand.index())->size();
      row.extents[i].bytes = size.constant() +
                             size.per_token() * static_cast<uint64_t>(args.tokens) +
                             size.per_row() * static_cast<uint64_t>(args.rows);
    }
  }
}

Status Checker::status() const {
  const char *finding = functions.finding(state);
  return finding ? error(Code::internal, std::string("the code is wrong: ") + finding)
                 : Status::ok();
}

} // namespace kvasir::rt
