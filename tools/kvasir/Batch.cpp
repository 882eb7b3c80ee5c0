// kvasir run --jsonl: requests from standard input, results as they finish. Lines are read while
// others decode, and not much faster than they are worked off: input may be longer than memory.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "Cost.h"
#include "LineReader.h"
#include "RequestLine.h"

#include <algorithm>
#include <unordered_map>

namespace kvasir::cli {

using Json = nlohmann::ordered_json;

namespace {

constexpr size_t mostLineBytes = size_t(16) << 20;
constexpr int waitMilliseconds = 100;

struct Job {
  Json id;
  size_t line = 0;
  bool wantsLogprobs = false;
  Answer answer;
};

class Batch {
public:
  Batch(const RunOptions &options, kvasir_model *model)
      : options(options), model(model), info(infoOf(model)), defaults(settingsOf(options, model)),
        reader(mostLineBytes) {}
  int run();

private:
  void createEngine();
  void readLines();
  void accept(const std::string &line);
  void submit(RequestLine &request);
  void refuse(const Json &id, const Failure &failure);
  void drainEvents();
  void finish(Job &job);
  void step();
  void cancel();
  void printSummary(double seconds) const;

  const RunOptions &options;
  kvasir_model *model;
  kvasir_model_info info;
  RequestSettings defaults;
  LineReader reader;
  Engine engine;
  size_t window = 0; ///< requests that decode or wait
  std::unordered_map<Job *, std::unique_ptr<Job>> jobs;
  bool ended = false;
  Totals totals;
  size_t finished = 0, failed = 0;
  int exitCode = exitSuccess;
};

} // namespace

/// Requests that decode at once if nobody says how many: what the largest program for few tokens
/// takes in one step, since more would be a step of the program for prompts. Kernels of GPUs for
/// more than a few tokens take 32 at a time, in any program.
static int defaultRequests(const kvasir_model *model) {
  TargetPrograms target = programsOf(model);
  uint32_t most = target.device ? 32 : 0;
  for (size_t i = 0; i < sizeOf(target.programs); ++i)
    most = std::max(most, target.program(i).max_tokens());
  constexpr uint32_t withoutOne = 16;
  return int(std::min<uint32_t>(most ? most : withoutOne, uint32_t(infoOf(model).max_requests)));
}

void Batch::createEngine() {
  kvasir_engine_options engineOptions;
  kvasir_engine_options_init(&engineOptions);
  engineOptions.threads = options.threads;
  engineOptions.max_requests = options.maxRequests ? options.maxRequests : defaultRequests(model);
  engineOptions.max_step_tokens = options.stepTokens;
  engineOptions.kv_bytes = options.kvBytes;
  engineOptions.shared_weights = options.sharedWeights;
  engine = createRunEngine(model, engineOptions);
  window = 2 * size_t(engineOptions.max_requests);
}

/// Objects appear at once, whoever waits for them.
static void printLine(const Json &object) {
  printJson(object, false);
  flushOutput();
}

static void printFailure(const Json &id, size_t line, const Failure &failure) {
  printLine({{"id", id}, {"line", line}, {"finish_reason", "error"}, {"error", failure.message}});
}

void Batch::refuse(const Json &id, const Failure &failure) {
  size_t line = reader.number();
  printFailure(id.is_null() ? Json(line) : id, line, failure);
  ++failed;
  if (exitCode == exitSuccess)
    exitCode = failure.exitCode;
}

void Batch::submit(RequestLine &request) {
  if (request.prompt)
    request.ids = promptIds(model, *request.prompt, !request.settings.options.no_special_tokens);
  int wanted = request.newTokens >= 0 ? request.newTokens : options.newTokens;
  int32_t newTokens =
      newTokensFor(request.ids->size(), wanted, info.max_context, "the prompt", "max_new_tokens");
  auto job = std::make_unique<Job>();
  job->line = reader.number();
  job->id = request.id.is_null() ? Json(job->line) : request.id;
  job->wantsLogprobs = request.settings.options.logprobs >= 0;
  request.settings.submit(engine.get(), *request.ids, newTokens, job.get(), job->answer.request,
                          "");
  Job *key = job.get();
  jobs.emplace(key, std::move(job));
}

/// A line that is wrong is answered, and the next one is read.
void Batch::accept(const std::string &line) {
  if (line.find_first_not_of(" \t\r") == std::string::npos)
    return;
  RequestLine request;
  request.settings = defaults;
  try {
    parseRequest(line, request);
    submit(request);
  } catch (const Failure &failure) {
    refuse(request.id, failure);
  }
}

void Batch::readLines() {
  std::string line;
  while (!ended && jobs.size() < window && !interrupted()) {
    switch (reader.next(line, jobs.empty() ? waitMilliseconds : 0)) {
    case LineReader::Found::line:
      accept(line);
      break;
    case LineReader::Found::tooLong:
      refuse(nullptr, {exitBadInput, format("the line has more than %zu bytes", mostLineBytes)});
      break;
    case LineReader::Found::end:
      ended = true;
      break;
    case LineReader::Found::nothing:
      return;
    }
  }
}

void Batch::finish(Job &job) {
  Json object = {{"id", job.id}, {"line", job.line}};
  job.answer.addTo(object, info.has_tokenizer, job.wantsLogprobs);
  printLine(object);
  totals.add(job.answer);
  bool isError = job.answer.end.reason == KVASIR_FINISH_ERROR;
  ++(isError ? failed : finished);
  if (isError && exitCode == exitSuccess)
    exitCode = exitCodeOf(job.answer.end.error_code);
  jobs.erase(&job);
}

void Batch::drainEvents() {
  while (true) {
    kvasir_event event = {};
    event.struct_size = sizeof(event);
    check(kvasir_engine_poll(engine.get(), &event));
    if (event.kind == KVASIR_EVENT_NONE)
      return;
    Job &job = *static_cast<Job *>(event.user);
    job.answer.take(event, job.wantsLogprobs);
    if (job.answer.finished)
      finish(job);
  }
}

/// An error that ends them all is each one's answer.
void Batch::step() {
  try {
    bool more = false;
    check(kvasir_engine_step(engine.get(), &more));
  } catch (const Failure &failure) {
    drainEvents();
    std::vector<const Job *> left;
    for (const auto &[key, job] : jobs)
      left.push_back(key);
    std::sort(left.begin(), left.end(),
              [](const Job *a, const Job *b) { return a->line < b->line; });
    for (const Job *job : left)
      printFailure(job->id, job->line, failure);
    throw;
  }
}

/// No more lines; what is there is answered with what it has.
void Batch::cancel() {
  ended = true;
  for (const auto &[key, job] : jobs)
    kvasir_engine_cancel(engine.get(), job->answer.request);
}

void Batch::printSummary(double seconds) const {
  std::string line = format("%zu request%s", finished + failed, finished + failed == 1 ? "" : "s");
  if (failed)
    line += format(", %zu of them failed", failed);
  line += format(", up to %zu at once", window / 2);
  std::fprintf(stderr, "%s: %s\n", line.c_str(), totals.describe(model, seconds).c_str());
}

int Batch::run() {
  createEngine();
  double start = now();
  while (!ended || !jobs.empty()) {
    readLines();
    if (interrupted())
      cancel();
    if (!jobs.empty())
      step();
    drainEvents();
  }
  if (!options.quiet)
    printSummary(now() - start);
  return interrupted() ? int(exitInterrupted) : exitCode;
}

int runBatch(const RunOptions &options, kvasir_model *model) { return Batch(options, model).run(); }

} // namespace kvasir::cli
