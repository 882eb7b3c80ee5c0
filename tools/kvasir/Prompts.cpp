// Lists of token ids in JSON, as `logits` and `eval` take them.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "Prompts.h"

#include <nlohmann/json.hpp>

namespace kvasir::cli {

namespace {
/// Takes a list of lists of ids as it is parsed; anything else ends the parse
/// at once, whatever follows.
class PromptsReader : public nlohmann::json_sax<nlohmann::json> {
public:
  explicit PromptsReader(int32_t vocabulary) : vocabulary(vocabulary) {}

  std::vector<std::vector<int32_t>> prompts;
  std::string problem;

  bool number_unsigned(number_unsigned_t value) override {
    if (depth != 2)
      return wrong("a number");
    if (value >= uint64_t(vocabulary))
      return reject(format("prompt %zu, position %zu: id %llu is out of range: "
                           "the model has ids 0 to %d",
                           prompts.size() - 1, prompts.back().size(),
                           static_cast<unsigned long long>(value), vocabulary - 1));
    prompts.back().push_back(static_cast<int32_t>(value));
    return true;
  }
  bool number_integer(number_integer_t value) override {
    if (depth != 2)
      return wrong("a number");
    return reject(format("prompt %zu, position %zu: id %lld is out of range: "
                         "the model has ids 0 to %d",
                         prompts.size() - 1, prompts.back().size(), static_cast<long long>(value),
                         vocabulary - 1));
  }
  bool start_array(std::size_t) override {
    if (depth == 2)
      return wrong("a list");
    if (++depth == 2)
      prompts.emplace_back();
    return true;
  }
  bool end_array() override {
    if (depth == 2 && prompts.back().empty())
      return reject(
          format("prompt %zu has no ids; a prompt needs at least one", prompts.size() - 1));
    --depth;
    return true;
  }
  bool null() override { return wrong("null"); }
  bool boolean(bool) override { return wrong("a boolean"); }
  bool number_float(number_float_t, const string_t &) override { return wrong("a fraction"); }
  bool string(string_t &) override { return wrong("a string"); }
  bool binary(binary_t &) override { return wrong("binary data"); }
  bool start_object(std::size_t) override { return wrong("an object"); }
  bool key(string_t &) override { return wrong("a key"); }
  bool end_object() override { return wrong("an object"); }
  bool parse_error(std::size_t position, const std::string &,
                   const nlohmann::json::exception &) override {
    return reject(format("not valid JSON at byte %zu; expected a list of lists "
                         "of ids such as [[1,2,3],[4,5]]",
                         position));
  }

private:
  bool reject(std::string message) {
    if (problem.empty())
      problem = std::move(message);
    return false;
  }
  bool wrong(const char *got) {
    return reject(format("expected a list of lists of ids such as "
                         "[[1,2,3],[4,5]], but got %s %s",
                         got,
                         depth == 0   ? "at the top"
                         : depth == 1 ? "instead of a list"
                                      : "instead of an id"));
  }

  int32_t vocabulary;
  int depth = 0;
};
} // namespace

std::vector<std::vector<int32_t>> readPrompts(const std::string &path, int32_t vocabulary) {
  std::string text = readFile(path);
  PromptsReader reader(vocabulary);
  bool good = nlohmann::json::sax_parse(text, &reader);
  if (reader.problem.empty() && (!good || reader.prompts.empty()))
    reader.problem = "there is no prompt in it";
  if (!reader.problem.empty())
    fail(exitBadInput, "'" + path + "': " + reader.problem);
  return std::move(reader.prompts);
}

} // namespace kvasir::cli
