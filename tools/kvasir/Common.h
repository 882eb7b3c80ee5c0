// What every command shares: exit codes, errors, ownership of C API objects,
// interrupts, and text for people (sizes, tables) and programs (JSON).
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_TOOLS_KVASIR_COMMON_H
#define KVASIR_TOOLS_KVASIR_COMMON_H

#include "kvasir-c/kvasir.h"

#include <atomic>
#include <cstdio>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace kvasir::cli {

/// Exit codes, as docs/HowTo/UseTheCLI.md lists them.
enum ExitCode {
  exitSuccess = 0,
  exitUsage = 1,      ///< the command line makes no sense
  exitBadInput = 2,   ///< a file, a prompt or a model that cannot be used
  exitDoesNotFit = 3, ///< this machine lacks memory or CPU features
  exitInternal = 4,   ///< our mistake
  exitInterrupted = 130
};

/// Ends a command. Thrown; main prints `kvasir: error: <message>`.
struct Failure {
  int exitCode;
  std::string message;
};

/// printf into a string.
[[gnu::format(printf, 1, 2)]] std::string format(const char *pattern, ...);

[[noreturn]] void fail(ExitCode code, std::string message);

/// Throws a Failure with the message of `error`, after `context` and a colon
/// where there is a context.
void check(kvasir_error *error, std::string_view context = {});
ExitCode exitCodeOf(kvasir_code code);

/// Prints in the form of all errors of the program.
void printError(std::string_view message);
void printNote(std::string_view message);

/// The first SIGINT or SIGTERM makes interrupted() true, and commands wind up;
/// the second ends the process at once.
void catchInterrupts();
bool interrupted();
/// What interrupted() reads, for libraries that poll.
const std::atomic<bool> &interruptFlag();
/// While set, the first signal ends the process at once: for long work that
/// leaves nothing behind and polls nothing.
void endAtOnce(bool enabled);
/// Does that while it lives.
class EndAtOnce {
public:
  EndAtOnce() { endAtOnce(true); }
  ~EndAtOnce() { endAtOnce(false); }
  EndAtOnce(const EndAtOnce &) = delete;
  EndAtOnce &operator=(const EndAtOnce &) = delete;
};
/// Throws when the user has asked to stop.
void checkInterrupt();

template <auto function> struct Deleter {
  template <class T> void operator()(T *object) const { function(object); }
};
using Model = std::unique_ptr<kvasir_model, Deleter<kvasir_model_free>>;
using Engine = std::unique_ptr<kvasir_engine, Deleter<kvasir_engine_free>>;
using Sequence = std::unique_ptr<kvasir_sequence, Deleter<kvasir_sequence_free>>;

/// Loads an artifact; `variant` and `device` may be empty.
Model loadModel(const std::string &path, const std::string &variant = {},
                const std::string &device = {});
kvasir_model_info infoOf(const kvasir_model *model);
/// What a model runs on: "x86-64-v4", "cuda:0 (NVIDIA H200), sm_90".
std::string placeOf(const kvasir_model_info &info);
bool isOnCpu(const kvasir_model_info &info);
/// Shows progress while weights are copied to a device, and says why a device was passed over.
Engine createEngine(kvasir_model *model, const kvasir_engine_options &options);
kvasir_memory_plan planOf(const kvasir_model *model, const kvasir_engine_options &options);

std::vector<int32_t> tokenize(const kvasir_model *model, std::string_view text, bool addSpecial);
std::string detokenize(const kvasir_model *model, const std::vector<int32_t> &ids,
                       bool skipSpecial);
/// "1,2,3" or "1 2 3" as ids in [0, vocabulary).
std::vector<int32_t> parseIds(const std::string &text, int32_t vocabulary);
/// Ids that are the same on every machine, for measurements and probes.
std::vector<int32_t> syntheticIds(size_t count, int32_t vocabulary, uint64_t seed);

/// The whole file, or standard input for "-"; refused above `limit` bytes.
std::string readFile(const std::string &path, size_t limit = size_t(1) << 30);

double now(); ///< seconds of a steady clock

/// "2.47 GB", "32.0 KB": decimal units, three digits.
std::string formatBytes(double bytes);
/// "1.24 B", "260 K", "17".
std::string formatCount(double count);
/// The same for FLOPs, where a billion is a G.
std::string formatFlops(double flops);
/// "10.5", "3941": tokens per second.
std::string formatRate(double rate);
/// "3.20 ms", "12.5 us".
std::string formatSeconds(double seconds);

/// Columns of text with a header: numbers to the right, names to the left.
class Table {
public:
  /// A title that begins with '<' is that of a column aligned to the left.
  explicit Table(std::vector<std::string> titles);
  void add(std::vector<std::string> cells);
  void print(FILE *stream, const char *indent = "  ") const;

private:
  std::vector<std::string> titles;
  std::vector<bool> left;
  std::vector<std::vector<std::string>> rows;
};

/// JSON on standard output: one line, or indented for people.
void printJson(const nlohmann::ordered_json &value, bool indented);
/// Fails when something written to standard output has not arrived.
void flushOutput();

/// A bar on standard error, and only when that is a terminal.
class Progress {
public:
  /// `unit`: what is counted; empty: bytes.
  explicit Progress(std::string verb, std::string unit = {});
  ~Progress();
  void update(uint64_t done, uint64_t total);

private:
  std::string verb;
  std::string unit;
  bool visible;
  bool drawn = false;
  double start = 0;    ///< seconds, of the first update
  uint64_t before = 0; ///< done by then
  double last = 0;
};

} // namespace kvasir::cli

#endif // KVASIR_TOOLS_KVASIR_COMMON_H
