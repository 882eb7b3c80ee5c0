// kvasir bench: decode and prefill, beside the bandwidth of the same minute.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "Bandwidth.h"
#include "Commands.h"
#include "Cost.h"
#include "Flags.h"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace kvasir::cli {

using Json = nlohmann::ordered_json;

static constexpr int32_t stepLimit = 512; ///< tokens in one step

namespace {
struct Options {
  std::string model;
  std::string variant;
  int threads = 0;
  std::vector<int> batches;
  std::vector<int> prefill;
  int context = 16;
  int newTokens = 24;
  int repeat = 3;
  bool noDecode = false;
  bool noPrefill = false;
  bool phases = false;
  bool json = false;
};

class Bench {
public:
  Bench(const Options &options, kvasir_model *model)
      : options(options), model(model), info(infoOf(model)), module(moduleOf(model)) {}
  Json run();

private:
  Engine engineFor(int requests, int contextTokens, bool profile);
  void submit(kvasir_engine *engine, int promptTokens, int newTokens, uint64_t seed);
  /// Submits a batch and steps until every request has its first token.
  void startDecode(kvasir_engine *engine, int batch);
  size_t step(kvasir_engine *engine, bool &more);
  double decodeOnce(int batch);
  Json decode(int batch);
  Json phasesOf(int batch);
  Json prefill(int tokens);
  double readBandwidth();

  const Options &options;
  kvasir_model *model;
  kvasir_model_info info;
  const artifact::Module &module;
};
} // namespace

