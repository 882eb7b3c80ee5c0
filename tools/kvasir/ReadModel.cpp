// Finds out what the input is, and reads it.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "ReadModel.h"

#include "dialects/LLM/LLM.h"
#include "kvasir/Import/GGUF.h"
#include "kvasir/Import/HuggingFace.h"
#include "kvasir/Pipeline/Pipeline.h"
#include "kvasir/Pipeline/RegisterAll.h"
#include "kvasir/Support/GeneratedFile.h"
#include "kvasir/Target/Codegen.h"

#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/Parser/Parser.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/raw_ostream.h"

namespace kvasir::cli {

mlir::DialectRegistry compilerDialects() {
  mlir::DialectRegistry registry;
  registerAllDialects(registry);
  target::registerCodegen(registry);
  return registry;
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

static llvm::Expected<ImportedModel> parseModel(const CompileOptions &options,
                                                mlir::MLIRContext &context) {
  ImportedModel model;
  auto module = mlir::parseSourceFile<mlir::ModuleOp>(options.input, &context);
  if (!module)
    return llvm::createStringError("'%s' is not valid IR", options.input.c_str());
  std::string checkpoint = checkpointOf(*module);
  if (makesArtifact(options.emit) && !checkpoint.empty() && options.tokenizer) {
    mlir::MLIRContext other(compilerDialects());
    auto imported = importCheckpoint(checkpoint, other, /*tokenizer=*/true, randomSeedOf(*module));
    if (!imported)
      return imported.takeError();
    imported->module = nullptr; // before its context goes
    model = std::move(*imported);
  } else {
    model.tokenizerMissing = "it was compiled from IR without its checkpoint";
  }
  model.module = std::move(module);
  return model;
}

llvm::Expected<ImportedModel> readModel(const CompileOptions &options, mlir::MLIRContext &context) {
  bool isDirectory = llvm::sys::fs::is_directory(options.input);
  const char *path = options.input.c_str();
  if (!llvm::sys::fs::exists(options.input))
    return llvm::createStringError("'%s' does not exist", path);
  if (!options.from.empty() && isDirectory)
    return llvm::createStringError("'%s' is a directory, but --from wants the IR of a phase, as "
                                   "--save-phases writes it",
                                   path);
  if (!options.from.empty())
    return parseModel(options, context);
  if (isDirectory || options.randomSeed || looksLikeGguf(options.input))
    return importCheckpoint(options.input, context, options.tokenizer, options.randomSeed);
  if (llvm::StringRef(options.input).ends_with(".mlir"))
    return llvm::createStringError("'%s' is IR: say with --from which phase it comes from (%s)",
                                   path, phaseNames().c_str());
  return llvm::createStringError(
      "'%s' is a file; expected the directory of a Hugging Face checkpoint "
      "(config.json and safetensors), a GGUF file, or IR with --from",
      path);
}

int64_t modelNumber(mlir::ModuleOp module, llvm::StringRef name) {
  auto fields = module->getAttrOfType<mlir::DictionaryAttr>("llm.model");
  auto value = fields ? fields.getAs<mlir::IntegerAttr>(name) : nullptr;
  return value ? value.getInt() : 0;
}

std::string describeModel(mlir::ModuleOp module) {
  auto fields = module->getAttrOfType<mlir::DictionaryAttr>("llm.model");
  auto textField = [&](llvm::StringRef name) {
    auto value = fields ? fields.getAs<mlir::StringAttr>(name) : nullptr;
    return value ? value.getValue() : llvm::StringRef("?");
  };
  double parameters = double(modelNumber(module, "parameters"));
  const char *unit = "";
  for (const char *next : {"K ", "M ", "B ", "T "}) {
    if (parameters < 999.5)
      break;
    parameters /= 1000;
    unit = next;
  }
  std::string text;
  llvm::raw_string_ostream out(text);
  int64_t layers = modelNumber(module, "layers");
  out << textField("architecture") << ", " << layers << (layers == 1 ? " layer, " : " layers, ")
      << llvm::format("%.3g %sparameters, ", parameters, unit) << textField("weight_type");
  return text;
}

std::string originOf(const ImportedModel &model, const CompileOptions &options) {
  if (!options.from.empty())
    return "IR after " + options.from;
  if (options.randomSeed)
    return "random weights, seed " + std::to_string(*options.randomSeed);
  bool gguf = !model.inputs.empty() && llvm::StringRef(model.inputs.front()).ends_with(".gguf");
  return gguf ? "GGUF" : "Hugging Face";
}

} // namespace kvasir::cli
