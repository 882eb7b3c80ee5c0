// Names of a library that holds a model: several of them, made at different times, may be in one
// process, so each exports the C API under a prefix of its own, and has a header that says so.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_ARTIFACT_LIBRARY_H
#define KVASIR_ARTIFACT_LIBRARY_H

#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"

#include <cstdint>
#include <string>
#include <vector>

namespace kvasir {

/// The prefix that the file's name stands for: "llama_3_2" for "out/libllama-3.2.so".
llvm::Expected<std::string> libraryPrefix(llvm::StringRef path);

/// Renames what the image of a shared library exports, `kvasir_X`, to `<prefix>_X`, and the library
/// itself to `soname`. The image has a SysV hash table, and a section .kvasir.names with room for
/// all names.
llvm::Error renameLibrary(std::vector<uint8_t> &image, llvm::StringRef prefix,
                          llvm::StringRef soname);

/// The header of such a library: the C API and what comes with a model, in one file. `about` is a
/// line of text on the model.
std::string libraryHeader(llvm::StringRef api, llvm::StringRef embedded, llvm::StringRef prefix,
                          llvm::StringRef about);

} // namespace kvasir

#endif // KVASIR_ARTIFACT_LIBRARY_H
