// Drives import, pipeline, code generation and packaging.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "Compiler.h"

#include "Diagnostics.h"
#include "HostCode.h"
#include "Kernels.h"
#include "ReadModel.h"

#include "kvasir-c/kvasir.h"
#include "kvasir/Artifact/Package.h"
#include "kvasir/Pipeline/Pipeline.h"
#include "kvasir/Tokenizer/Tokenizer.h"

#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/raw_ostream.h"

namespace kvasir::cli {

namespace {
class Compiler {
public:
  explicit Compiler(const CompileOptions &options);
  llvm::Error run(CompileOutcome &outcome);

private:
  llvm::Error checkCancelled() const;
  llvm::Error checkLimits() const;
  llvm::Error checkOutput() const;
  llvm::Error emitText(CompileOutcome &outcome);
  llvm::Error runPhases();
  llvm::Error addTokenizer(PackageOptions &package);
  llvm::Error addCode(PackageOptions &package);
  llvm::Error package(CompileOutcome &outcome);
  void stage(const std::string &name) const {
    if (options.onStage)
      options.onStage(name);
  }

  const CompileOptions &options;
  mlir::MLIRContext context;
  ImportedModel model;
  /// The module as phases made it for each target, that of CPUs first.
  struct TargetModule {
    Target target;
    mlir::OwningOpRef<mlir::ModuleOp> own; ///< of all but the last, which has model.module
    mlir::ModuleOp module;
  };
  std::vector<TargetModule> targets;
};
} // namespace

Compiler::Compiler(const CompileOptions &options) : options(options), context(compilerDialects()) {
  context.printOpOnDiagnostic(false);
}

llvm::Error Compiler::checkCancelled() const {
  if (options.cancelled && *options.cancelled)
    return llvm::createStringError("interrupted");
  return llvm::Error::success();
}

llvm::Error Compiler::checkLimits() const {
  int64_t most = modelNumber(*model.module, "max_context");
  if (most > 0 && options.maxContext > most)
    return llvm::createStringError(
        "--max-context %u is more than the %lld positions that the model was "
        "made for",
        options.maxContext, static_cast<long long>(most));
  return llvm::Error::success();
}

/// No file of the checkpoint is overwritten, a part of a split one neither.
llvm::Error Compiler::checkOutput() const {
  for (const std::string &name : model.inputs) {
    llvm::SmallString<256> path(model.directory);
    llvm::sys::path::append(path, name);
    if (makesArtifact(options.emit) && llvm::sys::fs::equivalent(path, options.output))
      return llvm::createStringError("cannot write '%s': it is an input; write to another file",
                                     options.output.c_str());
  }
  return llvm::Error::success();
}

llvm::Error Compiler::emitText(CompileOutcome &outcome) {
  llvm::raw_string_ostream out(outcome.bytes);
  (*model.module)->print(out);
  out << "\n";
  return llvm::Error::success();
}

llvm::Error Compiler::addTokenizer(PackageOptions &package) {
  package.chatTemplate = model.chatTemplate.value_or("");
  if (!options.tokenizer)
    model.tokenizerMissing = "it was compiled with --no-tokenizer";
  else if (model.tokenizerJson || model.vocabulary) {
    stage("tokenizer");
    TokenizerOptions tokenizerOptions;
    if (model.tokenizerConfigJson)
      tokenizerOptions.config = *model.tokenizerConfigJson;
    if (model.vocabulary)
      tokenizerOptions.name = model.inputs.front();
    tokenizerOptions.modelVocabularySize = uint32_t(modelNumber(*model.module, "vocab_size"));
    auto table = model.vocabulary ? compileVocabulary(*model.vocabulary, tokenizerOptions)
                                  : compileTokenizer(*model.tokenizerJson, tokenizerOptions);
    if (!table)
      return llvm::joinErrors(table.takeError(),
                              llvm::createStringError("with --no-tokenizer the model compiles for "
                                                      "token ids alone"));
    package.tokenizer = std::move(*table);
    model.tokenizerJson.reset();
    model.vocabulary.reset();
    return llvm::Error::success();
  }
  package.tokenizerMissing = model.tokenizerMissing;
  return llvm::Error::success();
}

static bool runsOnHost(const Target &target) { return !target.isGPU() || target.isEmulated(); }

/// The code of every target.
llvm::Error Compiler::addCode(PackageOptions &package) {
  stage("code");
  for (TargetModule &part : targets) {
    if (runsOnHost(part.target)) {
      if (llvm::Error error = compileHostCode(part.module, options).moveInto(package.codeObjects))
        return error;
      continue;
    }
    auto device = compileKernels(part.module, options);
    if (!device)
      return device.takeError();
    auto version = assemblerVersion(options);
    if (!version)
      return version.takeError();
    if (!version->empty())
      package.compiler += ", " + *version;
    package.devices.push_back(std::move(*device));
  }
  return checkCancelled();
}

llvm::Error Compiler::package(CompileOutcome &outcome) {
  PackageOptions package;
  if (llvm::Error error = addTokenizer(package))
    return error;
  package.compiler = std::string("kvasir ") + kvasir_version();
  if (llvm::Error error = addCode(package))
    return error;
  package.maxContext = options.maxContext;
  package.maxRequests = options.maxRequests;
  package.maxStepTokens = options.maxStepTokens;
  package.program = options.program;
  package.options = options.provenance;
  for (const std::string &name : model.inputs) {
    llvm::SmallString<256> path(model.directory);
    llvm::sys::path::append(path, name);
    package.inputPaths.push_back(path.str().str());
  }
  if (options.memoryCap)
    package.memoryCap = options.memoryCap;
  package.threads = options.threads;
  package.progress = options.onPacking;
  package.cancelled = options.cancelled;
  outcome.tokenizerMissing = package.tokenizerMissing;
  stage("packing");
  auto result = writeArtifact(targets.front().module, package, options.output);
  if (!result)
    return result.takeError();
  outcome.fileBytes = result->fileBytes;
  return llvm::Error::success();
}

static PipelineOptions pipelineOptions(const CompileOptions &options, const Target &target) {
  PipelineOptions pipeline;
  pipeline.target = target.name;
  pipeline.blockSeed = options.blockSeed;
  pipeline.quantize = options.quantize;
  pipeline.quantizeRules = options.quantizeRules;
  pipeline.activations = options.activations;
  pipeline.kvType = options.kvType == "int8" ? "i8" : options.kvType;
  pipeline.naive = options.naive;
  if (!target.isGPU() || options.target == target.name) // of several targets, they are the CPU's
    pipeline.variants = options.variants;
  pipeline.from = options.from;
  pipeline.until = options.until;
  pipeline.savePhases = options.savePhases;
  return pipeline;
}

/// Runs the pipeline for each target on a copy of its own: from quantization on they go different
/// ways, and what comes before is a fraction of a second.
llvm::Error Compiler::runPhases() {
  auto parsed = parseTargets(options.target);
  if (!parsed)
    return parsed.takeError();
  // That of CPUs comes first: the artifact's facts are its module's.
  llvm::stable_sort(*parsed,
                    [](const Target &a, const Target &b) { return !a.isGPU() && b.isGPU(); });
  for (Target &target : *parsed) {
    TargetModule &part = targets.emplace_back();
    if (targets.size() < parsed->size())
      part.own = model.module->clone();
    part.module = part.own ? *part.own : *model.module;
    part.target = std::move(target);
  }
  for (TargetModule &part : targets)
    if (mlir::failed(runPipeline(part.module, pipelineOptions(options, part.target))))
      return llvm::createStringError("a phase of compilation failed");
  return checkCancelled();
}

llvm::Error Compiler::run(CompileOutcome &outcome) {
  DiagnosticText diagnostics(&context);
  auto read = readModel(options, context);
  if (!read) {
    std::string message = llvm::toString(read.takeError());
    return diagnostics.takeError(message);
  }
  model = std::move(*read);
  if (options.onModel)
    options.onModel(describeModel(*model.module), originOf(model, options));
  if (llvm::Error error = checkLimits())
    return error;
  if (llvm::Error error = checkOutput())
    return error;
  stage("phases");
  if (llvm::Error error = runPhases())
    return diagnostics.takeError(llvm::toString(std::move(error)));
  if (options.emit == Emit::mlir)
    return emitText(outcome);
  if (!makesArtifact(options.emit))
    stage("code");
  llvm::Error error = makesArtifact(options.emit) ? package(outcome)
                      : runsOnHost(targets.front().target)
                          ? emitHostCode(*model.module, options, outcome)
                          : emitKernels(*model.module, options, outcome);
  if (!error)
    return error;
  // A diagnostic says more about the same mistake.
  std::string message = llvm::toString(std::move(error));
  return diagnostics.takeError(message);
}

CompileOutcome compileModel(const CompileOptions &options) {
  CompileOutcome outcome;
  llvm::Error error = Compiler(options).run(outcome);
  outcome.good = !error;
  if (error)
    outcome.error = llvm::toString(std::move(error));
  return outcome;
}

} // namespace kvasir::cli
