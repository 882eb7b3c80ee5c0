// For code that checks itself (kvasir-c/checked.h): what each operand of each row may reach in the
// step at hand, and what was found.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_RUNTIME_WORKERS_CHECKER_H
#define KVASIR_RUNTIME_WORKERS_CHECKER_H

#include "artifact/Artifact.h"
#include "kvasir-c/abi.h"
#include "kvasir-c/checked.h"
#include "memory/Plan.h"

#include <deque>
#include <memory>
#include <vector>

namespace kvasir::rt {

class Checker {
public:
  /// Everything it is given outlives it. Takes all memory that checking will need.
  static Result<std::unique_ptr<Checker>>
  create(const kvasir_checker &functions, const artifact::Module &module, const MemoryPlan &plan);
  ~Checker() { functions.destroy(state); }
  Checker(const Checker &) = delete;
  Checker &operator=(const Checker &) = delete;

  /// The pointer that follows the operands of a row.
  void *addRow(const artifact::Program &program, const artifact::Row &row);
  /// Buffers are as long as a step with these arguments may use. No allocation.
  void startStep(const artifact::Program &program, const kvasir_step_args &args);
  /// A page of the caches has a new owner, for whom it holds nothing yet.
  void takePage(int32_t page);
  /// What was found wrong in any step so far.
  Status status() const;

private:
  struct CheckedRow {
    const artifact::Program *program;
    const artifact::Row *row;
    std::vector<kvasir_operand_extent> extents;
    kvasir_checked_row handed;
  };

  Checker(const kvasir_checker &functions, const artifact::Module &module, const MemoryPlan &plan);
  kvasir_operand_extent extent(const artifact::Program &program,
                               const artifact::Operand &operand) const;

  const kvasir_checker &functions;
  const artifact::Module &module;
  const MemoryPlan &plan;
  void *state = nullptr;
  std::deque<CheckedRow> rows; // addresses stay
  /// The slots of each program in turn, then the caches; and what the code notes of them, in the
  /// same order.
  std::vector<kvasir_checked_memory> memories;
  std::vector<uint32_t> notes;
  uint32_t slots = 0; // of all programs
};

} // namespace kvasir::rt

#endif // KVASIR_RUNTIME_WORKERS_CHECKER_H
