// kvasir run: the batch, from submission to the summary.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "Run.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <unistd.h>

namespace kvasir::cli {

using Json = nlohmann::ordered_json;

namespace {

/// One prompt while and after it is decoded.
struct Answer {
  uint64_t request = 0;
  std::string text;
  std::vector<int32_t> ids;
  Json logprobs = Json::array();
  bool finished = false;
  kvasir_event end = {}; ///< numbers only; its pointers are stale
  std::string error;
};

class Generator {
public:
  Generator(const RunOptions &options, kvasir_model *model, const std::vector<Prompt> &prompts)
      : options(options), model(model), prompts(prompts), answers(prompts.size()),
        streams(prompts.size() == 1 && !options.json) {}
  int run();

private:
  void createEngine();
  void submitAll();
  void drainEvents();
  void take(const kvasir_event &event);
  void printFinished();
  void printText(size_t index);
  void printObject(size_t index);
  void printSummary(double seconds);
  int exitCode() const;

  const RunOptions &options;
  kvasir_model *model;
  const std::vector<Prompt> &prompts;
  std::vector<Answer> answers;
  Engine engine;
  size_t printed = 0;
  bool streams;
  bool hasText = false;
};

} // namespace

void Generator::createEngine() {
  kvasir_model_info info = infoOf(model);
  hasText = info.has_tokenizer;
  kvasir_engine_options engineOptions;
  kvasir_engine_options_init(&engineOptions);
  engineOptions.threads = options.threads;
  engineOptions.shared_weights = options.sharedWeights;
  engineOptions.max_requests =
      options.maxRequests ? options.maxRequests
                          : int32_t(std::min<size_t>(prompts.size(), size_t(info.max_requests)));
  engineOptions.max_step_tokens = options.stepTokens;
  uint64_t tokens = 0;
  for (const Prompt &prompt : prompts) {
    int32_t length = int32_t(prompt.ids.size()) + prompt.newTokens;
    engineOptions.max_context = std::max(engineOptions.max_context, length);
    tokens += (uint64_t(length) + 63) / 64 * 64;
  }
  if (options.kvBytes) {
    engineOptions.kv_bytes = options.kvBytes;
  } else {
    // Room for all of them if it is there; otherwise the engine's own choice,
    // and requests wait for pages.
    engineOptions.kv_tokens = tokens;
    if (!planOf(model, engineOptions).fits)
      engineOptions.kv_tokens = 0;
  }
  try {
    engine = cli::createEngine(model, engineOptions);
  } catch (Failure &failure) {
    if (failure.message.find("kv_") != std::string::npos) // names options of the C API
      failure.message += "; see --kv-memory, --max-requests and --step-tokens";
    throw;
  }
}

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

void Generator::submitAll() {
  kvasir_request_options request;
  if (options.modelDefaults)
    kvasir_request_options_from_model(model, &request);
  else
    kvasir_request_options_init(&request);
  overrideSampling(options, request);
  std::vector<kvasir_text> stops;
  for (const std::string &stop : options.stop)
    stops.push_back({stop.data(), stop.size()});
  std::vector<int32_t> stopIds(options.stopIds.begin(), options.stopIds.end());
  std::vector<kvasir_logit_bias> bias = parseBias(options.logitBias);
  request.seed = options.seed;
  request.stop = stops.data();
  request.stop_count = stops.size();
  request.stop_ids = stopIds.data();
  request.stop_id_count = stopIds.size();
  request.logit_bias = bias.data();
  request.logit_bias_count = bias.size();
  request.logprobs = options.logprobs;
  request.ignore_eos = options.ignoreEos;
  request.keep_special_tokens = options.keepSpecial;
  request.no_text = !hasText;
  for (size_t i = 0; i < prompts.size(); ++i) {
    request.max_new_tokens = prompts[i].newTokens;
    request.user = &answers[i];
    check(kvasir_engine_submit(engine.get(), prompts[i].ids.data(), prompts[i].ids.size(), &request,
                               &answers[i].request),
          prompts.size() > 1 ? format("prompt %zu", i + 1) : "");
  }
}

void Generator::take(const kvasir_event &event) {
  Answer &answer = *static_cast<Answer *>(event.user);
  answer.text.append(event.text, event.text_length);
  if (streams && event.text_length) {
    std::fwrite(event.text, 1, event.text_length, stdout);
    flushOutput();
  }
  if (event.kind == KVASIR_EVENT_FINISHED) {
    answer.finished = true;
    answer.end = event;
    answer.error = event.error_message;
    return;
  }
  if (streams && !hasText) {
    std::printf("%s%d", answer.ids.empty() ? "" : ",", event.id);
    flushOutput();
  }
  answer.ids.push_back(event.id);
  if (options.logprobs < 0)
    return;
  Json top = Json::array();
  for (size_t i = 0; i < event.top_count; ++i)
    top.push_back({{"id", event.top[i].id}, {"logprob", event.top[i].logprob}});
  answer.logprobs.push_back({{"id", event.id}, {"logprob", event.logprob}, {"top", top}});
}

void Generator::drainEvents() {
  while (true) {
    kvasir_event event = {};
    event.struct_size = sizeof(event);
    check(kvasir_engine_poll(engine.get(), &event));
    if (event.kind == KVASIR_EVENT_NONE)
      break;
    take(event);
  }
  printFinished();
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

void Generator::printObject(size_t index) {
  const Answer &answer = answers[index];
  Json object = {{"index", index},
                 {"prompt", prompts[index].text},
                 {"text", hasText ? Json(answer.text) : Json(nullptr)},
                 {"tokens", answer.ids},
                 {"finish_reason", reasonName(answer.end.reason)}};
  if (!answer.error.empty())
    object["error"] = answer.error;
  object["prompt_tokens"] = prompts[index].ids.size();
  object["new_tokens"] = answer.ids.size();
  object["preemptions"] = answer.end.preemptions;
  object["queued_seconds"] = answer.end.queued_seconds;
  object["first_token_seconds"] = answer.end.first_token_seconds;
  object["total_seconds"] = answer.end.total_seconds;
  if (options.logprobs >= 0)
    object["logprobs"] = answer.logprobs;
  printJson(object, false);
}

void Generator::printText(size_t index) {
  const Answer &answer = answers[index];
  if (!streams) {
    std::string name = prompts[index].text;
    if (name.empty())
      name = format("(%zu ids)", prompts[index].ids.size());
    std::printf("%s[%zu] %s\n", index ? "\n" : "", index + 1, name.c_str());
    if (hasText)
      std::printf("%s\n", answer.text.c_str());
    for (size_t i = 0; !hasText && i < answer.ids.size(); ++i)
      std::printf("%s%d%s", i ? "," : "", answer.ids[i], i + 1 < answer.ids.size() ? "" : "\n");
  } else if (isatty(STDOUT_FILENO) || !hasText) {
    // Into a pipe goes the text alone, byte for byte.
    std::printf("\n");
  }
  if (!answer.error.empty())
    printError(format("prompt %zu: %s", index + 1, answer.error.c_str()));
}

/// In the order of the prompts, as soon as all before are there too.
void Generator::printFinished() {
  size_t before = printed;
  for (; printed < answers.size() && answers[printed].finished; ++printed)
    options.json ? printObject(printed) : printText(printed);
  if (printed != before)
    flushOutput();
}

void Generator::printSummary(double seconds) {
  size_t promptTokens = 0, newTokens = 0;
  double first = 0, perToken = 0;
  size_t started = 0, continued = 0;
  for (size_t i = 0; i < answers.size(); ++i) {
    const Answer &answer = answers[i];
    promptTokens += prompts[i].ids.size();
    newTokens += answer.ids.size();
    if (!answer.ids.empty()) {
      first += answer.end.first_token_seconds;
      ++started;
    }
    if (answer.ids.size() > 1) {
      perToken += (answer.end.total_seconds - answer.end.first_token_seconds) /
                  double(answer.ids.size() - 1);
      ++continued;
    }
  }
  std::string line = format("%zu prompt tokens, %zu new tokens in %s: %.1f "
                            "tokens/s",
                            promptTokens, newTokens, formatSeconds(seconds).c_str(),
                            double(newTokens) / std::max(seconds, 1e-9));
  if (started)
    line += format("; time to first token %s", formatSeconds(first / double(started)).c_str());
  if (continued)
    line += format("; time per token %s", formatSeconds(perToken / double(continued)).c_str());
  kvasir_model_info info = infoOf(model);
  if (!isOnCpu(info))
    line += "; on " + placeOf(info);
  std::fflush(stdout);
  // Text that went into a pipe has no line end, and both may go to one log.
  if (streams && hasText && !isatty(STDOUT_FILENO))
    std::fprintf(stderr, "\n");
  std::fprintf(stderr, "%s%s\n", line.c_str(),
               answers.size() > 1 ? " (means over the prompts)" : "");
}

int Generator::exitCode() const {
  for (const Answer &answer : answers)
    if (answer.end.reason == KVASIR_FINISH_ERROR)
      return exitCodeOf(answer.end.error_code);
  return interrupted() ? exitInterrupted : exitSuccess;
}

int Generator::run() {
  createEngine();
  submitAll();
  double start = now();
  bool more = true, cancelled = false;
  while (more) {
    if (interrupted() && !cancelled) {
      cancelled = true;
      for (const Answer &answer : answers)
        kvasir_engine_cancel(engine.get(), answer.request);
    }
    check(kvasir_engine_step(engine.get(), &more));
    drainEvents();
  }
  if (!options.quiet)
    printSummary(now() - start);
  return exitCode();
}

int generate(const RunOptions &options, kvasir_model *model, const std::vector<Prompt> &prompts) {
  return Generator(options, model, prompts).run();
}

} // namespace kvasir::cli
