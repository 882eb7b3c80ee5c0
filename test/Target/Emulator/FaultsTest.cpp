// Kernels that are deliberately wrong: each is caught and named.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "Emulated.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include <regex>

using namespace kvasir::test;
using testing::HasSubstr;

namespace {

/// Static shared memory: 128 ints. %place is the thread's, %next that of the thread after it.
const char *sharedInts = "llvm.mlir.global internal @s() {addr_space = 3 : i32, alignment = 16 : "
                         "i64} : !llvm.array<128 x i32>\n";
const char *places = R"(
%s = llvm.mlir.addressof @s : !llvm.ptr<3>
%one = llvm.mlir.constant(1 : i32) : i32
%c127 = llvm.mlir.constant(127 : i32) : i32
%follows = llvm.add %tid, %one : i32
%wrapped = llvm.and %follows, %c127 : i32
%place = llvm.getelementptr %s[%tid] : (!llvm.ptr<3>, i32) -> !llvm.ptr<3>, i32
%next = llvm.getelementptr %s[%wrapped] : (!llvm.ptr<3>, i32) -> !llvm.ptr<3>, i32
)";

/// What is found in a block of 128 threads with operands of 128 ints, the first read-only. Of
/// "#12 (kernel.mlir:19:6)" only the # is left.
std::string finding(const std::string &body, int threads = 128, const std::string &attributes = "",
                    const std::string &globals = sharedInts) {
  std::vector<uint32_t> in(threads, 1), out(threads);
  Emulated code(KernelText{places + body, globals, threads, 1, attributes}.str());
  EXPECT_EQ(code.failure, "");
  return std::regex_replace(code.run("k", {Operand(in, /*writable=*/false), out}),
                            std::regex("#[0-9]+ \\(kernel.mlir:[0-9]+:[0-9]+\\)"), "#");
}

//===----------------------------------------------------------------------===//
// Races
//===----------------------------------------------------------------------===//

TEST(Faults, MissingBarrier) {
  std::string found = finding(R"(
llvm.store %tid, %place : i32, !llvm.ptr<3>
%v = llvm.load %next : !llvm.ptr<3> -> i32
llvm.store %v, %out_at : i32, !llvm.ptr)");
  // The last thread of the block reads what the first has written; threads before it would read
  // what nobody has.
  EXPECT_THAT(found, HasSubstr("uninitialised shared memory"));
  found = finding(R"(
llvm.store %tid, %place : i32, !llvm.ptr<3>
nvvm.barrier0
%v = llvm.load %next : !llvm.ptr<3> -> i32
llvm.store %v, %place : i32, !llvm.ptr<3>)");
  EXPECT_EQ(found, "kernel 'k', block (0, 0, 0), thread (97, 0, 0), llvm.store #: race on shared "
                   "memory: it writes the byte at offset 388, which thread (96, 0, 0) has read "
                   "with no barrier between");
}

TEST(Faults, NamesTheOpAndItsPlace) {
  std::vector<uint32_t> none(32);
  Emulated code(KernelText{"llvm.store %tid, %args : i32, !llvm.ptr"}.str());
  // The fourth op of the kernel: after the thread's index and two places.
  EXPECT_THAT(code.run("k", {none, none}), HasSubstr("llvm.store #4 (kernel.mlir:8:1): "));
}

TEST(Faults, ReadOfAnothersWrite) {
  EXPECT_THAT(finding(R"(
llvm.store %tid, %place : i32, !llvm.ptr<3>
%from = llvm.getelementptr %s[0] : (!llvm.ptr<3>) -> !llvm.ptr<3>, i32
%v = llvm.load %from : !llvm.ptr<3> -> i32
llvm.store %v, %out_at : i32, !llvm.ptr)"),
              HasSubstr("thread (1, 0, 0), llvm.load #: race on shared memory: "
                        "it reads the byte at offset 0, which thread (0, 0, 0) has written"));
}

TEST(Faults, WriteWhatSeveralRead) {
  EXPECT_THAT(finding(R"(
%first = llvm.getelementptr %s[0] : (!llvm.ptr<3>) -> !llvm.ptr<3>, i32
llvm.store %tid, %place : i32, !llvm.ptr<3>
nvvm.barrier0
%v = llvm.load %first : !llvm.ptr<3> -> i32
%last = llvm.icmp "eq" %tid, %c127 : i32
llvm.cond_br %last, ^write, ^end
^write:
llvm.store %v, %first : i32, !llvm.ptr<3>
llvm.br ^end
^end:
)"),
              HasSubstr("thread (127, 0, 0), llvm.store"));
}

