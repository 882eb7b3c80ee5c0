// The CUDA runtime with a driver that runs the toy's kernels on the host: results, use of the
// driver (which it checks itself), and every message.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "Support.h"

#include "cuda/Driver.h"

#include <cmath>
#include <cstdlib>
#include <dlfcn.h>
#include <thread>

using namespace kvasir::test;

namespace {

class Cuda : public testing::Test {
protected:
  void SetUp() override {
    setDriver("");
    config.device = true;
  }

  static void setDriver(const std::string &settings) {
    setenv("KVASIR_FAKE_CUDA", ("code=" KVASIR_TOY_CODE "," + settings).c_str(), 1);
  }

  /// Calls of a function of the driver since the model was loaded.
  static uint64_t calls(const char *name) {
    void *library = dlopen("libcuda.so.1", RTLD_NOW);
    auto count = reinterpret_cast<uint64_t (*)(const char *)>(dlsym(library, "kvasir_fake_calls"));
    uint64_t result = count ? count(name) : 0;
    dlclose(library);
    return result;
  }

  kvasir_error *tryLoad(const char *device, const EditModule &edit = {},
                        const char *variant = nullptr) {
    TemporaryFile file(toyArtifact(config, edit));
    kvasir_model_options options;
    kvasir_model_options_init(&options);
    options.device = device;
    options.variant = variant;
    kvasir_model *loaded = nullptr;
    kvasir_error *error = kvasir_model_load(file.path().c_str(), &options, &loaded);
    model.reset(loaded);
    return error;
  }

  void load(const char *device = "cuda") { ASSERT_OK(tryLoad(device)); }

  kvasir_model_info info() {
    kvasir_model_info facts = {};
    facts.struct_size = sizeof(facts);
    EXPECT_OK(kvasir_model_get_info(model.get(), &facts));
    return facts;
  }

  kvasir_memory_plan plan() {
    kvasir_engine_options options = engineOptions();
    kvasir_memory_plan numbers = {};
    numbers.struct_size = sizeof(numbers);
    EXPECT_OK(kvasir_plan(model.get(), &options, &numbers));
    return numbers;
  }

  kvasir_error *tryEngine(const kvasir_engine_options &options) {
    kvasir_engine *engine = nullptr;
    kvasir_error *error = kvasir_engine_create(model.get(), &options, &engine);
    kvasir_engine_free(engine);
    return error;
  }

