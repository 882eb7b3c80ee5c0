// kvasir bench: decode and prefill, beside the limits measured in the same minute.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "Bandwidth.h"
#include "BenchOutput.h"
#include "Commands.h"
#include "Cost.h"
#include "Flags.h"
#include "IntegerPeak.h"
#include "Output.h"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace kvasir::cli {

using Json = nlohmann::ordered_json;

static constexpr int32_t stepLimit = 512; ///< tokens in one step

namespace {
struct Options {
  std::string model;
  std::string variant;
  std::string device;
  int threads = 0;
  bool sharedWeights = false;
  std::vector<int> batches;
  std::vector<int> prefill;
  std::vector<int> contexts;
  int newTokens = 24;
  int repeat = 3;
  bool noDecode = false;
  bool noPrefill = false;
  bool phases = false;
  bool json = false;
  std::string plot;
  std::vector<std::string> skipped; ///< defaults that the artifact does not admit
};

class Bench {
public:
  Bench(const Options &options, kvasir_model *model)
      : options(options), model(model), info(infoOf(model)), target(programsOf(model)) {}
  Json run();

private:
  Engine engineFor(int requests, int contextTokens, bool profile);
  void submit(kvasir_engine *engine, int promptTokens, int newTokens, uint64_t seed);
  /// Submits a batch and steps until every request has its first token.
  void startDecode(kvasir_engine *engine, int batch, int context);
  size_t step(kvasir_engine *engine, bool &more);
  double decodeOnce(int batch, int context);
  Json decode(int batch, int context);
  Json phasesOf(int batch, int context);
  Json prefill(int tokens);
  double readBandwidth();
  void addFractions(Json &result) const;

  const Options &options;
  kvasir_model *model;
  kvasir_model_info info;
  TargetPrograms target;
};
} // namespace

Engine Bench::engineFor(int requests, int contextTokens, bool profile) {
  kvasir_engine_options engine;
  kvasir_engine_options_init(&engine);
  engine.threads = options.threads;
  engine.shared_weights = options.sharedWeights;
  engine.max_requests = requests;
  engine.max_step_tokens = std::min(stepLimit, info.max_step_tokens);
  engine.max_context = contextTokens;
  engine.kv_tokens = uint64_t(requests) * ((uint64_t(contextTokens) + 63) / 64 * 64);
  engine.profile = profile;
  EndAtOnce scope;
  return createEngine(model, engine);
}

void Bench::submit(kvasir_engine *engine, int promptTokens, int newTokens, uint64_t seed) {
  std::vector<int32_t> ids = syntheticIds(size_t(promptTokens), info.vocab_size, seed);
  kvasir_request_options request;
  kvasir_request_options_init(&request);
  request.max_new_tokens = newTokens;
  request.ignore_eos = true;
  request.no_text = true;
  uint64_t number = 0;
  check(kvasir_engine_submit(engine, ids.data(), ids.size(), &request, &number));
}

/// One step; returns how many requests got their first token in it.
size_t Bench::step(kvasir_engine *engine, bool &more) {
  checkInterrupt();
  check(kvasir_engine_step(engine, &more));
  size_t first = 0;
  kvasir_event event = {};
  event.struct_size = sizeof(event);
  while (true) {
    check(kvasir_engine_poll(engine, &event));
    if (event.kind == KVASIR_EVENT_NONE)
      return first;
    if (event.kind == KVASIR_EVENT_FINISHED && event.reason == KVASIR_FINISH_ERROR)
      fail(exitCodeOf(event.error_code), event.error_message);
    first += event.kind == KVASIR_EVENT_TOKEN && event.index == 0;
  }
}

/// Tokens that a request of a batch may need: while prompts are computed in
/// chunks, the first requests decode already.
static int decodeLength(const Options &options, const kvasir_model_info &info, int batch,
                        int context) {
  int64_t prompts = int64_t(batch) * context;
  int64_t chunks = prompts / std::min(stepLimit, info.max_step_tokens) + 2;
  // Beyond this no artifact goes, and no sum overflows.
  return int(std::min<int64_t>(context + options.newTokens + chunks, INT32_MAX));
}

