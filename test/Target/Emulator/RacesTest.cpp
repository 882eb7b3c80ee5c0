// Races in global memory: between blocks of a launch and between threads of a block. What the PTX
// memory model orders is not reported; each fault planted in the same kernel is, by name.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "Emulated.h"

#include "emulator/GlobalShadow.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include <sys/mman.h>

using namespace kvasir;
using namespace kvasir::test;
using testing::AnyOf;
using testing::HasSubstr;

namespace {

/// Runs `body` in blocks of 64 threads, in several orders and on several workers: "" or the finding
/// of the first run that has one. %block, %one, %zero are there.
std::string finding(const std::string &body, int blocks = 4, const std::string &globals = "") {
  for (uint64_t seed : {0, 3, 8}) {
    KernelText text{"%block = nvvm.read.ptx.sreg.ctaid.x : i32\n"
                    "%one = llvm.mlir.constant(1 : i32) : i32\n"
                    "%zero = llvm.mlir.constant(0 : i32) : i32\n" +
                        body,
                    globals, 64, blocks};
    Emulated code(text.str(), {.seed = seed});
    EXPECT_EQ(code.failure, "");
    for (int workers : {1, 3}) {
      std::vector<uint32_t> in(1024), out(1024);
      std::string found = code.run("k", {in, out}, nullptr, workers);
      if (!found.empty())
        return found;
    }
  }
  return "";
}

TEST(Races, BlocksThatWriteTheSamePlace) {
  EXPECT_EQ(finding("llvm.store %tid, %out_at : i32, !llvm.ptr", 1), "");
  std::string found = finding("llvm.store %tid, %out_at : i32, !llvm.ptr");
  EXPECT_THAT(found, HasSubstr("kernel 'k', block (1, 0, 0), thread (0, 0, 0), llvm.store #"));
  EXPECT_THAT(found, HasSubstr("race on global memory: it writes the byte at offset 0 of operand "
                               "1, which block (0, 0, 0), thread (0, 0, 0) has written in the "
                               "same launch with no atomic operation and fence between"));
}

TEST(Races, ABlockReadsWhatAnotherWrites) {
  // Block b writes its 64 ints and reads those of block b + 1.
  EXPECT_THAT(finding(R"(
%c64 = llvm.mlir.constant(64 : i32) : i32
%start = llvm.mul %block, %c64 : i32
%mine = llvm.getelementptr %out_at[%start] : (!llvm.ptr, i32) -> !llvm.ptr, i32
%next = llvm.getelementptr %mine[64] : (!llvm.ptr) -> !llvm.ptr, i32
llvm.store %tid, %mine : i32, !llvm.ptr
%v = llvm.load %next : !llvm.ptr -> i32)"),
              AnyOf(HasSubstr("has read in the same launch"),
                    HasSubstr("which another block has read in the same launch"),
                    HasSubstr("has written in the same launch")));
}

TEST(Races, NeighbouringBytesAreNoRace) {
  EXPECT_EQ(finding(R"(
%c4 = llvm.mlir.constant(4 : i32) : i32
%first = llvm.mul %tid, %c4 : i32
%byte = llvm.add %first, %block : i32
%at = llvm.getelementptr %out[%byte] : (!llvm.ptr, i32) -> !llvm.ptr, i8
%v = llvm.trunc %tid : i32 to i8
llvm.store %v, %at : i8, !llvm.ptr)"),
            "");
}

TEST(Races, HandshakesOfTooManyBlocksAreRefused) {
  std::string add = "%old = llvm.atomicrmw add %out, %one monotonic : !llvm.ptr, i32\n";
  EXPECT_EQ(finding(add, 257), "");
  EXPECT_EQ(finding(add + "nvvm.memory.barrier <gpu>", 256), "");
  EXPECT_THAT(finding(add + "nvvm.memory.barrier <gpu>", 257),
              HasSubstr("a fence or an atomic operation: it is to order this block after others of "
                        "the launch, which has 257 blocks; this can be checked for up to 256 of "
                        "them"));
}

/// Writes at the byte offsets in %in. The offsets are of pages whose notes compete for the same
/// places, so that a few are as many as the largest memory.
TEST(Races, MoreMemoryThanCanBeCheckedIsRefused) {
  using emulator::GlobalShadow;
  constexpr uint64_t bytes = uint64_t(1) << 38;
  void *memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED)
    GTEST_SKIP() << "no address space";
  constexpr uint32_t threads = GlobalShadow::probes + 32;
  std::vector<uint64_t> offsets;
  for (uint64_t at = 0; at < bytes && offsets.size() < threads; at += GlobalShadow::pageBytes)
    if (GlobalShadow::placeOf(reinterpret_cast<uint64_t>(memory) + at) == 3)
      offsets.push_back(at);
  ASSERT_EQ(offsets.size(), threads);
  Emulated code(KernelText{"%offset_at = llvm.getelementptr %in[%tid] : (!llvm.ptr, i32) -> "
                           "!llvm.ptr, i64\n"
                           "%offset = llvm.load %offset_at : !llvm.ptr -> i64\n"
                           "%at = llvm.getelementptr %out[%offset] : (!llvm.ptr, i64) -> "
                           "!llvm.ptr, i8\n"
                           "llvm.store %tid, %at : i32, !llvm.ptr",
                           "", int(threads)}
                    .str());
  code.nearness.compared = false;
  EXPECT_EQ(code.failure, "");
  Operand in(offsets, /*writable=*/false);
  EXPECT_THAT(code.run("k", {in, Operand(memory, bytes)}),
              HasSubstr("more than about 1024 MB of memory that kernels write, which is all that "
                        "can be checked; run a smaller model, fewer tokens in a step, or less "
                        "memory for keys and values"));
  munmap(memory, bytes);
}

