// Engines on CUDA with a driver that runs the toy's kernels on the host: results, use of the driver
// (which it checks itself), memory, and errors.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "Fixture.h"

#include <atomic>
#include <cmath>
#include <thread>

using namespace kvasir::test;

namespace {

TEST_F(Cuda, GreedyRequestsGetIdsAndNoLogitsAreCopied) {
  load();
  EngineHandle engine = makeEngine(model, engineOptions());
  decode(engine, {3, 43, 83, 123, 163}, 9);
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

TEST_F(Cuda, EnginesAreMadeWhileAnotherRuns) {
  load();
  EngineHandle engine = makeEngine(model, engineOptions());
  std::atomic<bool> done = false;
  std::thread other([&] {
    while (!done)
      EXPECT_OK(tryEngine(engineOptions()));
  });
  decode(engine, {3, 70, 20}, 40);
  done = true;
  other.join();
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
  int32_t preemptions = 0;
  for (const auto &[request, answer] : decode(engine, {40, 40, 40, 40}, 60))
    preemptions += answer.preemptions;
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

TEST_F(Cuda, AnErrorInAStepIsThatOfAllLaterOnes) {
  setDriver("fail=launch:12:700");
  load();
  EngineHandle engine = makeEngine(model, engineOptions());
  submit(engine, somePrompt(1, 3), requestOptions(8));
  uint64_t other = submit(engine, somePrompt(2, 3), requestOptions(8));
  bool more = false;
  ASSERT_OK(kvasir_engine_step(engine.get(), &more));
  kvasir_engine_cancel(engine.get(), other);
  const char *message = "step of 1 tokens on cuda:0 (Fake 0): cuStreamSynchronize: "
                        "CUDA_ERROR_ILLEGAL_ADDRESS (700): what the driver says of it; a kernel";
  EXPECT_REFUSED(kvasir_engine_step(engine.get(), &more), KVASIR_INTERNAL, message);
  // What was settled before the step is told.
  std::map<uint64_t, Answer> answers;
  collect(engine.get(), answers);
  EXPECT_EQ(answers[other].reason, KVASIR_FINISH_CANCELLED);
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
