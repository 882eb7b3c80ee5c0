// kvasir_model_*: loading, facts, verification.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "api/Handles.h"

#include "kvasir-c/abi.h"

using namespace kvasir::rt;
using kvasir::artifact::Module;

void kvasir_model_options_init(kvasir_model_options *options) {
  if (!options)
    return;
  *options = {};
  options->struct_size = sizeof(*options);
}

kvasir_error *kvasir_model_load(const char *path, const kvasir_model_options *options,
                                kvasir_model **model) {
  return guarded([&]() -> Status {
    if (!path || !model)
      return nullArgument(path ? "model" : "path");
    kvasir_model_options chosen;
    kvasir_model_options_init(&chosen);
    if (Status s = readStruct(options, chosen); !s)
      return s;
    ModelConfig config;
    config.device = chosen.device ? chosen.device : "";
    config.variant = chosen.variant ? chosen.variant : "";
    config.verifyWeights = chosen.verify_weights;
    auto loaded = Model::load(path, config);
    if (!loaded)
      return loaded.status();
    auto handle = std::make_unique<kvasir_model>();
    handle->model = std::move(*loaded);
    *model = handle.release();
    return Status::ok();
  });
}

kvasir_model *kvasir_model_retain(kvasir_model *model) {
  if (model)
    model->references.fetch_add(1, std::memory_order_relaxed);
  return model;
}

void kvasir_model_free(kvasir_model *model) {
  if (model && model->references.fetch_sub(1, std::memory_order_acq_rel) == 1)
    delete model;
}

static const char *text(const flatbuffers::String *string) { return string ? string->c_str() : ""; }

static void fillModel(const kvasir::artifact::Model &model, kvasir_model_info &info) {
  info.architecture = text(model.architecture());
  info.name = text(model.name());
  info.weight_type = elementName(model.weight_type());
  info.parameters = model.parameters();
  info.layers = static_cast<int32_t>(model.layers());
  info.hidden_size = static_cast<int32_t>(model.hidden_size());
  info.vocab_size = static_cast<int32_t>(model.vocab_size());
  info.heads = static_cast<int32_t>(model.heads());
  info.kv_heads = static_cast<int32_t>(model.kv_heads());
  info.head_size = static_cast<int32_t>(model.head_size());
  info.bos = model.bos();
  if (const auto *eos = model.eos()) {
    info.eos = eos->data();
    info.eos_count = eos->size();
  }
}

static void fillCaches(const Module &module, kvasir_model_info &info) {
  info.kv_type = "";
  if (!module.caches())
    return;
  uint64_t pageBytes = 0;
  bool unbounded = false;
  for (const kvasir::artifact::Cache *cache : *module.caches()) {
    const char *type = elementName(cache->type());
    bool mixed = *info.kv_type && std::strcmp(info.kv_type, type) != 0;
    info.kv_type = mixed ? "mixed" : type;
    pageBytes += cache->page_bytes();
    unbounded |= cache->window() == 0;
    info.window = std::max(info.window, static_cast<int32_t>(cache->window()));
  }
  if (unbounded)
    info.window = 0;
  info.kv_bytes_per_token = pageBytes / KVASIR_PAGE_TOKENS;
}

static void fillGeneration(const kvasir::artifact::Generation *generation,
                           kvasir_model_info &info) {
  info.temperature = info.top_p = info.min_p = info.repetition_penalty =
      std::numeric_limits<float>::quiet_NaN();
  info.top_k = -1;
  if (!generation)
    return;
  info.temperature = generation->temperature();
  info.top_k = generation->top_k();
  info.top_p = generation->top_p();
  info.min_p = generation->min_p();
  info.repetition_penalty = generation->repetition_penalty();
  info.do_sample = generation->do_sample();
}

kvasir_error *kvasir_model_get_info(const kvasir_model *model, kvasir_model_info *info) {
  return guarded([&]() -> Status {
    if (!model)
      return nullArgument("model");
    const Model &source = *model->model;
    const Module &module = source.module();
    kvasir_model_info facts = {};
    fillModel(*module.model(), facts);
    fillCaches(module, facts);
    fillGeneration(module.generation(), facts);
    facts.variant = source.device().variant().c_str();
    facts.device = source.device().name().c_str();
    facts.device_product = source.device().product().c_str();
    facts.device_memory_bytes = source.device().memoryBytes();
    facts.device_passed_over = source.passedOver().c_str();
    facts.max_context = static_cast<int32_t>(module.limits()->max_context());
    facts.max_requests = static_cast<int32_t>(module.limits()->max_requests());
    facts.max_step_tokens = static_cast<int32_t>(module.limits()->max_step_tokens());
    facts.file_bytes = source.artifact().file().size();
    facts.weight_bytes = module.weights_section()->size();
    facts.has_tokenizer = source.tokenizer() != nullptr;
    facts.tokenizer_missing = source.tokenizerMissing().c_str();
    facts.chat_template = module.chat_template() ? module.chat_template()->c_str() : nullptr;
    return writeStruct(facts, info);
  });
}

kvasir_error *kvasir_model_measure_bandwidth(const kvasir_model *model, double *bytes_per_second) {
  return guarded([&]() -> Status {
    if (!model || !bytes_per_second)
      return nullArgument(model ? "bytes_per_second" : "model");
    Result<double> measured = model->model->device().measureBandwidth();
    if (measured)
      *bytes_per_second = *measured;
    return measured.status();
  });
}

const void *kvasir_model_table(const kvasir_model *model, size_t *size) {
  if (!model)
    return nullptr;
  std::string_view bytes = model->model->artifact().tableBytes();
  if (size)
    *size = bytes.size();
  return bytes.data();
}

const void *kvasir_model_file(const kvasir_model *model, size_t *size) {
  if (!model)
    return nullptr;
  const MappedFile &file = model->model->artifact().file();
  if (size)
    *size = file.size();
  return file.data();
}

kvasir_error *kvasir_model_verify(const kvasir_model *model, kvasir_progress_fn progress,
                                  void *user) {
  return guarded([&]() -> Status {
    if (!model)
      return nullArgument("model");
    return model->model->artifact().verifyWeights([&](uint64_t done, uint64_t total) {
      if (progress)
        progress(done, total, user);
    });
  });
}
