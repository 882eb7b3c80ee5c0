// kvasir tokenize: text to ids, ids to text.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "Commands.h"
#include "Common.h"

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

namespace kvasir::cli {

using Json = nlohmann::ordered_json;

namespace {
struct Options {
  std::string model;
  std::vector<std::string> texts;
  std::string file;
  std::string ids;
  bool idsGiven = false;
  bool noSpecial = false;
  bool skipSpecial = false;
  bool pieces = false;
  bool json = false;
};
} // namespace

static std::string pieceOf(const kvasir_model *model, int32_t id) {
  char *text = nullptr;
  size_t length = 0;
  check(kvasir_token_text(model, id, &text, &length));
  std::unique_ptr<char, Deleter<kvasir_free>> owner(text);
  return std::string(text, length);
}

/// One text and its ids, whichever came first.
static void print(const Options &options, const kvasir_model *model, const std::string &text,
                  const std::vector<int32_t> &ids) {
  if (options.json) {
    Json pieces = Json::array();
    for (int32_t id : ids)
      pieces.push_back(pieceOf(model, id));
    printJson({{"text", text}, {"ids", ids}, {"pieces", pieces}}, false);
    return;
  }
  if (options.pieces) {
    Table table({"id", "<piece"});
    for (int32_t id : ids)
      table.add({std::to_string(id), pieceOf(model, id)});
    table.print(stdout);
    return;
  }
  if (options.idsGiven) {
    std::printf("%s\n", text.c_str());
    return;
  }
  std::string line;
  for (int32_t id : ids)
    line += (line.empty() ? "" : ",") + std::to_string(id);
  std::printf("%s\n", line.c_str());
}

static int tokenizeAll(Options &options) {
  Model model = loadModel(options.model);
  if (options.idsGiven) {
    std::vector<int32_t> ids = parseIds(options.ids, infoOf(model.get()).vocab_size);
    print(options, model.get(), detokenize(model.get(), ids, options.skipSpecial), ids);
    return exitSuccess;
  }
  if (!options.file.empty())
    options.texts.push_back(readFile(options.file));
  for (const std::string &text : options.texts)
    print(options, model.get(), text, tokenize(model.get(), text, !options.noSpecial));
  return exitSuccess;
}

void addTokenize(CLI::App &app, Action &action) {
  auto options = std::make_shared<Options>();
  CLI::App *sub = app.add_subcommand("tokenize", "Turn text into token ids, or ids into text");
  sub->add_option("model", options->model, "Artifact")->required();
  sub->add_option("text", options->texts, "Texts; each gives a line of ids");
  sub->add_option("--file", options->file, "Tokenize this file; - is standard input");
  auto *ids = sub->add_option("--ids", options->ids, "Ids such as 1,15,7: print their text");
  sub->add_flag("--no-special", options->noSpecial,
                "Leave out what the tokenizer puts around a text (BOS, EOS)");
  sub->add_flag("--skip-special", options->skipSpecial,
                "Leave special tokens out of the text of --ids");
  sub->add_flag("--pieces", options->pieces, "Print each id with its piece");
  sub->add_flag("--json", options->json, "One object per text: text, ids, pieces");
  sub->footer("Examples:\n"
              "  kvasir tokenize llama.kvasir 'Once upon a time'\n"
              "  kvasir tokenize llama.kvasir --pieces --file story.txt\n"
              "  kvasir tokenize llama.kvasir --ids 1,403,407");
  sub->callback([=, &action] {
    options->idsGiven = ids->count() > 0;
    if (int(options->idsGiven) + int(!options->file.empty()) + int(!options->texts.empty()) != 1)
      throw CLI::ValidationError("tokenize", "expected texts, --file or --ids, one of them");
    action = [=] { return tokenizeAll(*options); };
  });
}

} // namespace kvasir::cli
