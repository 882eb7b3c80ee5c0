// A file mapped read-only for as long as the object lives.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "artifact/MappedFile.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

namespace kvasir::rt {

static Status systemError(Code code, const char *what, const std::string &path) {
  return error(code, format("cannot %s '%s': %s", what, path.c_str(), std::strerror(errno)));
}

static Result<MappedFile> nothing(Status status) { return status; }

Result<MappedFile> MappedFile::open(const std::string &path) {
  // Without O_NONBLOCK a FIFO would wait for its writer.
  int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0)
    return nothing(systemError(errno == ENOENT ? Code::notFound : Code::unavailable, "open", path));
  MappedFile mapped;
  mapped.file = fd;
  struct stat info;
  if (fstat(fd, &info) != 0)
    return nothing(systemError(Code::unavailable, "read", path));
  if (!S_ISREG(info.st_mode))
    return nothing(
        error(Code::invalidArgument, format("'%s' is not a regular file", path.c_str())));
  if (info.st_size == 0)
    return mapped;
  size_t length = static_cast<size_t>(info.st_size);
  void *memory = mmap(nullptr, length, PROT_READ, MAP_SHARED, fd, 0);
  if (memory == MAP_FAILED)
    return nothing(systemError(Code::resourceExhausted, "map", path));
  mapped.bytes = static_cast<const unsigned char *>(memory);
  mapped.length = mapped.visible = length;
  return mapped;
}

MappedFile::~MappedFile() {
  if (bytes)
    munmap(const_cast<unsigned char *>(bytes), length);
  if (file >= 0)
    close(file);
}

} // namespace kvasir::rt
