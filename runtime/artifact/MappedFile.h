// A file mapped read-only for as long as the object lives.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_RUNTIME_ARTIFACT_MAPPEDFILE_H
#define KVASIR_RUNTIME_ARTIFACT_MAPPEDFILE_H

#include "support/Status.h"

#include <cstddef>
#include <string>

namespace kvasir::rt {

class MappedFile {
public:
  static Result<MappedFile> open(const std::string &path);

  MappedFile() = default;
  MappedFile(MappedFile &&other) noexcept { swap(other); }
  MappedFile &operator=(MappedFile &&other) noexcept {
    swap(other);
    return *this;
  }
  ~MappedFile();

  /// The whole file, or the part that narrow() chose.
  const unsigned char *data() const { return bytes + start; }
  size_t size() const { return visible; }
  /// Of the file that is mapped, and where data() lies in it.
  int descriptor() const { return file; }
  size_t offsetInFile() const { return start; }

  /// Shows only `count` bytes from `offset` on from here on; both lie in what is shown now.
  void narrow(size_t offset, size_t count) {
    start += offset;
    visible = count;
  }

private:
  void swap(MappedFile &other) noexcept {
    std::swap(bytes, other.bytes);
    std::swap(length, other.length);
    std::swap(start, other.start);
    std::swap(visible, other.visible);
    std::swap(file, other.file);
  }

  const unsigned char *bytes = nullptr;
  size_t length = 0;             ///< of the file
  size_t start = 0, visible = 0; ///< what is shown of it
  int file = -1;
};

} // namespace kvasir::rt

#endif // KVASIR_RUNTIME_ARTIFACT_MAPPEDFILE_H
