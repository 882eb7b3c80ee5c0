// kvasir report: memory plan, cost of each phase, and the ceiling.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "Report.h"

#include "Commands.h"
#include "Flags.h"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace kvasir::cli {

using Json = nlohmann::ordered_json;

namespace {
struct Options {
  std::string model;
  std::string target;
  std::string device = "measured";
  std::vector<int> requests;
  std::vector<int> contexts;
  int threads = 0;
  bool devices = false;
  bool json = false;
};
} // namespace

std::vector<CeilingRow> ceilings(const TargetPrograms &target, const Device &device,
                                 const std::vector<int> &requests,
                                 const std::vector<int> &contexts) {
  std::vector<CeilingRow> rows;
  for (int context : contexts) {
    for (int count : requests) {
      StepShape shape{double(count), double(count), double(context)};
      CeilingRow row;
      row.requests = count;
      row.context = context;
      row.cost = stepCost(target, shape);
      row.ceiling = ceilingOf(row.cost, device);
      if (row.ceiling.seconds > 0)
        row.tokensPerSecond = count / row.ceiling.seconds;
      rows.push_back(row);
    }
  }
  return rows;
}

static kvasir_memory_plan planFor(const kvasir_model *model, const Options &options) {
  kvasir_engine_options engine;
  kvasir_engine_options_init(&engine);
  engine.threads = options.threads;
  engine.max_requests = *std::max_element(options.requests.begin(), options.requests.end());
  engine.max_context = *std::max_element(options.contexts.begin(), options.contexts.end());
  engine.kv_tokens =
      uint64_t(engine.max_requests) * ((uint64_t(engine.max_context) + 63) / 64 * 64);
  return planOf(model, engine);
}

static Json planJson(const kvasir_memory_plan &plan) {
  return {{"threads", plan.threads},
          {"max_requests", plan.max_requests},
          {"max_step_tokens", plan.max_step_tokens},
          {"max_context", plan.max_context},
          {"weight_bytes", plan.weight_bytes},
          {"workspace_bytes", plan.workspace_bytes},
          {"step_bytes", plan.step_bytes},
          {"kv_bytes_per_token", plan.kv_bytes_per_token},
          {"kv_pages", plan.kv_pages},
          {"kv_bytes", plan.kv_bytes},
          {"driver_bytes", plan.driver_bytes},
          {"host_bytes", plan.host_bytes},
          {"total_bytes", plan.total_bytes},
          {"available_bytes", plan.available_bytes},
          {"fits", plan.fits}};
}

static void printPlan(const kvasir_memory_plan &plan) {
  std::printf("memory for %d requests of %d tokens, steps of up to %d tokens, "
              "%d threads\n",
              plan.max_requests, plan.max_context, plan.max_step_tokens, plan.threads);
  Table table({"<part", "bytes", "<what"});
  table.add(
      {"weights", formatBytes(double(plan.weight_bytes)), "one copy for all engines of a model"});
  table.add({"KV cache", formatBytes(double(plan.kv_bytes)),
             format("%llu pages of 64 tokens, %s per token",
                    static_cast<unsigned long long>(plan.kv_pages),
                    formatBytes(double(plan.kv_bytes_per_token)).c_str())});
  table.add({"workspace", formatBytes(double(plan.workspace_bytes)), "arena of the step"});
  table.add({"step tables", formatBytes(double(plan.step_bytes)), "ids, positions, page tables"});
  if (plan.driver_bytes)
    table.add({"driver", formatBytes(double(plan.driver_bytes)),
               "graphs of its steps; context and code are taken before"});
  table.add({"total", formatBytes(double(plan.total_bytes)),
             format("of %s available: %s", formatBytes(double(plan.available_bytes)).c_str(),
                    plan.fits ? "fits" : "does not fit")});
  if (plan.host_bytes)
    table.add(
        {"host", formatBytes(double(plan.host_bytes)), "pinned memory of the machine, besides"});
  table.print(stdout);
}

static Json phasesJson(const TargetPrograms &target, const StepShape &shape) {
  Json list = Json::array();
  size_t program = programFor(target, shape.tokens);
  for (const PhaseGroup &group : groupPhases(target, program, shape))
    list.push_back({{"function", group.function},
                    {"rows", group.rows.size()},
                    {"weight_bytes", group.cost.weightBytes},
                    {"cache_bytes", group.cost.cacheBytes},
                    {"other_bytes", group.cost.otherBytes},
                    {"flops", group.cost.flops}});
  return list;
}

