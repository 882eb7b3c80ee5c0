// Memory: address spaces, vectors, atomics, asynchronous copies, step arguments, order of blocks.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "Emulated.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include <algorithm>
#include <functional>
#include <numeric>

using namespace kvasir;
using namespace kvasir::test;
using testing::HasSubstr;

namespace {

std::vector<uint32_t> counting(size_t count, uint32_t from = 0) {
  std::vector<uint32_t> values(count);
  std::iota(values.begin(), values.end(), from);
  return values;
}

const char *shared =
    "llvm.mlir.global internal @pad() {addr_space = 3 : i32, alignment = 4 : i64} "
    ": !llvm.array<3 x i8>\n"
    "llvm.mlir.global internal @s() {addr_space = 3 : i32, alignment = 64 : i64} : "
    "!llvm.array<64 x i32>\n"
    "llvm.mlir.global external @d() {addr_space = 3 : i32, alignment = 128 : i64} "
    ": !llvm.array<0 x i8>\n";
const char *dynamic = ", kvasir.dynamic_shared = 512 : i64";

TEST(Memory, SharedMemoryIsLaidOutByAlignment) {
  // @pad at 0, @s at 64, dynamic memory at 64 + 256 rounded up to 384.
  std::vector<uint32_t> in(32), out(32);
  Emulated code(KernelText{R"(
%p = llvm.mlir.addressof @pad : !llvm.ptr<3>
%s = llvm.mlir.addressof @s : !llvm.ptr<3>
%d = llvm.mlir.addressof @d : !llvm.ptr<3>
%pi = llvm.ptrtoint %p : !llvm.ptr<3> to i32
%si = llvm.ptrtoint %s : !llvm.ptr<3> to i32
%di = llvm.ptrtoint %d : !llvm.ptr<3> to i32
%size = nvvm.read.ptx.sreg.dynamic.smem.size : i32
%c10 = llvm.mlir.constant(1000 : i32) : i32
%a = llvm.mul %si, %c10 : i32
%b = llvm.add %a, %di : i32
%c = llvm.add %b, %pi : i32
%e = llvm.mul %c, %c10 : i32
%f = llvm.add %e, %size : i32
llvm.store %f, %out_at : i32, !llvm.ptr)",
                           shared, 32, 1, dynamic}
                    .str());
  ASSERT_EQ(code.failure, "");
  code.nearness.compared = false; // where a GPU's shared memory starts is its affair
  ASSERT_EQ(code.run("k", {in, out}), "");
  EXPECT_EQ(out[0], 64384512u);
}

TEST(Memory, GenericAddressesOfSharedMemory) {
  auto in = counting(32, 7);
  std::vector<uint32_t> out(32);
  Emulated code(KernelText{R"(
%s = llvm.mlir.addressof @s : !llvm.ptr<3>
%generic = llvm.addrspacecast %s : !llvm.ptr<3> to !llvm.ptr
%place = llvm.getelementptr %generic[%tid] : (!llvm.ptr, i32) -> !llvm.ptr, i32
%v = llvm.load %in_at : !llvm.ptr -> i32
llvm.store %v, %place : i32, !llvm.ptr
%back = llvm.addrspacecast %place : !llvm.ptr to !llvm.ptr<3>
%w = llvm.load %back : !llvm.ptr<3> -> i32
%global = llvm.addrspacecast %out_at : !llvm.ptr to !llvm.ptr<1>
llvm.store %w, %global : i32, !llvm.ptr<1>)",
                           shared}
                    .str());
  ASSERT_EQ(code.failure, "");
  ASSERT_EQ(code.run("k", {in, out}), "");
  EXPECT_EQ(out, in);
}

TEST(Memory, AtomicsOfManyBlocks) {
  std::vector<uint32_t> in(32), out(32);
  KernelText text{R"(
%one = llvm.mlir.constant(1 : i32) : i32
%old = llvm.atomicrmw add %out, %one monotonic : !llvm.ptr, i32
%second = llvm.getelementptr %out[1] : (!llvm.ptr) -> !llvm.ptr, i32
%block = nvvm.read.ptx.sreg.ctaid.x : i32
%most = llvm.atomicrmw umax %second, %block monotonic : !llvm.ptr, i32
%third = llvm.getelementptr %out[2] : (!llvm.ptr) -> !llvm.ptr, i32
%zero = llvm.mlir.constant(0 : i32) : i32
%swap = llvm.cmpxchg %third, %zero, %one acq_rel monotonic : !llvm.ptr, i32
%won = llvm.extractvalue %swap[1] : !llvm.struct<(i32, i1)>
llvm.cond_br %won, ^won, ^end
^won:
nvvm.memory.barrier <gpu>
%fourth = llvm.getelementptr %out[3] : (!llvm.ptr) -> !llvm.ptr, f32
%f = llvm.mlir.constant(2.5 : f32) : f32
%sum = llvm.atomicrmw fadd %fourth, %f monotonic : !llvm.ptr, f32
llvm.br ^end
^end:
)"};
  text.blocks = 100;
  Emulated code(text.str());
  ASSERT_EQ(code.failure, "");
  ASSERT_EQ(code.run("k", {in, out}, nullptr, 4), "");
  EXPECT_EQ(out[0], 3200u);
  EXPECT_EQ(out[1], 99u);
  EXPECT_EQ(out[2], 1u);
  EXPECT_EQ(out[3], 0x40200000u);
}