TEST(Races, LaunchesAreOrdered) {
  KernelText text{"llvm.store %tid, %out_at : i32, !llvm.ptr\n"
                  "%v = llvm.load %in_at : !llvm.ptr -> i32"};
  std::vector<uint32_t> in(32), out(32);
  Emulated code(text.str());
  EXPECT_EQ(code.run("k", {in, out}), "");
  EXPECT_EQ(code.run("k", {out, in}), "");
}

TEST(Races, ThreadsOfABlock) {
  std::string start = "%other = llvm.xor %tid, %one : i32\n"
                      "%there = llvm.getelementptr %out[%other] : (!llvm.ptr, i32) -> !llvm.ptr, "
                      "i32\nllvm.store %tid, %out_at : i32, !llvm.ptr\n";
  std::string end = "\n%v = llvm.load %there : !llvm.ptr -> i32";
  EXPECT_EQ(finding(start + "nvvm.barrier0" + end, 1), "");
  EXPECT_EQ(finding(start +
                        "%all = llvm.mlir.constant(-1 : i32) : i32\n"
                        "nvvm.bar.warp.sync %all : i32" +
                        end,
                    1),
            "");
  EXPECT_THAT(finding(start + end, 1),
              HasSubstr("race on global memory: it writes the byte at offset 4 of operand 1, which "
                        "thread (0, 0, 0) of the block has read with no barrier between"));
}

TEST(Races, AtomicsOfTheBlockOnly) {
  auto add = [](const std::string &scope) {
    return "%old = llvm.atomicrmw add %out, %one " + scope + "monotonic : !llvm.ptr, i32";
  };
  EXPECT_EQ(finding(add("")), "");
  EXPECT_EQ(finding(add("syncscope(\"device\") ")), "");
  EXPECT_EQ(finding(add("syncscope(\"block\") "), 1), "");
  EXPECT_THAT(finding(add("syncscope(\"block\") ")), HasSubstr("race on global memory"));
  EXPECT_THAT(finding(add("") + "\nllvm.store %tid, %out : i32, !llvm.ptr", 1),
              HasSubstr("race on global memory"));
}

//===----------------------------------------------------------------------===//
// Split along k: each block writes its part, the last one to come adds them up
//===----------------------------------------------------------------------===//

/// The pieces of the handshake, each of which a test leaves out or replaces.
struct Handshake {
  std::string afterPart = "nvvm.barrier0";
  std::string release = "nvvm.memory.barrier <gpu>";
  std::string count = "%old = llvm.atomicrmw add %counter, %one monotonic : !llvm.ptr, i32";
  std::string acquire = "nvvm.memory.barrier <gpu>";
  std::string beforeSum = "nvvm.barrier0";
  std::string beforePart = "";
};

