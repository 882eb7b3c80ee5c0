// A file that appears under its name when it is complete, or not at all.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_LIB_ARTIFACT_OUTPUTFILE_H
#define KVASIR_LIB_ARTIFACT_OUTPUTFILE_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"

#include <csignal>
#include <string>

namespace kvasir {

/// While it lives, a write beyond the file size limit is an error and not a
/// signal, in this thread and those that it starts.
class FileSizeSignalBlock {
public:
  FileSizeSignalBlock();
  ~FileSizeSignalBlock();
  FileSizeSignalBlock(const FileSizeSignalBlock &) = delete;

private:
  sigset_t previous;
};

class OutputFile {
public:
  /// Starts a file of `size` bytes and takes its space, where the file system
  /// can. It has no name until commit(); without `unnamed`, and on systems
  /// that know no such files, a temporary one beside `path`. With a `program`,
  /// an ELF image, the file is executable: the `size` bytes follow the image
  /// at the next multiple of sectionAlignment, and the trailer follows them.
  static llvm::Expected<OutputFile> create(llvm::StringRef path, uint64_t size, bool unnamed = true,
                                           llvm::ArrayRef<uint8_t> program = {});

  OutputFile(OutputFile &&other) noexcept;
  OutputFile &operator=(OutputFile &&) = delete;
  ~OutputFile();

  /// Writes all of `bytes` at `offset` of the `size` bytes. May be called by many threads.
  llvm::Error write(const void *bytes, uint64_t size, uint64_t offset) const;

  /// Bytes of the file, with the program.
  uint64_t fileSize() const { return size; }

  /// Asks the system to start to write the range to disk.
  void startWriteback(uint64_t size, uint64_t offset) const;

  /// Waits until everything is on disk.
  llvm::Error flush() const;

  /// Gives the file its name; what had it before is replaced.
  llvm::Error commit();

private:
  OutputFile() = default;
  llvm::Error open(bool unnamed, unsigned mode);
  llvm::Error reserve() const;
  llvm::Error writeProgram(llvm::ArrayRef<uint8_t> program, uint64_t artifactSize) const;
  llvm::Error writeAt(const void *bytes, uint64_t size, uint64_t offset) const;
  llvm::Error nameTemporary();
  llvm::Error failure(const char *what, int code) const;

  std::string directory, name; ///< of the output
  std::string temporary;       ///< name in the directory, empty: none yet
  int directoryFile = -1, file = -1;
  uint64_t size = 0;   ///< of the file
  uint64_t origin = 0; ///< where offsets count from
};

} // namespace kvasir

#endif // KVASIR_LIB_ARTIFACT_OUTPUTFILE_H
