// Runs a fuzz target without libFuzzer: every file of some directories, and mutations of each that
// are the same in every run.   kvasir-fuzz-NAME [--mutations N] DIRECTORY...
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <algorithm>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <unistd.h>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
/// Part of every sanitizer, absent without one.
extern "C" void __attribute__((weak)) __sanitizer_set_death_callback(void (*callback)());

/// What runs now, for the message of a crash: a buffer, because a handler may not allocate.
static char current[512];

static void tellCurrent() {
  (void)!write(STDERR_FILENO, current, strnlen(current, sizeof(current)));
}

static void onSignal(int signal) {
  tellCurrent();
  std::signal(signal, SIG_DFL);
  std::raise(signal);
}

namespace {

struct Input {
  std::string name, bytes;
};

/// SplitMix64: the same numbers everywhere.
struct Random {
  uint64_t state;
  uint64_t next() {
    uint64_t z = (state += 0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }
  size_t below(size_t bound) { return bound ? next() % bound : 0; }
};

} // namespace

/// Values on which lengths, offsets and numbers in texts break.
static std::string strangeValue(Random &random) {
  static const char *texts[] = {"-1",
                                "0",
                                "1e999",
                                "18446744073709551615",
                                "9223372036854775808",
                                "null",
                                "true",
                                "[]",
                                "{}",
                                "\"\"",
                                "3.5",
                                "\\u",
                                "\xff",
                                "2147483648"};
  static const uint64_t numbers[] = {0,      1,          7,          0x7f,       0xff, 0x7fff,
                                     0xffff, 0x7fffffff, 0xffffffff, ~0ull >> 1, ~0ull};
  if (random.below(2))
    return texts[random.below(std::size(texts))];
  uint64_t number = numbers[random.below(std::size(numbers))];
  std::string bytes(size_t(1) << random.below(4), '\0');
  std::memcpy(bytes.data(), &number, bytes.size());
  return bytes;
}

/// One small change; `other` is a file to take a piece from.
static void change(std::string &bytes, const std::string &other, Random &random) {
  size_t at = random.below(bytes.size() + 1);
  size_t length = random.below(std::min<size_t>(bytes.size() - at, 1 + random.below(32)) + 1);
  switch (random.below(6)) {
  case 0:
    if (at < bytes.size())
      bytes[at] ^= static_cast<char>(1u << random.below(8));
    return;
  case 1:
    bytes.erase(at, length);
    return;
  case 2:
    bytes.resize(at);
    return;
  case 3:
    bytes.insert(at, bytes.substr(random.below(bytes.size() + 1), 1 + random.below(64)));
    return;
  case 4:
    bytes.replace(at, length, other.substr(random.below(other.size() + 1), 1 + random.below(64)));
    return;
  default:
    std::string value = strangeValue(random);
    bytes.replace(at, std::min(value.size(), bytes.size() - at), value);
  }
}

static void runOne(const std::string &name, unsigned mutation, const std::string &bytes) {
  std::snprintf(current, sizeof(current), "failed on %s, mutation %u\n", name.c_str(), mutation);
  LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t *>(bytes.data()), bytes.size());
}

static bool readDirectory(const char *path, std::vector<Input> &inputs) {
  std::error_code error;
  size_t before = inputs.size();
  for (const auto &entry : std::filesystem::directory_iterator(path, error)) {
    std::ifstream file(entry.path(), std::ios::binary);
    inputs.push_back({entry.path().string(), {std::istreambuf_iterator<char>(file), {}}});
  }
  std::sort(inputs.begin(), inputs.end(),
            [](const Input &a, const Input &b) { return a.name < b.name; });
  return !error && inputs.size() > before;
}

int main(int argc, char **argv) {
  unsigned mutations = 300;
  std::vector<Input> inputs;
  for (int i = 1; i < argc; ++i) {
    if (!std::strcmp(argv[i], "--mutations") && i + 1 < argc) {
      mutations = static_cast<unsigned>(std::strtoul(argv[++i], nullptr, 10));
    } else if (!readDirectory(argv[i], inputs)) {
      std::fprintf(stderr, "%s: expected a directory with at least one input\n", argv[i]);
      return 1;
    }
  }
  for (int signal : {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL})
    std::signal(signal, onSignal);
  if (__sanitizer_set_death_callback)
    __sanitizer_set_death_callback(tellCurrent);
  for (size_t i = 0; i < inputs.size(); ++i) {
    runOne(inputs[i].name, 0, inputs[i].bytes);
    Random random{inputs[i].bytes.size()};
    for (unsigned mutation = 1; mutation <= mutations; ++mutation) {
      std::string bytes = inputs[i].bytes;
      for (size_t changes = 1 + random.below(4); changes; --changes)
        change(bytes, inputs[random.below(inputs.size())].bytes, random);
      runOne(inputs[i].name, mutation, bytes);
    }
  }
  std::printf("%zu inputs, %u mutations of each: no failure\n", inputs.size(), mutations);
  return inputs.empty();
}
