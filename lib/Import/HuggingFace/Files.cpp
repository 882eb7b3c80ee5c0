// Files of a checkpoint's directory.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "Files.h"
#include "kvasir/Support/GeneratedFile.h"
#include "llvm/ADT/SmallString.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"

using namespace kvasir;
using llvm::StringRef;
using llvm::Twine;

static std::string pathOf(StringRef directory, StringRef file) {
  llvm::SmallString<256> path(directory);
  llvm::sys::path::append(path, file);
  return path.str().str();
}

bool hf::exists(StringRef directory, StringRef file) {
  return llvm::sys::fs::exists(pathOf(directory, file));
}

bool hf::isPlainFileName(StringRef name) {
  return !name.empty() && name != "." && name != ".." && !GeneratedFile::parse(name) &&
         name.find_first_of(StringRef("/\\\0", 3)) == StringRef::npos;
}

llvm::Expected<uint64_t> hf::fileSize(StringRef directory, StringRef file) {
  llvm::sys::fs::file_status status;
  if (std::error_code error = llvm::sys::fs::status(pathOf(directory, file), status))
    return llvm::createStringError(error, "cannot read " + Twine(file) + ": " + error.message());
  if (status.type() != llvm::sys::fs::file_type::regular_file)
    return llvm::createStringError(llvm::inconvertibleErrorCode(),
                                   "cannot read " + Twine(file) + ": it is not a file");
  return status.getSize();
}

llvm::Expected<std::unique_ptr<llvm::MemoryBuffer>>
hf::readFile(StringRef directory, StringRef file, uint64_t offset, uint64_t length) {
  auto buffer = llvm::MemoryBuffer::getFileSlice(pathOf(directory, file), length, offset);
  if (!buffer)
    return llvm::createStringError(buffer.getError(), "cannot read " + Twine(file) + ": " +
                                                          buffer.getError().message());
  return std::move(*buffer);
}

llvm::Expected<std::string> hf::readText(StringRef directory, StringRef file) {
  constexpr uint64_t limit = uint64_t(256) << 20;
  auto size = fileSize(directory, file);
  if (!size)
    return size.takeError();
  if (*size > limit)
    return llvm::createStringError(llvm::inconvertibleErrorCode(),
                                   Twine(file) + " has " + Twine(*size) + " bytes, more than the " +
                                       Twine(limit) + " that are allowed");
  auto buffer = readFile(directory, file, 0, *size);
  if (!buffer)
    return buffer.takeError();
  return (*buffer)->getBuffer().str();
}
