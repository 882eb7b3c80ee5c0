// Requests between command line, engine and JSON.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "Request.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>

namespace kvasir::cli {

using Json = nlohmann::ordered_json;

/// "ID=BIAS" pairs.
static std::vector<kvasir_logit_bias> parseBias(const std::vector<std::string> &texts) {
  std::vector<kvasir_logit_bias> result;
  for (const std::string &text : texts) {
    char *end = nullptr;
    long id = std::strtol(text.c_str(), &end, 10);
    bool good = end != text.c_str() && *end == '=' && id >= 0 && id < INT32_MAX;
    const char *value = end + 1;
    float bias = good ? std::strtof(value, &end) : 0;
    if (!good || end == value || *end || std::isnan(bias))
      fail(exitUsage, format("--logit-bias: expected ID=BIAS such as 50256=-inf, "
                             "but got '%s'",
                             text.c_str()));
    result.push_back({static_cast<int32_t>(id), bias});
  }
  return result;
}

static void overrideSampling(const RunOptions &from, kvasir_request_options &to) {
  if (from.temperature >= 0)
    to.temperature = from.temperature;
  if (from.topK >= 0)
    to.top_k = from.topK;
  if (from.topP >= 0)
    to.top_p = from.topP;
  if (from.minP >= 0)
    to.min_p = from.minP;
  if (from.repetitionPenalty >= 0)
    to.repetition_penalty = from.repetitionPenalty;
}

RequestSettings settingsOf(const RunOptions &options, const kvasir_model *model) {
  RequestSettings settings;
  if (options.modelDefaults)
    kvasir_request_options_from_model(model, &settings.options);
  else
    kvasir_request_options_init(&settings.options);
  overrideSampling(options, settings.options);
  settings.stop = options.stop;
  settings.stopIds.assign(options.stopIds.begin(), options.stopIds.end());
  settings.logitBias = parseBias(options.logitBias);
  settings.options.seed = options.seed;
  settings.options.logprobs = options.logprobs;
  settings.options.ignore_eos = options.ignoreEos;
  settings.options.no_special_tokens = options.noSpecial;
  settings.options.keep_special_tokens = options.keepSpecial;
  settings.options.no_text = !infoOf(model).has_tokenizer;
  return settings;
}

void RequestSettings::submit(kvasir_engine *engine, const std::vector<int32_t> &ids,
                             int32_t newTokens, void *user, uint64_t &request,
                             const std::string &context) const {
  kvasir_request_options complete = options;
  std::vector<kvasir_text> stops;
  for (const std::string &text : stop)
    stops.push_back({text.data(), text.size()});
  complete.stop = stops.data();
  complete.stop_count = stops.size();
  complete.stop_ids = stopIds.data();
  complete.stop_id_count = stopIds.size();
  complete.logit_bias = logitBias.data();
  complete.logit_bias_count = logitBias.size();
  complete.max_new_tokens = newTokens;
  complete.user = user;
  check(kvasir_engine_submit(engine, ids.data(), ids.size(), &complete, &request), context);
}

void Answer::take(const kvasir_event &event, bool wantsLogprobs) {
  text.append(event.text, event.text_length);
  if (event.kind == KVASIR_EVENT_FINISHED) {
    finished = true;
    end = event;
    error = event.error_message;
    return;
  }
  ids.push_back(event.id);
  if (!wantsLogprobs)
    return;
  Json top = Json::array();
  for (size_t i = 0; i < event.top_count; ++i)
    top.push_back({{"id", event.top[i].id}, {"logprob", event.top[i].logprob}});
  logprobs.push_back({{"id", event.id}, {"logprob", event.logprob}, {"top", top}});
}

static const char *reasonName(kvasir_finish_reason reason) {
  switch (reason) {
  case KVASIR_FINISH_EOS:
    return "eos";
  case KVASIR_FINISH_STOP:
    return "stop";
  case KVASIR_FINISH_LENGTH:
    return "length";
  case KVASIR_FINISH_CANCELLED:
    return "cancelled";
  case KVASIR_FINISH_ERROR:
    return "error";
  case KVASIR_FINISH_NONE:
    break;
  }
  return "none";
}

void Answer::addTo(Json &object, bool hasText, bool wantsLogprobs) const {
  object["text"] = hasText ? Json(text) : Json(nullptr);
  object["tokens"] = ids;
  object["finish_reason"] = reasonName(end.reason);
  if (!error.empty())
    object["error"] = error;
  object["prompt_tokens"] = end.prompt_tokens;
  object["new_tokens"] = ids.size();
  object["preemptions"] = end.preemptions;
  object["queued_seconds"] = end.queued_seconds;
  object["first_token_seconds"] = end.first_token_seconds;
  object["total_seconds"] = end.total_seconds;
  if (wantsLogprobs)
    object["logprobs"] = logprobs;
}

void Totals::add(const Answer &answer) {
  promptTokens += size_t(answer.end.prompt_tokens);
  newTokens += answer.ids.size();
  if (!answer.ids.empty()) {
    first += answer.end.first_token_seconds;
    ++started;
  }
  if (answer.ids.size() > 1) {
    perToken +=
        (answer.end.total_seconds - answer.end.first_token_seconds) / double(answer.ids.size() - 1);
    ++continued;
  }
}

std::string Totals::describe(const kvasir_model *model, double seconds) const {
  std::string line =
      format("%zu prompt tokens, %zu new tokens in %s: %.1f tokens/s", promptTokens, newTokens,
             formatSeconds(seconds).c_str(), double(newTokens) / std::max(seconds, 1e-9));
  if (started)
    line += format("; time to first token %s", formatSeconds(first / double(started)).c_str());
  if (continued)
    line += format("; time per token %s", formatSeconds(perToken / double(continued)).c_str());
  kvasir_model_info info = infoOf(model);
  return isOnCpu(info) ? line : line + "; on " + placeOf(info);
}

Engine createRunEngine(kvasir_model *model, const kvasir_engine_options &options) {
  EndAtOnce scope; // weights may take their time
  try {
    return createEngine(model, options);
  } catch (Failure &failure) {
    if (failure.message.find("kv_") != std::string::npos) // names options of the C API
      failure.message += "; see --kv-memory, --max-requests and --step-tokens";
    throw;
  }
}

} // namespace kvasir::cli