static void printPhases(const TargetPrograms &target, const StepShape &shape) {
  size_t program = programFor(target, shape.tokens);
  double all = stepCost(target, shape).bytes();
  std::printf("phases of program %s%s: %.0f token%s at context %.0f\n",
              textOf(target.program(program).name()).c_str(),
              target.device ? (" for " + target.target).c_str() : "", shape.tokens,
              shape.tokens == 1 ? "" : "s", shape.context);
  Table table({"<phase", "times", "weights", "KV cache", "other", "FLOPs", "share of bytes"});
  auto row = [&](const std::string &name, size_t times, const StepCost &cost) {
    table.add({name, std::to_string(times), formatBytes(cost.weightBytes),
               formatBytes(cost.cacheBytes), formatBytes(cost.otherBytes), formatFlops(cost.flops),
               format("%.1f %%", all > 0 ? 100 * cost.bytes() / all : 0)});
  };
  size_t times = 0;
  for (const PhaseGroup &group : groupPhases(target, program, shape)) {
    row(group.function, group.rows.size(), group.cost);
    times += group.rows.size();
  }
  row("step", times, stepCost(target, shape));
  table.print(stdout);
}

static Json kernelsJson(const TargetPrograms &target) {
  Json list = Json::array();
  for (size_t i = 0; target.device && i < sizeOf(target.device->code()); ++i) {
    const artifact::DeviceCode &code = *target.device->code()->Get(unsigned(i));
    for (const artifact::Kernel *kernel : *code.kernels())
      if (!code.ptx())
        list.push_back({{"function", textOf(target.functions->Get(kernel->function()))},
                        {"architecture", textOf(code.architecture())},
                        {"threads", kernel->threads()},
                        {"registers", kernel->registers()},
                        {"shared", kernel->shared() + kernel->dynamic_shared()},
                        {"blocks_per_sm", kernel->blocks_per_sm()}});
  }
  return list;
}

/// What each kernel takes of a multiprocessor, by its assembler.
static void printKernels(const TargetPrograms &target) {
  if (!target.device)
    return;
  Json kernels = kernelsJson(target);
  std::printf("kernels for %s%s\n", target.target.c_str(),
              kernels.empty() ? ": PTX alone, the driver assembles it" : "");
  if (kernels.empty())
    return;
  Table table({"<kernel", "<architecture", "threads", "registers", "shared", "blocks/SM"});
  for (const Json &kernel : kernels) {
    auto number = [&](const char *key) { return std::to_string(kernel[key].get<uint64_t>()); };
    table.add({kernel["function"].get<std::string>(), kernel["architecture"].get<std::string>(),
               number("threads"), number("registers"), number("shared"), number("blocks_per_sm")});
  }
  table.print(stdout);
}

/// The target that was asked for; without a name, that of a GPU that was, or else the one that the
/// model runs on.
static TargetPrograms chooseTarget(const kvasir_model *model, const std::string &name,
                                   const Device &device) {
  std::string all;
  for (const TargetPrograms &target : targetsOf(moduleOf(model))) {
    if (name.empty() ? target.device && device.memory > 0 : target.target == name)
      return target;
    all += (all.empty() ? "" : ", ") + target.target;
  }
  if (name.empty())
    return programsOf(model);
  fail(exitUsage, format("--target: the artifact has no code for '%s'; expected one of %s",
                         name.c_str(), all.c_str()));
}

static Json ceilingJson(const Device &device, const std::vector<CeilingRow> &rows) {
  Json list = Json::array();
  for (const CeilingRow &row : rows)
    list.push_back({{"requests", row.requests},
                    {"context", row.context},
                    {"bytes_per_step", row.cost.bytes()},
                    {"flops_per_step", row.cost.flops},
                    {"tokens_per_second", row.tokensPerSecond},
                    {"bound", row.ceiling.memoryBound ? "memory" : "compute"}});
  return {{"device", device.name},
          {"what", device.what},
          {"bandwidth", device.bandwidth},
          {"peak_flops", device.peak},
          {"decode", list}};
}

static void printCeilings(const Device &device, const std::vector<CeilingRow> &rows) {
  std::printf("ceiling of decode on %s (%s): reads %s/s, %sFLOP/s\n", device.name.c_str(),
              device.what.c_str(), formatBytes(device.bandwidth).c_str(),
              device.peak > 0 ? formatFlops(device.peak).c_str() : "unknown ");
  Table table({"requests", "context", "bytes per step", "FLOPs per step", "tokens/s", "<bound by"});
  for (const CeilingRow &row : rows)
    table.add({std::to_string(row.requests), std::to_string(row.context),
               formatBytes(row.cost.bytes()), formatFlops(row.cost.flops),
               formatRate(row.tokensPerSecond), row.ceiling.memoryBound ? "memory" : "compute"});
  table.print(stdout);
}

