// Drives import, pipeline, code generation and packaging.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "Compiler.h"

#include "Kernels.h"

#include "dialects/LLM/LLM.h"
#include "kvasir-c/kvasir.h"
#include "kvasir/Artifact/Package.h"
#include "kvasir/Encoding/Encoding.h"
#include "kvasir/Import/GGUF.h"
#include "kvasir/Import/HuggingFace.h"
#include "kvasir/Pipeline/Pipeline.h"
#include "kvasir/Pipeline/RegisterAll.h"
#include "kvasir/Support/GeneratedFile.h"
#include "kvasir/Target/Codegen.h"
#include "kvasir/Target/Emulator/Lowering.h"
#include "kvasir/Tokenizer/Tokenizer.h"

#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/Parser/Parser.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/IR/LLVMContext.h"
#include "llvm/IR/Module.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/raw_ostream.h"

#include <thread>

namespace kvasir::cli {

namespace {

/// Diagnostics of a context as the lines of one message.
class DiagnosticText {
public:
  explicit DiagnosticText(mlir::MLIRContext *context)
      : handler(context, [this](mlir::Diagnostic &diagnostic) {
          add(diagnostic);
          for (mlir::Diagnostic &note : diagnostic.getNotes())
            add(note);
        }) {}

  llvm::Error takeError(llvm::StringRef otherwise) {
    return llvm::createStringError(text.empty() ? otherwise : llvm::StringRef(text).rtrim());
  }

private:
  void add(mlir::Diagnostic &diagnostic) {
    llvm::raw_string_ostream out(text);
    bool isNote = diagnostic.getSeverity() == mlir::DiagnosticSeverity::Note;
    if (!text.empty())
      out << "  ";
    mlir::Location location = diagnostic.getLocation();
    if (auto inFile = llvm::dyn_cast<mlir::FileLineColLoc>(location)) {
      out << inFile.getFilename().getValue() << ":" << inFile.getLine() << ":" << inFile.getColumn()
          << ": ";
    } else if (!llvm::isa<mlir::UnknownLoc>(location)) {
      std::string place;
      llvm::raw_string_ostream placeOut(place);
      location.print(placeOut);
      llvm::StringRef name(place);
      name.consume_front("loc(");
      name.consume_back(")");
      out << name << ": ";
    }
    out << (isNote ? "note: " : "") << diagnostic << "\n";
  }

  std::string text;
  mlir::ScopedDiagnosticHandler handler;
};

class Compiler {
public:
  explicit Compiler(const CompileOptions &options);
  llvm::Error run(CompileOutcome &outcome);

private:
  llvm::Error checkCancelled() const;
  llvm::Error readModel();
  llvm::Error importModel();
  llvm::Error parseModel();
  llvm::Error checkLimits();
  llvm::Error checkOutput() const;
  llvm::Error emitText(CompileOutcome &outcome);
  llvm::Expected<std::vector<const target::CPUVariant *>> chooseVariants();
  llvm::Error emitCode(CompileOutcome &outcome);
  llvm::Expected<std::vector<CodeObjectInput>> compileVariants();
  llvm::Error addTokenizer(PackageOptions &package);
  llvm::Error package(CompileOutcome &outcome);
  std::string describe() const;
  std::string origin() const;
  int64_t modelNumber(llvm::StringRef name) const;
  void stage(const std::string &name) const {
    if (options.onStage)
      options.onStage(name);
  }

