// A part of a mapped file, moved into memory of the process, in huge pages, at the same addresses.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_RUNTIME_ARTIFACT_RESIDENT_H
#define KVASIR_RUNTIME_ARTIFACT_RESIDENT_H

#include "artifact/MappedFile.h"

#include <functional>
#include <mutex>

namespace kvasir::rt {

/// The pages of a mapped file are small ones, scattered over memory: each 4 KB takes a walk through
/// the page tables, and streaming them is a fifth to a third slower than streaming huge pages
/// (docs/Rationale/Artifact.md).
class Resident {
public:
  /// Calls part(0) to part(parts - 1), at the same time if it can.
  using Parallel = std::function<void(const std::function<void(int32_t part)> &)>;

  /// Reads what is at [offset, offset + bytes) of `file` into memory and puts that in the place of
  /// the mapping, but for less than 2 MB at either end. Who reads there meanwhile sees the same
  /// bytes before and after. Only the first call does anything, others wait for it; after an error
  /// the mapping is as it was.
  Status move(const MappedFile &file, size_t offset, size_t bytes, int32_t parts,
              const Parallel &parallel);

  /// Memory that was taken.
  size_t bytes() const;

private:
  mutable std::mutex moving;
  size_t moved = 0;
};

} // namespace kvasir::rt

#endif // KVASIR_RUNTIME_ARTIFACT_RESIDENT_H
