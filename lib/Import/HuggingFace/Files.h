// Files of a checkpoint's directory, with errors that name them.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_IMPORT_HUGGINGFACE_FILES_H
#define KVASIR_IMPORT_HUGGINGFACE_FILES_H

#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"
#include "llvm/Support/MemoryBuffer.h"
#include <memory>
#include <string>

namespace kvasir::hf {

bool exists(llvm::StringRef directory, llvm::StringRef file);

/// True for a name without folders, of a file that can be there: an index may
/// not point out of its directory.
bool isPlainFileName(llvm::StringRef name);

/// Size in bytes of a regular file.
llvm::Expected<uint64_t> fileSize(llvm::StringRef directory, llvm::StringRef file);

/// `length` bytes at `offset`, mapped when there are many.
llvm::Expected<std::unique_ptr<llvm::MemoryBuffer>>
readFile(llvm::StringRef directory, llvm::StringRef file, uint64_t offset, uint64_t length);

/// A whole text file of at most 256 MiB.
llvm::Expected<std::string> readText(llvm::StringRef directory, llvm::StringRef file);

} // namespace kvasir::hf

#endif // KVASIR_IMPORT_HUGGINGFACE_FILES_H
