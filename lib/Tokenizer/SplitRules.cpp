// The table of rules. Patterns that several models share are written once.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "SplitRules.h"
#include <vector>

using llvm::StringLiteral;

#define CONTRACTIONS "'s|'t|'re|'ve|'m|'ll|'d"
#define ANY_CASE_CONTRACTIONS "'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD]"
#define OTHER_THAN_WORDS R"( ?[^\s\p{L}\p{N}]+)"
#define SPACES R"(\s+(?!\S)|\s+)"
#define LINES_AND_SPACES R"(|\s*[\r\n]+|)" SPACES
#define MARKED_LETTER R"([^\r\n\p{L}\p{N}]?)"
#define LOWER_END MARKED_LETTER R"([\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+)"
#define UPPER_START MARKED_LETTER R"([\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*)"
/// Llama 3 and its descendants differ in how many digits make a piece.
#define LLAMA3(digits)                                                                             \
  ANY_CASE_CONTRACTIONS "|" MARKED_LETTER R"(\p{L}+|\p{N})" digits "|" OTHER_THAN_WORDS            \
                        R"([\r\n]*)" LINES_AND_SPACES

namespace kvasir::tokenizer {
namespace {

constexpr StringLiteral gpt2 = CONTRACTIONS R"(| ?\p{L}+| ?\p{N}+|)" OTHER_THAN_WORDS "|" SPACES;
constexpr StringLiteral someSymbols = R"([\p{P}$+<=>^~|]+)", threeDigits = "[0-9][0-9][0-9]";

constexpr StringLiteral gpt2Rules[] = {gpt2};
constexpr StringLiteral digitRules[] = {R"(\p{N})", gpt2};
constexpr StringLiteral defaultRules[] = {someSymbols, gpt2, R"(\p{N}+)", threeDigits};
constexpr StringLiteral falconRules[] = {R"([\p{P}$+<=>^~|`]+)", gpt2, threeDigits};
constexpr StringLiteral llama3Rules[] = {LLAMA3("{1,3}")};
constexpr StringLiteral qwen2Rules[] = {LLAMA3("")};
constexpr StringLiteral coderRules[] = {R"([\r\n])", R"(\s?\p{L}+)", R"(\s?\p{P}+)",
                                        R"([\x{4e00}-\x{9fa5}\x{800}-\x{4e00}\x{ac00}-\x{d7ff}]+)",
                                        R"(\p{N})"};
constexpr StringLiteral deepseek3Rules[] = {
    R"(\p{N}{1,3})", R"([\x{4e00}-\x{9fa5}\x{3040}-\x{309f}\x{30a0}-\x{30ff}]+)",
    R"([!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*)" LINES_AND_SPACES};
constexpr StringLiteral tekkenRules[] = {LOWER_END "|" UPPER_START R"(|\p{N}|)" OTHER_THAN_WORDS
                                                   R"([\r\n/]*)" LINES_AND_SPACES};
constexpr StringLiteral gpt4oRules[] = {
    LOWER_END "(?:" ANY_CASE_CONTRACTIONS ")?|" UPPER_START "(?:" ANY_CASE_CONTRACTIONS
              R"()?|\p{N}{1,3}|)" OTHER_THAN_WORDS R"([\r\n/]*)" LINES_AND_SPACES};

struct Row {
  std::vector<StringLiteral> names;
  SplitRules rules;
};

const std::vector<Row> &table() {
  static const std::vector<Row> rows = {
      {{"default"}, {defaultRules}},
      {{"llama-bpe", "llama3", "llama-v3", "falcon3", "falcon-h1", "pixtral", "midm-2.0", "lfm2"},
       {llama3Rules, true, true}},
      {{"dbrx", "smaug-bpe", "glm4", "chatglm-bpe"}, {llama3Rules}},
      {{"deepseek-coder"}, {coderRules}},
      {{"deepseek-v3", "hunyuan-dense"}, {deepseek3Rules}},
      {{"falcon"}, {falconRules}},
      {{"starcoder", "refact", "command-r", "smollm", "codeshell", "exaone", "minerva-7b"},
       {digitRules}},
      {{"gpt-2", "phi-2", "mpt", "olmo", "jais", "gigachat", "a.x-4.0", "mellum", "exaone4",
        "trillion", "granite-docling"},
       {gpt2Rules}},
      {{"qwen2", "deepseek-r1-qwen", "stablelm2", "megrez", "hunyuan", "grok-2", "kormo",
        "solar-open"},
       {qwen2Rules}},
      {{"tekken"}, {tekkenRules, true, true}},
      {{"gpt-4o", "llama4", "kanana2", "minimax-m2"}, {gpt4oRules}},
  };
  return rows;
}

} // namespace

const SplitRules *findSplitRules(llvm::StringRef name) {
  for (const Row &row : table())
    for (llvm::StringRef known : row.names)
      if (known == name)
        return &row.rules;
  return nullptr;
}

std::string splitRuleNames() {
  std::string names;
  for (const Row &row : table())
    for (llvm::StringRef name : row.names)
      names += (names.empty() ? "" : ", ") + name.str();
  return names;
}

} // namespace kvasir::tokenizer
