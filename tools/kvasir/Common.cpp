// Errors, interrupts, C API objects and input. Text output is in Text.cpp.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "Common.h"

#include "Commands.h"

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdarg>
#include <cstring>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace kvasir::cli {

std::string format(const char *pattern, ...) {
  va_list arguments, again;
  va_start(arguments, pattern);
  va_copy(again, arguments);
  int length = std::vsnprintf(nullptr, 0, pattern, arguments);
  va_end(arguments);
  std::string text;
  if (length > 0) {
    text.resize(static_cast<size_t>(length));
    std::vsnprintf(text.data(), text.size() + 1, pattern, again);
  }
  va_end(again);
  return text;
}

void fail(ExitCode code, std::string message) { throw Failure{code, std::move(message)}; }

ExitCode exitCodeOf(kvasir_code code) {
  switch (code) {
  case KVASIR_OK:
    return exitSuccess;
  case KVASIR_RESOURCE_EXHAUSTED:
  case KVASIR_UNAVAILABLE:
    return exitDoesNotFit;
  case KVASIR_CANCELLED:
    return exitInterrupted;
  case KVASIR_INTERNAL:
    return exitInternal;
  default:
    return exitBadInput;
  }
}

void check(kvasir_error *error, std::string_view context) {
  if (!error)
    return;
  std::string message(context);
  message += context.empty() ? "" : ": ";
  message += kvasir_error_message(error);
  ExitCode code = exitCodeOf(kvasir_error_code(error));
  kvasir_error_free(error);
  fail(code, std::move(message));
}

static const char *programName = "kvasir";

void setProgramName(const char *name) { programName = name; }

void printError(std::string_view message) {
  std::fflush(stdout);
  std::fprintf(stderr, "%s: error: %.*s\n", programName, int(message.size()), message.data());
}

void printNote(std::string_view message) {
  std::fprintf(stderr, "%s: note: %.*s\n", programName, int(message.size()), message.data());
}

static std::atomic<bool> stopRequested{false};
static_assert(std::atomic<bool>::is_always_lock_free);

static std::atomic<bool> endsAtOnce{false};

/// Only what a signal handler may call.
static void endNow() {
  static const char text[] = ": error: interrupted\n";
  (void)!write(STDERR_FILENO, "\n", 1);
  (void)!write(STDERR_FILENO, programName, std::strlen(programName));
  (void)!write(STDERR_FILENO, text, sizeof(text) - 1);
  _exit(exitInterrupted);
}

static void onInterrupt(int) {
  if (stopRequested.exchange(true) || endsAtOnce)
    endNow();
}

void endAtOnce(bool enabled) {
  endsAtOnce = enabled;
  if (enabled && interrupted())
    endNow();
}

void catchInterrupts() {
  struct sigaction action = {};
  action.sa_handler = onInterrupt;
  sigemptyset(&action.sa_mask);
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
  // Writing beyond the file-size limit becomes an error of write() with a
  // message, instead of the end of the process.
  std::signal(SIGXFSZ, SIG_IGN);
}

bool interrupted() { return stopRequested.load(std::memory_order_relaxed); }

const std::atomic<bool> &interruptFlag() { return stopRequested; }

void checkInterrupt() {
  if (interrupted())
    fail(exitInterrupted, "interrupted");
}

Model loadModel(const std::string &path, const std::string &variant, const std::string &device) {
  kvasir_model_options options;
  kvasir_model_options_init(&options);
  options.variant = variant.empty() ? nullptr : variant.c_str();
  options.device = device.c_str();
  kvasir_model *model = nullptr;
  check(kvasir_model_load(path.c_str(), &options, &model));
  return Model(model);
}

kvasir_model_info infoOf(const kvasir_model *model) {
  kvasir_model_info info = {};
  info.struct_size = sizeof(info);
  check(kvasir_model_get_info(model, &info));
  return info;
}

bool isOnCpu(const kvasir_model_info &info) { return std::strcmp(info.device, "cpu") == 0; }

