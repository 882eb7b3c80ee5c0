// Copying beside the mapping, then exchanging page tables.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "artifact/Resident.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <sys/mman.h>
#include <unistd.h>

namespace kvasir::rt {

static constexpr size_t hugePage = size_t(2) << 20;
static constexpr size_t readAtOnce = size_t(8) << 20;

static size_t roundUp(uintptr_t value) { return (value + hugePage - 1) / hugePage * hugePage; }

namespace {
/// Anonymous memory that starts at a huge page; given back but for what moveTo() took away.
class HugeMemory {
public:
  explicit HugeMemory(size_t size) : length(size + hugePage) {
    base = mmap(nullptr, length, PROT_READ | PROT_WRITE,
                MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    // Advice only: where it is refused, small pages do.
    if (base != MAP_FAILED)
      madvise(data(), size, MADV_HUGEPAGE);
  }
  HugeMemory(const HugeMemory &) = delete;
  HugeMemory &operator=(const HugeMemory &) = delete;
  ~HugeMemory() {
    if (base == MAP_FAILED)
      return;
    // What was moved left a hole, in which another thread may have something by now.
    auto *begin = static_cast<unsigned char *>(base), *end = begin + length;
    unmap(begin, data());
    unmap(data() + moved, end);
  }

  explicit operator bool() const { return base != MAP_FAILED; }
  unsigned char *data() const {
    auto start = reinterpret_cast<uintptr_t>(base);
    return static_cast<unsigned char *>(base) + (roundUp(start) - start);
  }

  /// Puts the first `bytes`, read-only, in the place of what is mapped there; false with errno set.
  bool moveTo(void *place, size_t bytes) {
    if (mprotect(data(), bytes, PROT_READ) != 0 ||
        mremap(data(), bytes, bytes, MREMAP_MAYMOVE | MREMAP_FIXED, place) == MAP_FAILED)
      return false;
    moved = bytes;
    return true;
  }

private:
  static void unmap(unsigned char *begin, const unsigned char *end) {
    if (begin != end)
      munmap(begin, static_cast<size_t>(end - begin));
  }

  void *base;
  size_t length;
  size_t moved = 0;
};
} // namespace

/// Fills memory from a file; false with errno set, 0 at an early end of the file.
static bool readAll(int descriptor, unsigned char *to, size_t bytes, size_t offset) {
  while (bytes != 0) {
    ssize_t got = pread(descriptor, to, std::min(bytes, readAtOnce), static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR)
      continue;
    if (got <= 0) {
      errno = got == 0 ? 0 : errno;
      return false;
    }
    to += got;
    offset += static_cast<size_t>(got);
    bytes -= static_cast<size_t>(got);
  }
  return true;
}

static Status failed(const char *what, int number) {
  return error(number == ENOMEM ? Code::resourceExhausted : Code::unavailable,
               format("cannot %s the weights: %s; an engine with shared weights leaves them in the "
                      "mapped file",
                      what, number ? std::strerror(number) : "the file has become shorter"));
}

Status Resident::move(const MappedFile &file, size_t offset, size_t bytes, int32_t parts,
                      const Parallel &parallel) {
  std::lock_guard lock(moving);
  const unsigned char *begin = file.data() + offset;
  size_t skipped = roundUp(reinterpret_cast<uintptr_t>(begin)) - reinterpret_cast<uintptr_t>(begin);
  if (moved != 0 || bytes < skipped + hugePage)
    return Status::ok();
  size_t pages = (bytes - skipped) / hugePage;
  HugeMemory memory(pages * hugePage);
  if (!memory)
    return failed("allocate memory for", ENOMEM);
  size_t from = file.offsetInFile() + offset + skipped;
  std::atomic<int> failure = -1;
  parallel([&](int32_t part) {
    size_t first = pages * static_cast<size_t>(part) / static_cast<size_t>(parts) * hugePage;
    size_t end = pages * static_cast<size_t>(part + 1) / static_cast<size_t>(parts) * hugePage;
    if (!readAll(file.descriptor(), memory.data() + first, end - first, from + first))
      failure = errno;
  });
  if (failure >= 0)
    return failed("read", failure);
  void *place = const_cast<unsigned char *>(begin + skipped);
  if (!memory.moveTo(place, pages * hugePage)) {
    int reason = errno;
    // It may have taken the mapping away before it failed.
    if (mmap(place, pages * hugePage, PROT_READ, MAP_SHARED | MAP_FIXED, file.descriptor(),
             static_cast<off_t>(from)) == MAP_FAILED)
      return error(Code::internal, "the weights' mapping is lost: the system has no memory for it");
    return failed("move", reason);
  }
  moved = pages * hugePage;
  return Status::ok();
}

size_t Resident::bytes() const {
  std::lock_guard lock(moving);
  return moved;
}

} // namespace kvasir::rt
