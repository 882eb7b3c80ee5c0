// Atomic creation of a large file.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "OutputFile.h"

#include "Hash.h"
#include "kvasir/Artifact/Format.h"

#include "llvm/Support/Errno.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MathExtras.h"
#include "llvm/Support/Path.h"

#include <cerrno>
#include <fcntl.h>
#include <random>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

namespace kvasir {

FileSizeSignalBlock::FileSizeSignalBlock() {
  sigset_t blocked;
  sigemptyset(&blocked);
  sigaddset(&blocked, SIGXFSZ);
  pthread_sigmask(SIG_BLOCK, &blocked, &previous);
}

FileSizeSignalBlock::~FileSizeSignalBlock() {
  // One that came meanwhile would arrive as soon as it is unblocked.
  if (!sigismember(&previous, SIGXFSZ)) {
    sigset_t blocked;
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGXFSZ);
    timespec noTime = {};
    while (sigtimedwait(&blocked, nullptr, &noTime) > 0)
      ;
  }
  pthread_sigmask(SIG_SETMASK, &previous, nullptr);
}

llvm::Error OutputFile::failure(const char *what, int code) const {
  using Wide = unsigned long long;
  std::string path = directory + "/" + name;
  if (code == ENOSPC || code == EDQUOT) {
    struct statvfs status = {};
    fstatvfs(directoryFile, &status);
    return llvm::createStringError(
        "cannot %s '%s': it needs %llu bytes, but %llu are free on its disk; "
        "make room or write it elsewhere",
        what, path.c_str(), Wide(size), Wide(status.f_bavail) * status.f_frsize);
  }
  rlimit limit = {};
  if (code == EFBIG && getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur < size)
    return llvm::createStringError(
        "cannot %s '%s': it needs %llu bytes, but files are limited to %llu "
        "bytes here; raise the limit (ulimit -f)",
        what, path.c_str(), Wide(size), Wide(limit.rlim_cur));
  return llvm::createStringError("cannot %s '%s': %s", what, path.c_str(),
                                 llvm::sys::StrError(code).c_str());
}

static std::string temporaryName(const std::string &name) {
  char suffix[32];
  snprintf(suffix, sizeof(suffix), ".tmp-%08x", std::random_device()());
  return "." + name.substr(0, 200) + suffix; // names may have 255 bytes
}

llvm::Error OutputFile::open(bool unnamed, unsigned mode) {
  directoryFile = ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (directoryFile < 0)
    return failure("write", errno);
  if (unnamed)
    file = openat(directoryFile, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, mode);
  for (int attempt = 0; file < 0 && attempt < 16; ++attempt) {
    std::string candidate = temporaryName(name);
    file = openat(directoryFile, candidate.c_str(), O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, mode);
    if (file >= 0)
      temporary = candidate;
    else if (errno != EEXIST)
      break;
  }
  return file < 0 ? failure("write", errno) : llvm::Error::success();
}

llvm::Error OutputFile::reserve() const {
  int code;
  do
    code = fallocate(file, 0, 0, size) == 0 ? 0 : errno;
  while (code == EINTR);
  if (code == EOPNOTSUPP || code == ENOSYS)
    code = ftruncate(file, size) == 0 ? 0 : errno;
  return code == 0 ? llvm::Error::success() : failure("write", code);
}

llvm::Error OutputFile::writeProgram(llvm::ArrayRef<uint8_t> program, uint64_t artifactSize) const {
  std::vector<uint8_t> image(program.begin(), program.end());
  image.resize(origin);
  artifact::Trailer trailer = {origin, artifactSize, XXH3_64bits(image.data(), origin), 0, {}};
  trailer.hash = XXH3_64bits(&trailer, offsetof(artifact::Trailer, hash));
  std::copy(std::begin(artifact::trailerMagic), std::end(artifact::trailerMagic), trailer.magic);
  if (llvm::Error error = writeAt(image.data(), origin, 0))
    return error;
  return writeAt(&trailer, sizeof(trailer), origin + artifactSize);
}

