// The sampler: statistics of draws, filters, ties, broken logits, the random
// generator.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "sampling/Sampler.h"
#include "sampling/Random.h"

#include <cmath>
#include <gtest/gtest.h>
#include <set>

namespace kvasir::rt {
namespace {

int32_t choose(const std::vector<float> &logits, const SamplingOptions &options, uint64_t index = 0,
               std::vector<int32_t> history = {}) {
  Sampler sampler(int32_t(logits.size()));
  std::vector<kvasir_logprob> top;
  auto choice = sampler.choose(logits.data(), options, history, index, top);
  return choice ? choice->id : -1;
}

/// How often each id is drawn in `count` draws.
std::vector<double> frequencies(const std::vector<float> &logits, const SamplingOptions &options,
                                int count) {
  Sampler sampler(int32_t(logits.size()));
  std::vector<kvasir_logprob> top;
  std::vector<double> share(logits.size());
  for (int i = 0; i < count; ++i)
    share[sampler.choose(logits.data(), options, {}, i, top)->id] += 1.0 / count;
  return share;
}

// Published test vectors of the generator.
TEST(Random, PhiloxKnownAnswers) {
  using Words = std::array<uint32_t, 4>;
  EXPECT_EQ(philox({0, 0, 0, 0}, {0, 0}), (Words{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  uint32_t all = 0xffffffff;
  EXPECT_EQ(philox({all, all, all, all}, {all, all}),
            (Words{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
}

TEST(Random, UniformIsInRangeAndDependsOnBoth) {
  std::set<double> seen;
  double sum = 0;
  for (uint64_t seed = 0; seed < 10; ++seed)
    for (uint64_t index = 0; index < 1000; ++index) {
      double value = uniform(seed, index);
      EXPECT_TRUE(value >= 0 && value < 1);
      seen.insert(value);
      sum += value;
    }
  EXPECT_EQ(seen.size(), 10000u);
  EXPECT_NEAR(sum / 10000, 0.5, 0.02);
}

TEST(Sampler, ExponentialIsAccurate) {
  for (double x = 0; x > -690; x -= 0.37)
    EXPECT_NEAR(exponential(x) / std::exp(x), 1.0, 4e-16) << x;
  EXPECT_EQ(exponential(0), 1.0);
  EXPECT_EQ(exponential(-INFINITY), 0.0);
  EXPECT_EQ(exponential(-1000), 0.0);
}

TEST(Sampler, GreedyTakesTheLowestOfEquals) {
  std::vector<float> logits(100, 0.0f);
  logits[37] = logits[38] = logits[90] = 2.0f;
  EXPECT_EQ(choose(logits, {}), 37);
  EXPECT_EQ(choose({-INFINITY, -3, -INFINITY}, {}), 1);
}

TEST(Sampler, BrokenLogitsAreErrors) {
  for (float bad : {NAN, INFINITY})
    for (size_t at : {0, 20, 33}) {
      std::vector<float> logits(34, 1.0f);
      logits[at] = bad;
      SamplingOptions options;
      EXPECT_EQ(choose(logits, options), -1);
      options.temperature = 1;
      EXPECT_EQ(choose(logits, options), -1);
    }
  EXPECT_EQ(choose({-INFINITY, -INFINITY}, {}), -1);
}

TEST(Sampler, DrawsFollowTheSoftmax) {
  std::vector<float> logits = {0, 1, 2, -1, 0.5f};
  SamplingOptions options;
  options.temperature = 0.7f;
  double sum = 0;
  for (float logit : logits)
    sum += std::exp(logit / 0.7);
  std::vector<double> share = frequencies(logits, options, 20000);
  for (size_t id = 0; id < logits.size(); ++id)
    EXPECT_NEAR(share[id], std::exp(logits[id] / 0.7) / sum, 0.012);
}

TEST(Sampler, FiltersKeepWhatTheySay) {
  // Probabilities 0.5, 0.25, 0.15, 0.1.
  std::vector<float> logits;
  for (double p : {0.15, 0.5, 0.1, 0.25})
    logits.push_back(float(std::log(p)));
  SamplingOptions options;
  options.temperature = 1;
  options.topK = 2;
  std::vector<double> share = frequencies(logits, options, 10000);
  EXPECT_NEAR(share[1], 2.0 / 3, 0.02);
  EXPECT_EQ(share[0] + share[2], 0.0);
  options.topK = 0;
  options.topP = 0.8f; // 0.5 + 0.25 is too little, 0.15 more suffices
  share = frequencies(logits, options, 10000);
  EXPECT_EQ(share[2], 0.0);
  EXPECT_NEAR(share[0], 0.15 / 0.9, 0.02);
  options.topP = 1e-6f; // always keeps one
  EXPECT_NEAR(frequencies(logits, options, 100)[1], 1.0, 1e-9);
  options.topP = 1;
  options.minP = 0.4f; // of the most likely: 0.2
  share = frequencies(logits, options, 10000);
  EXPECT_EQ(share[0] + share[2], 0.0);
  EXPECT_NEAR(share[3], 1.0 / 3, 0.02);
}

TEST(Sampler, BiasAndPenaltyComeFirst) {
  std::vector<float> logits = {1, 4, 3, -2};
  SamplingOptions options;
  options.bias = {{1, -2}, {3, 5.5f}};
  EXPECT_EQ(choose(logits, options), 3); // 1, 2, 3, 3.5
  options.bias = {{1, -INFINITY}};
  EXPECT_EQ(choose(logits, options), 2);
  options.bias.clear();
  options.repetitionPenalty = 2;
  EXPECT_EQ(choose(logits, options, 0, {1, 1}), 2); // once, not twice: 2
  EXPECT_EQ(choose({-1, -1.5f}, options, 0, {0}), 1);
}

TEST(Sampler, ExtremeOptionsStayDefined) {
  std::vector<float> logits = {1, 4, 3, -2};
  SamplingOptions options;
  options.temperature = 1e-45f;
  EXPECT_EQ(choose(logits, options), 1);
  options.temperature = 3e38f;
  options.topK = 1000000;
  EXPECT_GE(choose(logits, options), 0);
}

TEST(Sampler, ValuesOutsideTheirRangesAreRefused) {
  auto refused = [](auto change) {
    SamplingOptions options;
    change(options);
    return !checkSampling(options, 10);
  };
  EXPECT_FALSE(refused([](SamplingOptions &) {}));
  EXPECT_TRUE(refused([](SamplingOptions &o) { o.temperature = -1; }));
  EXPECT_TRUE(refused([](SamplingOptions &o) { o.temperature = NAN; }));
  EXPECT_TRUE(refused([](SamplingOptions &o) { o.topK = -1; }));
  EXPECT_TRUE(refused([](SamplingOptions &o) { o.topP = 0; }));
  EXPECT_TRUE(refused([](SamplingOptions &o) { o.topP = 1.5f; }));
  EXPECT_TRUE(refused([](SamplingOptions &o) { o.minP = NAN; }));
  EXPECT_TRUE(refused([](SamplingOptions &o) { o.repetitionPenalty = 0; }));
  EXPECT_TRUE(refused([](SamplingOptions &o) { o.bias = {{10, 1}}; }));
  EXPECT_TRUE(refused([](SamplingOptions &o) { o.bias = {{1, NAN}}; }));
  EXPECT_TRUE(refused([](SamplingOptions &o) { o.logprobs = 65; }));
}

} // namespace
} // namespace kvasir::rt
