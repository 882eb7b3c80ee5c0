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

Checker::Checker(const kvasir_checker &functions, const Module &module, const MemoryPlan &plan)
    : functions(functions), module(module), plan(plan) {
  for (const Program *program : *module.programs())
    slots += program->slots()->size();
  uint64_t caches = plan.cacheOffsets.size();
  notes.resize(slots + caches * plan.pages);
  for (uint32_t slot = 0; slot < slots; ++slot)
    memories.push_back({0, &notes[slot]});
  for (uint64_t i = 0; i < caches; ++i)
    memories.push_back({module.caches()->Get(static_cast<uint32_t>(i))->page_bytes(),
                        notes.data() + slots + i * plan.pages});
}

/// Buffers get their length when the step is known.
kvasir_operand_extent Checker::extent(const Program &program, const Operand &operand) const {
  uint32_t before = 0; // slots of programs before this one
  for (const Program *other : *module.programs()) {
    if (other == &program)
      break;
    before += other->slots()->size();
  }
  switch (operand.kind()) {
  case OperandKind::weight:
    return {module.weights()->Get(operand.index())->size(), /*writable=*/0, 0};
  case OperandKind::cache:
    return {module.caches()->Get(operand.index())->page_bytes() * plan.pages, 1,
            slots + operand.index() + 1};
  case OperandKind::counter:
    return {KVASIR_ALIGNMENT, 1, 0};
  case OperandKind::slot:
    break;
  }
  return {0, operand.units() ? 2u : 1u, before + operand.index() + 1};
}

void *Checker::addRow(const Program &program, const Row &row) {
  CheckedRow &added = rows.emplace_back(CheckedRow{&program, &row, {}, {}});
  if (row.operands())
    for (const Operand *operand : *row.operands())
      added.extents.push_back(extent(program, *operand));
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
  functions.start_step(state, memories.data());
}

void Checker::takePage(int32_t page) {
  for (size_t cache = slots; cache < memories.size(); ++cache)
    memories[cache].written[page] = 0;
}

Status Checker::status() const {
  const char *finding = functions.finding(state);
  return finding ? error(Code::internal, std::string("the code is wrong: ") + finding)
                 : Status::ok();
}

} // namespace kvasir::rt