llvm::Expected<OutputFile> OutputFile::create(llvm::StringRef path, uint64_t size, bool unnamed,
                                              llvm::ArrayRef<uint8_t> program) {
  OutputFile output;
  output.origin = llvm::alignTo(program.size(), artifact::sectionAlignment);
  output.size = output.origin + size + (program.empty() ? 0 : sizeof(artifact::Trailer));
  llvm::SmallString<256> target(path);
  // A link keeps its place; what it points to is replaced.
  llvm::SmallString<256> real;
  if (!llvm::sys::fs::real_path(path, real))
    target = real;
  output.directory = llvm::sys::path::parent_path(target).str();
  if (output.directory.empty())
    output.directory = ".";
  output.name = llvm::sys::path::filename(target).str();
  if (output.name.empty() || output.name == "." || output.name == "..")
    return llvm::createStringError("expected the path of a file, but got '" + path.str() + "'");
  struct stat status;
  if (stat(target.c_str(), &status) == 0 && !S_ISREG(status.st_mode))
    return llvm::createStringError("cannot write '" + path.str() +
                                   "': it is there and not a regular file");
  if (llvm::Error error = output.open(unnamed, program.empty() ? 0666 : 0777))
    return std::move(error);
  if (llvm::Error error = output.reserve())
    return std::move(error);
  if (!program.empty())
    if (llvm::Error error = output.writeProgram(program, size))
      return std::move(error);
  return std::move(output);
}

OutputFile::OutputFile(OutputFile &&other) noexcept
    : directory(std::move(other.directory)), name(std::move(other.name)),
      temporary(std::move(other.temporary)), directoryFile(other.directoryFile), file(other.file),
      size(other.size), origin(other.origin) {
  other.directoryFile = other.file = -1;
  other.temporary.clear();
}

OutputFile::~OutputFile() {
  if (!temporary.empty())
    unlinkat(directoryFile, temporary.c_str(), 0);
  if (file >= 0)
    close(file);
  if (directoryFile >= 0)
    close(directoryFile);
}

llvm::Error OutputFile::write(const void *bytes, uint64_t count, uint64_t offset) const {
  return writeAt(bytes, count, origin + offset);
}

llvm::Error OutputFile::writeAt(const void *bytes, uint64_t count, uint64_t offset) const {
  const char *from = static_cast<const char *>(bytes);
  while (count > 0) {
    ssize_t written = pwrite(file, from, count, offset);
    if (written < 0 && errno == EINTR)
      continue;
    if (written <= 0)
      return failure("write", written < 0 ? errno : ENOSPC);
    from += written;
    offset += written;
    count -= written;
  }
  return llvm::Error::success();
}

void OutputFile::startWriteback(uint64_t count, uint64_t offset) const {
  sync_file_range(file, origin + offset, count, SYNC_FILE_RANGE_WRITE);
}

llvm::Error OutputFile::nameTemporary() {
  std::string self = "/proc/self/fd/" + std::to_string(file);
  for (int attempt = 0; attempt < 16; ++attempt) {
    std::string candidate = temporaryName(name);
    if (linkat(AT_FDCWD, self.c_str(), directoryFile, candidate.c_str(), AT_SYMLINK_FOLLOW) == 0) {
      temporary = candidate;
      return llvm::Error::success();
    }
    if (errno != EEXIST)
      break;
  }
  return failure("name", errno);
}

llvm::Error OutputFile::flush() const {
  return fsync(file) == 0 ? llvm::Error::success() : failure("write", errno);
}

llvm::Error OutputFile::commit() {
  if (temporary.empty())
    if (llvm::Error error = nameTemporary())
      return error;
  // Replaces what is there; a file without a name cannot.
  if (renameat(directoryFile, temporary.c_str(), directoryFile, name.c_str()) != 0)
    return failure("name", errno);
  temporary.clear();
  fsync(directoryFile); // the name; what it names is safe already
  return llvm::Error::success();
}

} // namespace kvasir
