// Attention kernels on the emulator: against the formula, and the bits of a request.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "Attention.h"

#include "gtest/gtest.h"

#include <cmath>
#include <cstring>
#include <limits>

using namespace kvasir::test;
using kvasir::EmulatorOptions;

namespace {

constexpr float infinity = std::numeric_limits<float>::infinity();

/// Root of the mean square difference, in units of the values' own.
double distance(const std::vector<float> &got, const std::vector<double> &want) {
  double difference = 0, size = 0;
  EXPECT_EQ(got.size(), want.size());
  for (size_t i = 0; i < std::min(got.size(), want.size()); ++i) {
    difference += (got[i] - want[i]) * (got[i] - want[i]);
    size += want[i] * want[i];
  }
  return std::sqrt(difference / size);
}

/// Equal bits; NaN is NaN.
::testing::AssertionResult equalBits(const std::vector<float> &a, const std::vector<float> &b) {
  if (a.size() != b.size())
    return ::testing::AssertionFailure() << a.size() << " and " << b.size() << " values";
  for (size_t i = 0; i < a.size(); ++i)
    if (std::memcmp(&a[i], &b[i], 4) != 0 && !(std::isnan(a[i]) && std::isnan(b[i])))
      return ::testing::AssertionFailure() << "value " << i << ": " << a[i] << " and " << b[i];
  return ::testing::AssertionSuccess();
}

/// What the tokens of a span give one at a time.
std::vector<float> oneByOne(Attention &attention, Span span) {
  std::vector<float> all;
  for (int p = span.from; p < span.to; ++p) {
    auto one = attention.step({{span.request, p, p + 1}});
    all.insert(all.end(), one.begin(), one.end());
  }
  return all;
}

struct Case {
  AttentionShape shape;
  double bound; ///< of `distance`
};

class Attend : public ::testing::TestWithParam<Case> {};

TEST_P(Attend, IsTheFormula) {
  Attention attention(GetParam().shape, {700, 20});
  std::vector<Span> spans = {{0, 690, 700}, {1, 3, 20}};
  auto got = attention.step(spans);
  std::vector<double> want;
  for (Span span : spans) {
    auto own = attention.expected(span);
    want.insert(want.end(), own.begin(), own.end());
  }
  EXPECT_LT(distance(got, want), GetParam().bound);
}

TEST_P(Attend, BitsDependOnTheRequestOnly) {
  Attention attention(GetParam().shape, {1100, 600});
  Span span = {0, 1020, 1030};
  auto alone = oneByOne(attention, span);
  EXPECT_TRUE(equalBits(attention.step({span}), alone));
  auto among = attention.step({{1, 500, 516}, span, {1, 516, 520}});
  among = {among.begin() + ptrdiff_t(16 * GetParam().shape.queryColumns()), among.end()};
  among.resize(alone.size());
  EXPECT_TRUE(equalBits(among, alone));
  EXPECT_TRUE(equalBits(attention.step({span}, /*split=*/true), alone));
}

/// Partitions by themselves, folded: the same bits as in one go. More attention blocks than a warp
/// has lanes, of contexts of different lengths.
TEST_P(Attend, SplitContextsHaveTheSameBits) {
  Attention attention(GetParam().shape, {1100, 600, 20});
  std::vector<Span> spans = {{0, 500, 520}, {1, 0, 3}, {0, 1095, 1100}, {2, 0, 20}};
  for (int p = 0; p < 30; ++p)
    spans.push_back({1, 505 + p, 506 + p});
  EXPECT_TRUE(equalBits(attention.step(spans, /*split=*/true), attention.step(spans)));
}

/// Who folds is whoever is last, and folds from left to right: more partitions than come with one
/// trip to memory, and less of the last trip; contexts of one partition and of two among them.
TEST(AttendSplit, AnyBlockMayBeTheLast) {
  AttentionShape shape{.heads = 4, .kvHeads = 2, .size = 16};
  std::vector<int> lengths = {4700, 600, 100};
  std::vector<Span> spans = {{0, 4690, 4700}, {1, 599, 600}, {2, 90, 100}, {1, 500, 520}};
  std::vector<float> whole = Attention(shape, lengths).step(spans);
  for (EmulatorOptions options :
       {EmulatorOptions{.seed = 1, .blocks = 200}, EmulatorOptions{.seed = 2, .blocks = 200},
        EmulatorOptions{.seed = 3, .blocks = 7}, EmulatorOptions{.seed = 0, .blocks = 1}})
    EXPECT_TRUE(equalBits(Attention(shape, lengths, options).step(spans, /*split=*/true), whole))
        << "seed " << options.seed;
}

/// Values of tokens that a row does not see never enter its sums, not even with weight 0: neither
/// those of later tokens in the chunk nor those that have left the window.
TEST_P(Attend, UnseenValuesAreNotMultiplied) {
  Attention attention(GetParam().shape, {80});
  if (GetParam().shape.element == "i8")
    GTEST_SKIP() << "a scale is infinite, not a value: see UnseenScalesAreNotMultiplied";
  int columns = GetParam().shape.keyColumns();
  attention.values[0][70 * columns + 3] = infinity;
  attention.values[0][73 * columns + 5] = -infinity;
  attention.values[0][3 * columns + 9] = std::nanf("");
  Span span = {0, 64, 80};
  auto alone = oneByOne(attention, span);
  EXPECT_TRUE(equalBits(attention.step({span}), alone));
  EXPECT_TRUE(std::isfinite(alone[5 * GetParam().shape.queryColumns() + 3]));
  EXPECT_FALSE(std::isfinite(alone[6 * GetParam().shape.queryColumns() + 3]));
}

/// The same for scales of int8 values: infinite ones make all of a head's outputs NaN or infinite.
TEST_P(Attend, UnseenScalesAreNotMultiplied) {
  if (GetParam().shape.element != "i8")
    GTEST_SKIP() << "has no scales";
  Attention attention(GetParam().shape, {80});
  int columns = GetParam().shape.keyColumns();
  attention.values[0][70 * columns + 3] = infinity;
  attention.keys[0][73 * columns + 3] = infinity;
  Span span = {0, 64, 80};
  auto alone = oneByOne(attention, span);
  EXPECT_TRUE(equalBits(attention.step({span}), alone));
  EXPECT_TRUE(std::isfinite(alone[5 * GetParam().shape.queryColumns() + 3]));
  EXPECT_FALSE(std::isfinite(alone[6 * GetParam().shape.queryColumns() + 3]));
}

INSTANTIATE_TEST_SUITE_P(
    Shapes, Attend,
    ::testing::Values(
        Case{{.heads = 4, .kvHeads = 2, .size = 64}, 0.01},
        Case{{.heads = 4, .kvHeads = 1, .size = 80, .element = "f16"}, 0.002},
        Case{{.heads = 3, .kvHeads = 3, .size = 128, .window = 70}, 0.01},
        Case{{.heads = 4, .kvHeads = 2, .size = 64, .window = 600}, 0.01},
        Case{{.heads = 2, .kvHeads = 1, .size = 256, .window = 90, .element = "f16"}, 0.002},
        Case{{.heads = 4, .kvHeads = 2, .size = 24, .element = "f32"}, 1e-6},
        Case{{.heads = 4, .kvHeads = 2, .size = 80, .element = "i8"}, 0.01},
        Case{{.heads = 2, .kvHeads = 2, .size = 64, .window = 70, .element = "i8"}, 0.01},
        Case{{.heads = 4, .kvHeads = 2, .size = 24, .element = "i8"}, 1e-5}));

} // namespace
