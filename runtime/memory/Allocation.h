// A stretch of anonymous memory, aligned to pages, zero at first, huge pages
// advised.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_RUNTIME_MEMORY_ALLOCATION_H
#define KVASIR_RUNTIME_MEMORY_ALLOCATION_H

#include "support/Status.h"

#include <cstddef>
#include <cstdint>

namespace kvasir::rt {

class Allocation {
public:
  /// Reserves; the system gives memory when it is touched. Zero bytes are
  /// allowed.
  static Result<Allocation> create(uint64_t bytes, const char *purpose);

  Allocation() = default;
  Allocation(Allocation &&other) noexcept { swap(other); }
  Allocation &operator=(Allocation &&other) noexcept {
    swap(other);
    return *this;
  }
  ~Allocation();

  unsigned char *data() const { return memory; }
  size_t size() const { return length; }

private:
  void swap(Allocation &other) noexcept {
    std::swap(memory, other.memory);
    std::swap(length, other.length);
  }

  unsigned char *memory = nullptr;
  size_t length = 0;
};

} // namespace kvasir::rt

#endif // KVASIR_RUNTIME_MEMORY_ALLOCATION_H
