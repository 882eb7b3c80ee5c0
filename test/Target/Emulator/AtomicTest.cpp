// Conformance of atomic operations, volatile accesses and fences with the PTX ISA manual ("atom",
// "red", "ld", "st", "membar, fence").
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "Emulated.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

using namespace kvasir;
using namespace kvasir::test;
using testing::HasSubstr;

namespace {

const char *sharedWord = "llvm.mlir.global internal @s() {addr_space = 3 : i32, alignment = 8 : "
                         "i64} : !llvm.array<2 x i64>\n";

/// Thread 0 does the operation once on `start` with `operand`: what it returns, what is then there.
/// In shared memory, or in global memory by a generic or a global address.
std::pair<uint64_t, uint64_t> once(const std::string &kind, const std::string &type, uint64_t start,
                                   uint64_t operand, const std::string &space) {
  std::string pointer = space == "shared"   ? "!llvm.ptr<3>"
                        : space == "global" ? "!llvm.ptr<1>"
                                            : "!llvm.ptr";
  std::string place = space == "shared" ? "%p = llvm.mlir.addressof @s : !llvm.ptr<3>\n"
                      : space == "global"
                          ? "%p = llvm.addrspacecast %out : !llvm.ptr to !llvm.ptr<1>\n"
                          : "%p = llvm.getelementptr %out[0] : (!llvm.ptr) -> !llvm.ptr, i8\n";
  std::string of = " : " + type + ", " + pointer;
  KernelText text{
      place + R"(
%zero = llvm.mlir.constant(0 : i32) : i32
%isFirst = llvm.icmp "eq" %tid, %zero : i32
llvm.cond_br %isFirst, ^go, ^end
^go:
%startAt = llvm.getelementptr %in[0] : (!llvm.ptr) -> !llvm.ptr, i64
%operandAt = llvm.getelementptr %in[1] : (!llvm.ptr) -> !llvm.ptr, i64
%oldAt = llvm.getelementptr %out[1] : (!llvm.ptr) -> !llvm.ptr, i64
%newAt = llvm.getelementptr %out[2] : (!llvm.ptr) -> !llvm.ptr, i64
%start = llvm.load %startAt : !llvm.ptr -> )" +
          type + "\n%v = llvm.load %operandAt : !llvm.ptr -> " + type + "\nllvm.store %start, %p" +
          of + "\n%old = llvm.atomicrmw " + kind + " %p, %v monotonic : " + pointer + ", " + type +
          "\n%new = llvm.load %p : " + pointer + " -> " + type +
          "\nllvm.store %old, %oldAt : " + type + ", !llvm.ptr\nllvm.store %new, %newAt : " + type +
          ", !llvm.ptr\nllvm.br ^end\n^end:\n",
      sharedWord};
  std::vector<uint64_t> in = {start, operand}, out(16);
  in.resize(16);
  Emulated code(text.str());
  EXPECT_EQ(code.failure, "");
  EXPECT_EQ(code.run("k", {in, out}), "") << kind;
  return {out[1], out[2]};
}

struct Operation {
  const char *kind, *type;
  uint64_t start, operand, expected;
};

