// kvasir-compile: the program that `kvasir compile` starts. Its options and what it prints;
// CompileCommand.cpp says which options suit each other, Compiler.cpp does the work.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "Bandwidth.h"
#include "Commands.h"
#include "Common.h"
#include "CompileCommand.h"
#include "Flags.h"
#include "Output.h"
#include "Report.h"

#include <nlohmann/json.hpp>
#include <unistd.h>

using namespace kvasir;
using namespace kvasir::cli;
using Json = nlohmann::ordered_json;

namespace {
/// Where results go: standard output, in the form that was asked for.
class Printer {
public:
  Printer(const CompileCommand &options, bool artifact)
      : visible(artifact && !options.json && !options.quiet) {}
  void line(const char *verb, const std::string &text) const {
    if (!visible)
      return;
    std::printf("%-9s %s\n", verb, text.c_str());
    std::fflush(stdout);
  }

private:
  bool visible;
};
} // namespace

static Json printPlan(const Printer &printer, kvasir_model *model) {
  kvasir_model_info info = infoOf(model);
  kvasir_engine_options engine;
  kvasir_engine_options_init(&engine);
  engine.max_requests = std::min(8, info.max_requests);
  engine.max_context = std::min(4096, info.max_context);
  engine.kv_tokens =
      uint64_t(engine.max_requests) * ((uint64_t(engine.max_context) + 63) / 64 * 64);
  kvasir_memory_plan plan = planOf(model, engine);
  printer.line("plan", format("weights %s + %s%s per token + workspace %s; %d requests x %d "
                              "tokens = %s",
                              formatBytes(double(plan.weight_bytes)).c_str(),
                              *info.kv_type ? format("%s KV ", info.kv_type).c_str() : "KV ",
                              formatBytes(double(plan.kv_bytes_per_token)).c_str(),
                              formatBytes(double(plan.workspace_bytes + plan.step_bytes)).c_str(),
                              plan.max_requests, plan.max_context,
                              formatBytes(double(plan.total_bytes)).c_str()));
  return {
      {"weight_bytes", plan.weight_bytes},       {"kv_bytes_per_token", plan.kv_bytes_per_token},
      {"workspace_bytes", plan.workspace_bytes}, {"step_bytes", plan.step_bytes},
      {"max_requests", plan.max_requests},       {"max_context", plan.max_context},
      {"total_bytes", plan.total_bytes}};
}

static Json printCeiling(const Printer &printer, const kvasir_model *model) {
  kvasir_model_info info = infoOf(model);
  MeasureOptions measure;
  measure.bytes = size_t(1) << 29; // quick: the bench command takes its time
  measure.seconds = 0.15;
  MachineSpeed speed = measureMachine(measure);
  if (speed.bandwidth <= 0)
    return nullptr;
  Device device{"measured", "", speed.bandwidth, speed.flops, 0};
  int context = std::min(1024, info.max_context);
  int many = std::min(8, info.max_requests);
  auto rows = ceilings(programsOf(model), device, {1, many}, {context});
  printer.line("ceiling", format("this machine reads %s/s: %s tokens/s for one request, "
                                 "%s for %d at context %d (%s-bound)",
                                 formatBytes(speed.bandwidth).c_str(),
                                 formatRate(rows[0].tokensPerSecond).c_str(),
                                 formatRate(rows[1].tokensPerSecond).c_str(), many, context,
                                 rows[1].ceiling.memoryBound ? "memory" : "compute"));
  return {{"read_bandwidth", speed.bandwidth},
          {"flops", speed.flops},
          {"context", context},
          {"requests", {1, many}},
          {"tokens_per_second", {rows[0].tokensPerSecond, rows[1].tokensPerSecond}}};
}

