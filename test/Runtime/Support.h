// Handles of the C API that free themselves, and shortcuts for tests.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_TEST_RUNTIME_SUPPORT_H
#define KVASIR_TEST_RUNTIME_SUPPORT_H

#include "ToyArtifact.h"
#include "kvasir-c/kvasir.h"

#include <gtest/gtest.h>
#include <map>
#include <memory>

namespace kvasir::test {

struct Free {
  void operator()(kvasir_model *model) const { kvasir_model_free(model); }
  void operator()(kvasir_engine *engine) const { kvasir_engine_free(engine); }
  void operator()(kvasir_sequence *s) const { kvasir_sequence_free(s); }
};
using ModelHandle = std::unique_ptr<kvasir_model, Free>;
using EngineHandle = std::unique_ptr<kvasir_engine, Free>;
using SequenceHandle = std::unique_ptr<kvasir_sequence, Free>;

/// The message of an error, which is freed; "" for success.
inline std::string take(kvasir_error *error) {
  std::string message = kvasir_error_message(error);
  kvasir_error_free(error);
  return message;
}

/// The code of an error, which is freed.
inline kvasir_code codeOf(kvasir_error *error) {
  kvasir_code code = kvasir_error_code(error);
  kvasir_error_free(error);
  return code;
}

#define EXPECT_OK(call) EXPECT_EQ(::kvasir::test::take(call), "")
#define ASSERT_OK(call) ASSERT_EQ(::kvasir::test::take(call), "")
/// The call fails with this code and a message that contains `part`.
#define EXPECT_REFUSED(call, code, part)                                                           \
  do {                                                                                             \
    kvasir_error *refused = (call);                                                                \
    EXPECT_EQ(kvasir_error_code(refused), code);                                                   \
    EXPECT_NE(::kvasir::test::take(refused).find(part), std::string::npos)                         \
        << "the message lacks: " << part;                                                          \
  } while (false)

inline ModelHandle loadToy(const ToyConfig &config) {
  TemporaryFile file(toyArtifact(config));
  kvasir_model *model = nullptr;
  EXPECT_OK(kvasir_model_load(file.path().c_str(), nullptr, &model));
  return ModelHandle(model);
}

inline kvasir_engine_options engineOptions() {
  kvasir_engine_options options;
  kvasir_engine_options_init(&options);
  options.poison_pages = true;
  options.threads = 1;
  return options;
}

inline EngineHandle makeEngine(const ModelHandle &model, const kvasir_engine_options &options) {
  kvasir_engine *engine = nullptr;
  EXPECT_OK(kvasir_engine_create(model.get(), &options, &engine));
  return EngineHandle(engine);
}

inline kvasir_request_options requestOptions(int32_t newTokens) {
  kvasir_request_options options;
  kvasir_request_options_init(&options);
  options.max_new_tokens = newTokens;
  options.ignore_eos = true;
  return options;
}

/// All that came out of one request.
struct Answer {
  std::vector<int32_t> ids;
  std::vector<float> logprobs;
  std::vector<std::vector<kvasir_logprob>> top;
  std::string text;
  kvasir_finish_reason reason = KVASIR_FINISH_NONE;
  kvasir_code error = KVASIR_OK;
  std::string message;
  int32_t preemptions = 0;
  int32_t promptTokens = 0;
};

/// Takes every event that is there; answers by request number.
void collect(kvasir_engine *engine, std::map<uint64_t, Answer> &answers);

/// Steps until nothing is left.
void drain(kvasir_engine *engine, std::map<uint64_t, Answer> &answers);

/// A prompt that is different for each seed.
inline std::vector<int32_t> somePrompt(uint32_t seed, int32_t length, int32_t vocab = 96) {
  std::vector<int32_t> ids;
  for (int32_t i = 0; i < length; ++i) {
    seed = seed * 1664525u + 1013904223u;
    ids.push_back(static_cast<int32_t>((seed >> 8) % vocab));
  }
  return ids;
}

inline uint64_t submit(const EngineHandle &engine, const std::vector<int32_t> &prompt,
                       const kvasir_request_options &options) {
  uint64_t request = 0;
  EXPECT_OK(kvasir_engine_submit(engine.get(), prompt.data(), prompt.size(), &options, &request));
  return request;
}

} // namespace kvasir::test

#endif // KVASIR_TEST_RUNTIME_SUPPORT_H
