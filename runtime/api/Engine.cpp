// kvasir_engine_*, kvasir_plan and sequences.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "api/Handles.h"

using namespace kvasir::rt;

void kvasir_engine_options_init(kvasir_engine_options *options) {
  if (!options)
    return;
  *options = {};
  options->struct_size = sizeof(*options);
  options->spin_us = -1;
}

static Status readConfig(const kvasir_engine_options *options, EngineConfig &config) {
  kvasir_engine_options chosen;
  kvasir_engine_options_init(&chosen);
  if (Status s = readStruct(options, chosen); !s)
    return s;
  config.threads = chosen.threads;
  config.maxRequests = chosen.max_requests;
  config.maxStepTokens = chosen.max_step_tokens;
  config.maxContext = chosen.max_context;
  config.maxLogitRows = chosen.max_logit_rows;
  config.kvTokens = chosen.kv_tokens;
  config.kvBytes = chosen.kv_bytes;
  config.memoryBytes = chosen.memory_bytes;
  config.spinMicroseconds = chosen.spin_us;
  config.pinWorkers = !chosen.no_pinning;
  config.profile = chosen.profile;
  config.poisonPages = chosen.poison_pages;
  config.sharedWeights = chosen.shared_weights;
  if (chosen.progress)
    config.progress = [call = chosen.progress, user = chosen.progress_user](
                          uint64_t done, uint64_t total) { call(done, total, user); };
  return Status::ok();
}

kvasir_error *kvasir_plan(const kvasir_model *model, const kvasir_engine_options *options,
                          kvasir_memory_plan *plan) {
  return guarded([&]() -> Status {
    if (!model)
      return nullArgument("model");
    EngineConfig config;
    if (Status s = readConfig(options, config); !s)
      return s;
    Result<MemoryPlan> made = model->model->plan(config);
    if (!made)
      return made.status();
    kvasir_memory_plan numbers = {};
    numbers.threads = made->threads;
    numbers.max_requests = made->maxRequests;
    numbers.max_step_tokens = made->maxStepTokens;
    numbers.max_context = made->maxContext;
    numbers.max_logit_rows = made->maxLogitRows;
    numbers.weight_bytes = made->weightBytes;
    numbers.workspace_bytes = made->arenaBytes;
    numbers.step_bytes = made->stepBytes;
    numbers.kv_bytes_per_token = made->pageBytes / KVASIR_PAGE_TOKENS;
    numbers.kv_page_bytes = made->pageBytes;
    numbers.kv_pages = made->pages;
    numbers.kv_bytes = made->kvBytes;
    numbers.total_bytes = made->totalBytes;
    numbers.available_bytes = made->availableBytes;
    numbers.fits = made->fits();
    numbers.host_bytes = made->hostBytes;
    numbers.driver_bytes = made->driverBytes;
    return writeStruct(numbers, plan);
  });
}

kvasir_error *kvasir_engine_create(kvasir_model *model, const kvasir_engine_options *options,
                                   kvasir_engine **engine) {
  return guarded([&]() -> Status {
    if (!model || !engine)
      return nullArgument(model ? "engine" : "model");
    EngineConfig config;
    if (Status s = readConfig(options, config); !s)
      return s;
    auto made = Engine::create(model->model, config);
    if (!made)
      return made.status();
    *engine = new kvasir_engine{std::move(*made)};
    return Status::ok();
  });
}

void kvasir_engine_free(kvasir_engine *engine) {
  if (engine)
    kvasir_error_free(guarded([&] { return engine->engine->stop(); }));
  delete engine;
}

void kvasir_engine_cancel(kvasir_engine *engine, uint64_t request) {
  if (engine)
    kvasir_error_free(guarded([&] {
      engine->engine->cancel(request);
      return Status::ok();
    }));
}

kvasir_error *kvasir_engine_step(kvasir_engine *engine, bool *more) {
  return guarded([&]() -> Status {
    if (!engine)
      return nullArgument("engine");
    bool left = false;
    Status status = engine->engine->step(left);
    if (status && more)
      *more = left;
    return status;
  });
}

static kvasir_event toEvent(const Event &from) {
  kvasir_event event = {};
  event.kind = from.kind;
  event.request = from.request;
  event.user = from.user;
  event.text = from.text.c_str();
  event.text_length = from.text.size();
  event.id = from.id;
  event.index = from.index;
  event.logprob = from.logprob;
  event.top = from.top.data();
  event.top_count = from.top.size();
  event.reason = from.reason;
  event.error_code = static_cast<kvasir_code>(from.failure.code());
  event.error_message = from.failure.message().c_str();
  event.prompt_tokens = from.promptTokens;
  event.new_tokens = from.newTokens;
  event.preemptions = from.preemptions;
  event.queued_seconds = from.queuedSeconds;
  event.first_token_seconds = from.firstTokenSeconds;
  event.total_seconds = from.totalSeconds;
  return event;
}