/// Plan and ceiling of what was written; where this machine cannot load it, it
/// says why instead.
static void describeArtifact(const CompileCommand &options, const Printer &printer, Json &result) {
  try {
    Model model = loadModel(options.output);
    result["plan"] = printPlan(printer, model.get());
    bool runsHere = std::string(infoOf(model.get()).device) == "cpu"; // a CPU is measured
    if (runsHere && (options.measure || (isatty(STDERR_FILENO) && !options.quiet)))
      result["ceiling"] = printCeiling(printer, model.get());
  } catch (const Failure &failure) {
    if (failure.exitCode != exitDoesNotFit)
      throw;
    printer.line("note", "this machine cannot run it: " + failure.message);
  }
}

static void writeText(const std::string &path, const std::string &bytes) {
  AtomicFile file(path);
  file.write(bytes.data(), bytes.size(), 0);
  checkInterrupt();
  file.commit();
}

static int writeEmission(const CompileCommand &options, const std::string &bytes) {
  if (options.output.empty() || options.output == "-")
    std::fwrite(bytes.data(), 1, bytes.size(), stdout);
  else
    writeText(options.output, bytes);
  return exitSuccess;
}

/// The header beside a library.
static void writeHeader(const CompileCommand &options, const Printer &printer, Json &result) {
  if (options.compile.emit != Emit::lib)
    return;
  const std::string &path = options.parts.headerPath;
  writeText(path, programHeader(options.parts, result["model"].get<std::string>()));
  result["header"] = path;
  printer.line("header", path);
}

/// What ptxas says of each kernel.
static void printKernels(const CompileCommand &options, const CompileOutcome &outcome) {
  if (outcome.kernels.empty() || options.quiet || options.output.empty() || options.output == "-")
    return;
  Table table({"<kernel", "registers", "shared", "blocks/SM"});
  for (const KernelSummary &kernel : outcome.kernels)
    table.add({kernel.name, std::to_string(kernel.registers), std::to_string(kernel.sharedBytes),
               std::to_string(kernel.blocks)});
  table.print(stdout, "");
}

/// Code generation polls nothing and leaves nothing behind.
static void onStage(const std::string &name, bool visible) {
  endAtOnce(name == "code" || name == "tokenizer");
  if (!visible || name == "packing")
    return;
  std::fprintf(stderr, "\r\033[K%-9s %s", "compiling", name.c_str());
  std::fflush(stderr);
}

static CompileOutcome compileWithProgress(CompileCommand &options, const Printer &printer,
                                          Json &result) {
  bool terminal = isatty(STDERR_FILENO) && !options.quiet;
  Progress progress("packing");
  options.compile.onModel = [&](const std::string &what, const std::string &origin) {
    result["model"] = what;
    printer.line("reading", what + "   (" + origin + ")");
  };
  options.compile.onStage = [&](const std::string &name) { onStage(name, terminal); };
  if (terminal) {
    options.compile.onPacking = [&](uint64_t done, uint64_t total) {
      progress.update(done, total);
    };
  }
  CompileOutcome outcome = compileModel(options.compile);
  endAtOnce(false);
  if (terminal)
    std::fprintf(stderr, "\r\033[K");
  return outcome;
}

static int compile(CompileCommand &options) {
  if (options.listPhases) {
    Table table({"<phase", "<what it makes"});
    for (const auto &[name, meaning] : phaseList())
      table.add({name, meaning});
    table.print(stdout, "");
    return exitSuccess;
  }
  if (options.compile.randomSeed && !options.compile.from.empty())
    fail(exitUsage, "--random-weights belongs to a config.json; IR names its weights itself");
  settleEmission(options);
  settleOutput(options);
  options.compile.output = options.output;
  options.compile.provenance = provenanceOf(options);
  options.compile.cancelled = &interruptFlag();
  Printer printer(options, makesArtifact(options.compile.emit));
  double start = now();
  Json result = {{"file", options.output}};
  CompileOutcome outcome = compileWithProgress(options, printer, result);
  if (!outcome.good && interrupted())
    fail(exitInterrupted, "interrupted; nothing was written");
  if (!outcome.good)
    fail(outcome.error.rfind("internal error", 0) == 0 ? exitInternal : exitBadInput,
         outcome.error);
  if (!makesArtifact(options.compile.emit)) {
    printKernels(options, outcome);
    return writeEmission(options, outcome.bytes);
  }
  double seconds = now() - start;
  result["bytes"] = outcome.fileBytes;
  result["seconds"] = seconds;
  if (!outcome.tokenizerMissing.empty()) {
    result["tokenizer_missing"] = outcome.tokenizerMissing;
    printer.line("tokenizer",
                 "none: " + outcome.tokenizerMissing + "; token ids work, text does not");
  }
  writeHeader(options, printer, result);
  describeArtifact(options, printer, result);
  printer.line("wrote", format("%s  %s in %s", options.output.c_str(),
                               formatBytes(double(outcome.fileBytes)).c_str(),
                               formatSeconds(seconds).c_str()));
  if (options.json)
    printJson(result, true);
  return exitSuccess;
}

