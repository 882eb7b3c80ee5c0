// Checks of command-line values whose messages say what was expected.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_TOOLS_KVASIR_FLAGS_H
#define KVASIR_TOOLS_KVASIR_FLAGS_H

#include "Common.h"

#include <CLI/CLI.hpp>
#include <climits>
#include <cmath>

namespace kvasir::cli {

/// A whole number in [least, most].
inline CLI::Validator wholeNumber(int64_t least, int64_t most = INT_MAX) {
  auto check = [=](const std::string &text) {
    int64_t value = 0;
    if (CLI::detail::lexical_cast(text, value) && value >= least && value <= most)
      return std::string();
    std::string range = most == INT_MAX
                            ? format("of at least %lld", (long long)least)
                            : format("from %lld to %lld", (long long)least, (long long)most);
    return "expected a whole number " + range + ", but got '" + text + "'";
  };
  return CLI::Validator(check, "");
}

/// A number in [least, most], or (least, most] with `open`.
inline CLI::Validator numberIn(double least, double most, bool open = false) {
  auto check = [=](const std::string &text) {
    double value = NAN;
    if (CLI::detail::lexical_cast(text, value) && (open ? value > least : value >= least) &&
        value <= most)
      return std::string();
    std::string range = format("%s %g", open ? "above" : "of at least", least);
    if (std::isfinite(most))
      range += format(", at most %g", most);
    return "expected a number " + range + ", but got '" + text + "'";
  };
  return CLI::Validator(check, "");
}

/// A size in bytes, with a unit or without.
inline CLI::Validator memorySize() {
  auto convert = [](std::string &text) {
    std::string given = text;
    try {
      if (given.find('-') == std::string::npos && CLI::AsSizeValue(false)(text).empty())
        return std::string();
    } catch (const CLI::ValidationError &) { // more than 64 bits
    }
    return "expected a size in bytes such as 512M or 2G, but got '" + given + "'";
  };
  return CLI::Validator(convert, "SIZE", "");
}

/// --threads of every command that has it, up to what an engine takes.
inline void addThreads(CLI::App *app, int &threads) {
  app->add_option("--threads", threads, "Worker threads; 0: all cores")
      ->check(wholeNumber(0, 1024));
}

inline void addSharedWeights(CLI::App *app, bool &shared) {
  app->add_flag("--shared-weights", shared,
                "On CPUs: leave weights in the mapped file, shared by processes (slower steps)");
}

inline void addVariant(CLI::App *app, std::string &variant) {
  app->add_option("--variant", variant, "CPU variant of the code; see kvasir inspect");
}

inline void addDevice(CLI::App *app, std::string &device) {
  app->add_option("--device", device,
                  "cpu, cuda or cuda:N; default: cuda if the artifact has code for it and a device "
                  "is there");
}

} // namespace kvasir::cli

#endif // KVASIR_TOOLS_KVASIR_FLAGS_H
