// The conformance tests on a GPU: whether there is one, that every kernel has PTX, and the way to
// the device with a driver whose kernels are the emulator's (test/Runtime/cuda).
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "Emulated.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include <cstdlib>
#include <fstream>

using namespace kvasir::test;
using testing::HasSubstr;

namespace {

TEST(Device, RunsTheKernelsOfTheOtherTests) {
  std::string reason;
  if (const OnDevice *device = findDevice(reason))
    EXPECT_GE(device->capability(), 80);
  else
    GTEST_SKIP() << "kernels ran on the emulator only: " << reason;
}

/// out[t] = in[t] + position of token 1, in 2 blocks of 32 threads.
const KernelText addText() {
  KernelText text{R"(
%block = nvvm.read.ptx.sreg.ctaid.x : i32
%c32 = llvm.mlir.constant(32 : i32) : i32
%start = llvm.mul %block, %c32 : i32
%from = llvm.getelementptr %in_at[%start] : (!llvm.ptr, i32) -> !llvm.ptr, i32
%to = llvm.getelementptr %out_at[%start] : (!llvm.ptr, i32) -> !llvm.ptr, i32
%place = llvm.getelementptr %args[32] : (!llvm.ptr) -> !llvm.ptr, i8
%positions = llvm.load %place : !llvm.ptr -> !llvm.ptr
%at = llvm.getelementptr %positions[1] : (!llvm.ptr) -> !llvm.ptr, i32
%p = llvm.load %at : !llvm.ptr -> i32
%v = llvm.load %from : !llvm.ptr -> i32
%r = llvm.add %v, %p : i32
llvm.store %r, %to : i32, !llvm.ptr)"};
  text.blocks = 2;
  return text;
}

TEST(Device, PTXAndLaunchOfAKernel) {
  PTX ptx(addText().str());
  EXPECT_EQ(ptx.failure, "");
  EXPECT_EQ(ptx.capability, 90);
  EXPECT_THAT(ptx.text, HasSubstr(".target sm_90"));
  EXPECT_THAT(ptx.text, HasSubstr(".entry k("));
  Launch launch = ptx.launch("k", nullptr);
  EXPECT_EQ(launch.grid[0], 2u);
  EXPECT_EQ(launch.block[0], 32u);
}

TEST(Device, WhatLLVMHasNoPTXForIsAnError) {
  PTX ptx(KernelText{"%v = llvm.load %in_at : !llvm.ptr -> f32\n"
                     "%w = llvm.intr.log2(%v) : (f32) -> f32\n"
                     "llvm.store %w, %out_at : f32, !llvm.ptr"}
              .str());
  EXPECT_THAT(ptx.failure,
              HasSubstr("kernel 'k' has a call of 'llvm.log2.f32', for which there is no PTX"));
  EXPECT_EQ(ptx.text, "");
}

TEST(Device, SaysWhyThereIsNone) {
  std::string reason;
  EXPECT_EQ(OnDevice::open("/nowhere/libcuda.so.1", reason), nullptr);
  EXPECT_THAT(reason, HasSubstr("there is no NVIDIA driver"));
}

#ifdef KVASIR_FAKE_CUDA_LIBRARY
class FakeDevice : public testing::Test {
protected:
  void SetUp() override {
    Emulated code(addText().str());
    ASSERT_EQ(code.failure, "");
    path = testing::TempDir() + "kvasir-device-test.so";
    std::ofstream(path, std::ios::binary)
        .write(reinterpret_cast<const char *>(code.object.data()), long(code.object.size()));
    for (unsigned char i = 0; i < 64; ++i) {
      before[0].insert(before[0].end(), {i, 0, 0, 0});
      before[1].insert(before[1].end(), {0xee, 0, 0, 0});
      after[0].insert(after[0].end(), {i, 0, 0, 0});
      after[1].insert(after[1].end(), {(unsigned char)(i + 7), 0, 0, 0});
    }
    args.struct_size = sizeof args;
    args.tokens = 2;
    args.positions = positions;
  }
  void TearDown() override { std::remove(path.c_str()); }

  std::string compare(const std::string &settings) {
    setenv("KVASIR_FAKE_CUDA", settings.c_str(), 1);
    std::string reason;
    auto device = OnDevice::open(KVASIR_FAKE_CUDA_LIBRARY, reason);
    if (!device)
      return reason;
    return compareOnDevice(*device, "no PTX is read", "k", {{2, 1, 1}, {32, 1, 1}, 0}, before,
                           after, &args, {});
  }

  std::string path;
  std::vector<Bytes> before{2}, after{2};
  int32_t positions[2] = {3, 7};
  kvasir_step_args args = {};
};

TEST_F(FakeDevice, GivesTheSameBits) { EXPECT_EQ(compare("code=" + path), ""); }

TEST_F(FakeDevice, ADifferenceIsNamed) {
  after[1][21 * 4] ^= 0x40;
  EXPECT_EQ(compare("code=" + path), "the word at offset 84 of operand 1 is 0x0000001c on the "
                                     "device, but 0x0000005c on the emulator");
}

TEST_F(FakeDevice, ErrorsOfTheDriverComeBack) {
  EXPECT_THAT(compare("code=/nowhere.so"), HasSubstr("cuModuleLoadDataEx"));
  EXPECT_THAT(compare("devices=0"), HasSubstr("no device"));
  EXPECT_THAT(compare("code=" + path + ",fail=launch:1:700"), HasSubstr("700"));
}
#endif

} // namespace
