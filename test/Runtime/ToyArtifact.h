// Writes small artifacts around the toy model, whole or damaged on purpose, and
// computes what the model should answer without pages, batches or threads.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_TEST_RUNTIME_TOYARTIFACT_H
#define KVASIR_TEST_RUNTIME_TOYARTIFACT_H

#include "kvasir/Artifact/Module_generated.h"

#include <functional>
#include <string>
#include <vector>

namespace kvasir::test {

struct ToyConfig {
  int32_t vocab = 96;
  std::vector<int32_t> windows = {0, 0}; // of each layer
  uint32_t maxContext = 2048;
  uint32_t maxRequests = 16;
  uint32_t maxStepTokens = 256;
  uint32_t decodeTokens = 4; // of the decode program
  int32_t nanId = -1;        // a row of this token is NaN
  int32_t bos = 1;
  std::vector<int32_t> eos = {2};
  bool device = false;    // programs and code for "cuda" beside those for CPUs
  bool chooses = true;    // the device's programs give the ids of the largest logits
  bool tokenizer = false; // one character per id, from "a" on
  std::vector<std::string> features;
};

using EditModule = std::function<void(artifact::ModuleT &)>;

/// The bytes of an artifact with right hashes. `edit` may change the table
/// before it is packed.
std::string toyArtifact(const ToyConfig &config, const EditModule &edit = {});

/// Weights of the toy: [vocab] for the embedding (layer 0) or the output (layer
/// 1).
uint32_t toyWeight(int32_t which, int32_t id);

/// Logits after each of `ids`, for a request of `total` tokens in all.
std::vector<std::vector<float>> toyRows(const ToyConfig &config, const std::vector<int32_t> &ids,
                                        int32_t total);
/// Those after the last.
std::vector<float> toyLogits(const ToyConfig &config, const std::vector<int32_t> &ids,
                             int32_t total);

/// Greedy answer of `count` tokens, without regard to EOS.
std::vector<int32_t> toyGreedy(const ToyConfig &config, std::vector<int32_t> ids, int32_t count);

/// A file that is removed at the end of its scope.
class TemporaryFile {
public:
  explicit TemporaryFile(const std::string &bytes);
  ~TemporaryFile();
  const std::string &path() const { return name; }

private:
  std::string name;
};

} // namespace kvasir::test

#endif // KVASIR_TEST_RUNTIME_TOYARTIFACT_H
