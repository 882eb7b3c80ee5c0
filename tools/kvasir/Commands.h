// The commands of `kvasir`. Each add function declares one command and what
// runs when the command line has been read.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_TOOLS_KVASIR_COMMANDS_H
#define KVASIR_TOOLS_KVASIR_COMMANDS_H

#include <functional>
#include <string>

namespace CLI {
class App;
} // namespace CLI

namespace kvasir::cli {

/// Returns the exit code, or throws a Failure.
using Action = std::function<int()>;

void addRun(CLI::App &app, Action &action);
/// `app` itself is `run` of the artifact in the file `model`.
void addRunOf(CLI::App &app, Action &action, const std::string &model);
void addLogits(CLI::App &app, Action &action);
void addInspect(CLI::App &app, Action &action);
void addReport(CLI::App &app, Action &action);
void addVerify(CLI::App &app, Action &action);
void addBench(CLI::App &app, Action &action);
void addEval(CLI::App &app, Action &action);
void addTokenize(CLI::App &app, Action &action);

/// The name in messages; "kvasir" without this call. Lives as long as the program.
void setProgramName(const char *name);

/// Reads the command line, runs the action that it chooses, and turns every
/// way to fail into a message and an exit code.
int runTool(CLI::App &app, Action &action, int argc, char **argv);

/// `kvasir compile`: becomes the compiler, kvasir-compile, which lies beside
/// this program. Returns only with an exit code of failure.
int executeCompiler(char **argv);

} // namespace kvasir::cli

#endif // KVASIR_TOOLS_KVASIR_COMMANDS_H
