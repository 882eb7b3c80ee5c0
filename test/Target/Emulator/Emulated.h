// Kernels of a gpu.module, compiled for the emulator, loaded and called.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_TEST_TARGET_EMULATOR_EMULATED_H
#define KVASIR_TEST_TARGET_EMULATOR_EMULATED_H

#include "kvasir-c/abi.h"
#include "kvasir-c/checked.h"
#include "kvasir/Target/Emulator/Lowering.h"

#include <string>
#include <vector>

namespace kvasir::test {

/// Memory of one operand.
struct Operand {
  void *data;
  uint64_t bytes;
  bool writable = true;

  template <class T>
  Operand(std::vector<T> &values, bool writable = true)
      : data(values.data()), bytes(values.size() * sizeof(T)), writable(writable) {}
  Operand(void *data, uint64_t bytes, bool writable = true)
      : data(data), bytes(bytes), writable(writable) {}
};

/// The code of every gpu.module in a module.
class Emulated {
public:
  /// From text. `failure` says what went wrong, with all diagnostics.
  explicit Emulated(const std::string &text, const EmulatorOptions &options = {});
  /// From a module that holds gpu.modules, one of which is @chip; it is changed.
  Emulated(mlir::ModuleOp module, llvm::StringRef chip, const EmulatorOptions &options = {});
  ~Emulated();
  Emulated(const Emulated &) = delete;
  Emulated &operator=(const Emulated &) = delete;

  /// Runs a kernel on `workers` threads. Returns what was found wrong, or "".
  std::string run(const std::string &kernel, std::vector<Operand> operands,
                  const kvasir_step_args *args = nullptr, int32_t workers = 1) const;

  std::string failure;

private:
  void compile(mlir::ModuleOp module, llvm::StringRef chip, const EmulatorOptions &options);
  void *library = nullptr;
};

/// A module @sm_90 with one kernel @k of 32 `threads` in one block, with operands %in and %out.
/// `body` finds the thread's index as %tid and the places of its i32 as %in_at and %out_at, and
/// ends with what is to be done before the return.
struct KernelText {
  std::string body;
  std::string globals = {};
  int threads = 32;
  int blocks = 1;
  std::string attributes = {}; // further ones, each after a comma
  std::string chip = "sm_90";

  std::string str() const;
};

} // namespace kvasir::test

#endif // KVASIR_TEST_TARGET_EMULATOR_EMULATED_H