void Bench::startDecode(kvasir_engine *engine, int batch, int context) {
  int newTokens = decodeLength(options, info, batch, context) - context;
  for (int i = 0; i < batch; ++i)
    submit(engine, context, newTokens, uint64_t(i));
  bool more = true;
  for (size_t first = 0; first < size_t(batch) && more;)
    first += step(engine, more);
}

/// Seconds of one decode step, the mean over all of them.
double Bench::decodeOnce(int batch, int context) {
  Engine engine = engineFor(batch, decodeLength(options, info, batch, context), false);
  startDecode(engine.get(), batch, context);
  double start = now();
  bool more = true;
  for (int i = 0; i < options.newTokens; ++i)
    step(engine.get(), more);
  return (now() - start) / options.newTokens;
}

static double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

/// The step in the middle of a measurement; it sees the token that it adds.
static StepShape stepShape(const Options &options, int batch, int context) {
  return {double(batch), double(batch), context + 1 + options.newTokens / 2.0};
}

Json Bench::decode(int batch, int context) {
  std::vector<double> times;
  for (int i = 0; i < options.repeat; ++i)
    times.push_back(decodeOnce(batch, context));
  double seconds = median(times);
  Json result = {{"batch", batch}};
  if (options.contexts.size() > 1)
    result["context"] = context;
  result.update({{"tokens_per_second", batch / seconds},
                 {"seconds_per_step", seconds},
                 {"bytes_per_step", stepCost(target, stepShape(options, batch, context)).bytes()},
                 {"bandwidth_fraction", nullptr}});
  if (options.phases)
    result["phases"] = phasesOf(batch, context);
  return result;
}

Json Bench::phasesOf(int batch, int context) {
  Engine engine = engineFor(batch, decodeLength(options, info, batch, context), true);
  startDecode(engine.get(), batch, context);
  kvasir_engine_reset_profile(engine.get());
  bool more = true;
  for (int i = 0; i < options.newTokens; ++i)
    step(engine.get(), more);
  size_t program = programFor(target, batch), count = 0;
  std::vector<kvasir_profile_row> rows(sizeOf(target.program(program).rows()));
  check(
      kvasir_engine_get_profile(engine.get(), int32_t(program), rows.data(), rows.size(), &count));
  StepShape shape = stepShape(options, batch, context);
  Json list = Json::array();
  for (const PhaseGroup &group : groupPhases(target, program, shape)) {
    double seconds = 0;
    for (size_t row : group.rows)
      seconds += row < count ? rows[row].seconds : 0;
    seconds /= options.newTokens;
    list.push_back({{"function", group.function},
                    {"rows", group.rows.size()},
                    {"seconds_per_step", seconds},
                    {"bytes_per_step", group.cost.bytes()},
                    {"flops_per_step", group.cost.flops}});
  }
  return list;
}

Json Bench::prefill(int tokens) {
  std::vector<double> times;
  Engine engine = engineFor(1, tokens + 1, false);
  for (int i = 0; i <= options.repeat; ++i) {
    submit(engine.get(), tokens, 1, uint64_t(i));
    double start = now();
    for (bool more = true; more;)
      step(engine.get(), more);
    if (i > 0) // the first wakes threads and touches memory
      times.push_back(now() - start);
  }
  double seconds = median(times);
  return {{"tokens", tokens},
          {"tokens_per_second", tokens / seconds},
          {"seconds", seconds},
          {"peak_fraction", nullptr}};
}

double Bench::readBandwidth() {
  double bandwidth = 0;
  if (!isOnCpu(info)) {
    check(kvasir_model_measure_bandwidth(model, &bandwidth));
    return bandwidth;
  }
  MeasureOptions measure;
  measure.threads = options.threads;
  measure.flops = false;
  checkInterrupt();
  return measureMachine(measure).bandwidth;
}

