// The importer: files in, a verified module out.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "kvasir/Import/HuggingFace.h"
#include "Files.h"
#include "Model.h"
#include "Quantization.h"
#include "Safetensors.h"
#include "kvasir/Model/Builder.h"
#include "mlir/IR/Verifier.h"
#include "llvm/ADT/SmallString.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"

using namespace kvasir;
using namespace kvasir::hf;
using llvm::StringRef;
using llvm::Twine;
using nlohmann::json;

/// The text of a file that may be absent; a file that cannot be read is a problem.
static std::optional<std::string> readOptional(StringRef directory, StringRef file,
                                               std::vector<std::string> &inputs,
                                               Problems &problems) {
  if (!exists(directory, file))
    return std::nullopt;
  auto text = readText(directory, file);
  if (!text) {
    problems.add(llvm::toString(text.takeError()));
    return std::nullopt;
  }
  inputs.push_back(file.str());
  return std::move(*text);
}

/// `chat_template` of tokenizer_config.json: a text, or a list of named ones.
static std::optional<std::string> templateOf(const std::string &tokenizerConfig,
                                             Problems &problems) {
  auto config = parseJson(tokenizerConfig, "tokenizer_config.json");
  if (!config) {
    problems.add(llvm::toString(config.takeError()));
    return std::nullopt;
  }
  if (!config->is_object() || !config->contains("chat_template"))
    return std::nullopt;
  const json &value = (*config)["chat_template"];
  if (value.is_string())
    return value.get<std::string>();
  if (value.is_array())
    for (const json &entry : value)
      if (entry.is_object() && entry.contains("name") && entry["name"] == "default" &&
          entry.contains("template") && entry["template"].is_string())
        return entry["template"].get<std::string>();
  return std::nullopt;
}

static void readTokenizer(StringRef directory, ImportedModel &model, Problems &problems) {
  model.tokenizerJson = readOptional(directory, "tokenizer.json", model.inputs, problems);
  model.tokenizerConfigJson =
      readOptional(directory, "tokenizer_config.json", model.inputs, problems);
  model.chatTemplate = readOptional(directory, "chat_template.jinja", model.inputs, problems);
  if (model.tokenizerConfigJson && !model.chatTemplate)
    model.chatTemplate = templateOf(*model.tokenizerConfigJson, problems);
  if (model.tokenizerJson)
    return;
  model.tokenizerMissing = "the checkpoint has no tokenizer.json";
  for (StringRef other : {"tokenizer.model", "vocab.json", "vocab.txt"})
    if (exists(directory, other))
      model.tokenizerMissing +=
          "; " + other.str() + " is not read: save the tokenizer again with a fast tokenizer";
}

/// A tied head that is stored as well must be the same matrix: readers disagree
/// about which of two different ones counts.
static void checkTiedHead(StringRef directory, const DecoderDescription &decoder,
                          const WeightTable &table, Problems &problems) {
  auto head = table.find("lm_head.weight"), embedding = table.find(decoder.embedding.tensor);
  if (decoder.head.symbol != decoder.embedding.symbol || head == table.end() || head == embedding ||
      embedding == table.end())
    return;
  const StoredTensor &a = head->second, &b = embedding->second;
  bool same = a.type == b.type && a.shape == b.shape;
  if (same) {
    auto left = readFile(directory, a.file, a.offset, a.length),
         right = readFile(directory, b.file, b.offset, b.length);
    if (!left || !right) {
      problems.add(llvm::toString(llvm::joinErrors(left.takeError(), right.takeError())));
      return;
    }
    same = (*left)->getBuffer() == (*right)->getBuffer();
  }
  if (!same)
    problems.add("config.json: 'tie_word_embeddings' is true, but lm_head.weight differs from " +
                 decoder.embedding.tensor);
}

static std::string absolutePath(StringRef path) {
  llvm::SmallString<256> result(path);
  llvm::sys::fs::make_absolute(result);
  llvm::sys::path::remove_dots(result, /*remove_dot_dot=*/false);
  StringRef text = result;
  return (text.size() > 1 ? text.rtrim('/') : text).str();
}

bool kvasir::looksLikeHuggingFace(StringRef path) {
  if (!llvm::sys::fs::is_directory(path))
    return false;
  return exists(path, "config.json") || exists(path, "model.safetensors") ||
         exists(path, "model.safetensors.index.json");
}

llvm::Expected<ImportedModel> kvasir::importHuggingFace(StringRef path, mlir::MLIRContext &context,
                                                        const HuggingFaceOptions &options) {
  ImportedModel model;
  Problems problems;
  std::string title = "cannot import " + path.str();
  StringRef directory = path, configName = "config.json";
  if (options.randomSeed && llvm::sys::fs::is_regular_file(path)) {
    configName = llvm::sys::path::filename(path);
    directory = llvm::sys::path::parent_path(path);
    directory = directory.empty() ? "." : directory;
  }
  model.directory = absolutePath(directory);
  std::optional<std::string> config, generation;
  WeightTable table;
  if (llvm::sys::fs::is_directory(directory)) {
    config = readOptional(directory, configName, model.inputs, problems);
    if (!config && problems.empty())
      problems.add("config.json is missing");
    generation = readOptional(directory, "generation_config.json", model.inputs, problems);
    if (!options.randomSeed)
      readCheckpoint(directory, table, model.inputs, problems);
  } else {
    problems.add("it is not a folder; expected one with config.json and model.safetensors");
  }
  if (config && problems.empty() && !options.randomSeed)
    foldQuantized(*config, directory, table, problems);
  // Without a readable checkpoint every tensor would be reported as missing.
  if (!problems.empty())
    return problems.takeError(title);
  std::string generationText = generation.value_or("");
  DecoderDescription decoder =
      options.randomSeed
          ? describeRandomModel(*config, generationText, *options.randomSeed, table, problems)
          : describeModel(*config, generationText, table, problems);
  checkTiedHead(directory, decoder, table, problems);
  if (options.readTokenizer)
    readTokenizer(directory, model, problems);
  if (!problems.empty())
    return problems.takeError(title);
  model.module = buildDecoder(decoder, table, model.directory, context);
  if (mlir::failed(mlir::verify(*model.module)))
    return llvm::createStringError(llvm::inconvertibleErrorCode(),
                                   title + ": the module does not verify");
  return std::move(model);
}
