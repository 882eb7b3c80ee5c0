// Conformance of registers, shuffles, votes, reductions and barriers with the PTX ISA manual.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "Emulated.h"

#include "gtest/gtest.h"

#include <functional>
#include <numeric>

using namespace kvasir::test;

namespace {

/// Runs a body on in[t] = `input(t)` and compares what it stored with `expected(t)`.
void check(const KernelText &text, const std::function<uint32_t(uint32_t)> &input,
           const std::function<uint32_t(uint32_t)> &expected, bool onDevice = true) {
  std::vector<uint32_t> in(text.threads * text.blocks), out(in.size(), 0xcdcdcdcd);
  for (uint32_t i = 0; i < in.size(); ++i)
    in[i] = input(i);
  Emulated code(text.str());
  ASSERT_EQ(code.failure, "");
  code.nearness.compared = onDevice;
  ASSERT_EQ(code.run("k", {in, out}), "");
  for (uint32_t i = 0; i < out.size(); ++i)
    EXPECT_EQ(out[i], expected(i)) << "thread " << i;
}

uint32_t identity(uint32_t i) { return i; }

/// Stores what an op of one result makes, after loading %v.
std::string onValue(const std::string &op) {
  return "%all = llvm.mlir.constant(-1 : i32) : i32\n"
         "%v = llvm.load %in_at : !llvm.ptr -> i32\n" +
         op + "\nllvm.store %r, %out_at : i32, !llvm.ptr";
}

TEST(Registers, OfThreadsAndBlocks) {
  struct Case {
    const char *name;
    std::function<uint32_t(uint32_t, uint32_t)> value; // of thread and block
  };
  const Case cases[] = {
      {"tid.x", [](uint32_t t, uint32_t) { return t % 8; }},
      {"tid.y", [](uint32_t t, uint32_t) { return t / 8 % 4; }},
      {"tid.z", [](uint32_t t, uint32_t) { return t / 32; }},
      {"ntid.x", [](uint32_t, uint32_t) { return 8; }},
      {"ntid.y", [](uint32_t, uint32_t) { return 4; }},
      {"ntid.z", [](uint32_t, uint32_t) { return 2; }},
      {"ctaid.x", [](uint32_t, uint32_t b) { return b % 3; }},
      {"ctaid.y", [](uint32_t, uint32_t b) { return b / 3; }},
      {"ctaid.z", [](uint32_t, uint32_t) { return 0; }},
      {"nctaid.x", [](uint32_t, uint32_t) { return 3; }},
      {"nctaid.y", [](uint32_t, uint32_t) { return 2; }},
      {"nctaid.z", [](uint32_t, uint32_t) { return 1; }},
      {"laneid", [](uint32_t t, uint32_t) { return t % 32; }},
      {"warpid", [](uint32_t t, uint32_t) { return t / 32; }},
      {"nwarpid", [](uint32_t, uint32_t) { return 2; }},
      {"warpsize", [](uint32_t, uint32_t) { return 32; }},
      {"lanemask.eq", [](uint32_t t, uint32_t) { return 1u << t % 32; }},
      {"lanemask.lt", [](uint32_t t, uint32_t) { return (1u << t % 32) - 1; }},
      {"lanemask.le", [](uint32_t t, uint32_t) { return uint32_t((2ull << t % 32) - 1); }},
      {"lanemask.gt", [](uint32_t t, uint32_t) { return ~uint32_t((2ull << t % 32) - 1); }},
      {"lanemask.ge", [](uint32_t t, uint32_t) { return ~((1u << t % 32) - 1); }},
  };
  std::string body;
  for (const Case &which : cases) {
    std::string id = std::to_string(&which - cases);
    body += "%v" + id + " = nvvm.read.ptx.sreg." + which.name + " : i32\n%p" + id +
            " = llvm.getelementptr %place[" + id +
            "] : (!llvm.ptr) -> !llvm.ptr, i32\nllvm.store %v" + id + ", %p" + id +
            " : i32, !llvm.ptr\n";
  }
  int count = std::size(cases);
  // The place of a thread: its global index times the number of registers.
  std::string text = R"(gpu.module @sm_90 {
llvm.func @k(%args: !llvm.ptr, %out: !llvm.ptr) attributes {nvvm.kernel,
    nvvm.reqntid = array<i32: 8, 4, 2>, kvasir.grid = array<i32: 3, 2, 1>} {
  %x = nvvm.read.ptx.sreg.tid.x : i32
  %y = nvvm.read.ptx.sreg.tid.y : i32
  %z = nvvm.read.ptx.sreg.tid.z : i32
  %bx = nvvm.read.ptx.sreg.ctaid.x : i32
  %by = nvvm.read.ptx.sreg.ctaid.y : i32
  %c3 = llvm.mlir.constant(3 : i32) : i32
  %c2 = llvm.mlir.constant(2 : i32) : i32
  %c4 = llvm.mlir.constant(4 : i32) : i32
  %c8 = llvm.mlir.constant(8 : i32) : i32
  %n = llvm.mlir.constant()" +
                     std::to_string(count) + R"( : i32) : i32
  %0 = llvm.mul %by, %c3 : i32
  %1 = llvm.add %0, %bx : i32
  %2 = llvm.mul %1, %c2 : i32
  %3 = llvm.add %2, %z : i32
  %4 = llvm.mul %3, %c4 : i32
  %5 = llvm.add %4, %y : i32
  %6 = llvm.mul %5, %c8 : i32
  %7 = llvm.add %6, %x : i32
  %8 = llvm.mul %7, %n : i32
  %place = llvm.getelementptr %out[%8] : (!llvm.ptr, i32) -> !llvm.ptr, i32
)" + body + "llvm.return\n}\n}\n";
  Emulated code(text);
  ASSERT_EQ(code.failure, "");
  code.nearness.compared = false; // a GPU may number warps as it likes
  for (int workers : {1, 3}) {
    std::vector<uint32_t> out(6 * 64 * count, ~0u);
    ASSERT_EQ(code.run("k", {out}, nullptr, workers), "");
    for (uint32_t block = 0; block < 6; ++block)
      for (uint32_t thread = 0; thread < 64; ++thread)
        for (int i = 0; i < count; ++i)
          EXPECT_EQ(out[(block * 64 + thread) * count + i], cases[i].value(thread, block))
              << cases[i].name << " of thread " << thread << " in block " << block;
  }
}