std::string placeOf(const kvasir_model_info &info) {
  return isOnCpu(info) ? info.variant
                       : format("%s (%s), %s", info.device, info.device_product, info.variant);
}

Engine createEngine(kvasir_model *model, const kvasir_engine_options &options) {
  kvasir_model_info info = infoOf(model);
  if (isOnCpu(info) && *info.device_passed_over)
    printNote(format("running on the CPU: %s", info.device_passed_over));
  kvasir_engine_options chosen = options;
  Progress progress("copying weights");
  chosen.progress = [](uint64_t done, uint64_t total, void *user) {
    static_cast<Progress *>(user)->update(done, total);
  };
  chosen.progress_user = &progress;
  kvasir_engine *engine = nullptr;
  check(kvasir_engine_create(model, &chosen, &engine));
  return Engine(engine);
}

kvasir_memory_plan planOf(const kvasir_model *model, const kvasir_engine_options &options) {
  kvasir_memory_plan plan = {};
  plan.struct_size = sizeof(plan);
  check(kvasir_plan(model, &options, &plan));
  return plan;
}

std::vector<int32_t> tokenize(const kvasir_model *model, std::string_view text, bool addSpecial) {
  int32_t *ids = nullptr;
  size_t count = 0;
  check(kvasir_tokenize(model, text.data(), text.size(), addSpecial, &ids, &count));
  std::unique_ptr<int32_t, Deleter<kvasir_free>> owner(ids);
  return std::vector<int32_t>(ids, ids + count);
}

std::string detokenize(const kvasir_model *model, const std::vector<int32_t> &ids,
                       bool skipSpecial) {
  char *text = nullptr;
  size_t length = 0;
  check(kvasir_detokenize(model, ids.data(), ids.size(), skipSpecial, &text, &length));
  std::unique_ptr<char, Deleter<kvasir_free>> owner(text);
  return std::string(text, length);
}

std::vector<int32_t> parseIds(const std::string &text, int32_t vocabulary) {
  std::vector<int32_t> ids;
  const char *at = text.c_str();
  auto isSeparator = [](char c) {
    return c == ',' || c == ' ' || c == '\n' || c == '\t' || c == '\r';
  };
  while (true) {
    while (isSeparator(*at))
      ++at;
    if (*at == '\0')
      return ids;
    char *end = nullptr;
    errno = 0;
    long id = std::strtol(at, &end, 10);
    if (end == at || (*end && !isSeparator(*end)))
      fail(exitBadInput, format("expected token ids separated by commas, but got '%.20s'", at));
    if (errno || id < 0 || id >= vocabulary)
      fail(exitBadInput, format("id %.*s is out of range: the model has ids 0 to %d", int(end - at),
                                at, vocabulary - 1));
    ids.push_back(static_cast<int32_t>(id));
    at = end;
  }
}

std::vector<int32_t> syntheticIds(size_t count, int32_t vocabulary, uint64_t seed) {
  std::vector<int32_t> ids(count);
  uint64_t state = seed * 2 + 1;
  for (int32_t &id : ids) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    id = static_cast<int32_t>((state >> 33) % uint64_t(vocabulary));
  }
  return ids;
}

std::string readFile(const std::string &path, size_t limit) {
  int file = path == "-" ? dup(STDIN_FILENO) : open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0)
    fail(exitBadInput, format("cannot open '%s': %s", path.c_str(), std::strerror(errno)));
  std::unique_ptr<FILE, Deleter<std::fclose>> stream(fdopen(file, "rb"));
  std::string text;
  char buffer[65536];
  while (size_t count = std::fread(buffer, 1, sizeof(buffer), stream.get())) {
    text.append(buffer, count);
    if (text.size() > limit)
      fail(exitBadInput,
           format("'%s' has more than %zu bytes, which is too long here", path.c_str(), limit));
  }
  if (std::ferror(stream.get()))
    fail(exitBadInput, format("cannot read '%s': %s", path.c_str(), std::strerror(errno)));
  return text;
}

double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

} // namespace kvasir::cli
