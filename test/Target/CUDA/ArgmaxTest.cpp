// The greedy choice on the emulator, against a loop.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "Attention.h"

#include "gtest/gtest.h"

#include <cmath>
#include <limits>
#include <random>

using namespace kvasir::test;

namespace {

constexpr float infinity = std::numeric_limits<float>::infinity();

std::vector<int32_t> choose(int columns, int count, const std::vector<std::vector<float>> &logits) {
  std::string rows = "!step.buffer<rows, " + std::to_string(columns) + ">";
  std::string values = "tensor<?x" + std::to_string(columns) + "xf32>";
  auto code = emulatePhases(
      "step.phase @p kind <rows> {\n^bb0(%x: " + rows +
      ", %out: !step.buffer<rows, i32>):\n%0 = step.read %x : " + rows + " -> " + values +
      "\n%1 = llm.argmax %0 {count = " + std::to_string(count) + " : i64} : " + values +
      ", tensor<?xi32>\nstep.write %1, %out : tensor<?xi32>, "
      "!step.buffer<rows, i32>\n}\n");
  size_t stride = (columns + 15) / 16 * 16;
  stride += stride % 256 == 0 ? 16 : 0;
  std::vector<float> buffer(logits.size() * stride, infinity);
  for (size_t r = 0; r < logits.size(); ++r)
    std::copy(logits[r].begin(), logits[r].end(), buffer.begin() + ptrdiff_t(r * stride));
  std::vector<int32_t> chosen(logits.size(), -7);
  kvasir_step_args args = {};
  args.struct_size = sizeof(args);
  args.tokens = args.rows = int32_t(logits.size());
  EXPECT_EQ(code->run("p", {{buffer, false}, {chosen}}, &args), "");
  return chosen;
}

TEST(Argmax, IsTheFirstOfTheLargest) {
  constexpr int count = 20003, columns = 20016; // every loop of the kernel, and what is left over
  std::mt19937 random(1);
  std::vector<std::vector<float>> logits;
  std::vector<int32_t> want;
  for (int best : {0, 3, 1234, 8191, 8192, 16384, 19999, 20000, 20002}) {
    std::vector<float> row(columns, 100); // beyond the vocabulary: not to be looked at
    for (int i = 0; i < count; ++i)
      row[i] = float(random() % 1000) / 100 - 20;
    for (int i = best; i < count; i += 1 + int(random() % 3000))
      row[i] = -3;
    logits.push_back(row);
    want.push_back(best);
  }
  EXPECT_EQ(choose(columns, count, logits), want);
}

TEST(Argmax, ZerosOfBothSignsAreEqual) {
  std::vector<float> row(40, -1);
  row[7] = -0.0f;
  row[9] = 0.0f;
  EXPECT_EQ(choose(40, 40, {row}), std::vector<int32_t>{7});
}

/// Where the host's sampler refuses, there is no choice.
TEST(Argmax, WhatIsNotFiniteHasNoChoice) {
  std::vector<std::vector<float>> logits(6, std::vector<float>(3000, 1));
  logits[0][2999] = std::nanf("");
  logits[1][5] = infinity;
  logits[2].assign(3000, -infinity);
  logits[3].assign(3000, -infinity);
  logits[3][1500] = -2; // a choice: what is forbidden is -infinity
  logits[4][17] = 2;
  logits[5][0] = std::nanf("");
  EXPECT_EQ(choose(3000, 3000, logits), (std::vector<int32_t>{-1, -1, -1, 1500, 17, -1}));
}

TEST(Argmax, FewValues) {
  EXPECT_EQ(choose(3, 3, {{1, 3, 2}, {4, 3, 2}, {1, 2, 3}}), (std::vector<int32_t>{1, 0, 2}));
  EXPECT_EQ(choose(16, 1, {std::vector<float>(16, 2)}), std::vector<int32_t>{0});
}

} // namespace