std::string run(const Handshake &h) {
  return finding(R"(
%flag = llvm.mlir.addressof @flag : !llvm.ptr<3>
%c64 = llvm.mlir.constant(64 : i32) : i32
%c3 = llvm.mlir.constant(3 : i32) : i32
%start = llvm.mul %block, %c64 : i32
%part = llvm.getelementptr %out_at[%start] : (!llvm.ptr, i32) -> !llvm.ptr, i32
%counter = llvm.getelementptr %out[512] : (!llvm.ptr) -> !llvm.ptr, i32
)" + h.beforePart + R"(
llvm.store %tid, %part : i32, !llvm.ptr
)" + h.afterPart + R"(
%first = llvm.icmp "eq" %tid, %zero : i32
llvm.cond_br %first, ^count, ^wait
^count:
)" + h.release + "\n" +
                     h.count + "\n" + h.acquire + R"(
llvm.store %old, %flag : i32, !llvm.ptr<3>
llvm.br ^wait
^wait:
nvvm.barrier0
%seen = llvm.load %flag : !llvm.ptr<3> -> i32
%isLast = llvm.icmp "eq" %seen, %c3 : i32
llvm.cond_br %isLast, ^sum, ^end
^sum:
)" + h.beforeSum + R"(
%p1 = llvm.getelementptr %out_at[64] : (!llvm.ptr) -> !llvm.ptr, i32
%p2 = llvm.getelementptr %out_at[128] : (!llvm.ptr) -> !llvm.ptr, i32
%p3 = llvm.getelementptr %out_at[192] : (!llvm.ptr) -> !llvm.ptr, i32
%v0 = llvm.load %out_at : !llvm.ptr -> i32
%v1 = llvm.load %p1 : !llvm.ptr -> i32
%v2 = llvm.load %p2 : !llvm.ptr -> i32
%v3 = llvm.load %p3 : !llvm.ptr -> i32
%s1 = llvm.add %v0, %v1 : i32
%s2 = llvm.add %s1, %v2 : i32
%s3 = llvm.add %s2, %v3 : i32
llvm.store %s3, %in_at : i32, !llvm.ptr
llvm.cond_br %first, ^reset, ^end
^reset:
llvm.store %zero, %counter : i32, !llvm.ptr
llvm.br ^end
^end:
)",
                 4,
                 "llvm.mlir.global internal @flag() {addr_space = 3 : i32, alignment = 4 : i64} : "
                 "i32\n");
}

TEST(SplitK, IsInOrder) {
  EXPECT_EQ(run({}), "");
  EXPECT_EQ(
      run({.release = "llvm.fence syncscope(\"device\") acq_rel", .acquire = "llvm.fence acquire"}),
      "");
  std::string swap = R"(
%now = llvm.load %counter atomic monotonic {alignment = 4 : i64} : !llvm.ptr -> i32
llvm.br ^try(%now : i32)
^try(%have: i32):
%want = llvm.add %have, %one : i32
%r = llvm.cmpxchg %counter, %have, %want syncscope("device") acq_rel monotonic : !llvm.ptr, i32
%old = llvm.extractvalue %r[0] : !llvm.struct<(i32, i1)>
%did = llvm.extractvalue %r[1] : !llvm.struct<(i32, i1)>
llvm.cond_br %did, ^done, ^try(%old : i32)
^done:
)";
  EXPECT_EQ(run({.release = "", .count = swap, .acquire = ""}), "");
}

TEST(SplitK, NoBarrierBeforeTheCount) {
  EXPECT_THAT(run({.afterPart = ""}), HasSubstr("race on global memory"));
}
TEST(SplitK, NoFenceBeforeTheCount) {
  EXPECT_THAT(run({.release = ""}), HasSubstr("has written in the same launch"));
}
TEST(SplitK, AFenceBeforeThePartIsWritten) {
  EXPECT_THAT(run({.release = "", .beforePart = "nvvm.memory.barrier <gpu>"}),
              HasSubstr("has written in the same launch"));
}
TEST(SplitK, AFenceOfTheBlockOnly) {
  EXPECT_THAT(run({.release = "nvvm.memory.barrier <cta>"}),
              HasSubstr("has written in the same launch"));
}
TEST(SplitK, NoFenceAfterTheCount) {
  EXPECT_THAT(run({.acquire = ""}), HasSubstr("has written in the same launch"));
}
TEST(SplitK, ACountThatIsNotAtomic) {
  EXPECT_THAT(run({.count = "%old = llvm.load %counter : !llvm.ptr -> i32\n"
                            "%plus = llvm.add %old, %one : i32\n"
                            "llvm.store %plus, %counter : i32, !llvm.ptr"}),
              HasSubstr("race on global memory"));
}
TEST(SplitK, ACountInTheBlocksScope) {
  EXPECT_THAT(run({.count = "%old = llvm.atomicrmw add %counter, %one syncscope(\"block\") "
                            "monotonic : !llvm.ptr, i32"}),
              HasSubstr("race on global memory"));
}

} // namespace