//===----------------------------------------------------------------------===//
// shfl.sync: the examples of the manual's pseudocode, done by hand
//===----------------------------------------------------------------------===//

std::string shuffle(const std::string &kind, int offset, int clamp) {
  return onValue("%o = llvm.mlir.constant(" + std::to_string(offset) +
                 " : i32) : i32\n%c = llvm.mlir.constant(" + std::to_string(clamp) +
                 " : i32) : i32\n%r = nvvm.shfl.sync " + kind + " %all, %v, %o, %c : i32 -> i32\n");
}

TEST(Shuffle, Butterfly) {
  check(
      {shuffle("bfly", 5, 31)}, [](uint32_t i) { return 100 + i; },
      [](uint32_t i) { return 100 + (i ^ 5); });
}
TEST(Shuffle, Down) {
  check({shuffle("down", 3, 31)}, identity, [](uint32_t i) { return i < 29 ? i + 3 : i; });
}
TEST(Shuffle, Up) {
  check({shuffle("up", 3, 0)}, identity, [](uint32_t i) { return i >= 3 ? i - 3 : i; });
}
TEST(Shuffle, Indexed) {
  check({shuffle("idx", 7, 31)}, [](uint32_t i) { return i * i; }, [](uint32_t) { return 49; });
}
TEST(Shuffle, InSegmentsOfEight) {
  // Segment mask 0b11000 in bits 8 to 12, clamp 7.
  int clamp = 0x18 << 8 | 7;
  check({shuffle("idx", 2, clamp)}, identity, [](uint32_t i) { return (i & ~7u) + 2; });
  check({shuffle("down", 6, clamp)}, identity, [](uint32_t i) { return i % 8 < 2 ? i + 6 : i; });
}
TEST(Shuffle, OfFloatsWithValidity) {
  std::string body = R"(
%all = llvm.mlir.constant(-1 : i32) : i32
%v = llvm.load %in_at : !llvm.ptr -> f32
%o = llvm.mlir.constant(1 : i32) : i32
%c = llvm.mlir.constant(31 : i32) : i32
%s = nvvm.shfl.sync down %all, %v, %o, %c {return_value_and_is_valid} : f32 -> !llvm.struct<(f32, i1)>
%f = llvm.extractvalue %s[0] : !llvm.struct<(f32, i1)>
%valid = llvm.extractvalue %s[1] : !llvm.struct<(f32, i1)>
%zero = llvm.mlir.constant(0.0 : f32) : f32
%r = llvm.select %valid, %f, %zero : i1, f32
llvm.store %r, %out_at : f32, !llvm.ptr)";
  check(
      {body}, [](uint32_t i) { return 0x3f800000 + i; },
      [](uint32_t i) { return i == 31 ? 0 : 0x3f800000 + i + 1; });
}
TEST(Shuffle, HalvesOfAWarpByThemselves) {
  // Lanes below 16 shuffle among themselves, the others do not.
  std::string body = R"(
%half = llvm.mlir.constant(65535 : i32) : i32
%c16 = llvm.mlir.constant(16 : i32) : i32
%v = llvm.load %in_at : !llvm.ptr -> i32
%low = llvm.icmp "ult" %tid, %c16 : i32
llvm.cond_br %low, ^a, ^b(%v : i32)
^a:
%o = llvm.mlir.constant(15 : i32) : i32
%c = llvm.mlir.constant(31 : i32) : i32
%s = nvvm.shfl.sync bfly %half, %v, %o, %c : i32 -> i32
llvm.br ^b(%s : i32)
^b(%r: i32):
llvm.store %r, %out_at : i32, !llvm.ptr)";
  check({body}, identity, [](uint32_t i) { return i < 16 ? 15 - i : i; });
}

