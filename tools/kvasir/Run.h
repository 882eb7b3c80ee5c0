// kvasir run: what was asked for, and the prompts it is about.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_TOOLS_KVASIR_RUN_H
#define KVASIR_TOOLS_KVASIR_RUN_H

#include "Common.h"

#include <cstdint>
#include <string>
#include <vector>

namespace kvasir::cli {

struct RunOptions {
  std::string model;
  std::string variant;
  std::string device;
  std::vector<std::string> prompts;
  std::string promptsFile;
  std::vector<std::string> idPrompts;
  int newTokens = -1; ///< -1: not given
  int threads = 0;
  bool sharedWeights = false;
  int maxRequests = 0;
  int stepTokens = 0;
  uint64_t kvBytes = 0; ///< 0: as much as the prompts need, if it fits
  bool json = false;
  bool jsonLines = false; ///< requests come from standard input
  bool quiet = false;

  // Sampling; NaN and -1: not given.
  bool modelDefaults = false;
  float temperature = -1;
  int topK = -1;
  float topP = -1;
  float minP = -1;
  float repetitionPenalty = -1;
  uint64_t seed = 0;
  std::vector<std::string> stop;
  std::vector<int> stopIds;
  std::vector<std::string> logitBias; ///< "ID=BIAS"
  int logprobs = -1;
  bool ignoreEos = false;
  bool noSpecial = false;
  bool keepSpecial = false;
};

struct Prompt {
  std::string text; ///< "" when it was given as ids
  std::vector<int32_t> ids;
  int32_t newTokens = 0;
};

/// Prompts from all options, tokenized and checked against the model.
std::vector<Prompt> readPrompts(const RunOptions &options, const kvasir_model *model);

/// The ids that a text stands for; an empty one stands for BOS.
std::vector<int32_t> promptIds(const kvasir_model *model, const std::string &text, bool addSpecial);

/// New tokens of a prompt of that many, in a context of so many; `wanted` is -1 for the default and
/// 0 for all that the context leaves. Messages name `prompt` and the option that lowers it.
int32_t newTokensFor(size_t promptTokens, int wanted, int32_t context, const std::string &prompt,
                     const char *option);

/// Decodes the requests of standard input, one JSON object in each line, and prints a line for each
/// as it finishes. Returns the exit code: that of the first that failed, if one did.
int runBatch(const RunOptions &options, kvasir_model *model);

/// Decodes all prompts as one batch and prints as options say. Returns the exit
/// code: that of the first prompt that failed, if one did.
int generate(const RunOptions &options, kvasir_model *model, const std::vector<Prompt> &prompts);

} // namespace kvasir::cli

#endif // KVASIR_TOOLS_KVASIR_RUN_H
