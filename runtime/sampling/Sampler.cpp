// Greedy choice, filters and the draw.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "sampling/Sampler.h"

#include "sampling/Random.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>

namespace kvasir::rt {

Status checkSampling(const SamplingOptions &options, int32_t vocabulary) {
  auto refuse = [](const char *name, double value, const char *expected) {
    return error(Code::invalidArgument, format("%s is %g, expected %s", name, value, expected));
  };
  // Written so that NaN is refused.
  if (!(options.temperature >= 0) || std::isinf(options.temperature))
    return refuse("temperature", options.temperature, "a number >= 0");
  if (options.topK < 0)
    return refuse("top_k", options.topK, "a number >= 0");
  if (!(options.topP > 0 && options.topP <= 1))
    return refuse("top_p", options.topP, "a number in (0, 1]");
  if (!(options.minP >= 0 && options.minP <= 1))
    return refuse("min_p", options.minP, "a number in [0, 1]");
  if (!(options.repetitionPenalty > 0) || std::isinf(options.repetitionPenalty))
    return refuse("repetition_penalty", options.repetitionPenalty, "a number > 0");
  if (options.logprobs < -1 || options.logprobs > KVASIR_MAX_LOGPROBS)
    return refuse("logprobs", options.logprobs, "-1 to 64");
  for (const kvasir_logit_bias &bias : options.bias) {
    if (bias.id < 0 || bias.id >= vocabulary)
      return error(Code::outOfRange,
                   format("logit bias for id %d, but ids are in [0, %d)", bias.id, vocabulary));
    if (std::isnan(bias.bias) || bias.bias == INFINITY)
      return refuse("logit bias", bias.bias, "a number or -infinity");
  }
  return Status::ok();
}

bool readsLogits(const SamplingOptions &options) {
  return options.temperature > 0 || !options.bias.empty() || options.repetitionPenalty != 1 ||
         options.logprobs >= 0;
}

static Status notFinite() {
  return error(Code::internal, "the model's logits are not finite: the checkpoint or its "
                               "number format cannot represent this prompt");
}

Result<Choice> chosenAlready(int32_t id, int32_t vocabulary) {
  if (id < 0)
    return notFinite();
  if (id >= vocabulary)
    return error(Code::internal,
                 format("the device chose id %d, but ids are in [0, %d)", id, vocabulary));
  return Choice{id, std::numeric_limits<float>::quiet_NaN()};
}

double exponential(double x) {
  // x = n ln 2 + r with |r| <= ln 2 / 2, then a Taylor polynomial: the first
  // term left out is below 2^-57 of the result.
  if (!(x > -700))
    return 0;
  constexpr double log2e = 1.4426950408889634;
  constexpr double ln2High = 6.93147180369123816490e-01;
  constexpr double ln2Low = 1.90821492927058770002e-10;
  double n = std::floor(x * log2e + 0.5);
  double r = (x - n * ln2High) - n * ln2Low;
  constexpr double inverseFactorials[] = {1.0 / 6227020800,
                                          1.0 / 479001600,
                                          1.0 / 39916800,
                                          1.0 / 3628800,
                                          1.0 / 362880,
                                          1.0 / 40320,
                                          1.0 / 5040,
                                          1.0 / 720,
                                          1.0 / 120,
                                          1.0 / 24,
                                          1.0 / 6,
                                          0.5,
                                          1.0,
                                          1.0};
  double sum = 0;
  for (double coefficient : inverseFactorials)
    sum = sum * r + coefficient;
  return std::ldexp(sum, static_cast<int>(n));
}

Largest findLargest(const float *values, int32_t count) {
  // Sixteen independent lanes, which compilers turn into vector code.
  constexpr int32_t lanes = 16;
  float best[lanes];
  int32_t bad[lanes] = {};
  std::fill(best, best + lanes, -INFINITY);
  int32_t i = 0;
  for (; i + lanes <= count; i += lanes)
    for (int32_t lane = 0; lane < lanes; ++lane) {
      float value = values[i + lane];
      best[lane] = value > best[lane] ? value : best[lane];
      bad[lane] |= value != value;
    }
  for (; i < count; ++i) {
    best[0] = values[i] > best[0] ? values[i] : best[0];
    bad[0] |= values[i] != values[i];
  }
  if (std::any_of(bad, bad + lanes, [](int32_t flag) { return flag != 0; }))
    return {std::numeric_limits<float>::quiet_NaN(), -1};
  float largest = *std::max_element(best, best + lanes);
  const float *at = std::find(values, values + count, largest);
  return {largest, static_cast<int32_t>(at - values)};
}

Sampler::Sampler(int32_t vocabulary)
    : vocabulary(vocabulary), adjusted(vocabulary), order(vocabulary), seen(vocabulary, 0) {
  candidates.reserve(vocabulary);
}

const float *Sampler::adjust(const float *logits, const SamplingOptions &options,
                             std::span<const int32_t> history) {
  if (options.bias.empty() && options.repetitionPenalty == 1)
    return logits;
  std::memcpy(adjusted.data(), logits, sizeof(float) * adjusted.size());
  for (const kvasir_logit_bias &bias : options.bias)
    adjusted[bias.id] += bias.bias;
  if (options.repetitionPenalty == 1)
    return adjusted.data();
  if (++round == 0) { // after 2^32 rounds the marks start over
    std::fill(seen.begin(), seen.end(), 0);
    round = 1;
  }
  for (int32_t id : history) {
    if (seen[id] == round)
      continue;
    seen[id] = round;
    float &logit = adjusted[id];
    logit = logit > 0 ? logit / options.repetitionPenalty : logit * options.repetitionPenalty;
  }
  return adjusted.data();
}

/// Most likely first, the lower id among equals.
static constexpr auto moreLikely = [](const auto &a, const auto &b) {
  return a.logit != b.logit ? a.logit > b.logit : a.id < b.id;
};

void Sampler::collect(const float *logits, float largest, const SamplingOptions &options) {
  candidates.clear();
  for (int32_t id = 0; id < vocabulary; ++id)
    if (logits[id] != -INFINITY)
      candidates.push_back({id, logits[id], 0});
  bool filtered = options.topK > 0 && static_cast<size_t>(options.topK) < candidates.size();
  if (filtered) {
    auto end = candidates.begin() + options.topK;
    std::nth_element(candidates.begin(), end, candidates.end(), moreLikely);
    candidates.erase(end, candidates.end());
    std::sort(candidates.begin(), candidates.end(), moreLikely);
  }
  double scale = 1.0 / static_cast<double>(options.temperature);
  for (Candidate &candidate : candidates)
    candidate.weight = exponential((static_cast<double>(candidate.logit) - largest) * scale);
}

void Sampler::keepTopP(double share) {
  double sum = 0;
  for (const Candidate &candidate : candidates)
    sum += candidate.weight;
  // A heap gives the most likely ones in order without sorting them all.
  auto lessLikely = [](const Candidate &a, const Candidate &b) { return moreLikely(b, a); };
  std::make_heap(candidates.begin(), candidates.end(), lessLikely);
  double kept = 0;
  auto end = candidates.end();
  do {
    std::pop_heap(candidates.begin(), end--, lessLikely);
    kept += end->weight;
  } while (kept < share * sum && end != candidates.begin());
  // The kept ones lie at the back, least likely first.
  candidates.erase(candidates.begin(), end);
  std::reverse(candidates.begin(), candidates.end());
}

int32_t Sampler::draw(const float *logits, float largest, const SamplingOptions &options,
                      uint64_t index) {
  collect(logits, largest, options);
  if (options.topP < 1)
    keepTopP(options.topP);
  if (options.minP > 0)
    // Weights are relative to the most likely token, which has 1.
    std::erase_if(candidates, [&](const Candidate &candidate) {
      return candidate.weight < static_cast<double>(options.minP);
    });
  double sum = 0;
  for (const Candidate &candidate : candidates)
    sum += candidate.weight;
  double target = uniform(options.seed, index) * sum, passed = 0;
  int32_t last = candidates.front().id;
  for (const Candidate &candidate : candidates) {
    if (candidate.weight > 0)
      last = candidate.id;
    passed += candidate.weight;
    if (passed > target)
      break;
  }
  return last;
}

double Sampler::logOfSum(const float *logits) {
  double largest = findLargest(logits, vocabulary).value, sum = 0;
  for (int32_t id = 0; id < vocabulary; ++id)
    sum += exponential(logits[id] - largest);
  return largest + std::log(sum);
}

void Sampler::listTop(const float *logits, double logSum, int32_t count,
                      std::vector<kvasir_logprob> &top) {
  std::iota(order.begin(), order.end(), 0);
  auto end = order.begin() + std::min(count, vocabulary);
  std::partial_sort(order.begin(), end, order.end(), [&](int32_t a, int32_t b) {
    return logits[a] != logits[b] ? logits[a] > logits[b] : a < b;
  });
  for (auto id = order.begin(); id != end; ++id)
    top.push_back({*id, static_cast<float>(logits[*id] - logSum)});
}

Result<Choice> Sampler::choose(const float *logits, const SamplingOptions &options,
                               std::span<const int32_t> history, uint64_t index,
                               std::vector<kvasir_logprob> &top) {
  const float *values = adjust(logits, options, history);
  Largest largest = findLargest(values, vocabulary);
  if (std::isnan(largest.value) || largest.value == INFINITY)
    return notFinite();
  if (largest.value == -INFINITY)
    return error(Code::invalidArgument, "no token is allowed: every logit is -infinity");
  Choice choice = {largest.index, std::numeric_limits<float>::quiet_NaN()};
  if (options.temperature > 0)
    choice.id = draw(values, largest.value, options, index);
  top.clear();
  if (options.logprobs >= 0) {
    double logSum = logOfSum(logits);
    choice.logprob = static_cast<float>(logits[choice.id] - logSum);
    listTop(logits, logSum, options.logprobs, top);
  }
  return choice;
}

} // namespace kvasir::rt