Engine Bench::engineFor(int requests, int contextTokens, bool profile) {
  kvasir_engine_options engine;
  kvasir_engine_options_init(&engine);
  engine.threads = options.threads;
  engine.max_requests = requests;
  engine.max_step_tokens = std::min(stepLimit, info.max_step_tokens);
  engine.max_context = contextTokens;
  engine.kv_tokens = uint64_t(requests) * ((uint64_t(contextTokens) + 63) / 64 * 64);
  engine.profile = profile;
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
static int decodeLength(const Options &options, const kvasir_model_info &info, int batch) {
  int64_t prompts = int64_t(batch) * options.context;
  int64_t chunks = prompts / std::min(stepLimit, info.max_step_tokens) + 2;
  // Beyond this no artifact goes, and no sum overflows.
  return int(std::min<int64_t>(options.context + options.newTokens + chunks, INT32_MAX));
}

void Bench::startDecode(kvasir_engine *engine, int batch) {
  int newTokens = decodeLength(options, info, batch) - options.context;
  for (int i = 0; i < batch; ++i)
    submit(engine, options.context, newTokens, uint64_t(i));
  bool more = true;
  for (size_t first = 0; first < size_t(batch) && more;)
    first += step(engine, more);
}

/// Seconds of one decode step, the mean over all of them.
double Bench::decodeOnce(int batch) {
  Engine engine = engineFor(batch, decodeLength(options, info, batch), false);
  startDecode(engine.get(), batch);
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

Json Bench::decode(int batch) {
  std::vector<double> times;
  for (int i = 0; i < options.repeat; ++i)
    times.push_back(decodeOnce(batch));
  double seconds = median(times);
  // In the middle of the run; a step sees the token that it adds.
  double context = options.context + 1 + options.newTokens / 2.0;
  StepCost cost = stepCost(module, {double(batch), double(batch), context});
  Json result = {{"batch", batch},
                 {"tokens_per_second", batch / seconds},
                 {"seconds_per_step", seconds},
                 {"bytes_per_step", cost.bytes()},
                 {"bandwidth_fraction", nullptr}};
  if (options.phases)
    result["phases"] = phasesOf(batch);
  return result;
}

Json Bench::phasesOf(int batch) {
  Engine engine = engineFor(batch, decodeLength(options, info, batch), true);
  startDecode(engine.get(), batch);
  kvasir_engine_reset_profile(engine.get());
  bool more = true;
  for (int i = 0; i < options.newTokens; ++i)
    step(engine.get(), more);
  size_t program = programFor(module, batch), count = 0;
  std::vector<kvasir_profile_row> rows(sizeOf(module.programs()->Get(unsigned(program))->rows()));
  check(
      kvasir_engine_get_profile(engine.get(), int32_t(program), rows.data(), rows.size(), &count));
  StepShape shape{double(batch), double(batch), options.context + 1 + options.newTokens / 2.0};
  Json list = Json::array();
  for (const PhaseGroup &group : groupPhases(module, program, shape)) {
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
  return {{"tokens", tokens}, {"tokens_per_second", tokens / seconds}, {"seconds", seconds}};
}

double Bench::readBandwidth() {
  MeasureOptions measure;
  measure.threads = options.threads;
  measure.flops = false;
  checkInterrupt();
  return measureMachine(measure).bandwidth;
}

Json Bench::run() {
  double before = readBandwidth();
  Json decodes = Json::array(), prefills = Json::array();
  for (int batch : options.batches)
    decodes.push_back(decode(batch));
  for (int tokens : options.prefill)
    prefills.push_back(prefill(tokens));
  double after = readBandwidth();
  double bandwidth = (before + after) / 2;
  for (Json &entry : decodes)
    if (bandwidth > 0)
      entry["bandwidth_fraction"] = entry["bytes_per_step"].get<double>() /
                                    entry["seconds_per_step"].get<double>() / bandwidth;
  return {{"file", options.model},
          {"variant", info.variant},
          {"threads", options.threads},
          {"context", options.context},
          {"new_tokens", options.newTokens},
          {"repeat", options.repeat},
          {"weight_bytes", info.weight_bytes},
          {"read_bandwidth", bandwidth},
          {"read_bandwidth_before", before},
          {"read_bandwidth_after", after},
          {"decode", decodes},
          {"prefill", prefills}};
}

static void printPhases(const Json &entry) {
  double step = entry["seconds_per_step"].get<double>();
  std::printf("phases at batch %d\n", entry["batch"].get<int>());
  Table table({"<phase", "times", "time per step", "share", "reads"});
  for (const Json &phase : entry["phases"]) {
    double seconds = phase["seconds_per_step"].get<double>();
    double bytes = phase["bytes_per_step"].get<double>();
    table.add({phase["function"].get<std::string>(), phase["rows"].dump(), formatSeconds(seconds),
               format("%.1f %%", 100 * seconds / step),
               seconds > 0 ? formatBytes(bytes / seconds) + "/s" : "-"});
  }
  table.print(stdout);
}

static void print(const Json &result) {
  double bandwidth = result["read_bandwidth"].get<double>();
  std::printf("%s on %s, %d threads; reads %s/s before, %s/s after\n",
              result["file"].get<std::string>().c_str(),
              result["variant"].get<std::string>().c_str(), result["threads"].get<int>(),
              formatBytes(result["read_bandwidth_before"].get<double>()).c_str(),
              formatBytes(result["read_bandwidth_after"].get<double>()).c_str());
  Table decode(
      {"batch", "tokens/s", "time per step", "bytes per step", "of bandwidth", "ceiling tokens/s"});
  for (const Json &entry : result["decode"]) {
    double bytes = entry["bytes_per_step"].get<double>();
    const Json &fraction = entry["bandwidth_fraction"];
    decode.add({entry["batch"].dump(), format("%.1f", entry["tokens_per_second"].get<double>()),
                formatSeconds(entry["seconds_per_step"].get<double>()), formatBytes(bytes),
                fraction.is_null() ? "-" : format("%.0f %%", 100 * fraction.get<double>()),
                bytes > 0 ? format("%.1f", entry["batch"].get<int>() * bandwidth / bytes) : "-"});
  }
  if (!result["decode"].empty())
    decode.print(stdout);
  if (result["weight_bytes"].get<double>() < 256e6)
    std::printf("  note: weights this small stay in a cache, so they may be read "
                "faster than memory\n");
  Table prefill({"prefill", "tokens/s", "time"});
  for (const Json &entry : result["prefill"])
    prefill.add({entry["tokens"].dump(), format("%.1f", entry["tokens_per_second"].get<double>()),
                 formatSeconds(entry["seconds"].get<double>())});
  if (!result["prefill"].empty())
    prefill.print(stdout);
  for (const Json &entry : result["decode"])
    if (entry.contains("phases"))
      printPhases(entry);
}

/// Defaults are what the artifact admits; what was asked for must be admitted.
static void settle(Options &options, const kvasir_model_info &info) {
  if (options.threads == 0)
    options.threads = kvasir_cpu_count();
  bool chosen = !options.batches.empty();
  for (int batch : {1, 2, 3, 5, 8, 16})
    if (!chosen && batch <= info.max_requests && batch <= info.max_step_tokens)
      options.batches.push_back(batch);
  chosen = !options.prefill.empty();
  for (int tokens : {64, 256, 1024})
    if (!chosen && tokens < info.max_context)
      options.prefill.push_back(tokens);
  if (options.noDecode)
    options.batches.clear();
  if (options.noPrefill)
    options.prefill.clear();
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
  for (int batch : options.batches)
    if (int needed = decodeLength(options, info, batch); needed > info.max_context)
      fail(exitBadInput,
           format("batch %d with --context %d and --new-tokens %d "
                  "needs %d tokens per request, but the context "
                  "of this artifact is %d",
                  batch, options.context, options.newTokens, needed, info.max_context));
}

static int bench(Options options) {
  Model model = loadModel(options.model, options.variant);
  settle(options, infoOf(model.get()));
  Json result = Bench(options, model.get()).run();
  if (options.json)
    printJson(result, true);
  else
    print(result);
  return exitSuccess;
}

void addBench(CLI::App &app, Action &action) {
  auto options = std::make_shared<Options>();
  CLI::App *sub =
      app.add_subcommand("bench", "Measure decode and prefill beside the read bandwidth");
  sub->add_option("model", options->model, "Artifact")->required();
  addThreads(sub, options->threads);
  sub->add_option("--batches", options->batches, "Batch sizes of decode (default 1,2,3,5,8,16)")
      ->delimiter(',')
      ->check(wholeNumber(1));
  sub->add_option("--prefill", options->prefill, "Prompt lengths (default 64,256,1024)")
      ->delimiter(',')
      ->check(wholeNumber(1));
  sub->add_option("--context", options->context, "Prompt tokens of each request that decodes")
      ->check(wholeNumber(1))
      ->capture_default_str();
  sub->add_option("--new-tokens", options->newTokens, "Decode steps of one measurement")
      ->check(wholeNumber(1))
      ->capture_default_str();
  sub->add_option("--repeat", options->repeat, "Measurements of each; the median is taken")
      ->check(wholeNumber(1, 1000))
      ->capture_default_str();
  sub->add_flag("--no-decode", options->noDecode, "Prefill only");
  sub->add_flag("--no-prefill", options->noPrefill, "Decode only");
  sub->add_flag("--phases", options->phases, "Also the measured time of each phase");
  addVariant(sub, options->variant);
  sub->add_flag("--json", options->json, "One object");
  sub->footer("Examples:\n"
              "  kvasir bench llama.kvasir\n"
              "  kvasir bench llama.kvasir --threads 2 --batches 1,8 --prefill "
              "256 --phases\n"
              "  kvasir bench llama.kvasir --json > bench.json");
  sub->callback([=, &action] {
    if (options->noDecode && options->noPrefill)
      throw CLI::ValidationError("--no-decode and --no-prefill leave nothing to measure");
    action = [=] { return bench(*options); };
  });
}

} // namespace kvasir::cli