TEST(Faults, ABarrierOfAWarpDoesNotOrderWarps) {
  std::string body = R"(
%all = llvm.mlir.constant(-1 : i32) : i32
llvm.store %tid, %place : i32, !llvm.ptr<3>
nvvm.bar.warp.sync %all : i32
%c32 = llvm.mlir.constant(32 : i32) : i32
%OTHER
%there = llvm.getelementptr %s[%other] : (!llvm.ptr<3>, i32) -> !llvm.ptr<3>, i32
%v = llvm.load %there : !llvm.ptr<3> -> i32
llvm.store %v, %out_at : i32, !llvm.ptr)";
  auto with = [&](const std::string &other) {
    std::string text = body;
    return text.replace(text.find("%OTHER"), 6, other);
  };
  EXPECT_EQ(finding(with("%other = llvm.xor %tid, %one : i32")), "");
  // Warps run one after the other here, so the second finds what the first wrote.
  EXPECT_THAT(
      finding(with("%thirty = llvm.mlir.constant(31 : i32) : i32\n"
                   "%other = llvm.and %tid, %thirty : i32")),
      HasSubstr("thread (63, 0, 0), llvm.load #: race on shared memory: it reads the byte at "
                "offset 124, which thread (31, 0, 0) has written"));
}

TEST(Faults, ShufflesDoNotOrderMemory) {
  EXPECT_THAT(finding(R"(
%all = llvm.mlir.constant(-1 : i32) : i32
%other = llvm.xor %tid, %one : i32
%there = llvm.getelementptr %s[%other] : (!llvm.ptr<3>, i32) -> !llvm.ptr<3>, i32
llvm.store %tid, %place : i32, !llvm.ptr<3>
%c31 = llvm.mlir.constant(31 : i32) : i32
%shuffled = nvvm.shfl.sync bfly %all, %tid, %one, %c31 : i32 -> i32
%v = llvm.load %there : !llvm.ptr<3> -> i32
llvm.store %v, %out_at : i32, !llvm.ptr)"),
              HasSubstr("race on shared memory"));
}

TEST(Faults, ANamedBarrierOrdersOnlyItsThreads) {
  EXPECT_THAT(finding(R"(
%six = llvm.mlir.constant(6 : i32) : i32
%two = llvm.mlir.constant(2 : i32) : i32
%c64 = llvm.mlir.constant(64 : i32) : i32
llvm.store %tid, %place : i32, !llvm.ptr<3>
%half = llvm.lshr %tid, %six : i32
%id = llvm.add %half, %one : i32
nvvm.barrier id = %id number_of_threads = %c64
%mirror = llvm.xor %tid, %c127 : i32
%there = llvm.getelementptr %s[%mirror] : (!llvm.ptr<3>, i32) -> !llvm.ptr<3>, i32
%upper = llvm.icmp "eq" %id, %two : i32
llvm.cond_br %upper, ^read, ^end
^read:
%v = llvm.load %there : !llvm.ptr<3> -> i32
llvm.br ^end
^end:
)"),
              HasSubstr("race on shared memory"));
}

TEST(Faults, AtomicsRaceWithOtherAccessesOnly) {
  std::string add = R"(
%isFirst = llvm.icmp "ult" %tid, %one : i32
%zero = llvm.mlir.constant(0 : i32) : i32
llvm.cond_br %isFirst, ^start, ^go
^start:
llvm.store %zero, %s : i32, !llvm.ptr<3>
llvm.br ^go
^go:
nvvm.barrier0
%old = llvm.atomicrmw add %s, %one monotonic : !llvm.ptr<3>, i32
BARRIER
%v = llvm.load %s : !llvm.ptr<3> -> i32
llvm.store %v, %out_at : i32, !llvm.ptr)";
  auto with = [&](const std::string &barrier) {
    std::string text = add;
    return text.replace(text.find("BARRIER"), 7, barrier);
  };
  EXPECT_EQ(finding(with("nvvm.barrier0")), "");
  EXPECT_THAT(finding(with("")), HasSubstr("race on shared memory"));
}

//===----------------------------------------------------------------------===//
// Bounds, alignment, values
//===----------------------------------------------------------------------===//