/// Fills in what was not given, and checks what was.
static void settle(Options &options, const kvasir_model_info &info) {
  if (options.requests.empty())
    for (int count : {1, 8})
      if (count <= info.max_requests)
        options.requests.push_back(count);
  if (options.contexts.empty())
    options.contexts = {std::min(1024, info.max_context)};
  for (int count : options.requests)
    if (count > info.max_requests)
      fail(exitBadInput, format("--requests %d is more than this artifact's %d; "
                                "compile with a larger --max-requests",
                                count, info.max_requests));
  for (int context : options.contexts)
    if (context > info.max_context)
      fail(exitBadInput, format("--context %d is more than this artifact's %d; "
                                "compile with a larger --max-context",
                                context, info.max_context));
}

/// What is measured is what the model runs on.
static Device deviceFor(const kvasir_model *model, const kvasir_model_info &info,
                        const Options &options) {
  if (options.device != "measured" || options.target == "cpu" || isOnCpu(info))
    return findDevice(options.device);
  double bandwidth = 0;
  check(kvasir_model_measure_bandwidth(model, &bandwidth),
        "--device measured (kvasir report --devices lists others)");
  return {options.device, placeOf(info), bandwidth, 0, 0};
}

static int printDevices(bool json) {
  Json list = Json::array();
  Table table({"<device", "bandwidth", "peak FLOPs/s", "memory", "<what"});
  for (const Device &device : knownDevices()) {
    list.push_back({{"device", device.name},
                    {"what", device.what},
                    {"bandwidth", device.bandwidth},
                    {"peak_flops", device.peak},
                    {"memory", device.memory}});
    table.add({device.name, formatBytes(device.bandwidth) + "/s", formatFlops(device.peak),
               device.memory > 0 ? formatBytes(device.memory) : "-", device.what});
  }
  if (json)
    printJson(list, true);
  else
    table.print(stdout, "");
  return exitSuccess;
}

static int report(Options options) {
  if (options.devices)
    return printDevices(options.json);
  Model model = loadModel(options.model);
  kvasir_model_info info = infoOf(model.get());
  settle(options, info);
  Device device = deviceFor(model.get(), info, options);
  TargetPrograms target = chooseTarget(model.get(), options.target, device);
  kvasir_memory_plan plan = planFor(model.get(), options);
  StepShape shape{1, 1, double(options.contexts[0])};
  auto rows = ceilings(target, device, options.requests, options.contexts);
  // Another device is judged by its own memory.
  if (device.memory > 0) {
    plan.available_bytes = uint64_t(device.memory);
    plan.fits = plan.total_bytes <= plan.available_bytes;
  }
  if (options.json) {
    printJson({{"memory", planJson(plan)},
               {"phases", phasesJson(target, shape)},
               {"kernels", kernelsJson(target)},
               {"ceiling", ceilingJson(device, rows)}},
              true);
    return exitSuccess;
  }
  std::printf("%s: %s, %d layer%s, %s parameters, from %s weights, %s KV cache\n",
              options.model.c_str(), info.architecture, info.layers, info.layers == 1 ? "" : "s",
              formatCount(double(info.parameters)).c_str(), info.weight_type,
              *info.kv_type ? info.kv_type : "no");
  printPlan(plan);
  if (std::string planned = programsOf(model.get()).target; planned != target.target)
    std::printf("  note: the plan is that of %s, on which the model runs here\n", planned.c_str());
  printPhases(target, shape);
  printKernels(target);
  printCeilings(device, rows);
  return exitSuccess;
}

void addReport(CLI::App &app, Action &action) {
  auto options = std::make_shared<Options>();
  CLI::App *sub =
      app.add_subcommand("report", "Memory, cost of each phase, and the ceiling in tokens/s");
  auto *model = sub->add_option("model", options->model, "Artifact");
  sub->add_option("--device", options->device,
                  "measured (this machine, default) or a name of --devices");
  sub->add_option(
      "--target", options->target,
      "cpu or cuda: whose phases, of an artifact for several (default: what runs here)");
  sub->add_flag("--devices", options->devices, "List the devices and stop");
  sub->add_option("--requests", options->requests, "Requests decoded at once, such as 1,8")
      ->delimiter(',')
      ->check(wholeNumber(1));
  sub->add_option("--context", options->contexts, "Tokens that each request has, such as 1024,4096")
      ->delimiter(',')
      ->check(wholeNumber(1));
  sub->add_option("--threads", options->threads, "Worker threads of the memory plan; 0: all cores")
      ->check(wholeNumber(0, 1024));
  sub->add_flag("--json", options->json, "One object: memory, phases, kernels, ceiling");
  sub->footer("Examples:\n"
              "  kvasir report llama.kvasir\n"
              "  kvasir report llama.kvasir --device h200 --requests 1,8,64"
              " --context 1024,8192\n"
              "  kvasir report --devices");
  sub->callback([=, &action] {
    if (!options->devices && model->count() == 0)
      throw CLI::RequiredError("model");
    action = [=] { return report(*options); };
  });
}

} // namespace kvasir::cli
