// Chooses the next token from a row of logits. The choice depends on the row
// and the request alone.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_RUNTIME_SAMPLING_SAMPLER_H
#define KVASIR_RUNTIME_SAMPLING_SAMPLER_H

#include "kvasir-c/kvasir.h"
#include "support/Status.h"

#include <span>
#include <vector>

namespace kvasir::rt {

/// The meaning of each field is in kvasir.h.
struct SamplingOptions {
  float temperature = 0;
  int32_t topK = 0;
  float topP = 1;
  float minP = 0;
  float repetitionPenalty = 1;
  uint64_t seed = 0;
  std::vector<kvasir_logit_bias> bias;
  int32_t logprobs = -1;
};

/// Refuses values outside their ranges; ids of biases lie in [0, vocabulary).
Status checkSampling(const SamplingOptions &options, int32_t vocabulary);

struct Choice {
  int32_t id = -1;
  float logprob = 0; // NaN unless asked for
};

/// Whether the choice takes more than the id of the largest logit.
bool readsLogits(const SamplingOptions &options);

/// The choice of a device that has found the largest logit: its id, or -1 where it is not finite.
Result<Choice> chosenAlready(int32_t id, int32_t vocabulary);

/// Scratch memory for one vocabulary; one thread at a time.
class Sampler {
public:
  explicit Sampler(int32_t vocabulary);

  /// `history`: prompt and answer so far; `index`: of the new token in the
  /// answer. `top` gets the most likely tokens if asked for. Fails when the row
  /// has a NaN or forbids every token.
  Result<Choice> choose(const float *logits, const SamplingOptions &options,
                        std::span<const int32_t> history, uint64_t index,
                        std::vector<kvasir_logprob> &top);

private:
  struct Candidate {
    int32_t id;
    float logit;
    double weight; // exp(logit - largest), not normalised
  };

  const float *adjust(const float *logits, const SamplingOptions &options,
                      std::span<const int32_t> history);
  int32_t draw(const float *logits, float largest, const SamplingOptions &options, uint64_t index);
  void collect(const float *logits, float largest, const SamplingOptions &options);
  void keepTopP(double share);
  double logOfSum(const float *logits);
  void listTop(const float *logits, double logSum, int32_t count, std::vector<kvasir_logprob> &top);

  const int32_t vocabulary;
  std::vector<float> adjusted;       // [vocabulary]
  std::vector<Candidate> candidates; // at most [vocabulary]
  std::vector<int32_t> order;        // [vocabulary]
  std::vector<uint32_t> seen;        // [vocabulary] the round that saw the id last
  uint32_t round = 0;
};

/// The largest value and the lowest index that has it; NaN if any value is.
struct Largest {
  float value;
  int32_t index;
};
Largest findLargest(const float *values, int32_t count);

/// e^x for x <= 0, the same on every machine: not the C library's.
double exponential(double x);

} // namespace kvasir::rt

#endif // KVASIR_RUNTIME_SAMPLING_SAMPLER_H