kvasir_error *kvasir_engine_poll(kvasir_engine *engine, kvasir_event *event) {
  return guarded([&]() -> Status {
    if (!engine)
      return nullArgument("engine");
    // The struct is checked before an event is taken off the queue.
    if (Status s = writeStruct(kvasir_event{}, event); !s)
      return s;
    return writeStruct(toEvent(engine->engine->poll()), event);
  });
}

kvasir_error *kvasir_engine_start(kvasir_engine *engine) {
  return guarded(
      [&]() -> Status { return engine ? engine->engine->start() : nullArgument("engine"); });
}

kvasir_error *kvasir_engine_stop(kvasir_engine *engine) {
  return guarded(
      [&]() -> Status { return engine ? engine->engine->stop() : nullArgument("engine"); });
}

bool kvasir_engine_wait(kvasir_engine *engine, double seconds) {
  return engine && engine->engine->wait(seconds);
}

kvasir_error *kvasir_engine_get_stats(kvasir_engine *engine, kvasir_engine_stats *stats) {
  return guarded([&]() -> Status {
    if (!engine)
      return nullArgument("engine");
    kvasir_engine_stats numbers = {};
    engine->engine->fillStats(numbers);
    return writeStruct(numbers, stats);
  });
}

kvasir_error *kvasir_sequence_create(kvasir_engine *engine, int32_t total_tokens,
                                     kvasir_sequence **sequence) {
  return guarded([&]() -> Status {
    if (!engine || !sequence)
      return nullArgument(engine ? "sequence" : "engine");
    auto made = engine->engine->createSequence(total_tokens);
    if (!made)
      return made.status();
    *sequence = new kvasir_sequence{std::move(*made)};
    return Status::ok();
  });
}

void kvasir_sequence_free(kvasir_sequence *sequence) {
  if (sequence)
    kvasir_error_free(guarded([&] {
      sequence->sequence->engine->freeSequence(*sequence->sequence);
      return Status::ok();
    }));
  delete sequence;
}

int32_t kvasir_sequence_length(const kvasir_sequence *sequence) {
  return sequence ? sequence->sequence->cached.length() : 0;
}

kvasir_error *kvasir_sequence_truncate(kvasir_sequence *sequence, int32_t length) {
  return guarded([&]() -> Status {
    if (!sequence)
      return nullArgument("sequence");
    return sequence->sequence->engine->truncate(*sequence->sequence, length);
  });
}

kvasir_error *kvasir_engine_forward(kvasir_engine *engine, const kvasir_forward_item *items,
                                    size_t count, kvasir_logits *logits) {
  return guarded([&]() -> Status {
    if (!engine || !items)
      return nullArgument(engine ? "items" : "engine");
    if (logits)
      if (Status s = writeStruct(kvasir_logits{}, logits); !s)
        return s;
    if (count > static_cast<size_t>(engine->engine->plan().maxRequests))
      return error(Code::outOfRange, format("%zu items, but the engine takes at most %d", count,
                                            engine->engine->plan().maxRequests));
    std::vector<Sequence *> sequences;
    sequences.reserve(count);
    for (size_t i = 0; i < count; ++i) {
      if (!items[i].sequence || items[i].sequence->sequence->engine != engine->engine)
        return error(Code::invalidArgument, format("item %zu: its sequence does not belong to this "
                                                   "engine",
                                                   i));
      sequences.push_back(items[i].sequence->sequence.get());
    }
    kvasir_logits result = {};
    Status status = engine->engine->forward({items, count}, sequences, logits ? &result : nullptr);
    return !status || !logits ? status : writeStruct(result, logits);
  });
}

kvasir_error *kvasir_engine_get_profile(kvasir_engine *engine, int32_t program,
                                        kvasir_profile_row *rows, size_t capacity, size_t *count) {
  return guarded([&]() -> Status {
    if (!engine || !count)
      return nullArgument(engine ? "count" : "engine");
    return engine->engine->copyProfile(program, rows, capacity, *count);
  });
}

void kvasir_engine_reset_profile(kvasir_engine *engine) {
  if (engine)
    kvasir_error_free(guarded([&] {
      engine->engine->resetProfile();
      return Status::ok();
    }));
}