TEST(Faults, OutOfBoundsTile) {
  // Each thread takes the 16 bytes from its int on: the last three reach past the end.
  EXPECT_THAT(finding(R"(
%v = llvm.load %in_at {alignment = 4 : i64} : !llvm.ptr -> vector<4xi32>
)"),
              HasSubstr("thread (125, 0, 0), llvm.load #: out of bounds: it "
                        "reads 16 bytes at offset 500 of operand 0, which has 512 bytes"));
  EXPECT_THAT(finding(R"(
%far = llvm.getelementptr %out_at[-1] : (!llvm.ptr) -> !llvm.ptr, i32
llvm.store %tid, %far : i32, !llvm.ptr)"),
              HasSubstr("out of bounds: it writes 4 bytes"));
  EXPECT_THAT(finding(R"(
%null = llvm.mlir.zero : !llvm.ptr
llvm.store %tid, %null : i32, !llvm.ptr)"),
              HasSubstr("in no operand of the phase"));
}

TEST(Faults, OutOfBoundsOfSharedMemory) {
  EXPECT_THAT(finding("%far = llvm.getelementptr %place[64] : (!llvm.ptr<3>) -> !llvm.ptr<3>, i32\n"
                      "llvm.store %tid, %far : i32, !llvm.ptr<3>"),
              HasSubstr("thread (64, 0, 0), llvm.store #: out of bounds: it "
                        "writes 4 bytes at offset 512 of the block's 512 bytes of shared memory"));
  EXPECT_THAT(finding("%far = llvm.getelementptr %s[-1] : (!llvm.ptr<3>) -> !llvm.ptr<3>, i32\n"
                      "llvm.store %tid, %far : i32, !llvm.ptr<3>"),
              HasSubstr("at offset -4"));
}

TEST(Faults, DynamicSharedMemoryHasItsSize) {
  std::string globals = std::string(sharedInts) +
                        "llvm.mlir.global external @d() {addr_space = 3 : i32, alignment = 16 : "
                        "i64} : !llvm.array<0 x i8>\n";
  std::string body = R"(
llvm.store %tid, %place : i32, !llvm.ptr<3>
%d = llvm.mlir.addressof @d : !llvm.ptr<3>
%mine = llvm.getelementptr %d[%tid] : (!llvm.ptr<3>, i32) -> !llvm.ptr<3>, i32
llvm.store %tid, %mine : i32, !llvm.ptr<3>)";
  EXPECT_EQ(finding(body, 128, ", kvasir.dynamic_shared = 512 : i64", globals), "");
  EXPECT_THAT(finding(body, 128, ", kvasir.dynamic_shared = 500 : i64", globals),
              HasSubstr("at offset 1012 of the block's 1012 bytes"));
}

TEST(Faults, WriteToAWeight) {
  EXPECT_THAT(finding("llvm.store %tid, %in_at : i32, !llvm.ptr"),
              HasSubstr("it writes memory that is read-only"));
}

TEST(Faults, UninitialisedRead) {
  EXPECT_THAT(finding(R"(
llvm.store %tid, %place : i32, !llvm.ptr<3>
nvvm.barrier0
%late = llvm.getelementptr %place[3] : (!llvm.ptr<3>) -> !llvm.ptr<3>, i16
%v = llvm.load %late : !llvm.ptr<3> -> i16)",
                      64),
              HasSubstr("thread (63, 0, 0), llvm.load #: uninitialised shared "
                        "memory: it reads the byte at offset 258, which nobody has written"));
}

