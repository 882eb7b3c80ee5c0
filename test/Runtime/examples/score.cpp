// Loads an artifact and prints, for each of a list of ids, the id that the
// model expects after it: one forward over a sequence that the program holds
// itself.
//   score MODEL.kvasir ID...
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <kvasir-c/kvasir.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <stdexcept>
#include <vector>

namespace {

void check(kvasir_error *error) {
  if (!error)
    return;
  std::string message = kvasir_error_message(error);
  kvasir_error_free(error);
  throw std::runtime_error(message);
}

template <auto function> struct Free {
  template <class T> void operator()(T *object) const { function(object); }
};
using Model = std::unique_ptr<kvasir_model, Free<kvasir_model_free>>;
using Engine = std::unique_ptr<kvasir_engine, Free<kvasir_engine_free>>;
using Sequence = std::unique_ptr<kvasir_sequence, Free<kvasir_sequence_free>>;

Model load(const char *path) {
  kvasir_model *model = nullptr;
  check(kvasir_model_load(path, nullptr, &model));
  return Model(model);
}

Engine makeEngine(const Model &model, int32_t tokens) {
  kvasir_engine_options options;
  kvasir_engine_options_init(&options);
  options.max_step_tokens = options.max_logit_rows = tokens;
  kvasir_engine *engine = nullptr;
  check(kvasir_engine_create(model.get(), &options, &engine));
  return Engine(engine);
}

void score(const char *path, const std::vector<int32_t> &ids) {
  Model model = load(path);
  int32_t count = static_cast<int32_t>(ids.size());
  Engine engine = makeEngine(model, count);
  kvasir_sequence *raw = nullptr;
  check(kvasir_sequence_create(engine.get(), count, &raw));
  Sequence sequence(raw);
  kvasir_forward_item item = {raw, ids.data(), count, KVASIR_ROWS_ALL};
  kvasir_logits logits = {sizeof(logits), nullptr, 0, 0};
  check(kvasir_engine_forward(engine.get(), &item, 1, &logits));
  kvasir_model_info info = {};
  info.struct_size = sizeof(info);
  check(kvasir_model_get_info(model.get(), &info));
  for (size_t row = 0; row < logits.rows; ++row) {
    const float *first = logits.data + row * logits.stride;
    std::printf("%td ", std::max_element(first, first + info.vocab_size) - first);
  }
  std::printf("\n");
}

} // namespace

int main(int argc, char **argv) {
  if (argc < 3) {
    std::fprintf(stderr, "usage: score MODEL.kvasir ID...\n");
    return 2;
  }
  std::vector<int32_t> ids;
  for (int i = 2; i < argc; ++i)
    ids.push_back(std::atoi(argv[i]));
  try {
    score(argv[1], ids);
  } catch (const std::exception &failure) {
    std::fprintf(stderr, "error: %s\n", failure.what());
    return 1;
  }
}
