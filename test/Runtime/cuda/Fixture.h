// A model on a device that the driver of the tests makes up.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_TEST_RUNTIME_CUDA_FIXTURE_H
#define KVASIR_TEST_RUNTIME_CUDA_FIXTURE_H

#include "Support.h"

#include <cstdlib>
#include <dlfcn.h>

namespace kvasir::test {

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

  /// Decodes prompts of these lengths together; ids have to be the toy's.
  std::map<uint64_t, Answer> decode(const EngineHandle &engine, const std::vector<int32_t> &lengths,
                                    int32_t newTokens) {
    std::map<uint64_t, std::vector<int32_t>> expected;
    for (uint32_t i = 0; i < lengths.size(); ++i) {
      std::vector<int32_t> prompt = somePrompt(i, lengths[i]);
      expected[submit(engine, prompt, requestOptions(newTokens))] =
          toyGreedy(config, prompt, newTokens);
    }
    std::map<uint64_t, Answer> answers;
    drain(engine.get(), answers);
    for (const auto &[request, ids] : expected)
      EXPECT_EQ(answers[request].ids, ids);
    return answers;
  }

  ToyConfig config;
  ModelHandle model;
};

} // namespace kvasir::test

#endif // KVASIR_TEST_RUNTIME_CUDA_FIXTURE_H
