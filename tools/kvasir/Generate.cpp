// kvasir run: the batch, from submission to the summary.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "Request.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <unistd.h>

namespace kvasir::cli {

using Json = nlohmann::ordered_json;

namespace {

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
  engine = createRunEngine(model, engineOptions);
}

void Generator::submitAll() {
  RequestSettings settings = settingsOf(options, model);
  for (size_t i = 0; i < prompts.size(); ++i)
    settings.submit(engine.get(), prompts[i].ids, prompts[i].newTokens, &answers[i],
                    answers[i].request, prompts.size() > 1 ? format("prompt %zu", i + 1) : "");
}

void Generator::take(const kvasir_event &event) {
  Answer &answer = *static_cast<Answer *>(event.user);
  if (streams && event.text_length) {
    std::fwrite(event.text, 1, event.text_length, stdout);
    flushOutput();
  }
  if (streams && !hasText && event.kind == KVASIR_EVENT_TOKEN) {
    std::printf("%s%d", answer.ids.empty() ? "" : ",", event.id);
    flushOutput();
  }
  answer.take(event, options.logprobs >= 0);
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

void Generator::printObject(size_t index) {
  Json object = {{"index", index}, {"prompt", prompts[index].text}};
  answers[index].addTo(object, hasText, options.logprobs >= 0);
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
  Totals totals;
  for (const Answer &answer : answers)
    totals.add(answer);
  std::fflush(stdout);
  // Text that went into a pipe has no line end, and both may go to one log.
  if (streams && hasText && !isatty(STDOUT_FILENO))
    std::fprintf(stderr, "\n");
  std::fprintf(stderr, "%s%s\n", totals.describe(model, seconds).c_str(),
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