TEST(CopyAsync, OfEverySizeAndWithZeros) {
  for (int bytes : {4, 8, 16}) {
    int words = bytes / 4;
    std::string n = std::to_string(bytes), w = std::to_string(words);
    std::string type = words == 1 ? "i32" : "vector<" + w + "xi32>";
    auto in = counting(32 * words, 1);
    std::vector<uint32_t> out(in.size());
    // Odd threads copy no byte, so they get zeros; their source is not looked at.
    Emulated code(KernelText{R"(
%one = llvm.mlir.constant(1 : i32) : i32
%zero = llvm.mlir.constant(0 : i32) : i32
%words = llvm.mlir.constant()" + w +
                                 R"( : i32) : i32
%size = llvm.mlir.constant()" + n +
                                 R"( : i32) : i32
%far = llvm.mlir.constant(1048576 : i32) : i32
%first = llvm.mul %tid, %words : i32
%bit = llvm.and %tid, %one : i32
%odd = llvm.icmp "ne" %bit, %zero : i32
%bytes = llvm.select %odd, %zero, %size : i1, i32
%index = llvm.select %odd, %far, %first : i1, i32
%d = llvm.mlir.addressof @d : !llvm.ptr<3>
%place = llvm.getelementptr %d[%first] : (!llvm.ptr<3>, i32) -> !llvm.ptr<3>, i32
%in1 = llvm.addrspacecast %in : !llvm.ptr to !llvm.ptr<1>
%from = llvm.getelementptr %in1[%index] : (!llvm.ptr<1>, i32) -> !llvm.ptr<1>, i32
nvvm.cp.async.shared.global %place, %from, )" +
                                 n + ", cache = " + (bytes == 16 ? "cg" : "ca") +
                                 R"(, %bytes : !llvm.ptr<3>, !llvm.ptr<1>, i32
nvvm.cp.async.commit.group
nvvm.cp.async.wait.group 0
%to = llvm.getelementptr %out[%first] : (!llvm.ptr, i32) -> !llvm.ptr, i32
%v = llvm.load %place : !llvm.ptr<3> -> )" +
                                 type + "\nllvm.store %v, %to {alignment = 4 : i64} : " + type +
                                 ", !llvm.ptr",
                             shared, 32, 1, dynamic}
                      .str());
    ASSERT_EQ(code.failure, "");
    ASSERT_EQ(code.run("k", {in, out}), "");
    for (size_t i = 0; i < out.size(); ++i)
      EXPECT_EQ(out[i], i / words % 2 ? 0 : in[i]) << i << " of copies of " << bytes;
  }
}

TEST(Memory, ConstantsAreReadOnly) {
  std::string constant = "llvm.mlir.global internal constant @t(dense<[3, 5, 7]> : tensor<3xi32>) "
                         "{addr_space = 1 : i32} : !llvm.array<3 x i32>\n";
  std::string place = "%t = llvm.mlir.addressof @t : !llvm.ptr<1>\n%p = llvm.getelementptr %t[2] : "
                      "(!llvm.ptr<1>) -> !llvm.ptr<1>, i32\n";
  std::vector<uint32_t> in(32), out(32);
  EXPECT_EQ(Emulated(KernelText{place + "%v = llvm.load %p : !llvm.ptr<1> -> i32\n"
                                        "llvm.store %v, %out_at : i32, !llvm.ptr",
                                constant}
                         .str())
                .run("k", {in, out}),
            "");
  EXPECT_EQ(out[9], 7u);
  EXPECT_THAT(
      Emulated(KernelText{place + "llvm.store %tid, %p : i32, !llvm.ptr<1>", constant}.str())
          .run("k", {in, out}),
      HasSubstr("read-only"));
}

TEST(Memory, DeviceFunctions) {
  auto in = counting(32);
  std::vector<uint32_t> out(32);
  Emulated code(KernelText{R"(
%r = llvm.call @squared(%in_at) : (!llvm.ptr) -> i32
llvm.store %r, %out_at : i32, !llvm.ptr)",
                           R"(llvm.func @squared(%p: !llvm.ptr) -> i32 {
  %lane = nvvm.read.ptx.sreg.laneid : i32
  %v = llvm.load %p : !llvm.ptr -> i32
  %r = llvm.mul %v, %lane : i32
  llvm.return %r : i32
}
)"}
                    .str());
  ASSERT_EQ(code.failure, "");
  ASSERT_EQ(code.run("k", {in, out}), "");
  for (uint32_t i = 0; i < 32; ++i)
    EXPECT_EQ(out[i], i * i);
}

