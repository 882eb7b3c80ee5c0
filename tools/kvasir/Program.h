// What is put before an artifact to make it an executable or a library, and the header of the
// latter. The images are built with the compiler and are bytes inside it.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_TOOLS_KVASIR_PROGRAM_H
#define KVASIR_TOOLS_KVASIR_PROGRAM_H

#include "Compiler.h"

namespace kvasir::cli {

struct ProgramParts {
  std::vector<uint8_t> image; ///< empty: the artifact is the file
  std::string prefix;         ///< of a library's functions; empty: no library
  std::string headerPath;     ///< beside the library
  std::string problem;        ///< why there is nothing of this
};

/// For a file `output` of that kind.
ProgramParts programParts(Emit emit, const std::string &output);

/// The text of a library's header; `about` is one line on the model.
std::string programHeader(const ProgramParts &parts, const std::string &about);

} // namespace kvasir::cli

#endif // KVASIR_TOOLS_KVASIR_PROGRAM_H
