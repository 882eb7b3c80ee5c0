// Files that appear whole or not at all, and safetensors in such a file.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_TOOLS_KVASIR_OUTPUT_H
#define KVASIR_TOOLS_KVASIR_OUTPUT_H

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace kvasir::cli {

/// Fails unless a file can be put at `path`: its directory exists, and what is
/// there now, if anything, is a regular file.
void checkOutputPath(const std::string &path);

/// Fails if writing to `path` would replace `input`, which is read for it.
void checkNotInput(const std::string &path, const std::string &input);

/// Written under another name in the same directory; commit() gives it its
/// own. Without commit nothing is left behind.
class AtomicFile {
public:
  explicit AtomicFile(std::string path);
  ~AtomicFile();
  AtomicFile(const AtomicFile &) = delete;
  AtomicFile &operator=(const AtomicFile &) = delete;

  void write(const void *data, size_t size, uint64_t offset);
  void commit();

private:
  [[noreturn]] void failWith(const char *what);

  std::string path;
  std::string temporary;
  int file = -1;
};

/// A safetensors file whose tensors are all declared before the first write.
class SafetensorsWriter {
public:
  explicit SafetensorsWriter(const std::string &path) : file(path) {}

  /// `type` as safetensors spells it, e.g. "F32"; all have 4-byte elements.
  /// Returns the number of the tensor.
  size_t declare(std::string name, const char *type, std::vector<uint64_t> shape);
  void writeHeader();
  /// `count` elements from element `first` on.
  void write(size_t tensor, const void *data, uint64_t first, size_t count);
  void commit() { file.commit(); }

private:
  struct Tensor {
    std::string name;
    const char *type;
    std::vector<uint64_t> shape;
    uint64_t offset; ///< in the data
    uint64_t size;   ///< bytes
  };
  AtomicFile file;
  std::vector<Tensor> tensors;
  uint64_t dataOffset = 0; ///< in the file
};

} // namespace kvasir::cli

#endif // KVASIR_TOOLS_KVASIR_OUTPUT_H
