// For tests: phases in text are compiled for a variant and called with buffers that end at a page
// which may not be touched.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_TEST_TARGET_CPU_KERNEL_H
#define KVASIR_TEST_TARGET_CPU_KERNEL_H

#include "kvasir-c/abi.h"
#include "kvasir/Target/Codegen.h"

#include <memory>
#include <string>
#include <vector>

namespace kvasir::test {

/// Memory between two pages that may not be touched; its end is the start of the second. Filled
/// with NaN.
class Guarded {
public:
  explicit Guarded(size_t bytes);
  ~Guarded();
  Guarded(const Guarded &) = delete;
  Guarded &operator=(const Guarded &) = delete;

  template <typename T = float> T *as() const { return reinterpret_cast<T *>(data); }
  size_t size() const { return bytes; }
  void poison();

private:
  size_t bytes, mapped;
  uint8_t *base, *data;
};

/// The phases of a module, loaded.
class Kernels {
public:
  /// Without `optimized`, LLVM only generates code: that takes half the time.
  Kernels(const std::string &module, const target::CPUVariant &variant, bool optimized);
  ~Kernels();

  std::string failure; ///< empty if nothing went wrong
  /// Whether the variant has no code of its own for these phases.
  bool empty() const { return !library; }
  /// Runs a phase on `tokens` tokens, worker after worker. `operands`: of each worker.
  void run(const std::string &phase, int tokens, std::vector<std::vector<void *>> operands) const;

private:
  void *library = nullptr;
};

} // namespace kvasir::test

#endif // KVASIR_TEST_TARGET_CPU_KERNEL_H
