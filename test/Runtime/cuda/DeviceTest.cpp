// Which device a model gets, with which code, and what is said where there is none.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "Fixture.h"

#include "cuda/Driver.h"

using namespace kvasir::test;

namespace {

using CudaDevice = Cuda;

void leaveDevicesOnly(kvasir::artifact::ModuleT &module) {
  module.functions.clear();
  module.programs.clear();
  module.code.clear();
}

TEST_F(CudaDevice, TheDeviceIsDescribed) {
  load();
  EXPECT_STREQ(info().device, "cuda:0");
  EXPECT_STREQ(info().device_product, "Fake 0");
  EXPECT_STREQ(info().variant, "compute_90 on sm_90");
  EXPECT_EQ(info().device_memory_bytes, uint64_t(1) << 30);
  EXPECT_STREQ(info().device_passed_over, "");
  EXPECT_EQ(calls("cuDevicePrimaryCtxRetain"), 0u);
}

TEST_F(CudaDevice, TheBandwidthOfItsMemoryIsMeasured) {
  setDriver("memory=8000000");
  load();
  double bandwidth = 0;
  ASSERT_OK(kvasir_model_measure_bandwidth(model.get(), &bandwidth));
  EXPECT_GT(bandwidth, 1e6);
  EXPECT_EQ(calls("cuMemcpyDtoDAsync"), 6u);
  setDriver("memory=8000000,fail=cuMemcpyDtoDAsync:2:700");
  load();
  EXPECT_REFUSED(kvasir_model_measure_bandwidth(model.get(), &bandwidth), KVASIR_INTERNAL,
                 "cuMemcpyDtoDAsync: CUDA_ERROR_ILLEGAL_ADDRESS");
  setDriver("memory=3000000");
  load();
  EXPECT_REFUSED(kvasir_model_measure_bandwidth(model.get(), &bandwidth), KVASIR_RESOURCE_EXHAUSTED,
                 "but 3000000 are free");
  load("cpu");
  EXPECT_REFUSED(kvasir_model_measure_bandwidth(model.get(), &bandwidth), KVASIR_UNSUPPORTED,
                 "the bandwidth of cpu is not measured here");
}

TEST_F(CudaDevice, WithoutAChoiceTheDeviceComesFirst) {
  load(nullptr);
  EXPECT_STREQ(info().device, "cuda:0");
  load("");
  EXPECT_STREQ(info().device, "cuda:0");
  load("cpu");
  EXPECT_STREQ(info().device, "cpu");
  EXPECT_STREQ(info().variant, "toy");
  EXPECT_STREQ(info().device_product, "");
  ASSERT_OK(tryLoad(nullptr, {}, "toy"));
  EXPECT_STREQ(info().device, "cpu");
}

TEST_F(CudaDevice, WithoutADeviceTheCpuIsTaken) {
  setDriver("devices=0");
  load(nullptr);
  EXPECT_STREQ(info().device, "cpu");
  EXPECT_NE(std::string(info().device_passed_over).find("sees no device"), std::string::npos);
  EXPECT_REFUSED(tryLoad("cuda"), KVASIR_UNAVAILABLE,
                 "cuInit: CUDA_ERROR_NO_DEVICE (100): what the driver says of it; the driver sees "
                 "no device");
  ASSERT_OK(tryLoad(nullptr, leaveDevicesOnly));
  EXPECT_STREQ(info().variant, "cuda");
  EXPECT_REFUSED(tryEngine(engineOptions()), KVASIR_UNAVAILABLE,
                 "the artifact has code for cuda only, which does not run here: cuInit");
  double bandwidth = 0;
  EXPECT_REFUSED(kvasir_model_measure_bandwidth(model.get(), &bandwidth), KVASIR_UNAVAILABLE,
                 "the artifact has code for cuda only, which does not run here: cuInit");
}

TEST_F(CudaDevice, DriversThatDoNotStartArePassedOver) {
  setDriver("fail=cuInit:1:999");
  EXPECT_REFUSED(tryLoad("cuda"), KVASIR_UNAVAILABLE, "cuInit: CUDA_ERROR_OF_THE_FAKE (999)");
  load(nullptr);
  EXPECT_STREQ(info().device, "cpu");
  EXPECT_EQ(std::string(info().device_passed_over).find("cuInit"), 0u);
  setDriver("fail=cuDriverGetVersion:1:34");
  EXPECT_REFUSED(tryLoad("cuda"), KVASIR_UNAVAILABLE, "libcuda.so.1 is the toolkit's stub");
}

TEST_F(CudaDevice, DevicesThatTheRuntimeDoesNotKnowArePassedOver) {
  auto rename = [](kvasir::artifact::ModuleT &module) { module.devices[0]->target = "rocm"; };
  ASSERT_OK(tryLoad(nullptr, rename));
  EXPECT_STREQ(info().device, "cpu");
  EXPECT_STREQ(info().device_passed_over, "this runtime does not know rocm");
  EXPECT_REFUSED(tryLoad("rocm", rename), KVASIR_INVALID_ARGUMENT, "unknown device 'rocm'");
}

TEST_F(CudaDevice, DriversThatAreTooOldAreNamed) {
  setDriver("version=11080");
  EXPECT_REFUSED(tryLoad("cuda"), KVASIR_UNAVAILABLE,
                 "the NVIDIA driver is too old: it is for CUDA 11.8, expected 12.4 or newer");
  load(nullptr);
  EXPECT_STREQ(info().device, "cpu");
}

TEST_F(CudaDevice, MissingDriversAreNamed) {
  auto driver = kvasir::rt::cuda::Driver::open("libkvasir-none.so");
  ASSERT_FALSE(driver);
  EXPECT_NE(driver.status().message().find("there is no NVIDIA driver (libkvasir-none.so: cannot"),
            std::string::npos);
  auto other = kvasir::rt::cuda::Driver::open("libc.so.6");
  ASSERT_FALSE(other);
  EXPECT_NE(other.status().message().find("has no function cuDriverGetVersion"), std::string::npos);
}

TEST_F(CudaDevice, DevicesAreNamedByNumber) {
  setDriver("devices=3");
  load("cuda:2");
  EXPECT_STREQ(info().device, "cuda:2");
  EXPECT_STREQ(info().device_product, "Fake 2");
  EXPECT_REFUSED(tryLoad("cuda:3"), KVASIR_UNAVAILABLE,
                 "there is no device cuda:3: the driver shows 3, numbered from 0");
  for (const char *name : {"tpu", "cuda:", "cuda:x", "cuda:-1", "cuda:1x", "cpu:0", "CUDA"})
    EXPECT_REFUSED(tryLoad(name), KVASIR_INVALID_ARGUMENT,
                   std::string("unknown device '") + name + "', expected cpu, cuda or cuda:N");
}

TEST_F(CudaDevice, CodeIsChosenByArchitecture) {
  auto add = [](kvasir::artifact::ModuleT &module, const char *architecture, bool ptx) {
    auto &code = module.devices[0]->code;
    code.push_back(std::make_unique<kvasir::artifact::DeviceCodeT>(*code[ptx ? 1 : 0]));
    code.back()->architecture = architecture;
  };
  EditModule more = [&](kvasir::artifact::ModuleT &module) {
    add(module, "sm_86", false);
    add(module, "sm_90a", false);
    add(module, "sm_100", false);
    add(module, "sm_75", true);
  };
  const std::pair<const char *, const char *> expected[] = {{"80", "sm_80"},
                                                            {"86", "sm_86"},
                                                            {"89", "sm_86 on sm_89"},
                                                            {"90", "sm_90a on sm_90"},
                                                            {"100", "sm_100"},
                                                            {"103", "sm_100 on sm_103"},
                                                            {"120", "compute_90 on sm_120"},
                                                            {"75", "compute_75 on sm_75"}};
  for (auto [device, variant] : expected) {
    setDriver(std::string("architecture=") + device);
    ASSERT_OK(tryLoad("cuda", more));
    EXPECT_STREQ(info().variant, variant);
  }
  setDriver("architecture=89");
  ASSERT_OK(tryLoad("cuda", more, "sm_80"));
  EXPECT_STREQ(info().variant, "sm_80 on sm_89");
  EXPECT_REFUSED(tryLoad("cuda", more, "sm_100"), KVASIR_UNAVAILABLE,
                 "no code called 'sm_100' in the artifact runs on sm_89");
}

TEST_F(CudaDevice, DevicesWithoutCodeForThemListWhatThereIs) {
  setDriver("architecture=75");
  EXPECT_REFUSED(tryLoad("cuda"), KVASIR_UNAVAILABLE,
                 "device cuda:0 (Fake 0): no code in the artifact runs on sm_75; it has sm_80, "
                 "compute_90 (compute_NN is PTX, for sm_NN and newer): compile the model with "
                 "--target cuda:sm_75");
  load(nullptr);
  EXPECT_STREQ(info().device, "cpu");
  config.device = false;
  EXPECT_REFUSED(tryLoad("cuda"), KVASIR_UNAVAILABLE,
                 "no code for cuda, it has code for the CPU (toy); compile the model with another");
  config.device = true;
  EXPECT_REFUSED(tryLoad("cpu", leaveDevicesOnly), KVASIR_UNAVAILABLE,
                 "no code for the CPU, it has code for cuda (sm_80, PTX of sm_90)");
}

TEST_F(CudaDevice, BrokenCodeIsNamed) {
  setenv("KVASIR_FAKE_CUDA", "code=/nonexistent", 1);
  load();
  EXPECT_REFUSED(tryEngine(engineOptions()), KVASIR_UNAVAILABLE,
                 "device cuda:0 (Fake 0): code 'compute_90' (the driver is for CUDA 12.4): "
                 "cuModuleLoadDataEx");
  setDriver("fail=cuModuleGetFunction:2:500");
  load();
  EXPECT_REFUSED(tryEngine(engineOptions()), KVASIR_INTERNAL,
                 "kernel 'toy_append' of code 'compute_90'");
  setDriver("fail=cuModuleLoadDataEx:1:2"); // memory that others had for a moment
  load();
  EXPECT_REFUSED(tryEngine(engineOptions()), KVASIR_RESOURCE_EXHAUSTED, "cuModuleLoadDataEx");
  EXPECT_OK(tryEngine(engineOptions()));
  setDriver("blocks=0");
  load();
  EXPECT_REFUSED(tryEngine(engineOptions()), KVASIR_UNAVAILABLE,
                 "it needs more registers or shared memory");
}

} // namespace
