// What is refused when compiling, by name.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "Emulated.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

using namespace kvasir;
using namespace kvasir::test;
using testing::HasSubstr;

namespace {

std::string refusal(const KernelText &text) { return Emulated(text.str()).failure; }

TEST(Refused, OpsThatAreNotKnownAllAtOnce) {
  std::string message = refusal({R"(
%c1 = llvm.mlir.constant(1 : i32) : i32
%a = llvm.alloca %c1 x i32 : (i32) -> !llvm.ptr
nvvm.cluster.arrive
%v = llvm.load %in_at : !llvm.ptr -> f32
%w = llvm.intr.exp(%v) : (f32) -> f32
%l = llvm.intr.log2(%v) : (f32) -> f32
%i = llvm.call_intrinsic "llvm.nvvm.barrier.cta.red.unknown"(%c1) : (i32) -> i32
%s = nvvm.read.ptx.sreg.clock : i32)"});
  for (const char *name : {"'llvm.alloca' op is an op that the emulator does not know",
                           "'nvvm.cluster.arrive' op", "'llvm.intr.exp' op", "'llvm.intr.log2' op",
                           "'llvm.call_intrinsic' op", "'nvvm.read.ptx.sreg.clock' op"})
    EXPECT_THAT(message, HasSubstr(name));
}

TEST(Refused, HalfPrecisionFma) {
  EXPECT_THAT(refusal({"%v = llvm.load %in_at : !llvm.ptr -> bf16\n"
                       "%w = llvm.intr.fma(%v, %v, %v) : (bf16, bf16, bf16) -> bf16"}),
              HasSubstr("'llvm.intr.fma' op is an op that the emulator does not know"));
}

TEST(Refused, FlagsThatLeaveResultsOpen) {
  EXPECT_THAT(refusal({"%v = llvm.load %in_at : !llvm.ptr -> f32\n"
                       "%w = llvm.fadd %v, %v {fastmathFlags = #llvm.fastmath<reassoc>} : f32\n"
                       "llvm.store %w, %out_at : f32, !llvm.ptr"}),
              HasSubstr("fast-math flags"));
}

TEST(Refused, OpsThatTheMachineLacks) {
  auto on = [](const char *chip, const std::string &body) {
    KernelText text{body};
    text.chip = chip;
    return refusal(text);
  };
  const char *wait = "nvvm.griddepcontrol wait";
  EXPECT_THAT(on("sm_80", wait),
              HasSubstr("'nvvm.griddepcontrol' op needs sm_90, but the target is sm_80"));
  EXPECT_EQ(on("sm_90", wait), "");
  const char *convert = "%v = llvm.load %in_at : !llvm.ptr -> f32\n"
                        "%w = nvvm.convert.f32x2.to.f8x2 %v, %v {rnd = #nvvm.fp_rnd_mode<rn>, sat "
                        "= #nvvm.sat_mode<satfinite>} : i16 (f8E4M3FN)";
  EXPECT_THAT(on("sm_80", convert), HasSubstr("needs sm_89"));
  EXPECT_EQ(on("sm_89", convert), "");
}

TEST(Refused, MachinesWithFeaturesOfTheirOwn) {
  KernelText text;
  text.chip = "sm_90a";
  EXPECT_THAT(refusal(text), HasSubstr("is for the machine 'sm_90a', expected sm_NN"));
}

std::string shared(const std::string &name, int bytes, const std::string &linkage = "internal") {
  return "llvm.mlir.global " + linkage + " @" + name +
         "() {addr_space = 3 : i32, alignment = 16 : i64} : !llvm.array<" + std::to_string(bytes) +
         " x i8>\n";
}

TEST(Refused, MoreSharedMemoryThanThereIs) {
  std::string use = "%s = llvm.mlir.addressof @s : !llvm.ptr<3>";
  EXPECT_EQ(refusal({use, shared("s", 48 << 10)}), "");
  EXPECT_THAT(refusal({use, shared("s", (48 << 10) + 16)}),
              HasSubstr("has 49168 bytes of static shared memory, expected at most 49152"));
  KernelText dynamic{use, shared("s", 0, "external"), 32, 1,
                     ", kvasir.dynamic_shared = 232448 : i64"};
  EXPECT_EQ(refusal(dynamic), "");
  dynamic.chip = "sm_120";
  EXPECT_THAT(refusal(dynamic), HasSubstr("has 232448 bytes of shared memory, but a block of "
                                          "sm_120 has at most 101376"));
  for (const char *bytes : {"-64 : i64", "36893488147419103232 : i128"}) {
    dynamic.attributes = std::string(", kvasir.dynamic_shared = ") + bytes;
    EXPECT_THAT(refusal(dynamic), HasSubstr("bytes of shared memory, but a block of sm_120"));
  }
  EXPECT_THAT(refusal({use, "llvm.mlir.global internal @s() {addr_space = 3 : i32} : "
                            "!llvm.array<4294967296 x array<4294967296 x i32>>\n"}),
              HasSubstr("bytes of static shared memory, expected at most 49152"));
  EXPECT_THAT(refusal({use + "\n%t = llvm.mlir.addressof @t : !llvm.ptr<3>",
                       shared("s", 0, "external") + shared("t", 0, "external")}),
              HasSubstr("is the second external one of kernel 'k'"));
}

TEST(Refused, GlobalsElsewhere) {
  EXPECT_THAT(refusal({"%t = llvm.mlir.addressof @t : !llvm.ptr",
                       "llvm.mlir.global internal @t(7 : i32) : i32\n"}),
              HasSubstr("'llvm.mlir.addressof' op is not that of shared memory or of a constant"));
}

TEST(Refused, KernelsThatDoNotSayWhatTheyMust) {
  EXPECT_THAT(refusal({"", "", 48}),
              HasSubstr("has 48 threads per block ('nvvm.reqntid'), expected "
                        "a multiple of 32 up to 1024"));
  EXPECT_THAT(Emulated("gpu.module @sm_90 { llvm.func @k(%a: !llvm.ptr) attributes {nvvm.kernel, "
                       "nvvm.reqntid = array<i32: 32>} { llvm.return } }")
                  .failure,
              HasSubstr("has no blocks; expected an attribute 'kvasir.items' or 'kvasir.grid'"));
  EXPECT_THAT(Emulated("gpu.module @sm_90 { llvm.func @k(%a: i32) attributes {nvvm.kernel, "
                       "nvvm.reqntid = array<i32: 32>, kvasir.grid = array<i32: 1>} { "
                       "llvm.return } }")
                  .failure,
              HasSubstr("has an argument of type 'i32', expected pointers"));
}

TEST(Refused, GridsAndBlocksThatNoDeviceHas) {
  auto with = [](const std::string &block, const std::string &blocks) {
    return Emulated("gpu.module @sm_90 { llvm.func @k(%a: !llvm.ptr) attributes {nvvm.kernel, "
                    "nvvm.reqntid = array<i32: " +
                    block + ">, " + blocks + "} { llvm.return } }")
        .failure;
  };
  for (const char *block : {"-4, -8, 1", "65536, 65536, 32", "0, 1, 1"})
    EXPECT_THAT(with(block, "kvasir.grid = array<i32: 1>"),
                HasSubstr("threads per block ('nvvm.reqntid'), expected a multiple of 32"));
  for (const char *blocks :
       {"kvasir.grid = array<i32: 65536, 65536, 65536>", "kvasir.grid = array<i32: -1, -1, 1>",
        "kvasir.items = array<i64: -1, 0, 0, 0>", "kvasir.items = array<i64: 1>",
        "kvasir.items = array<i64: 9223372036854775807, 1, 1, 1>"})
    EXPECT_THAT(with("32", blocks), HasSubstr("has no blocks; expected an attribute")) << blocks;
}

TEST(Refused, AccessesOfNoSize) {
  std::string known = "is of a kind that the emulator does not know, expected numbers";
  EXPECT_THAT(refusal({"%v = llvm.load %in : !llvm.ptr -> !llvm.array<1073741825 x i32>"}),
              HasSubstr(known));
  EXPECT_THAT(refusal({"%v = llvm.load %in {alignment = 4294967296 : i64} : !llvm.ptr -> i32"}),
              HasSubstr(known));
}

TEST(Refused, CallsOfWhatIsNotThere) {
  EXPECT_THAT(refusal({"llvm.call @f() : () -> ()", "llvm.func @f()\n"}),
              HasSubstr("is not to a function of the module"));
}

TEST(Refused, ShapesOfProducts) {
  EXPECT_THAT(
      refusal({"%z = llvm.mlir.constant(0.0 : f64) : f64\n"
               "%d = nvvm.mma.sync A[%z] B[%z] C[%z, %z] {layoutA = "
               "#nvvm.mma_layout<row>, layoutB = #nvvm.mma_layout<col>, shape = "
               "#nvvm.shape<m = 8, n = 8, k = 4>} : (f64, f64, f64) -> "
               "!llvm.struct<(f64, f64)>"}),
      HasSubstr("'nvvm.mma.sync' op is of a shape or type that the emulator does not know"));
}

} // namespace
