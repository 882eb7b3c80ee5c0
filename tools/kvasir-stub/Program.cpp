// The program of `kvasir compile --emit exe`: `kvasir run` of the artifact that is appended to it.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "tools/kvasir/Commands.h"
#include "tools/kvasir/Common.h"

#include <CLI/CLI.hpp>
#include <climits>
#include <sys/stat.h>
#include <unistd.h>

using namespace kvasir::cli;

/// The file that runs: by its name, which reads better in messages, if that still means it.
static std::string ownPath() {
  static const char self[] = "/proc/self/exe";
  char name[PATH_MAX];
  ssize_t length = readlink(self, name, sizeof(name));
  struct stat running, named;
  std::string path(name, length > 0 && length < PATH_MAX ? size_t(length) : 0);
  bool same = !path.empty() && stat(self, &running) == 0 && stat(path.c_str(), &named) == 0 &&
              running.st_dev == named.st_dev && running.st_ino == named.st_ino;
  return same ? path : self;
}

static std::string describeText(const kvasir_model_info &info) {
  if (info.has_tokenizer)
    return "has its tokenizer";
  return format("token ids only (no tokenizer: %s)", info.tokenizer_missing);
}

/// What model this is, what it may be asked and what that takes.
static std::string describeModel() {
  Model model = loadModel(ownPath());
  kvasir_model_info info = infoOf(model.get());
  std::string name =
      *info.name ? format("%s (%s)", info.name, info.architecture) : std::string(info.architecture);
  return format("Model:\n"
                "  %s, %s parameters in %s, %d layer%s; %s\n"
                "Limits:\n"
                "  %d tokens in one request, %d requests at once, %d tokens in one step\n"
                "Memory:\n"
                "  %s of weights, %s of keys and values%s%s for each token, and workspace\n",
                name.c_str(), formatCount(double(info.parameters)).c_str(), info.weight_type,
                info.layers, info.layers == 1 ? "" : "s", describeText(info).c_str(),
                info.max_context, info.max_requests, info.max_step_tokens,
                formatBytes(double(info.weight_bytes)).c_str(),
                formatBytes(double(info.kv_bytes_per_token)).c_str(), *info.kv_type ? " in " : "",
                info.kv_type);
}

/// Help has to say why there is no model, too.
static std::string footer(const std::string &name) {
  std::string text;
  try {
    text = describeModel();
  } catch (const Failure &failure) {
    text = "The model cannot be loaded here: " + failure.message + "\n";
  }
  const char *command = name.c_str();
  return text + format("Examples:\n"
                       "  %s -p 'Once upon a time' -n 64\n"
                       "  %s -p 'One' -p 'Two' --temperature 0.8 --seed 7\n"
                       "  %s --jsonl < requests.jsonl > results.jsonl\n"
                       "kvasir inspect, report, verify and run take this file as an artifact.\n"
                       "\n"
                       "Exit codes: 0 success, 1 usage, 2 bad input, 3 does not fit this machine,\n"
                       "4 internal error, 130 interrupted.",
                       command, command, command);
}

int main(int argc, char **argv) {
  std::string name = argc > 0 && *argv[0] ? argv[0] : "model";
  name.erase(0, name.rfind('/') + 1);
  setProgramName(name.c_str());
  CLI::App app("Continues prompts with the language model that this program holds.", name);
  app.set_version_flag("--version", name + ": kvasir " + kvasir_version());
  app.footer([&] { return footer(name); });
  Action action;
  addRunOf(app, action, ownPath());
  return runTool(app, action, argc, argv);
}