//===----------------------------------------------------------------------===//
// Votes, reductions, match, elect
//===----------------------------------------------------------------------===//

std::string vote(const std::string &kind, const std::string &type) {
  return onValue(
      "%zero = llvm.mlir.constant(0 : i32) : i32\n"
      "%p = llvm.icmp \"ne\" %v, %zero : i32\n%b = nvvm.vote.sync " +
      kind + " %all, %p -> " + type +
      (type == "i1" ? "\n%r = llvm.zext %b : i1 to i32" : "\n%r = llvm.or %b, %zero : i32"));
}

TEST(Vote, OfEveryKind) {
  auto everyThird = [](uint32_t i) { return uint32_t(i % 3 == 0); };
  auto always = [](uint32_t) { return 1u; };
  auto never = [](uint32_t) { return 0u; };
  check({vote("ballot", "i32")}, everyThird, [](uint32_t) { return 0x49249249u; });
  check({vote("any", "i1")}, everyThird, always);
  check({vote("any", "i1")}, never, never);
  check({vote("all", "i1")}, everyThird, never);
  check({vote("all", "i1")}, always, always);
  check({vote("uni", "i1")}, everyThird, never);
  check({vote("uni", "i1")}, never, always);
}

TEST(Reduce, OfEveryKind) {
  auto input = [](uint32_t i) { return (i - 7) * 0x01000193u; };
  auto reduced = [&](const char *kind, auto combine) {
    uint32_t expected = input(0);
    for (uint32_t i = 1; i < 32; ++i)
      expected = combine(expected, input(i));
    check({onValue(std::string("%r = nvvm.redux.sync ") + kind + " %v, %all : i32 -> i32")}, input,
          [&](uint32_t) { return expected; });
  };
  reduced("add", [](uint32_t a, uint32_t b) { return a + b; });
  reduced("and", [](uint32_t a, uint32_t b) { return a & b; });
  reduced("or", [](uint32_t a, uint32_t b) { return a | b; });
  reduced("xor", [](uint32_t a, uint32_t b) { return a ^ b; });
  reduced("min", [](uint32_t a, uint32_t b) { return int32_t(a) < int32_t(b) ? a : b; });
  reduced("max", [](uint32_t a, uint32_t b) { return int32_t(a) > int32_t(b) ? a : b; });
  reduced("umin", [](uint32_t a, uint32_t b) { return std::min(a, b); });
  reduced("umax", [](uint32_t a, uint32_t b) { return std::max(a, b); });
}

TEST(Match, AnyGivesTheLanesWithTheSameValue) {
  check(
      {onValue("%r = nvvm.match.sync any %all, %v : i32 -> i32")}, [](uint32_t i) { return i % 4; },
      [](uint32_t i) { return 0x11111111u << i % 4; });
}

TEST(Elect, TheLowestLane) {
  check(
      {onValue("%e = nvvm.elect.sync -> i1\n%r = llvm.zext %e : i1 to i32")}, identity,
      [](uint32_t i) { return uint32_t(i == 0); }, /*onDevice=*/false); // any lane may be
}

//===----------------------------------------------------------------------===//
// Barriers
//===----------------------------------------------------------------------===//

const char *sharedInts = "llvm.mlir.global internal @s() {addr_space = 3 : i32, alignment = 16 : "
                         "i64} : !llvm.array<128 x i32>\n";
/// %place is the thread's int in shared memory, %across that of the thread 127 - t.
const char *places = R"(
%s = llvm.mlir.addressof @s : !llvm.ptr<3>
%c127 = llvm.mlir.constant(127 : i32) : i32
%mirror = llvm.sub %c127, %tid : i32
%place = llvm.getelementptr %s[%tid] : (!llvm.ptr<3>, i32) -> !llvm.ptr<3>, i32
%across = llvm.getelementptr %s[%mirror] : (!llvm.ptr<3>, i32) -> !llvm.ptr<3>, i32
%v = llvm.load %in_at : !llvm.ptr -> i32
)";

