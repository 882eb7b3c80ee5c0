// Options of `kvasir compile`, settled: names that are known, and options that suit each other.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "CompileCommand.h"

#include "Commands.h"
#include "Common.h"
#include "Output.h"

#include <algorithm>
#include <map>
#include <unistd.h>

namespace kvasir::cli {

std::vector<std::string> provenanceOf(const CompileCommand &options) {
  const CompileOptions &compile = options.compile;
  std::vector<std::string> list = {"--target=" + options.compile.target};
  auto add = [&](const char *name, const std::string &value) {
    if (!value.empty())
      list.push_back(std::string(name) + "=" + value);
  };
  if (compile.randomSeed)
    add("--random-weights", std::to_string(*compile.randomSeed));
  add("--quantize", compile.quantize);
  for (const std::string &rule : compile.quantizeRules)
    add("--quantize-rule", rule);
  if (compile.activations != "int8")
    add("--activations", compile.activations);
  add("--kv", compile.kvType);
  if (compile.ptxas == "none")
    add("--ptxas", compile.ptxas);
  if (compile.blockSeed)
    add("--block-seed", std::to_string(compile.blockSeed));
  add("--from", compile.from);
  if (compile.maxContext)
    add("--max-context", std::to_string(compile.maxContext));
  add("--max-requests", std::to_string(compile.maxRequests));
  add("--max-step-tokens", std::to_string(compile.maxStepTokens));
  for (const std::string &name : compile.variants)
    add("--variant", name);
  if (compile.naive)
    list.push_back("--naive");
  if (!compile.tokenizer)
    list.push_back("--no-tokenizer");
  return list;
}

std::string joinNames(const std::vector<std::string> &names) {
  std::string text;
  for (const std::string &name : names)
    text += (text.empty() ? "" : ", ") + name;
  return text;
}

/// Names are known, `native` becomes one, and the order is that of their quality: the same set
/// makes the same artifact.
static void settleNames(CompileOptions &compile, std::vector<std::string> known, bool forCPUs) {
  for (std::string &name : compile.variants) {
    if (name == "native" && forCPUs) {
      std::vector<std::string> here = variantsHere();
      if (here.empty())
        fail(exitDoesNotFit,
             "--variant native: this machine runs none of the variants: " + joinNames(known));
      name = here.front();
    }
    if (std::find(known.begin(), known.end(), name) == known.end())
      fail(exitUsage, format("--variant: unknown variant '%s'; expected %s%s", name.c_str(),
                             forCPUs ? "native or some of " : "one of ", joinNames(known).c_str()));
  }
  std::erase_if(known, [&](const std::string &name) {
    return std::find(compile.variants.begin(), compile.variants.end(), name) ==
           compile.variants.end();
  });
  compile.variants = known;
}

/// Several targets meet in an artifact and nowhere before.
static void settleTargets(const CompileOptions &compile, const TargetSummary &target) {
  if (!target.problem.empty())
    fail(exitUsage, "--target: " + target.problem);
  if (target.count > 1 &&
      (!makesArtifact(compile.emit) || !compile.from.empty() || !compile.savePhases.empty()))
    fail(exitUsage, "--target " + compile.target +
                        " is several targets, which are for a whole compilation to an artifact; "
                        "expected one of them with --emit, --from, --until and --save-phases");
  if ((target.cuda || target.emulated) && compile.naive)
    fail(exitUsage, "--naive is for --target cpu");
  if (compile.blockSeed && !target.emulated)
    fail(exitUsage, "--block-seed is for --target emulate:ARCHITECTURE");
}

/// What is emitted of which variants has to suit the target.
static void settleVariants(CompileOptions &compile, const std::string &emit) {
  TargetSummary target = summarizeTargets(compile.target);
  settleTargets(compile, target);
  bool isLLVM = compile.emit == Emit::llvm;
  bool ofCPU = compile.emit == Emit::assembly || compile.emit == Emit::object;
  bool ofGPU = compile.emit == Emit::ptx || compile.emit == Emit::cubin;
  if (!target.cuda && ofGPU)
    fail(exitUsage, "--emit ptx and cubin belong to --target cuda:ARCHITECTURE");
  if (target.cuda && ofCPU)
    fail(exitUsage, "--emit asm and obj are for CPUs; expected --emit artifact, mlir, llvm, ptx or "
                    "cubin with --target " +
                        compile.target);
  if (compile.ptxas == "none" && compile.emit == Emit::cubin)
    fail(exitUsage, "--emit cubin needs ptxas, but --ptxas is none");
  settleNames(compile, target.variants, target.cpu);
  if ((ofCPU || ofGPU || isLLVM) && compile.variants.size() > 1)
    fail(exitUsage, "--variant: expected one variant, as --emit " + emit + " makes one");
  bool allArchitectures =
      compile.emit == Emit::mlir || (target.cuda && makesArtifact(compile.emit));
  if (!target.cpu && allArchitectures && !compile.variants.empty())
    fail(exitUsage, "--variant belongs to --emit llvm, ptx or cubin; --target names the "
                    "architectures");
}

void settleEmission(CompileCommand &options) {
  static const std::map<std::string, Emit> kinds = {
      {"artifact", Emit::artifact}, {"exe", Emit::exe},   {"lib", Emit::lib},
      {"mlir", Emit::mlir},         {"llvm", Emit::llvm}, {"asm", Emit::assembly},
      {"obj", Emit::object},        {"ptx", Emit::ptx},   {"cubin", Emit::cubin}};
  CompileOptions &compile = options.compile;
  compile.emit = kinds.at(options.emit);
  std::vector<std::string> names;
  for (const auto &[name, meaning] : phaseList())
    names.push_back(name);
  for (const auto &[flag, name] :
       {std::pair("--until", compile.until), std::pair("--from", compile.from)})
    if (!name.empty() && std::find(names.begin(), names.end(), name) == names.end())
      fail(exitUsage, format("%s: unknown phase '%s'; expected one of %s", flag, name.c_str(),
                             joinNames(names).c_str()));
  if (compile.from == "package")
    fail(exitUsage, "--from: the result of phase 'package' is an artifact, not "
                    "IR; expected an earlier phase");
  bool whole = compile.until.empty() || compile.until == "package";
  if (!whole && compile.emit == Emit::artifact)
    compile.emit = Emit::mlir; // the result of an earlier phase is IR
  if (!whole && makesArtifact(compile.emit))
    fail(exitUsage, format("--emit %s needs phase 'package', but --until stops at '%s'",
                           options.emit.c_str(), compile.until.c_str()));
  if (!whole && compile.until != "lower" && compile.emit != Emit::mlir)
    fail(exitUsage, format("--emit %s needs phase 'lower', but --until stops at "
                           "'%s'",
                           options.emit.c_str(), compile.until.c_str()));
  if (!makesArtifact(compile.emit) && compile.until == "package")
    compile.until = "lower";
  settleVariants(compile, options.emit);
}

static void checkOutput(const std::string &path, const std::string &input) {
  checkOutputPath(path);
  checkNotInput(path, input);
  checkNotInput(path, input + "/config.json");
}

void settleOutput(CompileCommand &options) {
  Emit emit = options.compile.emit;
  if (!options.output.empty() && options.output != "-") {
    checkOutput(options.output, options.compile.input);
    options.parts = programParts(emit, options.output);
    if (!options.parts.problem.empty())
      fail(exitUsage, "--emit " + options.emit + ": " + options.parts.problem);
    if (emit == Emit::lib)
      checkOutput(options.parts.headerPath, options.compile.input);
    options.compile.program = std::move(options.parts.image);
    return;
  }
  if (makesArtifact(emit))
    fail(exitUsage,
         format("expected the name of the %s: -o FILE", emit == Emit::exe   ? "executable"
                                                        : emit == Emit::lib ? "library"
                                                                            : "artifact"));
  if ((emit == Emit::object || emit == Emit::cubin) && isatty(STDOUT_FILENO))
    fail(exitUsage, "an object file is not for a terminal; give -o FILE");
}

} // namespace kvasir::cli