/// FLOPs of a whole prompt: all its steps, of which the last gives one row of logits.
static double promptFlops(const TargetPrograms &target, int tokens, int stepTokens) {
  double flops = 0;
  for (int first = 0; first < tokens; first += stepTokens) {
    int count = std::min(stepTokens, tokens - first);
    // A token sees itself and what is before it; the mean of the step counts.
    StepShape shape{double(count), first + count == tokens ? 1.0 : 0.0, first + (count + 1) / 2.0};
    flops += stepCost(target, shape).flops;
  }
  return flops;
}

/// Shares of what was measured beside: bandwidth for decode, multiplications for prefill.
void Bench::addFractions(Json &result) const {
  double bandwidth = result["read_bandwidth"].get<double>();
  for (Json &entry : result["decode"])
    if (bandwidth > 0)
      entry["bandwidth_fraction"] = entry["bytes_per_step"].get<double>() /
                                    entry["seconds_per_step"].get<double>() / bandwidth;
  double peak = result["int8_peak"].get<double>();
  int stepTokens = std::min(stepLimit, info.max_step_tokens);
  for (Json &entry : result["prefill"])
    if (peak > 0)
      entry["peak_fraction"] = promptFlops(target, entry["tokens"].get<int>(), stepTokens) /
                               entry["seconds"].get<double>() / peak;
}

Json Bench::run() {
  double before = readBandwidth();
  IntegerPeak peak = isOnCpu(info) ? measureIntegerPeak(options.threads) : IntegerPeak();
  Json decodes = Json::array(), prefills = Json::array();
  for (int context : options.contexts)
    for (int batch : options.batches)
      decodes.push_back(decode(batch, context));
  for (int tokens : options.prefill)
    prefills.push_back(prefill(tokens));
  double after = readBandwidth();
  Json contexts = options.contexts;
  Json result = {{"file", options.model},
                 {"variant", info.variant},
                 {"device", info.device},
                 {"place", placeOf(info)},
                 {"threads", options.threads},
                 {"shared_weights", options.sharedWeights},
                 {"context", contexts.size() == 1 ? contexts[0] : contexts},
                 {"new_tokens", options.newTokens},
                 {"repeat", options.repeat},
                 {"weight_bytes", info.weight_bytes},
                 {"read_bandwidth", (before + after) / 2},
                 {"read_bandwidth_before", before},
                 {"read_bandwidth_after", after},
                 {"int8_peak", peak.operations},
                 {"int8_instruction", peak.instruction},
                 {"decode", decodes},
                 {"prefill", prefills}};
  if (!options.skipped.empty())
    result["skipped"] = options.skipped;
  addFractions(result);
  return result;
}

/// Defaults are what the artifact admits.
static void settleDefaults(Options &options, const kvasir_model_info &info) {
  if (options.threads == 0)
    options.threads = kvasir_cpu_count();
  if (options.contexts.empty())
    options.contexts = {16};
  auto take = [&](std::vector<int> &list, const char *what, std::initializer_list<int> defaults,
                  int limit, const char *why) {
    if (!list.empty())
      return;
    for (int value : defaults) {
      if (value <= limit)
        list.push_back(value);
      else
        options.skipped.push_back(
            format("%s of %d left out: this artifact takes %s %d", what, value, why, limit));
    }
  };
  int requests = std::min(info.max_requests, info.max_step_tokens);
  if (options.noDecode)
    options.batches.clear();
  else
    take(options.batches, "a batch", {1, 2, 3, 5, 8, 12, 16, 32}, requests, "batches up to");
  if (options.noPrefill)
    options.prefill.clear();
  else
    take(options.prefill, "a prompt", {64, 256, 1024}, info.max_context - 1, "prompts up to");
}