// The manual's definitions: inc is (old >= b) ? 0 : old + 1, dec is (old == 0 or old > b) ? b :
// old - 1; min and max are signed or not.
const Operation operations[] = {
    {"xchg", "i32", 5, 7, 7},
    {"add", "i32", 0xffffffff, 2, 1},
    {"sub", "i32", 1, 2, 0xffffffff},
    {"_and", "i32", 12, 10, 8},
    {"_or", "i32", 12, 10, 14},
    {"_xor", "i32", 12, 10, 6},
    {"max", "i32", 0xfffffffe, 3, 3},
    {"min", "i32", 0xfffffffe, 3, 0xfffffffe},
    {"umax", "i32", 0xfffffffe, 3, 0xfffffffe},
    {"umin", "i32", 0xfffffffe, 3, 3},
    {"uinc_wrap", "i32", 4, 5, 5},
    {"uinc_wrap", "i32", 5, 5, 0},
    {"uinc_wrap", "i32", 9, 5, 0},
    {"udec_wrap", "i32", 4, 5, 3},
    {"udec_wrap", "i32", 0, 5, 5},
    {"udec_wrap", "i32", 9, 5, 5},
    {"xchg", "i64", 5, ~uint64_t(0), ~uint64_t(0)},
    {"add", "i64", 0xffffffff, 1, 0x100000000},
    {"sub", "i64", 0, 1, ~uint64_t(0)},
    {"_and", "i64", 0xf0000000c, 0x10000000a, 0x100000008},
    {"_or", "i64", 12, 0x10000000a, 0x10000000e},
    {"_xor", "i64", 0xf0000000c, 0x10000000a, 0xe00000006},
    {"max", "i64", ~uint64_t(0), 3, 3},
    {"min", "i64", ~uint64_t(0), 3, ~uint64_t(0)},
    {"umax", "i64", ~uint64_t(0), 3, ~uint64_t(0)},
    {"umin", "i64", ~uint64_t(0), 3, 3},
    {"xchg", "f32", 0x3f800000, 0x40000000, 0x40000000},
    {"fadd", "f32", 0x3fc00000, 0x40100000, 0x40700000}, // 1.5 + 2.25
    {"fadd", "f64", 0x3ff8000000000000, 0x4002000000000000, 0x400e000000000000},
};

TEST(Atomic, EveryOperationInEverySpace) {
  for (const char *space : {"generic", "global", "shared"})
    for (const Operation &o : operations) {
      auto [old, then] = once(o.kind, o.type, o.start, o.operand, space);
      EXPECT_EQ(old, o.start) << o.kind << " of " << o.type << ", " << space;
      EXPECT_EQ(then, o.expected) << o.kind << " of " << o.type << ", " << space;
    }
}

TEST(Atomic, SumsInGlobalMemoryFlushSubnormalNumbers) {
  uint64_t small = 0x00000001, negative = 0x80000001;
  EXPECT_EQ(once("fadd", "f32", small, small, "global").second, 0u);
  EXPECT_EQ(once("fadd", "f32", small, small, "generic").second, 0u);
  EXPECT_EQ(once("fadd", "f32", negative, negative, "global").second, 0x80000000u);
  EXPECT_EQ(once("fadd", "f32", small, small, "shared").second, 2u);
}

TEST(Atomic, CompareAndSwapOfEveryOrderAndScope) {
  for (const char *scope : {"", "syncscope(\"device\") ", "syncscope(\"block\") "})
    for (const char *order : {"monotonic", "acquire", "release", "acq_rel", "seq_cst"}) {
      KernelText text{std::string(R"(
%other = llvm.mlir.constant(100 : i32) : i32
%even = llvm.mlir.constant(2 : i32) : i32
%v = llvm.load %in_at : !llvm.ptr -> i32
%r = llvm.cmpxchg %out_at, %even, %other )") +
                      scope + order + R"( monotonic : !llvm.ptr, i32
%old = llvm.extractvalue %r[0] : !llvm.struct<(i32, i1)>
%did = llvm.extractvalue %r[1] : !llvm.struct<(i32, i1)>
%bit = llvm.zext %did : i1 to i32
%sum = llvm.add %old, %bit : i32
llvm.store %sum, %in_at : i32, !llvm.ptr)"};
      std::vector<uint32_t> in(32), out(32);
      for (uint32_t i = 0; i < 32; ++i)
        out[i] = i % 4;
      Emulated code(text.str());
      ASSERT_EQ(code.failure, "");
      ASSERT_EQ(code.run("k", {in, out}), "");
      for (uint32_t i = 0; i < 32; ++i) {
        EXPECT_EQ(in[i], i % 4 == 2 ? 3 : i % 4) << order;
        EXPECT_EQ(out[i], i % 4 == 2 ? 100 : i % 4) << order;
      }
    }
}