  ToyConfig config;
  ModelHandle model;
};

void leaveDevicesOnly(kvasir::artifact::ModuleT &module) {
  module.functions.clear();
  module.programs.clear();
  module.code.clear();
}

TEST_F(Cuda, TheDeviceIsDescribed) {
  load();
  EXPECT_STREQ(info().device, "cuda:0");
  EXPECT_STREQ(info().device_product, "Fake 0");
  EXPECT_STREQ(info().variant, "compute_90 on sm_90");
  EXPECT_EQ(info().device_memory_bytes, uint64_t(1) << 30);
  EXPECT_STREQ(info().device_passed_over, "");
  EXPECT_EQ(calls("cuDevicePrimaryCtxRetain"), 0u);
}

TEST_F(Cuda, GreedyRequestsGetIdsAndNoLogitsAreCopied) {
  load();
  EngineHandle engine = makeEngine(model, engineOptions());
  std::map<uint64_t, Answer> answers;
  std::map<uint64_t, std::vector<int32_t>> expected;
  for (uint32_t i = 0; i < 5; ++i) {
    std::vector<int32_t> prompt = somePrompt(i, 3 + 40 * int32_t(i));
    expected[submit(engine, prompt, requestOptions(9))] = toyGreedy(config, prompt, 9);
  }
  drain(engine.get(), answers);
  for (const auto &[request, ids] : expected)
    EXPECT_EQ(answers[request].ids, ids);
  EXPECT_EQ(calls("cuMemcpyDtoHAsync"), 0u);
}

TEST_F(Cuda, WithoutAKernelThatChoosesRowsAreCopied) {
  config.chooses = false;
  load();
  EngineHandle engine = makeEngine(model, engineOptions());
  std::vector<int32_t> prompt = somePrompt(1, 70);
  uint64_t request = submit(engine, prompt, requestOptions(6));
  std::map<uint64_t, Answer> answers;
  drain(engine.get(), answers);
  EXPECT_EQ(answers[request].ids, toyGreedy(config, prompt, 6));
  EXPECT_EQ(calls("cuMemcpyDtoHAsync"), 6u);
}

TEST_F(Cuda, OnlyRequestsThatNeedThemCopyTheirRows) {
  load();
  ModelHandle cpu = loadToy(config);
  std::map<uint64_t, Answer> answers[2];
  for (int side = 0; side < 2; ++side) {
    if (side == 0)
      load("cpu");
    else
      load();
    EngineHandle engine = makeEngine(model, engineOptions());
    for (uint32_t i = 0; i < 6; ++i) {
      kvasir_request_options options = requestOptions(7);
      options.temperature = i == 1 ? 0.7f : 0;
      options.logprobs = i == 4 ? 3 : -1;
      options.seed = i;
      submit(engine, somePrompt(i, 5), options);
    }
    drain(engine.get(), answers[side]);
  }
  for (auto &[request, answer] : answers[0]) {
    EXPECT_EQ(answer.ids, answers[1][request].ids);
    ASSERT_EQ(answer.logprobs.size(), 7u);
    if (!std::isnan(answer.logprobs[0]))
      EXPECT_EQ(answer.logprobs, answers[1][request].logprobs);
  }
  // Two rows that are not neighbours in each of seven steps.
  EXPECT_EQ(calls("cuMemcpyDtoHAsync"), 14u);
}

TEST_F(Cuda, ForwardsGiveTheLogitsOfEveryChunking) {
  load();
  kvasir_engine_options options = engineOptions();
  options.max_logit_rows = 64;
  EngineHandle engine = makeEngine(model, options);
  std::vector<int32_t> ids = somePrompt(3, 64);
  auto expected = toyRows(config, ids, 64);
  for (int32_t chunk : {1, 3, 4, 5, 64}) {
    kvasir_sequence *made = nullptr;
    ASSERT_OK(kvasir_sequence_create(engine.get(), 64, &made));
    SequenceHandle sequence(made);
    for (int32_t at = 0; at < 64; at += chunk) {
      int32_t count = std::min(chunk, 64 - at);
      kvasir_forward_item item = {sequence.get(), ids.data() + at, count, KVASIR_ROWS_ALL};
      kvasir_logits logits = {};
      logits.struct_size = sizeof(logits);
      ASSERT_OK(kvasir_engine_forward(engine.get(), &item, 1, &logits));
      for (int32_t i = 0; i < count; ++i)
        for (int32_t v = 0; v < config.vocab; ++v)
          ASSERT_EQ(logits.data[size_t(i) * logits.stride + size_t(v)], expected[at + i][v]);
    }
  }
}

TEST_F(Cuda, ForwardsWithoutLogitsCopyNone) {
  load();
  EngineHandle engine = makeEngine(model, engineOptions());
  kvasir_sequence *made = nullptr;
  ASSERT_OK(kvasir_sequence_create(engine.get(), 64, &made));
  SequenceHandle sequence(made);
  std::vector<int32_t> ids = somePrompt(3, 9);
  kvasir_forward_item item = {sequence.get(), ids.data(), 9, KVASIR_ROWS_LAST};
  ASSERT_OK(kvasir_engine_forward(engine.get(), &item, 1, nullptr));
  EXPECT_EQ(calls("cuMemcpyDtoHAsync"), 0u);
}

TEST_F(Cuda, AnyThreadMayStep) {
  load();
  EngineHandle engine = makeEngine(model, engineOptions());
  std::vector<int32_t> prompt = somePrompt(4, 20);
  uint64_t request = submit(engine, prompt, requestOptions(5));
  ASSERT_OK(kvasir_engine_start(engine.get()));
  std::map<uint64_t, Answer> answers;
  while (answers[request].reason == KVASIR_FINISH_NONE && kvasir_engine_wait(engine.get(), 60))
    collect(engine.get(), answers);
  ASSERT_OK(kvasir_engine_stop(engine.get()));
  EXPECT_EQ(answers[request].ids, toyGreedy(config, prompt, 5));
}

TEST_F(Cuda, EnginesOfOneModelShareItsCode) {
  load();
  std::map<uint64_t, Answer> answers[2];
  EngineHandle engines[] = {makeEngine(model, engineOptions()), makeEngine(model, engineOptions())};
  model.reset();
  std::vector<int32_t> prompt = somePrompt(5, 10);
  for (int i = 0; i < 2; ++i) {
    uint64_t request = submit(engines[i], prompt, requestOptions(4));
    drain(engines[i].get(), answers[i]);
    EXPECT_EQ(answers[i][request].ids, toyGreedy(config, prompt, 4));
    engines[i].reset();
  }
  EXPECT_EQ(calls("cuModuleLoadDataEx"), 1u);
  // The weights, once, and what each engine has for itself.
  EXPECT_EQ(calls("cuMemAlloc"), 3u);
  EXPECT_EQ(calls("cuMemcpyHtoDAsync"), 1u);
}

TEST_F(Cuda, TheLastEngineGivesTheWeightsBack) {
  load();
  kvasir_memory_plan first = plan();
  for (uint64_t copies : {1, 2}) {
    EngineHandle engine = makeEngine(model, engineOptions());
    kvasir_memory_plan second = plan();
    EXPECT_EQ(second.total_bytes, first.total_bytes);
    EXPECT_EQ(first.available_bytes - second.available_bytes,
              first.total_bytes - first.weight_bytes - first.driver_bytes);
    EngineHandle other = makeEngine(model, engineOptions());
    EXPECT_EQ(calls("cuMemcpyHtoDAsync"), copies);
    engine.reset();
    EXPECT_EQ(plan().available_bytes, second.available_bytes);
    other.reset();
    EXPECT_EQ(plan().available_bytes, first.available_bytes);
  }
}

TEST_F(Cuda, EnginesThatAreMadeTogetherCopyTheWeightsOnce) {
  load();
  EngineHandle engines[4];
  std::vector<std::thread> threads;
  for (EngineHandle &engine : engines)
    threads.emplace_back([&] { engine = makeEngine(model, engineOptions()); });
  for (std::thread &thread : threads)
    thread.join();
  EXPECT_EQ(calls("cuMemcpyHtoDAsync"), 1u);
}

TEST_F(Cuda, WeightsThatWereNotCopiedAreTriedAgain) {
  setDriver("fail=cuMemcpyHtoDAsync:1:2");
  load();
  EXPECT_REFUSED(tryEngine(engineOptions()), KVASIR_RESOURCE_EXHAUSTED, "cuMemcpyHtoDAsync");
  EXPECT_OK(tryEngine(engineOptions()));
}

TEST_F(Cuda, PagesThatRunOutArePreempted) {
  load();
  kvasir_engine_options options = engineOptions();
  options.kv_tokens = 256;
  EngineHandle engine = makeEngine(model, options);
  std::map<uint64_t, std::vector<int32_t>> expected;
  for (uint32_t i = 0; i < 4; ++i) {
    std::vector<int32_t> prompt = somePrompt(i, 40);
    expected[submit(engine, prompt, requestOptions(60))] = toyGreedy(config, prompt, 60);
  }
  std::map<uint64_t, Answer> answers;
  drain(engine.get(), answers);
  int32_t preemptions = 0;
  for (const auto &[request, ids] : expected) {
    EXPECT_EQ(answers[request].ids, ids);
    preemptions += answers[request].preemptions;
  }
  EXPECT_GT(preemptions, 0);
}

TEST_F(Cuda, StepsTakeNothing) {
  load();
  EngineHandle engine = makeEngine(model, engineOptions());
  auto taken = [] {
    uint64_t sum = 0;
    for (const char *name : {"cuMemAlloc", "cuMemHostAlloc", "cuStreamCreate", "cuEventCreate",
                             "cuGraphCreate", "cuGraphInstantiate", "cuModuleLoadDataEx"})
      sum += calls(name);
    return sum;
  };
  uint64_t before = taken();
  EXPECT_EQ(calls("cuMemAlloc"), 2u);
  // 1, 2, 4, ... 256 tokens.
  EXPECT_EQ(calls("cuGraphInstantiate"), 9u);
  submit(engine, somePrompt(1, 100), requestOptions(20));
  std::map<uint64_t, Answer> answers;
  drain(engine.get(), answers);
  EXPECT_EQ(taken(), before);
  EXPECT_GE(calls("cuGraphLaunch"), 20u);
}

TEST_F(Cuda, KernelsFollowEarlyWhereTheDeviceKnowsOfIt) {
  load();
  makeEngine(model, engineOptions());
  // Of 7 kernels (embed, 2 layers of 2, logits, choose) all but the first, in 9 graphs.
  EXPECT_EQ(calls("programmatic edge"), 6u * 9);
  setDriver("architecture=86");
  load();
  EXPECT_STREQ(info().variant, "sm_80 on sm_86");
  makeEngine(model, engineOptions());
  EXPECT_EQ(calls("programmatic edge"), 0u);
}

TEST_F(Cuda, RowsThatAreNotFiniteEndTheirRequest) {
  config.nanId = 7;
  load();
  EngineHandle engine = makeEngine(model, engineOptions());
  uint64_t bad = submit(engine, {3, 7}, requestOptions(4));
  uint64_t good = submit(engine, {3, 8}, requestOptions(1));
  std::map<uint64_t, Answer> answers;
  drain(engine.get(), answers);
  EXPECT_NE(answers[bad].message.find("logits are not finite"), std::string::npos);
  EXPECT_EQ(answers[good].ids.size(), 1u);
}

TEST_F(Cuda, ProfilesGiveTheTimeOfEachKernel) {
  load();
  kvasir_engine_options options = engineOptions();
  options.profile = true;
  EngineHandle engine = makeEngine(model, options);
  std::vector<int32_t> prompt = somePrompt(2, 3);
  uint64_t request = submit(engine, prompt, requestOptions(5));
  std::map<uint64_t, Answer> answers;
  drain(engine.get(), answers);
  EXPECT_EQ(answers[request].ids, toyGreedy(config, prompt, 5));
  kvasir_profile_row rows[16];
  size_t count = 0;
  ASSERT_OK(kvasir_engine_get_profile(engine.get(), 0, rows, 16, &count));
  EXPECT_EQ(count, 7u);
  for (size_t i = 0; i < count; ++i) {
    EXPECT_EQ(rows[i].calls, 5u);
    EXPECT_GE(rows[i].seconds, 0);
  }
  EXPECT_EQ(calls("cuGraphLaunch"), 0u);
}

TEST_F(Cuda, TheBandwidthOfItsMemoryIsMeasured) {
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

TEST_F(Cuda, WeightsAreCopiedWithProgress) {
  config.vocab = 96;
  load();
  kvasir_engine_options options = engineOptions();
  struct Seen {
    uint64_t done = 0, total = 0;
  } seen;
  options.progress = [](uint64_t done, uint64_t total, void *user) {
    auto *last = static_cast<Seen *>(user);
    EXPECT_GT(done, last->done);
    *last = {done, total};
  };
  options.progress_user = &seen;
  makeEngine(model, options);
  EXPECT_EQ(seen.done, seen.total);
  EXPECT_GT(seen.total, 96u * 2 * 4);
}

TEST_F(Cuda, WithoutAChoiceTheDeviceComesFirst) {
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

TEST_F(Cuda, WithoutADeviceTheCpuIsTaken) {
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

TEST_F(Cuda, DriversThatDoNotStartArePassedOver) {
  setDriver("fail=cuInit:1:999");
  EXPECT_REFUSED(tryLoad("cuda"), KVASIR_UNAVAILABLE, "cuInit: CUDA_ERROR_OF_THE_FAKE (999)");
  load(nullptr);
  EXPECT_STREQ(info().device, "cpu");
  EXPECT_EQ(std::string(info().device_passed_over).find("cuInit"), 0u);
  setDriver("fail=cuDriverGetVersion:1:34");
  EXPECT_REFUSED(tryLoad("cuda"), KVASIR_UNAVAILABLE, "libcuda.so.1 is the toolkit's stub");
}

TEST_F(Cuda, DevicesThatTheRuntimeDoesNotKnowArePassedOver) {
  auto rename = [](kvasir::artifact::ModuleT &module) { module.devices[0]->target = "rocm"; };
  ASSERT_OK(tryLoad(nullptr, rename));
  EXPECT_STREQ(info().device, "cpu");
  EXPECT_STREQ(info().device_passed_over, "this runtime does not know rocm");
  EXPECT_REFUSED(tryLoad("rocm", rename), KVASIR_INVALID_ARGUMENT, "unknown device 'rocm'");
}

TEST_F(Cuda, DriversThatAreTooOldAreNamed) {
  setDriver("version=11080");
  EXPECT_REFUSED(tryLoad("cuda"), KVASIR_UNAVAILABLE,
                 "the NVIDIA driver is too old: it is for CUDA 11.8, expected 12.4 or newer");
  load(nullptr);
  EXPECT_STREQ(info().device, "cpu");
}

TEST_F(Cuda, MissingDriversAreNamed) {
  auto driver = kvasir::rt::cuda::Driver::open("libkvasir-none.so");
  ASSERT_FALSE(driver);
  EXPECT_NE(driver.status().message().find("there is no NVIDIA driver (libkvasir-none.so: cannot"),
            std::string::npos);
  auto other = kvasir::rt::cuda::Driver::open("libc.so.6");
  ASSERT_FALSE(other);
  EXPECT_NE(other.status().message().find("has no function cuDriverGetVersion"), std::string::npos);
}

TEST_F(Cuda, DevicesAreNamedByNumber) {
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

TEST_F(Cuda, CodeIsChosenByArchitecture) {
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

TEST_F(Cuda, DevicesWithoutCodeForThemListWhatThereIs) {
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

TEST_F(Cuda, WhatDoesNotFitIsRefusedBeforeAnythingIsTaken) {
  setDriver("memory=20000000");
  load();
  kvasir_engine_options options = engineOptions();
  options.kv_tokens = 1 << 20;
  EXPECT_REFUSED(tryEngine(options), KVASIR_RESOURCE_EXHAUSTED,
                 "the engine does not fit on cuda:0 (Fake 0): weights ");
  EXPECT_REFUSED(tryEngine(options), KVASIR_RESOURCE_EXHAUSTED,
                 "bytes, but 20000000 are available");
  EXPECT_EQ(calls("cuMemAlloc") + calls("cuMemHostAlloc"), 0u);
  options.memory_bytes = UINT64_MAX;
  EXPECT_REFUSED(tryEngine(options), KVASIR_RESOURCE_EXHAUSTED,
                 "of device memory: cuMemAlloc: "
                 "CUDA_ERROR_OUT_OF_MEMORY (2)");
  options = engineOptions();
  EXPECT_OK(tryEngine(options));
}

TEST_F(Cuda, ThePlanIsThatOfTheDevice) {
  load();
  kvasir_memory_plan numbers = plan();
  EXPECT_EQ(numbers.available_bytes, uint64_t(1) << 30);
  EXPECT_EQ(numbers.total_bytes, numbers.weight_bytes + numbers.workspace_bytes +
                                     numbers.step_bytes + numbers.kv_bytes + numbers.driver_bytes);
  EXPECT_GT(numbers.host_bytes, numbers.step_bytes);
  EXPECT_EQ(numbers.threads, 1);
  // 16 KB for each of 7 kernels and 2 copies in 9 graphs.
  EXPECT_EQ(numbers.driver_bytes, 9u * 9 * 16384);
}

/// Calls that an engine makes when it is created; each may fail.
class CudaFailing : public Cuda, public testing::WithParamInterface<const char *> {};

TEST_P(CudaFailing, EnginesGiveBackWhatTheyTook) {
  setDriver(std::string("fail=") + GetParam() + ":1:2");
  load();
  EXPECT_REFUSED(tryEngine(engineOptions()), KVASIR_RESOURCE_EXHAUSTED,
                 std::string(GetParam()) + ": CUDA_ERROR_OUT_OF_MEMORY (2): what the driver says "
                                           "of it; lower kv_tokens");
}

INSTANTIATE_TEST_SUITE_P(Calls, CudaFailing,
                         testing::Values("cuMemGetInfo", "cuMemAlloc", "cuMemHostAlloc",
                                         "cuStreamCreate", "cuMemcpyHtoDAsync", "cuEventCreate",
                                         "cuEventRecord", "cuEventSynchronize", "cuMemsetD8Async",
                                         "cuGraphCreate", "cuGraphAddMemcpyNode",
                                         "cuGraphAddKernelNode", "cuGraphAddDependencies",
                                         "cuGraphInstantiate", "cuGraphUpload",
                                         "cuStreamSynchronize"));

TEST_F(Cuda, BrokenCodeIsNamed) {
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

TEST_F(Cuda, AnErrorInAStepIsThatOfAllLaterOnes) {
  setDriver("fail=launch:12:700");
  load();
  EngineHandle engine = makeEngine(model, engineOptions());
  submit(engine, somePrompt(1, 3), requestOptions(8));
  bool more = false;
  ASSERT_OK(kvasir_engine_step(engine.get(), &more));
  const char *message = "step of 1 tokens on cuda:0 (Fake 0): cuStreamSynchronize: "
                        "CUDA_ERROR_ILLEGAL_ADDRESS (700): what the driver says of it; a kernel";
  EXPECT_REFUSED(kvasir_engine_step(engine.get(), &more), KVASIR_INTERNAL, message);
  uint64_t launches = calls("cuGraphLaunch");
  EXPECT_REFUSED(kvasir_engine_step(engine.get(), &more), KVASIR_INTERNAL, message);
  EXPECT_EQ(calls("cuGraphLaunch"), launches);
}

TEST_F(Cuda, ALaunchThatFailsIsAnErrorOfTheStep) {
  setDriver("fail=cuGraphLaunch:1:719");
  load();
  EngineHandle engine = makeEngine(model, engineOptions());
  submit(engine, somePrompt(1, 3), requestOptions(8));
  bool more = false;
  EXPECT_REFUSED(kvasir_engine_step(engine.get(), &more), KVASIR_INTERNAL,
                 "step of 3 tokens on cuda:0 (Fake 0): cuGraphLaunch");
}

} // namespace
