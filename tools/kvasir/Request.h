// One request of `run`: what it asks for, what came out of it, and both as the engine and as JSON
// want them. Shared by prompts of the command line and of --jsonl.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_TOOLS_KVASIR_REQUEST_H
#define KVASIR_TOOLS_KVASIR_REQUEST_H

#include "Run.h"

#include <nlohmann/json.hpp>

namespace kvasir::cli {

/// Options of a request, with the memory that they point to.
struct RequestSettings {
  kvasir_request_options options = {}; ///< without pointers
  std::vector<std::string> stop;
  std::vector<int32_t> stopIds;
  std::vector<kvasir_logit_bias> logitBias;

  void submit(kvasir_engine *engine, const std::vector<int32_t> &ids, int32_t newTokens, void *user,
              uint64_t &request, const std::string &context) const;
};

/// As the command line says.
RequestSettings settingsOf(const RunOptions &options, const kvasir_model *model);

/// One prompt while and after it is decoded.
struct Answer {
  uint64_t request = 0;
  std::string text;
  std::vector<int32_t> ids;
  nlohmann::ordered_json logprobs = nlohmann::ordered_json::array();
  bool finished = false;
  kvasir_event end = {}; ///< numbers only; its pointers are stale
  std::string error;

  void take(const kvasir_event &event, bool wantsLogprobs);
  /// Adds text, tokens, reason, numbers and, if wanted, log-probabilities.
  void addTo(nlohmann::ordered_json &object, bool hasText, bool wantsLogprobs) const;
};

/// What a summary counts.
class Totals {
public:
  void add(const Answer &answer);
  /// "64 prompt tokens, 32 new tokens in 1.2 s: ...", and where, unless that is the CPU.
  std::string describe(const kvasir_model *model, double seconds) const;

private:
  size_t promptTokens = 0, newTokens = 0;
  double first = 0, perToken = 0;
  size_t started = 0, continued = 0;
};

/// An engine; its errors name the flags that help.
Engine createRunEngine(kvasir_model *model, const kvasir_engine_options &options);

} // namespace kvasir::cli

#endif // KVASIR_TOOLS_KVASIR_REQUEST_H
