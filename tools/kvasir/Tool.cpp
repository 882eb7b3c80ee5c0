// The outermost layer of a program: command line, failures, exit code.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "Commands.h"
#include "Common.h"

#include <CLI/CLI.hpp>
#include <cerrno>
#include <climits>
#include <cstring>
#include <fcntl.h>
#include <unistd.h>

namespace kvasir::cli {

/// "kvasir run": the command that was chosen, for the hint after an error.
static std::string commandOf(const CLI::App &app) {
  std::string name = app.get_name();
  for (const CLI::App *sub : app.get_subcommands())
    name += " " + sub->get_name();
  return name;
}

static int reportUsage(const CLI::App &app, std::string message) {
  while (!message.empty() && (message.back() == '.' || message.back() == '\n'))
    message.pop_back();
  if (message.size() > 1 && std::isupper(static_cast<unsigned char>(message[0])) &&
      !std::isupper(static_cast<unsigned char>(message[1])))
    message[0] = static_cast<char>(std::tolower(message[0]));
  printError(message + "; see " + commandOf(app) + " --help");
  return exitUsage;
}

/// The first word is a command, or something that starts with a dash.
static std::string unknownCommand(const CLI::App &app, const char *word) {
  std::string all;
  for (const CLI::App *sub : app.get_subcommands({})) {
    if (sub->get_name() == word)
      return "";
    all += (all.empty() ? "" : ", ") + sub->get_name();
  }
  if (all.empty() || *word == '-')
    return "";
  return format("unknown command '%s'; expected one of %s", word, all.c_str());
}

static int parse(CLI::App &app, int argc, char **argv, bool &done) {
  done = true;
  if (argc <= 1) {
    std::fprintf(stderr, "%s\n", app.help().c_str());
    return exitUsage;
  }
  if (std::string problem = unknownCommand(app, argv[1]); !problem.empty())
    return reportUsage(app, problem);
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp &) {
    std::printf("%s", app.help().c_str());
    return exitSuccess;
  } catch (const CLI::ParseError &error) {
    if (error.get_exit_code() == 0)
      return app.exit(error); // --version
    return reportUsage(app, error.what());
  }
  done = false;
  return exitSuccess;
}

static int guarded(const std::function<int()> &function) {
  try {
    return function();
  } catch (const Failure &failure) {
    printError(failure.message);
    return failure.exitCode;
  } catch (const std::bad_alloc &) {
    printError("out of memory");
    return exitDoesNotFit;
  } catch (const std::exception &error) {
    printError(format("internal error: %s", error.what()));
    return exitInternal;
  }
}

/// The next file to be opened would take the place of a standard stream that is closed, and get
/// what is printed there. Writing to what is put here fails, as it should.
static void holdStandardStreams() {
  int file;
  do
    file = open("/dev/null", O_RDONLY);
  while (file >= 0 && file <= STDERR_FILENO);
  if (file >= 0)
    close(file);
}

int runTool(CLI::App &app, Action &action, int argc, char **argv) {
  holdStandardStreams();
  catchInterrupts();
  return guarded([&] {
    bool done = false;
    int code = parse(app, argc, argv, done);
    if (!done)
      code = action();
    flushOutput();
    return code;
  });
}

int executeCompiler(char **argv) {
  char self[PATH_MAX];
  ssize_t length = readlink("/proc/self/exe", self, sizeof(self));
  std::string path = length > 0 ? std::string(self, static_cast<size_t>(length)) : argv[0];
  size_t slash = path.rfind('/');
  path = (slash == std::string::npos ? "" : path.substr(0, slash + 1)) + "kvasir-compile";
  // argv[1] is "compile" and becomes the name of the program.
  execv(path.c_str(), argv + 1);
  printError(format("cannot start the compiler '%s': %s; this installation "
                    "may hold the runtime alone",
                    path.c_str(), std::strerror(errno)));
  return exitBadInput;
}

} // namespace kvasir::cli