static void addLimits(CLI::App &app, CompileOptions &compile) {
  const char *group = "Upper bounds (engines choose below them; they cost nothing)";
  app.add_option("--max-context", compile.maxContext,
                 "Tokens of one request (default: the model's)")
      ->check(wholeNumber(1, 1 << 28))
      ->group(group);
  app.add_option("--max-requests", compile.maxRequests, "Requests in one step")
      ->check(wholeNumber(1, 1 << 16))
      ->capture_default_str()
      ->group(group);
  app.add_option("--max-step-tokens", compile.maxStepTokens, "Tokens in one step")
      ->check(wholeNumber(1, 1 << 20))
      ->capture_default_str()
      ->group(group);
}

static void addPhases(CLI::App &app, CompileCommand &options) {
  const char *group = "For people who look inside";
  app.add_option("--until", options.compile.until, "Stop after this phase")->group(group);
  app.add_option("--from", options.compile.from, "MODEL is the IR that this phase made")
      ->group(group);
  app.add_option("--save-phases", options.compile.savePhases,
                 "Directory for the IR after each phase")
      ->group(group);
  app.add_flag("--list-phases", options.listPhases, "List the phases and stop")->group(group);
}

int main(int argc, char **argv) {
  CLI::App app("Compiles a Hugging Face checkpoint or a GGUF file into one file "
               "that runs by itself.",
               "kvasir compile");
  CompileCommand options;
  CompileOptions &compileOptions = options.compile;
  auto *model = app.add_option("model", compileOptions.input,
                               "Hugging Face directory, GGUF file, or IR with --from");
  app.add_option("-o,--output", options.output, "File to write");
  app.add_option(
         "--emit", options.emit,
         "What to make: artifact, a file for kvasir run and the runtime; exe, a program that "
         "needs no other file; lib, a shared library (libNAME.so) with its header (NAME.h). "
         "For people who look inside: mlir, llvm, asm, obj, ptx or cubin, whose text goes "
         "to standard output without -o")
      ->type_name("KIND")
      ->check(
          CLI::IsMember({"artifact", "exe", "lib", "mlir", "llvm", "asm", "obj", "ptx", "cubin"}))
      ->capture_default_str();
  app.add_option("--target", compileOptions.target,
                 "What it will run on: cpu, cuda:ARCHITECTURE[+ARCHITECTURE...] such as "
                 "cuda:sm_80+sm_90, both (cpu,cuda:sm_90), or emulate:ARCHITECTURE: the GPU's "
                 "kernels, checked, on a CPU")
      ->capture_default_str();
  app.add_option(
         "--block-seed", compileOptions.blockSeed,
         "Of an emulate target: run the blocks of each kernel in an order that this chooses")
      ->type_name("N");
  app.add_option("--ptxas", compileOptions.ptxas,
                 "NVIDIA's assembler for cubins, or none: PTX alone, which drivers compile "
                 "(default: that of PATH or of the CUDA toolkit)")
      ->type_name("PATH");
  app.add_option("--ptxas-limit", compileOptions.ptxasSeconds,
                 "Seconds that one run of it may take, with the kernels of one architecture")
      ->type_name("SECONDS")
      ->check(wholeNumber(1, 1000000))
      ->capture_default_str();
  uint64_t seed = 0;
  auto *random = app.add_option("--random-weights", seed,
                                "Make weights up by this seed: MODEL is a config.json, or a "
                                "directory that needs no more than that")
                     ->type_name("SEED")
                     ->check(wholeNumber(0, UINT32_MAX));
  app.add_option("--quantize", compileOptions.quantize,
                 "encoding of weights that the model stores as floats: " +
                     joinNames(compileEncodings()))
      ->type_name("ENCODING");
  app.add_option(
         "--quantize-rule", compileOptions.quantizeRules,
         "PATTERN=ENCODING: exceptions, the first that matches decides; patterns (*, ?) match "
         "weights (layers.3.down), tensors of the checkpoint, and lm_head; 'float' keeps a "
         "weight as it is")
      ->type_name("RULE")
      ->allow_extra_args(false);
  app.add_option(
         "--activations", compileOptions.activations,
         "inputs of layers whose weights are encoded as integers: int8, rounded per token and "
         "group of columns (default), or exact, f32")
      ->type_name("int8|exact")
      ->check(CLI::IsMember({"int8", "exact"}));
  app.add_option(
         "--kv", compileOptions.kvType,
         "Keys and values are stored as f32, f16, bf16, or int8 with a scale "
         "for each token and head (default: the checkpoint's type, f16 if that is quantized)")
      ->check(CLI::IsMember({"f32", "f16", "bf16", "int8"}));
  app.add_option("--variant", compileOptions.variants,
                 "CPU variants that code is made for, separated by commas; native is the best "
                 "that this machine runs (default: all; of llvm, asm and obj the best). "
                 "Of llvm, ptx and cubin for a GPU: the architecture")
      ->delimiter(',')
      ->type_name("VARIANTS");
  app.add_flag("--naive", compileOptions.naive, "Plain loops: slow and obvious, to compare with");
  bool noTokenizer = false;
  app.add_flag("--no-tokenizer", noTokenizer, "For token ids alone");
  app.add_option("--pack-memory", compileOptions.memoryCap,
                 "Memory for packing weights, such as 256M")
      ->transform(memorySize());
  app.add_option("--threads", compileOptions.threads, "Threads that pack; 0: all cores")
      ->check(wholeNumber(0, 1024));
  app.add_flag("--measure", options.measure,
               "Print the ceiling even where standard error is no terminal");
  app.add_flag("--json", options.json, "Print the result as one object");
  app.add_flag("-q,--quiet", options.quiet, "Print errors only");
  addLimits(app, compileOptions);
  addPhases(app, options);
  app.footer("Examples:\n"
             "  kvasir compile Llama-3.2-1B -o llama.kvasir\n"
             "  kvasir compile Llama-3.2-1B -o llama.kvasir --kv bf16 "
             "--max-context 8192\n"
             "  kvasir compile Llama-3.2-1B-Q4_K_M.gguf -o llama.kvasir\n"
             "  kvasir compile Llama-3.2-1B --emit exe -o chat && ./chat -p Hello\n"
             "  kvasir compile Llama-3.2-1B --emit lib -o libchat.so\n"
             "  kvasir compile config.json --random-weights 1 -o shape.kvasir\n"
             "  kvasir compile Llama-3.2-1B --until schedule\n"
             "  kvasir compile Llama-3.2-1B -o l.kvasir --save-phases phases\n"
             "  kvasir compile phases/05-schedule.mlir --from schedule -o "
             "l.kvasir\n"
             "  kvasir compile Llama-3.2-1B --emit asm --variant x86-64-v3 -o "
             "l.s\n"
             "  kvasir compile Llama-3.2-1B --target cpu,cuda:sm_80+sm_90 -o llama.kvasir\n"
             "  kvasir compile Llama-3.2-1B --target cuda:sm_90 --emit ptx -o l.ptx");
  Action action;
  app.callback([&] {
    if (!options.listPhases && model->count() == 0)
      throw CLI::RequiredError("model");
    compileOptions.tokenizer = !noTokenizer;
    if (random->count() > 0)
      compileOptions.randomSeed = seed;
    action = [&] { return compile(options); };
  });
  return runTool(app, action, argc, argv);
}
