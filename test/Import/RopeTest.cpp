// Rope frequencies against values computed by transformers 5.23 (in f32).
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "kvasir/Model/Rope.h"
#include "gtest/gtest.h"

using namespace kvasir;

/// Equal within 4 units in the last place.
static void expectFrequencies(const std::vector<float> &actual,
                              const std::vector<float> &expected) {
  ASSERT_EQ(actual.size(), expected.size());
  for (size_t i = 0; i != expected.size(); ++i)
    EXPECT_FLOAT_EQ(actual[i], expected[i]) << "pair " << i;
}

TEST(Rope, Default) {
  RopeDescription rope = defaultRope(500000, 16);
  expectFrequencies(rope.frequencies,
                    {1.0f, 0.193922758f, 0.0376060307f, 0.00729266508f, 0.00141421345f,
                     0.000274248188f, 5.31829573e-05f, 1.03133852e-05f});
  EXPECT_EQ(rope.magnitude, 1.0f);
  EXPECT_TRUE(rope.longFrequencies.empty());
}

TEST(Rope, Linear) {
  expectFrequencies(linearRope(10000, 8, 4).frequencies,
                    {0.25f, 0.0250000004f, 0.00249999994f, 0.000250000012f});
}

TEST(Rope, Llama3) {
  RopeDescription rope = llama3Rope(500000, 16, {8, 1, 4, 64});
  expectFrequencies(rope.frequencies,
                    {1.0f, 0.079403013f, 0.00470075384f, 0.000911583134f, 0.000176776681f,
                     3.42810235e-05f, 6.64786967e-06f, 1.28917316e-06f});
}

TEST(Rope, Yarn) {
  YarnScaling scaling;
  scaling.factor = 8;
  scaling.originalContext = 64;
  RopeDescription rope = yarnRope(10000, 16, scaling);
  expectFrequencies(rope.frequencies,
                    {1.0f, 0.223994657f, 0.0416666642f, 0.00395284733f, 0.00124999997f,
                     0.000395284733f, 0.000125000006f, 3.95284733e-05f});
  EXPECT_FLOAT_EQ(rope.magnitude, 1.20794415f);
  scaling.attentionFactor = 1.3;
  EXPECT_FLOAT_EQ(yarnRope(10000, 16, scaling).magnitude, 1.3f);
}

TEST(Rope, YarnWithMscaleAndWithoutTruncation) {
  YarnScaling scaling;
  scaling.factor = 8;
  scaling.originalContext = 64;
  scaling.mscale = 1.0;
  scaling.mscaleAllDim = 0.7;
  scaling.truncate = false;
  scaling.betaFast = 16;
  scaling.betaSlow = 2;
  RopeDescription rope = yarnRope(10000, 16, scaling);
  expectFrequencies(rope.frequencies,
                    {1.0f, 0.120533988f, 0.0125000002f, 0.00395284733f, 0.00124999997f,
                     0.000395284733f, 0.000125000006f, 3.95284733e-05f});
  EXPECT_FLOAT_EQ(rope.magnitude, 1.05445651f);
}

TEST(Rope, Long) {
  LongScaling scaling{{1.0, 1.1, 1.2, 1.3}, {1.5, 2.0, 3.0, 4.5}, 4.0, 32, std::nullopt};
  RopeDescription rope = longRope(10000, 8, scaling);
  expectFrequencies(rope.frequencies, {1.0f, 0.0909090936f, 0.00833333284f, 0.00076923077f});
  expectFrequencies(rope.longFrequencies,
                    {0.666666687f, 0.0500000007f, 0.00333333341f, 0.000222222225f});
  EXPECT_FLOAT_EQ(rope.magnitude, 1.18321596f);
  EXPECT_EQ(rope.longMagnitude, rope.magnitude);
  EXPECT_EQ(rope.originalContext, 32);
  scaling.factor = 16;
  EXPECT_FLOAT_EQ(longRope(10000, 8, scaling).magnitude, 1.34164079f);
  scaling.attentionFactor = 1.7;
  EXPECT_FLOAT_EQ(longRope(10000, 8, scaling).magnitude, 1.7f);
}
