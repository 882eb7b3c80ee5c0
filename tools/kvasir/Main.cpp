// kvasir: the command line. No LLVM in here: `compile` is a program of its own,
// so that running a model needs neither its libraries nor their start-up.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "Commands.h"
#include "Common.h"

#include <CLI/CLI.hpp>
#include <string_view>

using namespace kvasir::cli;

static const char examples[] =
    "Examples:\n"
    "  kvasir compile Llama-3.2-1B -o llama.kvasir\n"
    "  kvasir run llama.kvasir -p 'The capital of Norway is' -n 16\n"
    "  kvasir report llama.kvasir --requests 1,8 --context 1024\n"
    "\n"
    "Exit codes: 0 success, 1 usage, 2 bad input, 3 does not fit this machine,\n"
    "4 internal error, 130 interrupted.";

int main(int argc, char **argv) {
  if (argc > 1 && std::string_view(argv[1]) == "compile")
    return executeCompiler(argv);
  CLI::App app("Ahead-of-time compiler and runtime for language models.", "kvasir");
  app.set_version_flag("--version", std::string("kvasir ") + kvasir_version());
  app.footer(examples);
  app.require_subcommand(1);
  Action action;
  app.add_subcommand("compile", "Compile a model into one file");
  addRun(app, action);
  addLogits(app, action);
  addInspect(app, action);
  addReport(app, action);
  addVerify(app, action);
  addBench(app, action);
  addEval(app, action);
  addTokenize(app, action);
  return runTool(app, action, argc, argv);
}
