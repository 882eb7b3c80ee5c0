// Anonymous memory.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "memory/Allocation.h"

#include <cerrno>
#include <cinttypes>
#include <cstring>
#include <sys/mman.h>

namespace kvasir::rt {

Result<Allocation> Allocation::create(uint64_t bytes, const char *purpose) {
  Allocation allocation;
  if (bytes == 0)
    return allocation;
  void *memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) {
    Status failure =
        error(Code::resourceExhausted, format("cannot allocate %" PRIu64 " bytes for %s: "
                                              "%s",
                                              bytes, purpose, std::strerror(errno)));
    return failure;
  }
  // Advice only: where it is refused, small pages do.
  madvise(memory, bytes, MADV_HUGEPAGE);
  allocation.memory = static_cast<unsigned char *>(memory);
  allocation.length = bytes;
  return allocation;
}

Allocation::~Allocation() {
  if (memory)
    munmap(memory, length);
}

} // namespace kvasir::rt
