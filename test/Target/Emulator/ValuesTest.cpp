// Reads of global memory that nobody has written in the step: each is caught and named, and what
// has values is not reported.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "Emulated.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

using namespace kvasir;
using namespace kvasir::test;
using testing::HasSubstr;

namespace {

/// Kernels of one block of 32 threads: one copies %in to %out, one adds to %out, one reads 4 bytes
/// past 32 ints, one copies asynchronously, one writes single bytes.
struct Values : testing::Test {
  Emulated code{R"(gpu.module @sm_90 {
llvm.mlir.global internal @s() {addr_space = 3 : i32, alignment = 16 : i64} : !llvm.array<128 x i8>
)" + kernel("copy", R"(
%v = llvm.load %in_at : !llvm.ptr -> i32
llvm.store %v, %out_at : i32, !llvm.ptr)") +
                kernel("set", "llvm.store %tid, %out_at : i32, !llvm.ptr") + kernel("add", R"(
%old = llvm.atomicrmw add %out_at, %tid monotonic : !llvm.ptr, i32)") +
                kernel("past", R"(
%far = llvm.getelementptr %in_at[4] : (!llvm.ptr) -> !llvm.ptr, i8
%v = llvm.load %far : !llvm.ptr -> i32)") +
                kernel("async", R"(
%s = llvm.mlir.addressof @s : !llvm.ptr<3>
%place = llvm.getelementptr %s[%tid] : (!llvm.ptr<3>, i32) -> !llvm.ptr<3>, i32
%from = llvm.addrspacecast %in_at : !llvm.ptr to !llvm.ptr<1>
nvvm.cp.async.shared.global %place, %from, 4, cache = ca : !llvm.ptr<3>, !llvm.ptr<1>)") +
                kernel("bytes", R"(
%byte = llvm.getelementptr %out[%tid] : (!llvm.ptr, i32) -> !llvm.ptr, i8
%v = llvm.trunc %tid : i32 to i8
llvm.store %v, %byte : i8, !llvm.ptr)") +
                "}"};
  std::vector<uint32_t> a = std::vector<uint32_t>(64), b = a, c = a;

  static std::string kernel(const std::string &name, const std::string &body) {
    return "llvm.func @" + name +
           R"((%args: !llvm.ptr, %in: !llvm.ptr, %out: !llvm.ptr) attributes {nvvm.kernel,
  nvvm.reqntid = array<i32: 32, 1, 1>, kvasir.grid = array<i32: 1, 1, 1>} {
%tid = nvvm.read.ptx.sreg.tid.x : i32
%in_at = llvm.getelementptr %in[%tid] : (!llvm.ptr, i32) -> !llvm.ptr, i32
%out_at = llvm.getelementptr %out[%tid] : (!llvm.ptr, i32) -> !llvm.ptr, i32
)" + body + "\nllvm.return\n}\n";
  }
  Operand buffer(std::vector<uint32_t> &values, uint32_t number) const {
    return Operand(values).without(number);
  }
  std::string step(const std::vector<Emulated::Call> &calls, int32_t steps = 1) const {
    EXPECT_EQ(code.failure, "");
    std::string alone = code.runStep(calls, nullptr, 1, steps);
    EXPECT_EQ(code.runStep(calls, nullptr, 3, steps), alone);
    return alone;
  }
};

constexpr const char *noValue = "uninitialised global memory: it reads the byte at offset ";

TEST_F(Values, ABufferHasNoneAtFirst) {
  EXPECT_EQ(step({{"copy", {a, b}}}), "");
  EXPECT_EQ(step({{"copy", {buffer(a, 1), b}}}),
            "kernel 'copy', block (0, 0, 0), thread (0, 0, 0), llvm.load #4 (kernel.mlir:9:6): " +
                std::string(noValue) +
                "0 of operand 0, a buffer in which no kernel has written it in this step");
  EXPECT_EQ(step({{"set", {c, buffer(a, 1)}}, {"copy", {buffer(a, 1), b}}}), "");
}

TEST_F(Values, PastWhatWasWritten) {
  std::vector<Emulated::Call> calls = {{"set", {c, buffer(a, 1)}}, {"past", {buffer(a, 1), b}}};
  EXPECT_THAT(step(calls), HasSubstr("kernel 'past', block (0, 0, 0), thread (31, 0, 0)"));
  EXPECT_THAT(step(calls), HasSubstr(noValue + std::string("128 of operand 0")));
}

TEST_F(Values, AnUpdateReads) {
  EXPECT_THAT(step({{"add", {c, buffer(a, 1)}}}),
              HasSubstr("uninitialised global memory: it updates the byte at offset 0 of operand "
                        "1, a buffer in which no kernel has written it in this step"));
  EXPECT_EQ(step({{"add", {c, a}}}), ""); // a counter
  EXPECT_EQ(step({{"set", {c, buffer(a, 1)}}, {"add", {c, buffer(a, 1)}}}), "");
}

TEST_F(Values, ACopyReads) {
  EXPECT_THAT(step({{"async", {buffer(a, 1), b}}}), HasSubstr(noValue));
  EXPECT_EQ(step({{"set", {c, buffer(a, 1)}}, {"async", {buffer(a, 1), b}}}), "");
}

TEST_F(Values, AreOfTheStep) {
  Operand wanted = buffer(a, 1);
  // What the second kernel writes is there for the first one of the next step, but not its value.
  EXPECT_THAT(step({{"copy", {wanted, b}}, {"set", {c, wanted}}}), HasSubstr(noValue));
  EXPECT_EQ(step({{"set", {c, wanted}}, {"copy", {wanted, b}}}, 3), "");
}

TEST_F(Values, OfAnotherBufferInTheSamePlace) {
  // Both lie at `a`, one after the other.
  EXPECT_THAT(step({{"set", {c, buffer(a, 1)}}, {"copy", {buffer(a, 2), b}}}), HasSubstr(noValue));
  EXPECT_EQ(step({{"set", {c, buffer(a, 1)}},
                  {"copy", {buffer(a, 1), b}},
                  {"set", {c, buffer(a, 2)}},
                  {"copy", {buffer(a, 2), b}}}),
            "");
}

TEST_F(Values, SingleBytes) {
  EXPECT_THAT(step({{"bytes", {c, buffer(a, 1)}}, {"copy", {buffer(a, 1), b}}}),
              HasSubstr(noValue + std::string("32 of operand 0")));
}

TEST_F(Values, PagesOfACache) {
  // Two pages of 128 bytes, of which the first is written.
  Operand cache = Operand(a).without(1, 128);
  EXPECT_THAT(step({{"past", {cache, b}}}),
              HasSubstr(noValue + std::string("4 of operand 0, in page 0 of a cache, in which "
                                              "nobody has written since its request has it")));
  EXPECT_THAT(step({{"set", {c, cache}}, {"past", {cache, b}}}),
              HasSubstr(noValue + std::string("128 of operand 0, in page 1 of a cache")));
  // Of a page that was written all is read, and it stays from step to step.
  EXPECT_EQ(step({{"bytes", {c, cache}}, {"copy", {cache, b}}}), "");
  EXPECT_EQ(step({{"bytes", {c, cache}}, {"copy", {cache, b}}}, 3), "");
}

} // namespace