/// What was asked for must be admitted.
static void settle(Options &options, const kvasir_model_info &info) {
  settleDefaults(options, info);
  for (int batch : options.batches)
    if (batch > info.max_requests || batch > info.max_step_tokens)
      fail(exitBadInput, format("a batch of %d is more than this artifact's %d requests; "
                                "compile with a larger --max-requests",
                                batch, std::min(info.max_requests, info.max_step_tokens)));
  for (int tokens : options.prefill)
    if (tokens >= info.max_context)
      fail(exitBadInput, format("prefill of %d tokens leaves no room in the "
                                "context of %d",
                                tokens, info.max_context));
  for (int context : options.contexts)
    for (int batch : options.batches)
      if (int needed = decodeLength(options, info, batch, context); needed > info.max_context)
        fail(exitBadInput, format("batch %d with --context %d and --new-tokens %d "
                                  "needs %d tokens per request, but the context "
                                  "of this artifact is %d",
                                  batch, context, options.newTokens, needed, info.max_context));
}

static void writePlot(const std::string &path, const std::string &svg) {
  AtomicFile file(path);
  file.write(svg.data(), svg.size(), 0);
  checkInterrupt();
  file.commit();
}

static int bench(Options options) {
  if (!options.plot.empty()) {
    checkOutputPath(options.plot);
    checkNotInput(options.plot, options.model);
  }
  Model model = loadModel(options.model, options.variant, options.device);
  kvasir_model_info info = infoOf(model.get());
  settle(options, info);
  Json result = Bench(options, model.get()).run();
  if (!options.plot.empty())
    writePlot(options.plot, plotBench(result, options.contexts));
  if (options.json)
    printJson(result, true);
  else
    printBench(result);
  return exitSuccess;
}

void addBench(CLI::App &app, Action &action) {
  auto options = std::make_shared<Options>();
  CLI::App *sub =
      app.add_subcommand("bench", "Measure decode and prefill beside the read bandwidth");
  sub->add_option("model", options->model, "Artifact")->required();
  addThreads(sub, options->threads);
  addSharedWeights(sub, options->sharedWeights);
  sub->add_option("--batches", options->batches,
                  "Batch sizes of decode (default 1,2,3,5,8,12,16,32)")
      ->delimiter(',')
      ->check(wholeNumber(1));
  sub->add_option("--prefill", options->prefill, "Prompt lengths (default 64,256,1024)")
      ->delimiter(',')
      ->check(wholeNumber(1));
  sub->add_option("--context", options->contexts,
                  "Prompt tokens of each request that decodes (default 16)")
      ->delimiter(',')
      ->check(wholeNumber(1));
  sub->add_option("--new-tokens", options->newTokens, "Decode steps of one measurement")
      ->check(wholeNumber(1))
      ->capture_default_str();
  sub->add_option("--repeat", options->repeat, "Measurements of each; the median is taken")
      ->check(wholeNumber(1, 1000))
      ->capture_default_str();
  sub->add_flag("--no-decode", options->noDecode, "Prefill only");
  sub->add_flag("--no-prefill", options->noPrefill, "Decode only");
  sub->add_flag("--phases", options->phases, "Also the measured time of each phase");
  sub->add_option("--plot", options->plot, "SVG file: speeds reached, and their ceilings");
  addVariant(sub, options->variant);
  addDevice(sub, options->device);
  sub->add_flag("--json", options->json, "One object");
  sub->footer(
      "Examples:\n"
      "  kvasir bench llama.kvasir\n"
      "  kvasir bench llama.kvasir --threads 2 --batches 1,8 --prefill "
      "256 --phases\n"
      "  kvasir bench llama.kvasir --context 16,1024 --plot bench.svg\n"
      "  kvasir bench llama.kvasir --json > bench.json\n"
      "\n"
      "Bandwidth: wide reads over 1 GiB by all threads, before and after; of a GPU, copies inside\n"
      "its memory, bytes read and written together. int8 peak: 8-bit\n"
      "multiply-adds into 32-bit sums, in registers, by all threads; vpdpbusd where the\n"
      "processor has it, else vpmaddubsw and vpmaddwd. A multiply-add is two operations.");
  sub->callback([=, &action] {
    if (options->noDecode && options->noPrefill)
      throw CLI::ValidationError("--no-decode and --no-prefill leave nothing to measure");
    action = [=] { return bench(*options); };
  });
}

} // namespace kvasir::cli
