// Requests: batching, preemption, sampling options, stops, cancellation,
// refusals.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "Support.h"
#include "ToyTokenizer.h"

#include <cmath>
#include <cstring>
#include <set>

namespace kvasir::test {
namespace {

using Answers = std::map<uint64_t, Answer>;

struct Job {
  std::vector<int32_t> prompt;
  int32_t newTokens;
};

std::vector<Job> someJobs() {
  return {{somePrompt(1, 1), 40},  {somePrompt(2, 70), 5}, {somePrompt(3, 130), 70},
          {somePrompt(4, 64), 64}, {somePrompt(5, 3), 1},  {somePrompt(6, 200), 30}};
}

/// Greedy answers of all jobs, in their order.
std::vector<std::vector<int32_t>> run(const ModelHandle &model,
                                      const kvasir_engine_options &options,
                                      const std::vector<Job> &jobs, bool together,
                                      Answers *details = nullptr) {
  EngineHandle engine = makeEngine(model, options);
  Answers answers;
  std::vector<uint64_t> numbers;
  for (const Job &job : jobs) {
    numbers.push_back(submit(engine, job.prompt, requestOptions(job.newTokens)));
    if (!together)
      drain(engine.get(), answers);
  }
  drain(engine.get(), answers);
  std::vector<std::vector<int32_t>> ids;
  for (uint64_t number : numbers) {
    EXPECT_EQ(answers[number].reason, KVASIR_FINISH_LENGTH) << answers[number].message;
    ids.push_back(answers[number].ids);
  }
  kvasir_engine_stats stats = {};
  stats.struct_size = sizeof(stats);
  EXPECT_OK(kvasir_engine_get_stats(engine.get(), &stats));
  EXPECT_EQ(stats.kv_pages_used, 0u) << "pages leak";
  EXPECT_EQ(stats.finished, jobs.size());
  if (details)
    *details = answers;
  return ids;
}

std::vector<std::vector<int32_t>> reference(const ToyConfig &config, const std::vector<Job> &jobs) {
  std::vector<std::vector<int32_t>> ids;
  for (const Job &job : jobs)
    ids.push_back(toyGreedy(config, job.prompt, job.newTokens));
  return ids;
}

TEST(Engine, AloneAndTogetherGiveTheReference) {
  ToyConfig config;
  ModelHandle model = loadToy(config);
  auto expected = reference(config, someJobs());
  for (int32_t threads : {1, 2, 3}) {
    kvasir_engine_options options = engineOptions();
    options.threads = threads;
    EXPECT_EQ(run(model, options, someJobs(), false), expected);
    EXPECT_EQ(run(model, options, someJobs(), true), expected);
  }
}

TEST(Engine, ChunkSizeAndBatchSizeDoNotMatter) {
  ToyConfig config;
  ModelHandle model = loadToy(config);
  auto expected = reference(config, someJobs());
  for (int32_t chunk : {1, 5, 64})
    for (int32_t requests : {1, 3, 16}) {
      kvasir_engine_options options = engineOptions();
      options.max_step_tokens = chunk;
      options.max_requests = requests;
      options.max_logit_rows = chunk == 5 ? 2 : 0;
      EXPECT_EQ(run(model, options, someJobs(), true), expected)
          << "chunk " << chunk << ", " << requests << " requests";
    }
}

TEST(Engine, PreemptedRequestsContinueWithTheSameResult) {
  ToyConfig config;
  ModelHandle model = loadToy(config);
  std::vector<Job> jobs;
  for (uint32_t i = 0; i < 6; ++i)
    jobs.push_back({somePrompt(20 + i, 50), 100});
  kvasir_engine_options options = engineOptions();
  options.kv_tokens = 6 * 64; // each needs three pages in the end
  Answers details;
  EXPECT_EQ(run(model, options, jobs, true, &details), reference(config, jobs));
  int32_t preemptions = 0;
  for (const auto &[number, answer] : details)
    preemptions += answer.preemptions;
  EXPECT_GT(preemptions, 0);
}

TEST(Engine, WindowsAllowMoreTokensThanThePagesHold) {
  ToyConfig config;
  config.windows = {40, 64};
  ModelHandle model = loadToy(config);
  std::vector<Job> jobs = {{somePrompt(30, 500), 100}, {somePrompt(31, 90), 9}};
  kvasir_engine_options options = engineOptions();
  options.max_step_tokens = 64;
  options.kv_tokens = 4 * 64;
  EXPECT_EQ(run(model, options, jobs, true), reference(config, jobs));
}

TEST(Engine, RequestsJoinWhileOthersDecode) {
  ToyConfig config;
  ModelHandle model = loadToy(config);
  EngineHandle engine = makeEngine(model, engineOptions());
  Answers answers;
  std::vector<Job> jobs = someJobs();
  std::vector<uint64_t> numbers;
  bool more = true;
  for (const Job &job : jobs) {
    numbers.push_back(submit(engine, job.prompt, requestOptions(job.newTokens)));
    for (int i = 0; i < 3; ++i)
      ASSERT_OK(kvasir_engine_step(engine.get(), &more));
  }
  drain(engine.get(), answers);
  for (size_t i = 0; i < jobs.size(); ++i)
    EXPECT_EQ(answers[numbers[i]].ids, reference(config, {jobs[i]})[0]);
}

/// The first ids of a greedy answer that are also its only ones of that value.
TEST(Engine, EosAndStopIdsEnd) {
  ToyConfig config;
  std::vector<int32_t> prompt = somePrompt(40, 20);
  std::vector<int32_t> full = toyGreedy(config, prompt, 50);
  config.eos = {full[7]};
  size_t end = std::find(full.begin(), full.end(), full[7]) - full.begin();
  ModelHandle model = loadToy(config);
  EngineHandle engine = makeEngine(model, engineOptions());
  kvasir_request_options options = requestOptions(50);
  options.ignore_eos = false;
  Answers answers;
  uint64_t eos = submit(engine, prompt, options);
  options.ignore_eos = true;
  uint64_t ignoring = submit(engine, prompt, options);
  options.stop_ids = &full[7];
  options.stop_id_count = 1;
  uint64_t stopping = submit(engine, prompt, options);
  drain(engine.get(), answers);
  std::vector<int32_t> cut(full.begin(), full.begin() + end + 1);
  EXPECT_EQ(answers[eos].ids, cut);
  EXPECT_EQ(answers[eos].reason, KVASIR_FINISH_EOS);
  EXPECT_EQ(answers[ignoring].ids, full);
  EXPECT_EQ(answers[stopping].ids, cut);
  EXPECT_EQ(answers[stopping].reason, KVASIR_FINISH_STOP);
}

TEST(Engine, CancelledRequestsEndAtTheNextStep) {
  ModelHandle model = loadToy({});
  kvasir_engine_options options = engineOptions();
  options.max_requests = 1;
  EngineHandle engine = makeEngine(model, options);
  uint64_t running = submit(engine, {5}, requestOptions(1000));
  uint64_t waiting = submit(engine, {6}, requestOptions(1000));
  uint64_t last = submit(engine, {7}, requestOptions(3));
  Answers answers;
  bool more = false;
  for (int i = 0; i < 5; ++i)
    ASSERT_OK(kvasir_engine_step(engine.get(), &more));
  kvasir_engine_cancel(engine.get(), running);
  kvasir_engine_cancel(engine.get(), waiting);
  kvasir_engine_cancel(engine.get(), 999);
  drain(engine.get(), answers);
  EXPECT_EQ(answers[running].reason, KVASIR_FINISH_CANCELLED);
  EXPECT_EQ(answers[running].ids.size(), 5u);
  EXPECT_EQ(answers[waiting].reason, KVASIR_FINISH_CANCELLED);
  EXPECT_TRUE(answers[waiting].ids.empty());
  EXPECT_EQ(answers[last].reason, KVASIR_FINISH_LENGTH);
}

TEST(Engine, NanEndsOneRequestAndSparesTheOthers) {
  ToyConfig config;
  config.nanId = 50;
  ModelHandle model = loadToy(config);
  EngineHandle engine = makeEngine(model, engineOptions());
  uint64_t broken = submit(engine, {4, 50}, requestOptions(5));
  // A bias keeps the other from ever producing the id.
  kvasir_logit_bias bias = {50, -INFINITY};
  kvasir_request_options options = requestOptions(5);
  options.logit_bias = &bias;
  options.logit_bias_count = 1;
  uint64_t sound = submit(engine, {4, 51}, options);
  Answers answers;
  drain(engine.get(), answers);
  EXPECT_EQ(answers[broken].reason, KVASIR_FINISH_ERROR);
  EXPECT_EQ(answers[broken].error, KVASIR_INTERNAL);
  EXPECT_NE(answers[broken].message.find("not finite"), std::string::npos);
  EXPECT_EQ(answers[sound].reason, KVASIR_FINISH_LENGTH);
}

TEST(Engine, SamplingDependsOnTheRequestAlone) {
  ToyConfig config;
  ModelHandle model = loadToy(config);
  kvasir_request_options options = requestOptions(60);
  options.temperature = 0.8f;
  options.top_k = 40;
  options.top_p = 0.95f;
  options.min_p = 0.01f;
  options.repetition_penalty = 1.1f;
  options.seed = 7;
  std::vector<int32_t> prompt = somePrompt(50, 30);
  std::vector<std::vector<int32_t>> results;
  for (uint64_t tokens : {4096, 256}) {
    kvasir_engine_options engineChoice = engineOptions();
    engineChoice.kv_tokens = tokens;
    EngineHandle engine = makeEngine(model, engineChoice);
    Answers answers;
    uint64_t first = submit(engine, prompt, options);
    submit(engine, somePrompt(51, 30), options);
    uint64_t again = submit(engine, prompt, options);
    drain(engine.get(), answers);
    results.push_back(answers[first].ids);
    results.push_back(answers[again].ids);
  }
  for (const auto &result : results)
    EXPECT_EQ(result, results[0]);
  options.seed = 8;
  EngineHandle engine = makeEngine(model, engineOptions());
  Answers answers;
  uint64_t other = submit(engine, prompt, options);
  drain(engine.get(), answers);
  EXPECT_NE(answers[other].ids, results[0]);
}

TEST(Engine, LogprobsAreThoseOfTheModel) {
  ToyConfig config;
  ModelHandle model = loadToy(config);
  EngineHandle engine = makeEngine(model, engineOptions());
  kvasir_request_options options = requestOptions(3);
  options.logprobs = 5;
  std::vector<int32_t> prompt = somePrompt(60, 10);
  uint64_t request = submit(engine, prompt, options);
  Answers answers;
  drain(engine.get(), answers);
  const Answer &answer = answers[request];
  for (size_t i = 0; i < 3; ++i) {
    std::vector<float> logits = toyLogits(config, prompt, int32_t(13));
    double sum = 0;
    for (float logit : logits)
      sum += std::exp(double(logit));
    double chosen = logits[answer.ids[i]] - std::log(sum);
    EXPECT_NEAR(answer.logprobs[i], chosen, 1e-6);
    ASSERT_EQ(answer.top[i].size(), 5u);
    EXPECT_EQ(answer.top[i][0].id, answer.ids[i]);
    EXPECT_EQ(answer.top[i][0].logprob, answer.logprobs[i]);
    for (size_t n = 1; n < 5; ++n)
      EXPECT_GE(answer.top[i][n - 1].logprob, answer.top[i][n].logprob);
    prompt.push_back(answer.ids[i]);
  }
}

TEST(Engine, HelperThreadPumps) {
  ToyConfig config;
  ModelHandle model = loadToy(config);
  kvasir_engine_options options = engineOptions();
  options.threads = 2;
  EngineHandle engine = makeEngine(model, options);
  ASSERT_OK(kvasir_engine_start(engine.get()));
  bool more = false;
  EXPECT_REFUSED(kvasir_engine_step(engine.get(), &more), KVASIR_INVALID_ARGUMENT, "helper thread");
  Answers answers;
  std::vector<Job> jobs = someJobs();
  std::vector<uint64_t> numbers;
  for (const Job &job : jobs)
    numbers.push_back(submit(engine, job.prompt, requestOptions(job.newTokens)));
  uint64_t cancelled = submit(engine, {3}, requestOptions(2000));
  kvasir_engine_cancel(engine.get(), cancelled);
  auto done = [&] {
    for (uint64_t number : numbers)
      if (answers[number].reason == KVASIR_FINISH_NONE)
        return false;
    return true;
  };
  while (!done()) {
    ASSERT_TRUE(kvasir_engine_wait(engine.get(), 60));
    collect(engine.get(), answers);
  }
  EXPECT_OK(kvasir_engine_stop(engine.get()));
  EXPECT_OK(kvasir_engine_stop(engine.get()));
  for (size_t i = 0; i < jobs.size(); ++i)
    EXPECT_EQ(answers[numbers[i]].ids, reference(config, {jobs[i]})[0]);
  // Freeing a running helper is fine, too.
  ASSERT_OK(kvasir_engine_start(engine.get()));
  submit(engine, {3}, requestOptions(2000));
}

TEST(Engine, SequencesAndRequestsShareThePages) {
  ToyConfig config;
  ModelHandle model = loadToy(config);
  kvasir_engine_options options = engineOptions();
  options.kv_tokens = 128;
  EngineHandle engine = makeEngine(model, options);
  kvasir_sequence *raw = nullptr;
  ASSERT_OK(kvasir_sequence_create(engine.get(), 100, &raw));
  SequenceHandle sequence(raw);
  std::vector<int32_t> ids = somePrompt(70, 70);
  kvasir_forward_item item = {raw, ids.data(), 70, KVASIR_ROWS_NONE};
  ASSERT_OK(kvasir_engine_forward(engine.get(), &item, 1, nullptr));
  uint64_t starved = submit(engine, {3}, requestOptions(4));
  Answers answers;
  drain(engine.get(), answers);
  EXPECT_EQ(answers[starved].reason, KVASIR_FINISH_ERROR);
  EXPECT_EQ(answers[starved].error, KVASIR_RESOURCE_EXHAUSTED);
  sequence.reset();
  uint64_t fed = submit(engine, {3}, requestOptions(4));
  drain(engine.get(), answers);
  EXPECT_EQ(answers[fed].ids, toyGreedy(config, {3}, 4));
}

} // namespace
} // namespace kvasir::test
