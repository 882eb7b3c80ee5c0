// Request options and submission.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "api/Handles.h"

#include <cmath>

using namespace kvasir::rt;

void kvasir_request_options_init(kvasir_request_options *options) {
  if (!options)
    return;
  *options = {};
  options->struct_size = sizeof(*options);
  options->top_p = 1;
  options->repetition_penalty = 1;
  options->logprobs = -1;
}

void kvasir_request_options_from_model(const kvasir_model *model, kvasir_request_options *options) {
  kvasir_request_options_init(options);
  if (!model || !options)
    return;
  const auto *generation = model->model->module().generation();
  if (!generation)
    return;
  auto take = [](float value, float &to) {
    if (!std::isnan(value))
      to = value;
  };
  take(generation->repetition_penalty(), options->repetition_penalty);
  if (!generation->do_sample())
    return;
  options->temperature = 1;
  take(generation->temperature(), options->temperature);
  take(generation->top_p(), options->top_p);
  take(generation->min_p(), options->min_p);
  options->top_k = std::max(0, generation->top_k());
}

template <class Item> static Status checkArray(const Item *items, size_t count, const char *name) {
  if (!items && count)
    return error(Code::invalidArgument, format("%s is NULL, but its count is %zu", name, count));
  return Status::ok();
}

static Status readStops(const kvasir_request_options &options, const Model &model,
                        RequestSpec &spec) {
  if (Status s = checkArray(options.stop, options.stop_count, "stop"); !s)
    return s;
  if (options.stop_count == 0)
    return Status::ok();
  if (Status s = model.requireTokenizer(); !s)
    return error(s.code(), "stop strings: " + s.message());
  if (options.no_text)
    return error(Code::invalidArgument, "stop strings need text, but no_text is set");
  for (size_t i = 0; i < options.stop_count; ++i) {
    const kvasir_text &stop = options.stop[i];
    if (!stop.data || stop.length == 0)
      return error(Code::invalidArgument, format("stop string %zu is empty", i));
    std::string name = format("stop string %zu", i);
    if (Status s = checkUtf8({stop.data, stop.length}, name.c_str()); !s)
      return s;
    spec.stops.emplace_back(stop.data, stop.length);
  }
  return Status::ok();
}

static Status readSpec(const kvasir_request_options &options, const Model &model,
                       RequestSpec &spec) {
  if (Status s = checkArray(options.stop_ids, options.stop_id_count, "stop_ids"); !s)
    return s;
  if (Status s = checkArray(options.logit_bias, options.logit_bias_count, "logit_bias"); !s)
    return s;
  spec.maxNewTokens = options.max_new_tokens;
  spec.sampling.temperature = options.temperature;
  spec.sampling.topK = options.top_k;
  spec.sampling.topP = options.top_p;
  spec.sampling.minP = options.min_p;
  spec.sampling.repetitionPenalty = options.repetition_penalty;
  spec.sampling.seed = options.seed;
  spec.sampling.logprobs = options.logprobs;
  spec.sampling.bias.assign(options.logit_bias, options.logit_bias + options.logit_bias_count);
  spec.stopIds.assign(options.stop_ids, options.stop_ids + options.stop_id_count);
  spec.ignoreEos = options.ignore_eos;
  spec.keepSpecialTokens = options.keep_special_tokens;
  spec.text = !options.no_text && model.tokenizer();
  spec.user = options.user;
  return readStops(options, model, spec);
}

/// Submits what `prompt(options)` gives as ids.
template <class Prompt>
static Status submit(kvasir_engine *engine, const kvasir_request_options *options,
                     uint64_t *request, Prompt &&prompt) {
  if (!engine || !request)
    return nullArgument(engine ? "request" : "engine");
  kvasir_request_options chosen;
  kvasir_request_options_init(&chosen);
  if (Status s = readStruct(options, chosen); !s)
    return s;
  RequestSpec spec;
  if (Status s = readSpec(chosen, engine->engine->model(), spec); !s)
    return s;
  Result<std::vector<int32_t>> ids = prompt(chosen);
  if (!ids)
    return ids.status();
  spec.prompt = std::move(*ids);
  Result<uint64_t> number = engine->engine->submit(std::move(spec));
  if (!number)
    return number.status();
  *request = *number;
  return Status::ok();
}

kvasir_error *kvasir_engine_submit(kvasir_engine *engine, const int32_t *ids, size_t count,
                                   const kvasir_request_options *options, uint64_t *request) {
  return guarded([&] {
    return submit(engine, options, request, [&](const auto &) -> Result<std::vector<int32_t>> {
      if (Status s = checkArray(ids, count, "ids"); !s)
        return s;
      return std::vector<int32_t>(ids, ids + count);
    });
  });
}

static Result<std::vector<int32_t>> tokenize(const Model &model, std::string_view text,
                                             bool addSpecial) {
  if (Status s = model.requireTokenizer(); !s)
    return s;
  if (!text.empty())
    return model.tokenizer()->encode(text, addSpecial);
  int32_t bos = model.module().model()->bos();
  if (bos < 0)
    return error(Code::invalidArgument,
                 "the prompt is empty, and the model has no BOS to start from");
  return std::vector<int32_t>{bos};
}

kvasir_error *kvasir_engine_submit_text(kvasir_engine *engine, const char *text, size_t length,
                                        const kvasir_request_options *options, uint64_t *request) {
  return guarded([&] {
    return submit(engine, options, request,
                  [&](const kvasir_request_options &chosen) -> Result<std::vector<int32_t>> {
                    if (Status s = checkArray(text, length, "text"); !s)
                      return s;
                    return tokenize(engine->engine->model(), {text, length},
                                    !chosen.no_special_tokens);
                  });
  });
}
