// The step for embedders: rows, chunks, batches, threads, windows, refusals.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "Support.h"

namespace kvasir::test {
namespace {

using Rows = std::vector<std::vector<float>>;

SequenceHandle newSequence(const EngineHandle &engine, int32_t total) {
  kvasir_sequence *sequence = nullptr;
  EXPECT_OK(kvasir_sequence_create(engine.get(), total, &sequence));
  return SequenceHandle(sequence);
}

/// Logits of every position of `ids`, computed in chunks.
Rows allRows(const EngineHandle &engine, const std::vector<int32_t> &ids, int32_t chunk,
             int32_t total) {
  SequenceHandle sequence = newSequence(engine, total);
  Rows rows;
  for (size_t at = 0; at < ids.size(); at += chunk) {
    int32_t count = std::min<int32_t>(chunk, int32_t(ids.size() - at));
    kvasir_forward_item item = {sequence.get(), ids.data() + at, count, KVASIR_ROWS_ALL};
    kvasir_logits logits = {sizeof(logits), nullptr, 0, 0};
    EXPECT_OK(kvasir_engine_forward(engine.get(), &item, 1, &logits));
    EXPECT_EQ(logits.rows, size_t(count));
    for (size_t row = 0; row < logits.rows; ++row)
      rows.emplace_back(logits.data + row * logits.stride, logits.data + row * logits.stride + 96);
  }
  return rows;
}

TEST(Forward, EveryChunkingAndThreadCountGivesTheReference) {
  ToyConfig config;
  ModelHandle model = loadToy(config);
  std::vector<int32_t> ids = somePrompt(1, 150);
  Rows expected = toyRows(config, ids, 200);
  for (int32_t threads : {1, 2, 3}) {
    kvasir_engine_options options = engineOptions();
    options.threads = threads;
    options.max_logit_rows = 256;
    EngineHandle engine = makeEngine(model, options);
    for (int32_t chunk : {1, 3, 4, 7, 64, 150})
      EXPECT_EQ(allRows(engine, ids, chunk, 200), expected)
          << threads << " threads, chunks of " << chunk;
  }
}

TEST(Forward, SlidingWindowsFreePagesAndKeepTheResult) {
  ToyConfig config;
  config.windows = {70, 30};
  ModelHandle model = loadToy(config);
  kvasir_engine_options options = engineOptions();
  options.max_logit_rows = 256;
  options.kv_tokens = 4 * 64; // far fewer than the text has
  EngineHandle engine = makeEngine(model, options);
  std::vector<int32_t> ids = somePrompt(2, 700);
  EXPECT_EQ(allRows(engine, ids, 50, 700), toyRows(config, ids, 700));
  kvasir_engine_stats stats = {};
  stats.struct_size = sizeof(stats);
  ASSERT_OK(kvasir_engine_get_stats(engine.get(), &stats));
  EXPECT_LE(stats.kv_pages_peak, 4u);
  EXPECT_EQ(stats.kv_pages_used, 0u);
}

TEST(Forward, OneLayerWithoutWindowKeepsAllPages) {
  ToyConfig config;
  config.windows = {70, 0};
  ModelHandle model = loadToy(config);
  kvasir_engine_options options = engineOptions();
  options.max_logit_rows = 256;
  EngineHandle engine = makeEngine(model, options);
  std::vector<int32_t> ids = somePrompt(3, 300);
  EXPECT_EQ(allRows(engine, ids, 64, 300), toyRows(config, ids, 300));
}

TEST(Forward, RaggedBatchGivesWhatEachGivesAlone) {
  ToyConfig config;
  ModelHandle model = loadToy(config);
  kvasir_engine_options options = engineOptions();
  options.threads = 2;
  EngineHandle engine = makeEngine(model, options);
  std::vector<std::vector<int32_t>> prompts = {somePrompt(4, 1), somePrompt(5, 100),
                                               somePrompt(6, 65)};
  std::vector<SequenceHandle> sequences;
  std::vector<kvasir_forward_item> items;
  kvasir_rows wanted[] = {KVASIR_ROWS_LAST, KVASIR_ROWS_NONE, KVASIR_ROWS_LAST};
  for (size_t i = 0; i < prompts.size(); ++i) {
    sequences.push_back(newSequence(engine, 128));
    items.push_back({sequences[i].get(), prompts[i].data(), int32_t(prompts[i].size()), wanted[i]});
  }
  kvasir_logits logits = {sizeof(logits), nullptr, 0, 0};
  ASSERT_OK(kvasir_engine_forward(engine.get(), items.data(), 3, &logits));
  ASSERT_EQ(logits.rows, 2u);
  for (size_t row : {0, 1}) {
    const float *data = logits.data + row * logits.stride;
    EXPECT_EQ(std::vector<float>(data, data + 96), toyLogits(config, prompts[row * 2], 128));
  }
}

TEST(Forward, TruncatingForgetsTokens) {
  ToyConfig config;
  ModelHandle model = loadToy(config);
  EngineHandle engine = makeEngine(model, engineOptions());
  std::vector<int32_t> ids = somePrompt(7, 130), other = somePrompt(8, 20);
  SequenceHandle sequence = newSequence(engine, 200);
  kvasir_forward_item item = {sequence.get(), ids.data(), 130, KVASIR_ROWS_NONE};
  ASSERT_OK(kvasir_engine_forward(engine.get(), &item, 1, nullptr));
  ASSERT_OK(kvasir_sequence_truncate(sequence.get(), 60));
  EXPECT_EQ(kvasir_sequence_length(sequence.get()), 60);
  item = {sequence.get(), other.data(), 20, KVASIR_ROWS_LAST};
  kvasir_logits logits = {sizeof(logits), nullptr, 0, 0};
  ASSERT_OK(kvasir_engine_forward(engine.get(), &item, 1, &logits));
  ids.resize(60);
  ids.insert(ids.end(), other.begin(), other.end());
  EXPECT_EQ(std::vector<float>(logits.data, logits.data + 96), toyLogits(config, ids, 200));
  EXPECT_REFUSED(kvasir_sequence_truncate(sequence.get(), 81), KVASIR_OUT_OF_RANGE,
                 "has 80 tokens");
}

TEST(Forward, TruncatingBehindAWindowIsRefused) {
  ToyConfig config;
  config.windows = {10};
  ModelHandle model = loadToy(config);
  EngineHandle engine = makeEngine(model, engineOptions());
  std::vector<int32_t> ids = somePrompt(9, 200);
  SequenceHandle sequence = newSequence(engine, 200);
  kvasir_forward_item item = {sequence.get(), ids.data(), 200, KVASIR_ROWS_NONE};
  ASSERT_OK(kvasir_engine_forward(engine.get(), &item, 1, nullptr));
  EXPECT_REFUSED(kvasir_sequence_truncate(sequence.get(), 100), KVASIR_UNSUPPORTED,
                 "sliding window");
  EXPECT_OK(kvasir_sequence_truncate(sequence.get(), 195));
}

TEST(Forward, RefusalsNameTheNumbersAndChangeNothing) {
  ModelHandle model = loadToy({});
  kvasir_engine_options options = engineOptions();
  options.max_requests = 2;
  options.max_step_tokens = 16;
  options.kv_tokens = 128;
  EngineHandle engine = makeEngine(model, options);
  SequenceHandle a = newSequence(engine, 300), b = newSequence(engine, 20);
  std::vector<int32_t> ids = somePrompt(10, 40), bad = {3, 96};
  auto forward = [&](std::vector<kvasir_forward_item> items) {
    return kvasir_engine_forward(engine.get(), items.data(), items.size(), nullptr);
  };
  EXPECT_REFUSED(forward({{a.get(), bad.data(), 2, KVASIR_ROWS_NONE}}), KVASIR_OUT_OF_RANGE,
                 "id 96 at index 1");
  EXPECT_REFUSED(forward({{a.get(), ids.data(), 17, KVASIR_ROWS_NONE}}), KVASIR_OUT_OF_RANGE,
                 "17 tokens in one forward");
  EXPECT_REFUSED(forward({{a.get(), ids.data(), 3, KVASIR_ROWS_ALL}}), KVASIR_OUT_OF_RANGE,
                 "3 rows of logits");
  EXPECT_REFUSED(forward({{b.get(), ids.data(), 21, KVASIR_ROWS_NONE}}), KVASIR_OUT_OF_RANGE,
                 "was made for 20");
  EXPECT_REFUSED(forward({{a.get(), ids.data(), 0, KVASIR_ROWS_NONE}}), KVASIR_INVALID_ARGUMENT,
                 "at least 1");
  EXPECT_REFUSED(forward({}), KVASIR_INVALID_ARGUMENT, "");
  EXPECT_REFUSED(forward({{a.get(), ids.data(), 1, KVASIR_ROWS_NONE},
                          {a.get(), ids.data(), 1, KVASIR_ROWS_NONE}}),
                 KVASIR_INVALID_ARGUMENT, "item 1: its sequence");
  EXPECT_EQ(kvasir_sequence_length(a.get()), 0);
  for (int i = 0; i < 8; ++i)
    ASSERT_OK(forward({{a.get(), ids.data(), 16, KVASIR_ROWS_NONE}}));
  EXPECT_REFUSED(forward({{a.get(), ids.data(), 1, KVASIR_ROWS_NONE}}), KVASIR_RESOURCE_EXHAUSTED,
                 "0 of 2 are free");
  EXPECT_EQ(kvasir_sequence_length(a.get()), 128);
  kvasir_sequence *none = nullptr;
  EXPECT_REFUSED(kvasir_sequence_create(engine.get(), 2049, &none), KVASIR_OUT_OF_RANGE,
                 "1 to 2048");
}

TEST(Forward, SequencesMayOutliveTheirEngine) {
  ModelHandle model = loadToy({});
  EngineHandle engine = makeEngine(model, engineOptions());
  SequenceHandle sequence = newSequence(engine, 100);
  model.reset();
  engine.reset();
  EXPECT_EQ(kvasir_sequence_length(sequence.get()), 0);
}

TEST(Forward, ProfileCountsEveryRow) {
  ModelHandle model = loadToy({});
  kvasir_engine_options options = engineOptions();
  options.profile = true;
  options.threads = 2;
  EngineHandle engine = makeEngine(model, options);
  SequenceHandle sequence = newSequence(engine, 100);
  int32_t id = 5;
  kvasir_forward_item item = {sequence.get(), &id, 1, KVASIR_ROWS_LAST};
  for (int i = 0; i < 3; ++i)
    ASSERT_OK(kvasir_engine_forward(engine.get(), &item, 1, nullptr));
  kvasir_profile_row rows[16] = {};
  size_t count = 0;
  ASSERT_OK(kvasir_engine_get_profile(engine.get(), 0, rows, 16, &count));
  ASSERT_EQ(count, 6u); // embed, two layers of two, logits
  for (size_t i = 0; i < count; ++i) {
    EXPECT_EQ(rows[i].calls, 3u);
    EXPECT_GE(rows[i].seconds, 0.0);
  }
  ASSERT_OK(kvasir_engine_get_profile(engine.get(), 1, rows, 16, &count));
  EXPECT_EQ(rows[0].calls, 0u);
  EXPECT_REFUSED(kvasir_engine_get_profile(engine.get(), 2, rows, 16, &count), KVASIR_OUT_OF_RANGE,
                 "program 2");
}

} // namespace
} // namespace kvasir::test
