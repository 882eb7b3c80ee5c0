// What an engine or a request may not ask for, and that the refusal has the
// numbers.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "Support.h"

#include <climits>
#include <cmath>

namespace kvasir::test {
namespace {

kvasir_error *create(const ModelHandle &model, const kvasir_engine_options &options) {
  kvasir_engine *engine = nullptr;
  kvasir_error *error = kvasir_engine_create(model.get(), &options, &engine);
  kvasir_engine_free(engine);
  return error;
}

TEST(Limits, EngineOptionsAboveTheModelAreRefused) {
  ModelHandle model = loadToy({});
  auto refused = [&](auto change, const char *part) {
    kvasir_engine_options options = engineOptions();
    change(options);
    EXPECT_REFUSED(create(model, options), KVASIR_OUT_OF_RANGE, part);
  };
  refused([](auto &o) { o.max_requests = 17; }, "expected 1 to 16");
  refused([](auto &o) { o.max_context = 4096; }, "expected 1 to 2048");
  refused([](auto &o) { o.max_step_tokens = -1; }, "max_step_tokens is -1");
  refused([](auto &o) { o.max_logit_rows = 300; }, "max_logit_rows is 300");
  refused([](auto &o) { o.threads = INT_MAX; }, "threads");
  refused([](auto &o) { o.kv_tokens = UINT64_MAX; }, "KV pages");
}

TEST(Limits, WhatDoesNotFitIsRefusedWithTheNumbers) {
  ModelHandle model = loadToy({});
  kvasir_engine_options options = engineOptions();
  options.kv_tokens = uint64_t(1) << 36;
  EXPECT_REFUSED(create(model, options), KVASIR_RESOURCE_EXHAUSTED,
                 "1073741824 pages of 64 tokens");
  options.kv_tokens = 640;
  options.memory_bytes = 1000;
  EXPECT_REFUSED(create(model, options), KVASIR_RESOURCE_EXHAUSTED, "but 1000 are available");
  options.kv_bytes = 5;
  EXPECT_REFUSED(create(model, options), KVASIR_INVALID_ARGUMENT, "both set");
  options.kv_tokens = 0;
  EXPECT_REFUSED(create(model, options), KVASIR_RESOURCE_EXHAUSTED, "holds no page");
  options.struct_size = 0;
  EXPECT_REFUSED(create(model, options), KVASIR_INVALID_ARGUMENT, "struct_size is 0");
}

TEST(Limits, PlanAddsUp) {
  ModelHandle model = loadToy({});
  kvasir_engine_options options = engineOptions();
  options.threads = 3;
  options.max_step_tokens = 10;
  options.max_requests = 2;
  options.kv_tokens = 65;
  kvasir_memory_plan plan = {};
  plan.struct_size = sizeof(plan);
  ASSERT_OK(kvasir_plan(model.get(), &options, &plan));
  EXPECT_EQ(plan.kv_pages, 2u);
  EXPECT_EQ(plan.kv_page_bytes, 2u * 8192);
  EXPECT_EQ(plan.kv_bytes_per_token, 256u);
  EXPECT_EQ(plan.kv_bytes, 2u * 2 * 8192);
  EXPECT_EQ(plan.max_logit_rows, 2);
  EXPECT_EQ(plan.max_context, 2048);
  // prefill: 10 states, three scratches, two rows of 96 logits
  EXPECT_EQ(plan.workspace_bytes, 64u + 3 * 64 + 2 * 96 * 4);
  EXPECT_EQ(plan.total_bytes,
            plan.weight_bytes + plan.workspace_bytes + plan.step_bytes + plan.kv_bytes);
  EXPECT_TRUE(plan.fits);
}

TEST(Limits, AShortStructIsNotWrittenPastItsEnd) {
  ModelHandle model = loadToy({});
  struct {
    size_t structSize;
    int32_t threads;
    int32_t untouched;
  } old = {12, 0, 77};
  kvasir_engine_options options = engineOptions();
  options.threads = 5;
  ASSERT_OK(kvasir_plan(model.get(), &options, reinterpret_cast<kvasir_memory_plan *>(&old)));
  EXPECT_EQ(old.threads, 5);
  EXPECT_EQ(old.untouched, 77);
  EXPECT_EQ(old.structSize, 12u);
}

class Requests : public testing::Test {
protected:
  ModelHandle model = loadToy({});
  EngineHandle engine;