std::string exchange(const std::string &barrier) {
  return places + ("llvm.store %v, %place : i32, !llvm.ptr<3>\n" + barrier +
                   "\n%r = llvm.load %across : !llvm.ptr<3> -> i32\n"
                   "llvm.store %r, %out_at : i32, !llvm.ptr");
}

TEST(Barrier, OrdersSharedMemory) {
  for (const char *barrier : {"nvvm.barrier0", "nvvm.barrier",
                              "%id = llvm.mlir.constant(3 : i32) : i32\nnvvm.barrier id = %id",
                              "%id = llvm.mlir.constant(1 : i32) : i32\n%n = "
                              "llvm.mlir.constant(128 : i32) : i32\n"
                              "nvvm.barrier id = %id number_of_threads = %n"})
    check({exchange(barrier), sharedInts, 128}, identity, [](uint32_t i) { return 127 - i; });
}

TEST(Barrier, Reduces) {
  auto everyFifth = [](uint32_t i) { return uint32_t(i % 5 == 0); };
  auto reduce = [](const char *kind) {
    return onValue(std::string("%r = nvvm.barrier #nvvm.reduction<") + kind + "> %v -> i32");
  };
  check({reduce("popc"), "", 64}, everyFifth, [](uint32_t) { return 13; });
  check({reduce("and"), "", 64}, everyFifth, [](uint32_t) { return 0; });
  check({reduce("or"), "", 64}, everyFifth, [](uint32_t) { return 1; });
}

TEST(Barrier, NamedOnesForHalvesOfTheBlock) {
  // Threads 0..63 use barrier 1 and exchange with 63 - t, threads 64..127 use barrier 2.
  std::string body = std::string(places) + R"(
%c63 = llvm.mlir.constant(63 : i32) : i32
%c64 = llvm.mlir.constant(64 : i32) : i32
%other = llvm.xor %tid, %c63 : i32
%there = llvm.getelementptr %s[%other] : (!llvm.ptr<3>, i32) -> !llvm.ptr<3>, i32
llvm.store %v, %place : i32, !llvm.ptr<3>
%half = llvm.lshr %tid, %six : i32
%id = llvm.add %half, %one : i32
nvvm.barrier id = %id number_of_threads = %c64
%r = llvm.load %there : !llvm.ptr<3> -> i32
llvm.store %r, %out_at : i32, !llvm.ptr)";
  body =
      "%six = llvm.mlir.constant(6 : i32) : i32\n%one = llvm.mlir.constant(1 : i32) : i32\n" + body;
  check({body, sharedInts, 128}, identity, [](uint32_t i) { return i ^ 63; });
}

TEST(Barrier, ProducersArriveConsumersWait) {
  // Warps 0 and 1 write and arrive; warps 2 and 3 wait and read what 127 - t wrote.
  std::string body = std::string(places) + R"(
%c64 = llvm.mlir.constant(64 : i32) : i32
%c128 = llvm.mlir.constant(128 : i32) : i32
%one = llvm.mlir.constant(1 : i32) : i32
%produces = llvm.icmp "ult" %tid, %c64 : i32
llvm.cond_br %produces, ^produce, ^consume
^produce:
llvm.store %v, %place : i32, !llvm.ptr<3>
llvm.call_intrinsic "llvm.nvvm.barrier.cta.arrive.aligned.count"(%one, %c128) : (i32, i32) -> ()
llvm.br ^end(%v : i32)
^consume:
nvvm.barrier id = %one number_of_threads = %c128
%l = llvm.load %across : !llvm.ptr<3> -> i32
llvm.br ^end(%l : i32)
^end(%r: i32):
llvm.store %r, %out_at : i32, !llvm.ptr)";
  check({body, sharedInts, 128}, identity, [](uint32_t i) { return i < 64 ? i : 127 - i; });
}

TEST(Barrier, OfAWarpOrdersSharedMemory) {
  std::string body = std::string(places) + R"(
%all = llvm.mlir.constant(-1 : i32) : i32
%c31 = llvm.mlir.constant(31 : i32) : i32
%other = llvm.xor %tid, %c31 : i32
%there = llvm.getelementptr %s[%other] : (!llvm.ptr<3>, i32) -> !llvm.ptr<3>, i32
llvm.store %v, %place : i32, !llvm.ptr<3>
nvvm.bar.warp.sync %all : i32
%r = llvm.load %there : !llvm.ptr<3> -> i32
nvvm.bar.warp.sync %all : i32
llvm.store %r, %place : i32, !llvm.ptr<3>
llvm.store %r, %out_at : i32, !llvm.ptr)";
  check({body, sharedInts, 128}, identity, [](uint32_t i) { return i ^ 31; });
}

} // namespace