//===----------------------------------------------------------------------===//
// Step arguments
//===----------------------------------------------------------------------===//

/// Stores position number `index` of the step.
std::string positions(int index) {
  return R"(
%place = llvm.getelementptr %args[32] : (!llvm.ptr) -> !llvm.ptr, i8
%positions = llvm.load %place : !llvm.ptr -> !llvm.ptr
%at = llvm.getelementptr %positions[)" +
         std::to_string(index) + R"(] : (!llvm.ptr) -> !llvm.ptr, i32
%v = llvm.load %at : !llvm.ptr -> i32
llvm.store %v, %out_at : i32, !llvm.ptr)";
}

TEST(Memory, StepArgumentsHaveTheStepsLengths) {
  std::vector<int32_t> tokens = {10, 20, 30, 40, 50}, ids(5);
  kvasir_step_args args = {};
  args.struct_size = sizeof args;
  args.tokens = 4; // the fifth belongs to nobody
  args.ids = ids.data();
  args.positions = tokens.data();
  std::vector<uint32_t> in(32), out(32);
  ASSERT_EQ(Emulated(KernelText{positions(3)}.str()).run("k", {in, out}, &args), "");
  EXPECT_EQ(out[31], 40u);
  EXPECT_THAT(Emulated(KernelText{positions(4)}.str()).run("k", {in, out}, &args),
              HasSubstr("out of bounds: it reads 4 bytes at"));
  EXPECT_THAT(Emulated(KernelText{"llvm.store %tid, %args : i32, !llvm.ptr"}.str())
                  .run("k", {in, out}, &args),
              HasSubstr("read-only"));
}

//===----------------------------------------------------------------------===//
// Order of blocks
//===----------------------------------------------------------------------===//

/// The blocks in the order in which they ran.
std::vector<uint32_t> order(uint64_t seed, int blocks) {
  KernelText text{R"(
%zero = llvm.mlir.constant(0 : i32) : i32
%first = llvm.icmp "eq" %tid, %zero : i32
llvm.cond_br %first, ^note, ^end
^note:
%one = llvm.mlir.constant(1 : i32) : i32
%n = llvm.atomicrmw add %in, %one monotonic : !llvm.ptr, i32
%block = nvvm.read.ptx.sreg.ctaid.x : i32
%at = llvm.getelementptr %out[%n] : (!llvm.ptr, i32) -> !llvm.ptr, i32
llvm.store %block, %at : i32, !llvm.ptr
llvm.br ^end
^end:
)"};
  text.blocks = blocks;
  std::vector<uint32_t> in(32), out(std::max(blocks, 32));
  Emulated code(text.str(), {.seed = seed});
  EXPECT_EQ(code.failure, "");
  code.nearness.compared = false;
  EXPECT_EQ(code.run("k", {in, out}), "");
  EXPECT_EQ(in[0], uint32_t(blocks));
  out.resize(blocks);
  return out;
}

TEST(Blocks, RunInAnOrderThatTheSeedChooses) {
  for (int blocks : {1, 2, 7, 37, 132}) {
    auto ascending = counting(blocks);
    EXPECT_EQ(order(0, blocks), ascending);
    std::vector<std::vector<uint32_t>> orders;
    for (uint64_t seed : {1, 2, 3}) {
      orders.push_back(order(seed, blocks));
      EXPECT_EQ(orders.back(), order(seed, blocks));
      auto sorted = orders.back();
      std::sort(sorted.begin(), sorted.end());
      EXPECT_EQ(sorted, ascending);
    }
    if (blocks > 30) {
      EXPECT_NE(orders[0], ascending);
      EXPECT_NE(orders[0], orders[1]);
    }
  }
}

TEST(Blocks, AsManyAsTheStepHasItems) {
  // Each block stores the number of blocks.
  std::string body = R"(
%block = nvvm.read.ptx.sreg.ctaid.x : i32
%blocks = nvvm.read.ptx.sreg.nctaid.x : i32
%at = llvm.getelementptr %out[%block] : (!llvm.ptr, i32) -> !llvm.ptr, i32
%old = llvm.atomicrmw umax %at, %blocks monotonic : !llvm.ptr, i32)";
  std::string text = KernelText{body}.str();
  std::string grid = "kvasir.grid = array<i32: 1, 1, 1>";
  text.replace(text.find(grid), grid.size(), "kvasir.items = array<i64: 1, 2, 3, 4>");
  kvasir_step_args args = {};
  args.tokens = 3;
  args.rows = 2;
  args.blocks = 1; // 1 + 6 + 6 + 4
  for (int64_t most : {100, 5}) {
    std::vector<uint32_t> in(32), out(32);
    Emulated code(text, {.seed = 1, .blocks = most});
    ASSERT_EQ(code.run("k", {in, out}, &args), "");
    uint32_t expected = most == 100 ? 17 : 5;
    for (uint32_t i = 0; i < 32; ++i)
      EXPECT_EQ(out[i], i < expected ? expected : 0) << i;
  }
}

} // namespace
