// Writes small tokenizers, with the parts of the test cases in golden.json but a tiny vocabulary,
// as seeds for TokenizerJsonFuzz, and what they compile to as seeds for TokenizerTableFuzz (some
// are in corpus/tokenizer-table: write them again when Tokenizer.fbs changes).
//   kvasir-tokenizer-seeds GOLDEN.json DIRECTORY [DIRECTORY OF TABLES]
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "kvasir/Tokenizer/Tokenizer.h"
#include <fstream>
#include <nlohmann/json.hpp>

using Json = nlohmann::json;

static const char *tiny = R"({"model": {"type": "BPE", "unk_token": "<unk>",
  "byte_fallback": true, "vocab": {"<unk>": 0, "<s>": 1, "a": 2, "b": 3,
  "ab": 4, "▁": 5, "▁a": 6, "<0x0A>": 7, "Ġ": 8, "T": 9, "h": 10, "e": 11,
  "Th": 12, "The": 13, "Ā": 14}, "merges": [["a", "b"], ["▁", "a"], "T h",
  "Th e"]}, "added_tokens": [{"id": 1, "content": "<s>", "lstrip": true,
  "rstrip": true, "normalized": true, "special": true}]})";

/// A case on the tiny vocabulary; what refers to other ids goes.
static Json seed(const Json &golden, const Json &entry) {
  Json json = Json::parse(tiny);
  json["decoder"] = golden["bases"][entry["base"]]["decoder"];
  for (auto member = entry["patch"].begin(); member != entry["patch"].end(); ++member) {
    if (member.key() != "model") {
      json[member.key()] = *member;
      continue;
    }
    json["model"].update(*member);
    json["model"]["merges"] = Json::parse(tiny)["model"]["merges"];
  }
  return json;
}

int main(int argc, char **argv) {
  if (argc != 3 && argc != 4)
    return 2;
  std::ifstream file(argv[1]);
  Json golden = Json::parse(file, nullptr, false);
  if (!golden.is_object())
    return 1;
  int number = 0;
  for (const Json &entry : golden["cases"]) {
    std::string text = seed(golden, entry).dump();
    std::string end = std::to_string(number++);
    std::ofstream(argv[2] + ("/json-" + end), std::ios::binary) << text;
    if (argc == 3)
      continue;
    auto table = kvasir::compileTokenizer(text);
    if (!table) { // still a seed for the compiler
      llvm::consumeError(table.takeError());
      continue;
    }
    std::ofstream(argv[3] + ("/table-" + end), std::ios::binary)
        .write(reinterpret_cast<const char *>(table->data()),
               static_cast<std::streamsize>(table->size()));
  }
}