  kvasir_error *submit(const std::vector<int32_t> &ids, const kvasir_request_options &options) {
    if (!engine) {
      kvasir_engine_options choice = engineOptions();
      choice.kv_tokens = 256;
      choice.max_context = 1000;
      engine = makeEngine(model, choice);
    }
    uint64_t request = 0;
    return kvasir_engine_submit(engine.get(), ids.data(), ids.size(), &options, &request);
  }
};

TEST_F(Requests, ThatCanNeverFitAreRefused) {
  EXPECT_REFUSED(submit({}, requestOptions(1)), KVASIR_INVALID_ARGUMENT,
                 "start with the model's BOS");
  EXPECT_REFUSED(submit({3, -1}, requestOptions(1)), KVASIR_OUT_OF_RANGE, "id -1 at position 1");
  EXPECT_REFUSED(submit({96}, requestOptions(1)), KVASIR_OUT_OF_RANGE, "[0, 96)");
  EXPECT_REFUSED(submit(somePrompt(1, 1000), requestOptions(0)), KVASIR_OUT_OF_RANGE,
                 "prompt of 1000 tokens");
  EXPECT_REFUSED(submit(somePrompt(1, 900), requestOptions(101)), KVASIR_OUT_OF_RANGE,
                 "context has 1000");
  EXPECT_REFUSED(submit(somePrompt(1, 200), requestOptions(58)), KVASIR_RESOURCE_EXHAUSTED,
                 "need 5 KV pages");
  EXPECT_OK(submit(somePrompt(1, 200), requestOptions(57)));
  EXPECT_REFUSED(submit({3}, requestOptions(-2)), KVASIR_INVALID_ARGUMENT, "max_new_tokens is -2");
  EXPECT_REFUSED(submit({3}, requestOptions(INT_MAX)), KVASIR_OUT_OF_RANGE, "context");
}

TEST_F(Requests, WithNoMaximumTakeWhatThePagesLeave) {
  EXPECT_OK(submit(somePrompt(1, 200), requestOptions(0)));
  std::map<uint64_t, Answer> answers;
  drain(engine.get(), answers);
  EXPECT_EQ(answers.begin()->second.ids.size(), 57u);
}

TEST_F(Requests, BadOptionsAreRefused) {
  kvasir_request_options options = requestOptions(5);
  options.temperature = NAN;
  EXPECT_REFUSED(submit({3}, options), KVASIR_INVALID_ARGUMENT, "temperature");
  options = requestOptions(5);
  int32_t stop = 96;
  options.stop_ids = &stop;
  options.stop_id_count = 1;
  EXPECT_REFUSED(submit({3}, options), KVASIR_OUT_OF_RANGE, "stop id 96");
  options.stop_ids = nullptr;
  EXPECT_REFUSED(submit({3}, options), KVASIR_INVALID_ARGUMENT, "stop_ids is NULL");
}

TEST(Limits, NullHandlesAreErrors) {
  EXPECT_EQ(codeOf(kvasir_model_load(nullptr, nullptr, nullptr)), KVASIR_INVALID_ARGUMENT);
  EXPECT_EQ(codeOf(kvasir_engine_create(nullptr, nullptr, nullptr)), KVASIR_INVALID_ARGUMENT);
  EXPECT_EQ(codeOf(kvasir_engine_step(nullptr, nullptr)), KVASIR_INVALID_ARGUMENT);
  EXPECT_EQ(codeOf(kvasir_engine_submit(nullptr, nullptr, 0, nullptr, nullptr)),
            KVASIR_INVALID_ARGUMENT);
  EXPECT_EQ(kvasir_model_table(nullptr, nullptr), nullptr);
  EXPECT_EQ(kvasir_model_file(nullptr, nullptr), nullptr);
  kvasir_model_free(nullptr);
  kvasir_engine_free(nullptr);
  kvasir_sequence_free(nullptr);
  kvasir_error_free(nullptr);
  EXPECT_STREQ(kvasir_error_message(nullptr), "");
}

} // namespace
} // namespace kvasir::test