TEST(Faults, MisalignedVectors) {
  EXPECT_THAT(finding("%v = llvm.load %in_at : !llvm.ptr -> vector<4xi32>", 128),
              HasSubstr("thread (1, 0, 0), llvm.load #: misaligned: it reads "
                        "16 bytes at an address that is"));
  EXPECT_THAT(finding("%z = llvm.mlir.zero : vector<2xi32>\n"
                      "llvm.store %z, %place : vector<2xi32>, !llvm.ptr<3>"),
              HasSubstr("misaligned: it writes 8 bytes at offset 4 of shared memory, expected a "
                        "multiple of 8"));
  EXPECT_THAT(finding(R"(
llvm.store %tid, %place : i32, !llvm.ptr<3>
nvvm.barrier0
%m = nvvm.ldmatrix %place {num = 1 : i32, layout = #nvvm.mma_layout<row>, shape = #nvvm.ld_st_matrix_shape<m = 8, n = 8>, eltType = #nvvm.ld_st_matrix_elt_type<b16>} : (!llvm.ptr<3>) -> i32)"),
              HasSubstr("thread (97, 0, 0), nvvm.ldmatrix #: misaligned: its "
                        "row of 16 bytes is at offset 388"));
}

//===----------------------------------------------------------------------===//
// Divergence
//===----------------------------------------------------------------------===//

TEST(Faults, AThreadReturnsBeforeABarrier) {
  EXPECT_THAT(finding(R"(
%isLast = llvm.icmp "eq" %tid, %c127 : i32
llvm.cond_br %isLast, ^end, ^go
^go:
nvvm.barrier0
llvm.br ^end
^end:
)"),
              HasSubstr("thread (0, 0, 0), nvvm.barrier0 #: divergent barrier: "
                        "it waits, but thread (127, 0, 0) has returned"));
}

TEST(Faults, ThreadsAtDifferentBarriers) {
  EXPECT_THAT(finding(R"(
%isLast = llvm.icmp "eq" %tid, %c127 : i32
llvm.cond_br %isLast, ^a, ^b
^a:
nvvm.barrier0
llvm.br ^end
^b:
nvvm.barrier0
llvm.br ^end
^end:
)"),
              HasSubstr("thread (127, 0, 0), nvvm.barrier0 #: divergent "
                        "barrier: thread (0, 0, 0) waits at another one, nvvm.barrier0 #"));
}

TEST(Faults, ALaneDoesNotComeToAShuffle) {
  EXPECT_THAT(finding(R"(
%all = llvm.mlir.constant(-1 : i32) : i32
%c31 = llvm.mlir.constant(31 : i32) : i32
%c5 = llvm.mlir.constant(5 : i32) : i32
%stays = llvm.icmp "eq" %tid, %c5 : i32
llvm.cond_br %stays, ^wait, ^go
^go:
%v = nvvm.shfl.sync bfly %all, %tid, %one, %c31 : i32 -> i32
llvm.br ^wait
^wait:
nvvm.barrier0
)"),
              HasSubstr("divergent warp: it waits, but thread (5, 0, 0) waits at nvvm.barrier0"));
}

TEST(Faults, AShuffleFromALaneThatDoesNotTakePart) {
  EXPECT_THAT(finding(R"(
%low = llvm.mlir.constant(65535 : i32) : i32
%c16 = llvm.mlir.constant(16 : i32) : i32
%c31 = llvm.mlir.constant(31 : i32) : i32
%isLow = llvm.icmp "ult" %tid, %c16 : i32
llvm.cond_br %isLow, ^go, ^end
^go:
%v = nvvm.shfl.sync bfly %low, %tid, %c16, %c31 : i32 -> i32
llvm.br ^end
^end:
)"),
              HasSubstr("it takes the value of lane 16, which does not take part"));
}

TEST(Faults, AMatrixProductWithoutAllLanes) {
  EXPECT_THAT(finding(R"(
%c5 = llvm.mlir.constant(5 : i32) : i32
%stays = llvm.icmp "eq" %tid, %c5 : i32
llvm.cond_br %stays, ^end, ^go
^go:
%z = llvm.mlir.constant(0.0 : f32) : f32
%d = nvvm.mma.sync A[%tid, %tid] B[%tid] C[%z, %z, %z, %z] {layoutA = #nvvm.mma_layout<row>, layoutB = #nvvm.mma_layout<col>, multiplicandAPtxType = #nvvm.mma_type<bf16>, multiplicandBPtxType = #nvvm.mma_type<bf16>, shape = #nvvm.shape<m = 16, n = 8, k = 8>} : (i32, i32, f32) -> !llvm.struct<(f32, f32, f32, f32)>
llvm.br ^end
^end:
)"),
              HasSubstr("divergent warp: it needs all 32 lanes, but only 0xffffffdf are there"));
}

//===----------------------------------------------------------------------===//
// cp.async
//===----------------------------------------------------------------------===//

/// Two stages: each thread copies 4 bytes in each of two groups, then reads the first stage.
std::string ring(const std::string &wait, const std::string &between, const std::string &from) {
  return R"(
%in1 = llvm.addrspacecast %in_at : !llvm.ptr to !llvm.ptr<1>
%second = llvm.getelementptr %place[64] : (!llvm.ptr<3>) -> !llvm.ptr<3>, i32
nvvm.cp.async.shared.global %place, %in1, 4, cache = ca : !llvm.ptr<3>, !llvm.ptr<1>
nvvm.cp.async.commit.group
nvvm.cp.async.shared.global %second, %in1, 4, cache = ca : !llvm.ptr<3>, !llvm.ptr<1>
nvvm.cp.async.commit.group
)" + wait +
         "\n" + between + "\n%v = llvm.load " + from +
         " : !llvm.ptr<3> -> i32\nllvm.store %v, %out_at : i32, !llvm.ptr";
}

TEST(Faults, WrongWaitCount) {
  EXPECT_EQ(finding(ring("nvvm.cp.async.wait.group 1", "", "%place"), 64), "");
  EXPECT_THAT(finding(ring("nvvm.cp.async.wait.group 2", "", "%place"), 64),
              HasSubstr("thread (0, 0, 0), llvm.load #: copy not waited for: "
                        "it reads the byte at offset 0, to which a cp.async of thread (0, 0, 0) is "
                        "in flight"));
  EXPECT_THAT(finding(ring("nvvm.cp.async.wait.group 1", "", "%second"), 64),
              HasSubstr("copy not waited for"));
  EXPECT_EQ(finding(ring("nvvm.cp.async.wait.group 0", "", "%second"), 64), "");
}

TEST(Faults, AWaitIsForTheOwnCopiesOnly) {
  // Lanes meet at a shuffle, so that the others have waited for their copies, too.
  std::string other = "%all = llvm.mlir.constant(-1 : i32) : i32\n%w = nvvm.shfl.sync bfly %all, "
                      "%tid, %one, %one : i32 -> i32\n%o = llvm.xor %tid, %one : i32\n%there = "
                      "llvm.getelementptr %s[%o] : (!llvm.ptr<3>, i32) -> "
                      "!llvm.ptr<3>, i32\n";
  EXPECT_EQ(finding(ring("nvvm.cp.async.wait.group 1", other + "nvvm.barrier0", "%there"), 64), "");
  EXPECT_THAT(
      finding(ring("nvvm.cp.async.wait.group 1", other, "%there"), 64),
      HasSubstr("thread (31, 0, 0), llvm.load #: race on shared memory: it reads the byte at "
                "offset 120, which thread (30, 0, 0) has written"));
}

TEST(Faults, AStageIsOverwrittenBeforeItsReadersAreDone) {
  EXPECT_THAT(finding(R"(
%in1 = llvm.addrspacecast %in_at : !llvm.ptr to !llvm.ptr<1>
llvm.store %tid, %place : i32, !llvm.ptr<3>
nvvm.barrier0
%v = llvm.load %next : !llvm.ptr<3> -> i32
nvvm.cp.async.shared.global %place, %in1, 4, cache = ca : !llvm.ptr<3>, !llvm.ptr<1>
nvvm.cp.async.commit.group
nvvm.cp.async.wait.group 0)"),
              HasSubstr("thread (97, 0, 0), nvvm.cp.async.shared.global #: race on shared memory: "
                        "it writes the byte at offset 388, which thread (96, 0, 0) has read with "
                        "no barrier between"));
}

TEST(Faults, ACopyPastTheEnd) {
  EXPECT_THAT(finding(R"(
%far = llvm.getelementptr %in_at[1] : (!llvm.ptr) -> !llvm.ptr, i32
%in1 = llvm.addrspacecast %far : !llvm.ptr to !llvm.ptr<1>
nvvm.cp.async.shared.global %place, %in1, 4, cache = ca : !llvm.ptr<3>, !llvm.ptr<1>)"),
              HasSubstr("thread (127, 0, 0), nvvm.cp.async.shared.global #: out "
                        "of bounds: it reads 4 bytes at offset 512 of operand 0"));
}

//===----------------------------------------------------------------------===//
// Grid dependency, and that the first finding is kept
//===----------------------------------------------------------------------===//

TEST(Faults, UseBeforeTheGridIsWaitedFor) {
  std::string weights = "%v = llvm.load %in_at : !llvm.ptr -> i32\nnvvm.griddepcontrol wait\n"
                        "llvm.store %v, %out_at : i32, !llvm.ptr\n"
                        "nvvm.griddepcontrol launch_dependents";
  EXPECT_EQ(finding(weights), "");
  EXPECT_THAT(finding("llvm.store %tid, %out_at : i32, !llvm.ptr\nnvvm.griddepcontrol wait"),
              HasSubstr("it writes operand 1 before griddepcontrol.wait"));
}

TEST(Faults, NamesTheBlock) {
  std::vector<uint32_t> in(32 * 8), out(32 * 5);
  Emulated code(KernelText{R"(
%block = nvvm.read.ptx.sreg.ctaid.x : i32
%c32 = llvm.mlir.constant(32 : i32) : i32
%start = llvm.mul %block, %c32 : i32
%at = llvm.getelementptr %out_at[%start] : (!llvm.ptr, i32) -> !llvm.ptr, i32
llvm.store %block, %at : i32, !llvm.ptr)",
                           "", 32, 8}
                    .str());
  for (int workers : {1, 2, 5})
    EXPECT_THAT(code.run("k", {in, out}, nullptr, workers), HasSubstr("block ("));
  EXPECT_THAT(code.run("k", {in, out}), HasSubstr("kernel 'k', block (5, 0, 0), thread (0, 0, 0)"));
}

} // namespace
