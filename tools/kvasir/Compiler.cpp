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
  llvm::Error addTokenizer(PackageOptions &package);
  llvm::Error package(CompileOutcome &outcome);
  void stage(const std::string &name) const {
    if (options.onStage)
      options.onStage(name);
  }

  const CompileOptions &options;
  mlir::MLIRContext context;
  ImportedModel model;
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

llvm::Error Compiler::package(CompileOutcome &outcome) {
  PackageOptions package;
  if (llvm::Error error = addTokenizer(package))
    return error;
  stage("code");
  auto objects = compileHostCode(*model.module, options);
  if (!objects)
    return objects.takeError();
  if (llvm::Error error = checkCancelled())
    return error;
  package.codeObjects = std::move(*objects);
  package.maxContext = options.maxContext;
  package.maxRequests = options.maxRequests;
  package.maxStepTokens = options.maxStepTokens;
  package.compiler = std::string("kvasir ") + kvasir_version();
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
  auto result = writeArtifact(*model.module, package, options.output);
  if (!result)
    return result.takeError();
  outcome.fileBytes = result->fileBytes;
  return llvm::Error::success();
}

static bool runsOnHost(const CompileOptions &options) {
  return !llvm::StringRef(options.target).starts_with("cuda:");
}

static PipelineOptions pipelineOptions(const CompileOptions &options) {
  PipelineOptions pipeline;
  pipeline.target = options.target;
  pipeline.blockSeed = options.blockSeed;
  pipeline.quantize = options.quantize;
  pipeline.quantizeRules = options.quantizeRules;
  pipeline.activations = options.activations;
  pipeline.kvType = options.kvType == "int8" ? "i8" : options.kvType;
  pipeline.naive = options.naive;
  pipeline.variants = options.variants;
  pipeline.from = options.from;
  pipeline.until = options.until;
  pipeline.savePhases = options.savePhases;
  return pipeline;
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
  if (mlir::failed(runPipeline(*model.module, pipelineOptions(options))))
    return diagnostics.takeError("a phase of compilation failed");
  if (llvm::Error error = checkCancelled())
    return error;
  if (options.emit == Emit::mlir)
    return emitText(outcome);
  if (!makesArtifact(options.emit))
    stage("code");
  llvm::Error error = makesArtifact(options.emit) ? package(outcome)
                      : runsOnHost(options)       ? emitHostCode(*model.module, options, outcome)
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
