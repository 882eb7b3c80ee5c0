// The command line of `kvasir compile`.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_TOOLS_KVASIR_COMPILECOMMAND_H
#define KVASIR_TOOLS_KVASIR_COMPILECOMMAND_H

#include "Compiler.h"
#include "Program.h"

namespace kvasir::cli {

struct CompileCommand {
  CompileOptions compile;
  std::string output;
  std::string emit = "artifact";
  ProgramParts parts; ///< of exe and lib
  std::string phases;
  bool listPhases = false;
  bool measure = false;
  bool json = false;
  bool quiet = false;
};

/// What the artifact remembers of the command line: all that changes it.
std::vector<std::string> provenanceOf(const CompileCommand &options);

/// What is made, by which phases, for which targets and variants; what does not suit each other is
/// refused.
void settleEmission(CompileCommand &options);

/// Where results go, and what precedes the artifact there.
void settleOutput(CompileCommand &options);

/// "a, b, c".
std::string joinNames(const std::vector<std::string> &names);

} // namespace kvasir::cli

#endif // KVASIR_TOOLS_KVASIR_COMPILECOMMAND_H