  const CompileOptions &options;
  mlir::MLIRContext context;
  ImportedModel model;
};

} // namespace

static mlir::DialectRegistry makeRegistry() {
  mlir::DialectRegistry registry;
  registerAllDialects(registry);
  target::registerCodegen(registry);
  return registry;
}

Compiler::Compiler(const CompileOptions &options) : options(options), context(makeRegistry()) {
  context.printOpOnDiagnostic(false);
}

llvm::Error Compiler::checkCancelled() const {
  if (options.cancelled && *options.cancelled)
    return llvm::createStringError("interrupted");
  return llvm::Error::success();
}

/// Imports a checkpoint in any format that is read. A folder with a config.json is one of Hugging
/// Face, whatever lies beside it.
static llvm::Expected<ImportedModel> importCheckpoint(llvm::StringRef path,
                                                      mlir::MLIRContext &context, bool tokenizer,
                                                      std::optional<uint64_t> randomSeed) {
  if (!randomSeed && !looksLikeHuggingFace(path) && looksLikeGguf(path))
    return importGguf(path, context, {.readTokenizer = tokenizer});
  return importHuggingFace(path, context, {.readTokenizer = tokenizer, .randomSeed = randomSeed});
}

llvm::Error Compiler::importModel() {
  auto imported = importCheckpoint(options.input, context, options.tokenizer, options.randomSeed);
  if (!imported)
    return imported.takeError();
  model = std::move(*imported);
  return llvm::Error::success();
}

/// The checkpoint that IR names and that is still there, or "": a GGUF file, or the folder of
/// another checkpoint.
static std::string checkpointOf(mlir::ModuleOp module) {
  auto directory = module->getAttrOfType<mlir::StringAttr>("llm.directory");
  auto weights = module.getOps<llm::WeightOp>();
  if (!directory || weights.empty())
    return "";
  llvm::SmallString<256> file(directory.getValue());
  llvm::sys::path::append(file, (*weights.begin()).getSource().getFile().getValue());
  if (looksLikeGguf(file))
    return file.str().str();
  return looksLikeHuggingFace(directory.getValue()) ? directory.str() : "";
}

/// The seed of a module whose weights are made up.
static std::optional<uint64_t> randomSeedOf(mlir::ModuleOp module) {
  for (llm::WeightOp weight : module.getOps<llm::WeightOp>())
    if (auto file = GeneratedFile::parse(weight.getSource().getFile().getValue()))
      return file->seed;
  return std::nullopt;
}

/// Reads IR. What the IR does not hold, the tokenizer, comes from the checkpoint
/// that it names, if that is still there.
llvm::Error Compiler::parseModel() {
  auto module = mlir::parseSourceFile<mlir::ModuleOp>(options.input, &context);
  if (!module)
    return llvm::createStringError("'%s' is not valid IR", options.input.c_str());
  std::string checkpoint = checkpointOf(*module);
  if (options.emit == Emit::artifact && !checkpoint.empty() && options.tokenizer) {
    mlir::MLIRContext other(makeRegistry());
    auto imported = importCheckpoint(checkpoint, other, /*tokenizer=*/true, randomSeedOf(*module));
    if (!imported)
      return imported.takeError();
    imported->module = nullptr; // before its context goes
    model = std::move(*imported);
  } else {
    model.tokenizerMissing = "it was compiled from IR without its checkpoint";
  }
  model.module = std::move(module);
  return llvm::Error::success();
}

llvm::Error Compiler::readModel() {
  bool isDirectory = llvm::sys::fs::is_directory(options.input);
  const char *path = options.input.c_str();
  if (!llvm::sys::fs::exists(options.input))
    return llvm::createStringError("'%s' does not exist", path);
  if (!options.from.empty() && isDirectory)
    return llvm::createStringError("'%s' is a directory, but --from wants the IR of a phase, as "
                                   "--save-phases writes it",
                                   path);
  if (!options.from.empty())
    return parseModel();
  if (isDirectory || options.randomSeed || looksLikeGguf(options.input))
    return importModel();
  if (llvm::StringRef(options.input).ends_with(".mlir"))
    return llvm::createStringError("'%s' is IR: say with --from which phase it comes from (%s)",
                                   path, phaseNames().c_str());
  return llvm::createStringError(
      "'%s' is a file; expected the directory of a Hugging Face checkpoint "
      "(config.json and safetensors), a GGUF file, or IR with --from",
      path);
}

int64_t Compiler::modelNumber(llvm::StringRef name) const {
  auto fields = (*model.module)->getAttrOfType<mlir::DictionaryAttr>("llm.model");
  auto value = fields ? fields.getAs<mlir::IntegerAttr>(name) : nullptr;
  return value ? value.getInt() : 0;
}

/// "llama, 16 layers, 1.24 B parameters, bf16".
std::string Compiler::describe() const {
  auto fields = (*model.module)->getAttrOfType<mlir::DictionaryAttr>("llm.model");
  auto textField = [&](llvm::StringRef name) {
    auto value = fields ? fields.getAs<mlir::StringAttr>(name) : nullptr;
    return value ? value.getValue() : llvm::StringRef("?");
  };
  double parameters = double(modelNumber("parameters"));
  const char *unit = "";
  for (const char *next : {"K ", "M ", "B ", "T "}) {
    if (parameters < 999.5)
      break;
    parameters /= 1000;
    unit = next;
  }
  std::string text;
  llvm::raw_string_ostream out(text);
  int64_t layers = modelNumber("layers");
  out << textField("architecture") << ", " << layers << (layers == 1 ? " layer, " : " layers, ")
      << llvm::format("%.3g %sparameters, ", parameters, unit) << textField("weight_type");
  return text;
}

std::string Compiler::origin() const {
  if (!options.from.empty())
    return "IR after " + options.from;
  if (options.randomSeed)
    return "random weights, seed " + std::to_string(*options.randomSeed);
  bool gguf = !model.inputs.empty() && llvm::StringRef(model.inputs.front()).ends_with(".gguf");
  return gguf ? "GGUF" : "Hugging Face";
}

llvm::Error Compiler::checkLimits() {
  int64_t most = modelNumber("max_context");
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
    if (options.emit == Emit::artifact && llvm::sys::fs::equivalent(path, options.output))
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

static std::string moduleNames(mlir::ModuleOp module) {
  std::string names;
  for (auto nested : module.getOps<mlir::ModuleOp>())
    names += (names.empty() ? "" : ", ") + nested.getName().value_or("").str();
  return names.empty() ? "none" : names;
}

static mlir::ModuleOp findVariant(mlir::ModuleOp module, llvm::StringRef name) {
  for (auto nested : module.getOps<mlir::ModuleOp>())
    if (nested.getName() == name)
      return nested;
  return nullptr;
}

/// The variants that are wanted and that phase `lower` made code for, best first; an error if there
/// is none.
llvm::Expected<std::vector<const target::CPUVariant *>> Compiler::chooseVariants() {
  auto chosen = target::chooseCPUVariants(options.variants, [&](const target::CPUVariant &variant) {
    return bool(findVariant(*model.module, variant.name));
  });
  for (auto code : model.module->getOps<mlir::ModuleOp>()) {
    llvm::StringRef name = code.getName().value_or("");
    const target::CPUVariant *emulated = target::findEmulatorVariant(name);
    if (emulated && (options.variants.empty() ||
                     llvm::is_contained(options.variants, name.substr(name.find(':') + 1))))
      chosen.push_back(emulated);
  }
  if (!chosen.empty())
    return chosen;
  std::string wanted = options.variants.empty() ? "a variant known here" : "variant";
  for (const std::string &name : options.variants)
    wanted += (&name == &options.variants.front() ? " '" : ", '") + name + "'";
  return llvm::createStringError("there is no code for %s; expected one of %s", wanted.c_str(),
                                 moduleNames(*model.module).c_str());
}

llvm::Error Compiler::emitCode(CompileOutcome &outcome) {
  auto chosen = chooseVariants();
  if (!chosen)
    return chosen.takeError();
  const target::CPUVariant *variant = chosen->front();
  mlir::ModuleOp code = findVariant(*model.module, variant->name);
  stage("code");
  llvm::LLVMContext llvmContext;
  auto module = target::translateToLLVM(code, llvmContext, *variant);
  if (!module)
    return module.takeError();
  if (llvm::Error error = target::optimize(**module, *variant))
    return error;
  if (options.emit == Emit::llvm) {
    outcome.bytes = target::emitLLVMText(**module);
    return llvm::Error::success();
  }
  if (options.emit == Emit::assembly)
    return target::emitAssembly(**module, *variant).moveInto(outcome.bytes);
  auto object = target::emitObject(**module, *variant);
  if (!object)
    return object.takeError();
  outcome.bytes.assign(object->begin(), object->end());
  return llvm::Error::success();
}

/// LLVM's part of one variant: it takes the time, and shares nothing.
static llvm::Expected<std::vector<uint8_t>> generateObject(llvm::Module &module,
                                                           const target::CPUVariant &variant) {
  if (llvm::Error error = target::optimize(module, variant))
    return std::move(error);
  return target::emitObject(module, variant);
}

namespace {
/// One variant between the LLVM dialect and its object.
struct VariantJob {
  const target::CPUVariant *variant;
  std::unique_ptr<llvm::LLVMContext> context;
  std::unique_ptr<llvm::Module> module;
  std::vector<uint8_t> object;
  llvm::Error error = llvm::Error::success();
};
} // namespace

/// One after the other: the linker has global state.
static llvm::Expected<std::vector<CodeObjectInput>>
linkObjects(llvm::MutableArrayRef<VariantJob> jobs) {
  std::vector<CodeObjectInput> objects;
  for (VariantJob &job : jobs) {
    auto linked = target::linkSharedObject(job.object, job.variant->library);
    if (!linked)
      return linked.takeError();
    objects.push_back(
        {"cpu", job.variant->name, job.variant->requiredFeatures, std::move(*linked)});
  }
  return objects;
}

/// The shared objects, best first. Variants are optimized side by side.
llvm::Expected<std::vector<CodeObjectInput>> Compiler::compileVariants() {
  stage("code");
  auto chosen = chooseVariants();
  if (!chosen)
    return chosen.takeError();
  std::vector<VariantJob> jobs;
  for (const target::CPUVariant *variant : *chosen) {
    mlir::ModuleOp code = findVariant(*model.module, variant->name);
    auto llvmContext = std::make_unique<llvm::LLVMContext>();
    auto module = target::translateToLLVM(code, *llvmContext, *variant);
    if (!module)
      return module.takeError();
    code.erase(); // the packer needs memory more than we need it
    jobs.push_back({variant, std::move(llvmContext), std::move(*module), {}});
  }
  auto work = [](VariantJob &job) {
    job.error = generateObject(*job.module, *job.variant).moveInto(job.object);
    job.module.reset();
  };
  std::vector<std::thread> threads;
  for (VariantJob &job : llvm::drop_begin(jobs))
    threads.emplace_back(work, std::ref(job));
  work(jobs.front());
  for (std::thread &thread : threads)
    thread.join();
  llvm::Error error = llvm::Error::success();
  for (VariantJob &job : jobs)
    error = llvm::joinErrors(std::move(error), std::move(job.error));
  if (error)
    return std::move(error);
  return linkObjects(jobs);
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
    tokenizerOptions.modelVocabularySize = uint32_t(modelNumber("vocab_size"));
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
  auto objects = compileVariants();
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

llvm::Error Compiler::run(CompileOutcome &outcome) {
  DiagnosticText diagnostics(&context);
  if (llvm::Error error = readModel()) {
    std::string message = llvm::toString(std::move(error));
    return diagnostics.takeError(message);
  }
  if (options.onModel)
    options.onModel(describe(), origin());
  if (llvm::Error error = checkLimits())
    return error;
  if (llvm::Error error = checkOutput())
    return error;
  stage("phases");
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
  if (mlir::failed(runPipeline(*model.module, pipeline)))
    return diagnostics.takeError("a phase of compilation failed");
  if (llvm::Error error = checkCancelled())
    return error;
  if (options.emit == Emit::mlir)
    return emitText(outcome);
  llvm::Error error = options.emit == Emit::artifact ? package(outcome)
                      : runsOnHost(options)          ? emitCode(outcome)
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

std::vector<std::pair<std::string, std::string>> phaseList() {
  std::vector<std::pair<std::string, std::string>> list;
  for (const Phase &phase : phases())
    list.emplace_back(phase.name.str(), phase.meaning.str());
  return list;
}

std::vector<std::string> compileEncodings() {
  std::vector<std::string> names;
  for (llvm::StringRef name : quantizableEncodingNames())
    names.push_back(name.str());
  return names;
}

std::vector<std::string> variantsHere() {
  std::vector<std::string> names;
  for (const target::CPUVariant &variant : target::cpuVariants())
    if (target::runsHere(variant))
      names.push_back(variant.name);
  return names;
}

std::vector<std::string> variantNames(const std::string &target, std::string &problem) {
  auto parsed = parseTarget(target);
  if (!parsed) {
    problem = llvm::toString(parsed.takeError());
    return {};
  }
  if (parsed->isGPU())
    return parsed->architectures;
  std::vector<std::string> names;
  for (const target::CPUVariant &variant : target::cpuVariants())
    names.push_back(variant.name);
  return names;
}

} // namespace kvasir::cli
