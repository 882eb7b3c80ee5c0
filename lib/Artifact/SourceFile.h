// A file that values are read from, which must stay as it is meanwhile.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_LIB_ARTIFACT_SOURCEFILE_H
#define KVASIR_LIB_ARTIFACT_SOURCEFILE_H

#include "kvasir/Artifact/Module_generated.h"
#include "kvasir/Support/GeneratedFile.h"

#include "llvm/Support/Error.h"

#include <atomic>
#include <ctime>
#include <string>

namespace kvasir {

class SourceFile {
public:
  /// Opens a regular file, or, where the last part of `path` is the name of a
  /// generated file, that.
  static llvm::Expected<SourceFile> open(std::string path);

  SourceFile(SourceFile &&other) noexcept;
  SourceFile &operator=(SourceFile &&) = delete;
  ~SourceFile();

  const std::string &path() const { return name; }
  uint64_t size() const { return bytes; }

  /// Reads exactly `size` bytes at `offset`. May be called by many threads.
  llvm::Error read(void *buffer, uint64_t size, uint64_t offset) const;

  /// XXH3-128 of the whole file; of the name of a generated one, which decides
  /// its bytes.
  llvm::Expected<artifact::HashValue> hash(const std::atomic<bool> *cancelled) const;

  /// An error when size or time of change are not what they were when opened.
  llvm::Error checkUnchanged() const;

private:
  SourceFile() = default;

  std::string name;
  std::optional<GeneratedFile> generated; ///< instead of `file`
  int file = -1;
  uint64_t bytes = 0;
  timespec changed = {};
};

} // namespace kvasir

#endif // KVASIR_LIB_ARTIFACT_SOURCEFILE_H
