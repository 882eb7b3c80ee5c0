// Atomic output files and the safetensors container.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "Output.h"

#include "Common.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <nlohmann/json.hpp>
#include <sys/stat.h>
#include <unistd.h>

namespace kvasir::cli {

void checkOutputPath(const std::string &path) {
  struct stat status;
  if (stat(path.c_str(), &status) == 0) {
    if (!S_ISREG(status.st_mode))
      fail(exitBadInput,
           format("cannot write '%s': it exists and is not a regular file", path.c_str()));
    return;
  }
  size_t slash = path.rfind('/');
  std::string directory = slash == std::string::npos ? "."
                          : slash == 0               ? "/"
                                                     : path.substr(0, slash);
  if (path.empty() || slash == path.size() - 1)
    fail(exitBadInput, format("cannot write '%s': expected the name of a file", path.c_str()));
  if (stat(directory.c_str(), &status) != 0 || !S_ISDIR(status.st_mode))
    fail(exitBadInput,
         format("cannot write '%s': there is no directory '%s'", path.c_str(), directory.c_str()));
}

void checkNotInput(const std::string &path, const std::string &input) {
  struct stat target, source;
  if (stat(path.c_str(), &target) == 0 && stat(input.c_str(), &source) == 0 &&
      target.st_dev == source.st_dev && target.st_ino == source.st_ino)
    fail(exitBadInput,
         format("cannot write '%s': it is the input; write to another file", path.c_str()));
}

AtomicFile::AtomicFile(std::string target) : path(std::move(target)) {
  checkOutputPath(path);
  temporary = path + ".partial-XXXXXX";
  file = mkostemp(temporary.data(), O_CLOEXEC);
  if (file < 0) {
    temporary.clear();
    failWith("create");
  }
  mode_t mask = umask(0);
  umask(mask);
  fchmod(file, 0666 & ~mask);
}

AtomicFile::~AtomicFile() {
  if (file >= 0)
    close(file);
  if (!temporary.empty())
    unlink(temporary.c_str());
}

void AtomicFile::failWith(const char *what) {
  fail(exitBadInput, format("cannot %s '%s': %s", what, path.c_str(), std::strerror(errno)));
}

void AtomicFile::write(const void *data, size_t size, uint64_t offset) {
  const char *at = static_cast<const char *>(data);
  while (size > 0) {
    ssize_t count = pwrite(file, at, size, static_cast<off_t>(offset));
    if (count < 0 && errno == EINTR)
      continue;
    if (count <= 0)
      failWith("write");
    at += count;
    size -= static_cast<size_t>(count);
    offset += static_cast<uint64_t>(count);
  }
}

void AtomicFile::commit() {
  if (fsync(file) != 0)
    failWith("write");
  if (rename(temporary.c_str(), path.c_str()) != 0)
    failWith("create");
  temporary.clear();
}

size_t SafetensorsWriter::declare(std::string name, const char *type, std::vector<uint64_t> shape) {
  uint64_t offset = tensors.empty() ? 0 : tensors.back().offset + tensors.back().size;
  uint64_t size = 4;
  for (uint64_t extent : shape)
    size *= extent;
  tensors.push_back({std::move(name), type, std::move(shape), offset, size});
  return tensors.size() - 1;
}

void SafetensorsWriter::writeHeader() {
  nlohmann::ordered_json header = nlohmann::ordered_json::object();
  for (const Tensor &tensor : tensors)
    header[tensor.name] = {{"dtype", tensor.type},
                           {"shape", tensor.shape},
                           {"data_offsets", {tensor.offset, tensor.offset + tensor.size}}};
  std::string text = header.dump();
  text.resize((text.size() + 7) / 8 * 8, ' '); // data starts aligned
  uint64_t size = text.size();                 // little endian, as all targets of this tool
  file.write(&size, sizeof(size), 0);
  file.write(text.data(), text.size(), sizeof(size));
  dataOffset = sizeof(size) + text.size();
}

void SafetensorsWriter::write(size_t tensor, const void *data, uint64_t first, size_t count) {
  file.write(data, count * 4, dataOffset + tensors[tensor].offset + first * 4);
}

} // namespace kvasir::cli
