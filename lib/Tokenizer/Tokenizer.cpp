// Compiles a Hugging Face tokenizer.json into the table that the runtime maps.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "kvasir/Tokenizer/Tokenizer.h"
#include "Compilation.h"
#include "llvm/ADT/StringExtras.h"

namespace kvasir {
namespace {
using tokenizer::Compilation;
using tokenizer::Json;
using tokenizer::ObjectReader;

/// Finds out where a text stops being JSON.
struct SyntaxErrorFinder : nlohmann::json_sax<Json> {
  size_t offset = 0;
  bool null() override { return true; }
  bool boolean(bool) override { return true; }
  bool number_integer(number_integer_t) override { return true; }
  bool number_unsigned(number_unsigned_t) override { return true; }
  bool number_float(number_float_t, const string_t &) override { return true; }
  bool string(string_t &) override { return true; }
  bool binary(binary_t &) override { return true; }
  bool start_object(std::size_t) override { return true; }
  bool key(string_t &) override { return true; }
  bool end_object() override { return true; }
  bool start_array(std::size_t) override { return true; }
  bool end_array() override { return true; }
  bool parse_error(std::size_t position, const std::string &,
                   const nlohmann::detail::exception &) override {
    offset = position;
    return false;
  }
};

void readAll(Compilation &compilation, const Json &json, const TokenizerOptions &options) {
  ObjectReader reader(compilation, json, "");
  reader.allow({"version", "truncation", "padding", "added_tokens", "normalizer", "pre_tokenizer",
                "post_processor", "decoder", "model"});
  if (std::string version = reader.string("version", "1.0"); version != "1.0")
    compilation.problem("version", "expected \"1.0\", but got \"" + version + "\"");
  if (const Json *model = reader.member("model"))
    readModel(compilation, *model);
  else
    compilation.problem("model", "missing");
  readAddedTokens(compilation, reader.member("added_tokens"));
  readConfig(compilation, options.config);
  readNormalizer(compilation, reader.member("normalizer"));
  readPreTokenizer(compilation, reader.member("pre_tokenizer"));
  readPostProcessor(compilation, reader.member("post_processor"));
  readDecoder(compilation, reader.member("decoder"));
}

llvm::Error report(const Compilation &compilation, const TokenizerOptions &options) {
  size_t count = compilation.problemCount;
  std::string message = options.name + ": tokenizer cannot be compiled, " + std::to_string(count) +
                        (count == 1 ? " problem" : " problems");
  for (const std::string &problem : compilation.problems)
    message += "\n  " + problem;
  if (count > compilation.problems.size())
    message += "\n  and " + std::to_string(count - compilation.problems.size()) + " more";
  return llvm::createStringError(message);
}

} // namespace

llvm::Expected<std::vector<uint8_t>> tokenizer::finishTable(Compilation &compilation,
                                                            const TokenizerOptions &options) {
  size_t count = compilation.texts.size();
  if (options.modelVocabularySize && count > options.modelVocabularySize)
    compilation.problem("vocabulary", "id " + llvm::Twine(count - 1) + " (\"" +
                                          compilation.texts.back() +
                                          "\") is out of range, the model has embeddings for " +
                                          llvm::Twine(options.modelVocabularySize) + " ids");
  std::vector<uint8_t> table;
  if (!compilation.problemCount)
    table = buildTable(compilation);
  if (compilation.problemCount)
    return report(compilation, options);
  return table;
}

llvm::Expected<std::vector<uint8_t>> compileTokenizer(llvm::StringRef tokenizerJson,
                                                      const TokenizerOptions &options) {
  Json json = Json::parse(tokenizerJson.begin(), tokenizerJson.end(), nullptr, false);
  if (json.is_discarded()) {
    SyntaxErrorFinder finder;
    Json::sax_parse(tokenizerJson.begin(), tokenizerJson.end(), &finder);
    return llvm::createStringError(
        llvm::Twine(options.name) + ": not JSON from byte " + llvm::Twine(finder.offset) + " of " +
        llvm::Twine(tokenizerJson.size()) + " on; is the file complete?");
  }
  if (!json.is_object())
    return llvm::createStringError(llvm::Twine(options.name) +
                                   ": expected a JSON object, but got " + tokenizer::kindOf(json));
  Compilation compilation;
  readAll(compilation, json, options);
  json = nullptr; // the largest thing in memory
  return finishTable(compilation, options);
}

} // namespace kvasir