TEST(Atomic, LoadsStoresAndFencesOfEveryOrderAndScope) {
  auto body = [](const std::string &load, const std::string &store, const std::string &fence) {
    return "%v = llvm.load " + load + " : !llvm.ptr -> i32\n" + fence + "\nllvm.store " + store +
           " : i32, !llvm.ptr";
  };
  auto check = [&](const std::string &text) {
    std::vector<uint32_t> in(32), out(32);
    for (uint32_t i = 0; i < 32; ++i)
      in[i] = 3 * i;
    Emulated code(KernelText{text}.str());
    EXPECT_EQ(code.failure, "") << text;
    EXPECT_EQ(code.run("k", {in, out}), "") << text;
    EXPECT_EQ(in, out) << text;
  };
  check(body("volatile %in_at", "volatile %v, %out_at", ""));
  for (std::string scope : {"", "syncscope(\"device\") ", "syncscope(\"block\") "}) {
    for (std::string order : {"monotonic", "acquire", "seq_cst"})
      check(body("%in_at atomic " + scope + order + " {alignment = 4 : i64}", "%v, %out_at", ""));
    for (std::string order : {"monotonic", "release", "seq_cst"})
      check(body("%in_at", "%v, %out_at atomic " + scope + order + " {alignment = 4 : i64}", ""));
    for (std::string order : {"acquire", "release", "acq_rel", "seq_cst"})
      check(body("%in_at", "%v, %out_at", "llvm.fence " + scope + order));
  }
  for (std::string scope : {"cta", "gpu", "sys"})
    check(body("%in_at", "%v, %out_at", "nvvm.memory.barrier <" + scope + ">"));
  check(body("%in_at", "%v, %out_at", "nvvm.fence.sc.cluster"));
}

TEST(Atomic, WhatLLVMWouldNotKeepIsRefused) {
  auto refusal = [](const std::string &body) {
    return Emulated(KernelText{"%f = llvm.mlir.constant(1.0 : f32) : f32\n" + body}.str()).failure;
  };
  for (std::string order : {"acquire", "release", "acq_rel", "seq_cst"})
    EXPECT_THAT(refusal("%a = llvm.atomicrmw add %out, %tid " + order + " : !llvm.ptr, i32"),
                HasSubstr("has an order that LLVM leaves out of its PTX, expected monotonic"));
  EXPECT_THAT(refusal("%a = llvm.atomicrmw nand %out, %tid monotonic : !llvm.ptr, i32"),
              HasSubstr("PTX has no instruction for"));
  EXPECT_THAT(refusal("%a = llvm.atomicrmw fmax %out, %f monotonic : !llvm.ptr, f32"),
              HasSubstr("PTX has no instruction for"));
  EXPECT_THAT(
      refusal("%a = llvm.atomicrmw add %out, %tid syncscope(\"x\") monotonic : !llvm.ptr, i32"),
      HasSubstr("has the scope 'x' that the emulator does not know"));
  EXPECT_THAT(refusal("llvm.fence syncscope(\"agent\") acq_rel"),
              HasSubstr("has the scope 'agent'"));
}

TEST(Atomic, IsMisaligned) {
  std::vector<uint32_t> in(32), out(32);
  Emulated code(KernelText{"%p = llvm.getelementptr %out[2] : (!llvm.ptr) -> !llvm.ptr, i8\n"
                           "%a = llvm.atomicrmw add %p, %tid monotonic : !llvm.ptr, i32"}
                    .str());
  ASSERT_EQ(code.failure, "");
  EXPECT_THAT(code.run("k", {in, out}),
              HasSubstr("thread (0, 0, 0), llvm.atomicrmw #5 (kernel.mlir:9:6): misaligned: it "
                        "updates 4 bytes at an address that is 2 modulo 4"));
}

} // namespace
