// Reading of source files. Not mapped: a file that shrinks under a mapping ends
// the process.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "SourceFile.h"

#include "Hash.h"

#include "llvm/Support/Errno.h"
#include "llvm/Support/Path.h"

#include <cerrno>
#include <fcntl.h>
#include <memory>
#include <sys/stat.h>
#include <unistd.h>

namespace kvasir {

static llvm::Error failed(const char *what, const std::string &path, const std::string &why) {
  return llvm::createStringError("cannot %s '%s': %s", what, path.c_str(), why.c_str());
}

llvm::Expected<SourceFile> SourceFile::open(std::string path) {
  SourceFile source;
  source.name = std::move(path);
  source.generated = GeneratedFile::parse(llvm::sys::path::filename(source.name));
  if (source.generated) {
    source.bytes = source.generated->bytes;
    return source;
  }
  // Not to wait for a writer, should it be a pipe.
  source.file = ::open(source.name.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  struct stat status;
  if (source.file < 0 || fstat(source.file, &status) != 0)
    return failed("open", source.name, llvm::sys::StrError(errno));
  if (!S_ISREG(status.st_mode))
    return failed("read", source.name, "it is not a regular file");
  source.bytes = status.st_size;
  source.changed = status.st_mtim;
  return source;
}

SourceFile::SourceFile(SourceFile &&other) noexcept
    : name(std::move(other.name)), generated(other.generated), file(other.file), bytes(other.bytes),
      changed(other.changed) {
  other.file = -1;
}

SourceFile::~SourceFile() {
  if (file >= 0)
    close(file);
}

llvm::Error SourceFile::read(void *buffer, uint64_t size, uint64_t offset) const {
  if (generated && (size > bytes || offset > bytes - size))
    return failed("read", name, "it ends before");
  if (generated) {
    generated->read(buffer, size, offset);
    return llvm::Error::success();
  }
  char *to = static_cast<char *>(buffer);
  uint64_t done = 0;
  while (done < size) {
    ssize_t got = pread(file, to + done, size - done, offset + done);
    if (got < 0 && errno == EINTR)
      continue;
    if (got < 0)
      return failed("read", name, llvm::sys::StrError(errno));
    if (got == 0)
      return llvm::createStringError(
          "'%s' ended at byte %llu, but had %llu bytes when it was opened; "
          "do not change it while it is compiled",
          name.c_str(), (unsigned long long)(offset + done), (unsigned long long)bytes);
    done += got;
  }
  return llvm::Error::success();
}

llvm::Expected<artifact::HashValue> SourceFile::hash(const std::atomic<bool> *cancelled) const {
  if (generated) {
    std::string rule = generated->name();
    return hashBytes(rule.data(), rule.size());
  }
  constexpr uint64_t blockBytes = 1 << 20;
  auto block = std::make_unique<char[]>(std::min(bytes, blockBytes));
  auto hasher = std::make_unique<Hasher>();
  for (uint64_t offset = 0; offset < bytes; offset += blockBytes) {
    if (cancelled && *cancelled)
      return llvm::createStringError("interrupted");
    uint64_t size = std::min(blockBytes, bytes - offset);
    if (llvm::Error error = read(block.get(), size, offset))
      return std::move(error);
    hasher->update(block.get(), size);
  }
  return hasher->value();
}

llvm::Error SourceFile::checkUnchanged() const {
  if (generated)
    return llvm::Error::success();
  struct stat status;
  if (fstat(file, &status) != 0)
    return failed("read", name, llvm::sys::StrError(errno));
  if (uint64_t(status.st_size) == bytes && status.st_mtim.tv_sec == changed.tv_sec &&
      status.st_mtim.tv_nsec == changed.tv_nsec)
    return llvm::Error::success();
  return llvm::createStringError("'%s' changed while it was read (%llu bytes before, %llu now); "
                                 "do not change it while it is compiled",
                                 name.c_str(), (unsigned long long)bytes,
                                 (unsigned long long)status.st_size);
}

} // namespace kvasir
