// kvasir logits: how other programs check us.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "Commands.h"
#include "Flags.h"
#include "Forward.h"
#include "Output.h"

#include <nlohmann/json.hpp>

namespace kvasir::cli {

namespace {
struct Options {
  std::string model;
  std::string variant;
  std::string idsFile;
  std::string output;
  ForwardOptions forward;
};

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

static std::vector<std::vector<int32_t>> readPrompts(const Options &options,
                                                     const kvasir_model_info &info) {
  std::string text = readFile(options.idsFile);
  PromptsReader reader(info.vocab_size);
  bool good = nlohmann::json::sax_parse(text, &reader);
  std::string &problem = reader.problem;
  if (problem.empty() && (!good || reader.prompts.empty()))
    problem = "there is no prompt in it";
  for (size_t i = 0; i < reader.prompts.size() && problem.empty(); ++i) {
    size_t length = reader.prompts[i].size();
    if (length + size_t(options.forward.greedy) > size_t(info.max_context))
      problem = format("prompt %zu has %zu ids and --greedy wants %d more, but "
                       "the context of this artifact is %d",
                       i, length, options.forward.greedy, info.max_context);
  }
  if (!problem.empty())
    fail(exitBadInput, "'" + options.idsFile + "': " + problem);
  return std::move(reader.prompts);
}

static int logits(const Options &options) {
  checkOutputPath(options.output);
  checkNotInput(options.output, options.model);
  checkNotInput(options.output, options.idsFile);
  Model model = loadModel(options.model, options.variant);
  kvasir_model_info info = infoOf(model.get());
  auto prompts = readPrompts(options, info);
  size_t vocabulary = size_t(info.vocab_size);

  SafetensorsWriter writer(options.output);
  std::vector<size_t> logitsOf, greedyOf;
  for (size_t i = 0; i < prompts.size(); ++i)
    logitsOf.push_back(
        writer.declare(format("logits_%zu", i), "F32", {prompts[i].size(), vocabulary}));
  for (size_t i = 0; i < prompts.size() && options.forward.greedy > 0; ++i)
    greedyOf.push_back(
        writer.declare(format("greedy_%zu", i), "I32", {uint64_t(options.forward.greedy)}));
  writer.writeHeader();

  auto sink = [&](size_t prompt, uint64_t first, size_t count, const float *data, size_t stride) {
    for (size_t i = 0; i < count; ++i)
      writer.write(logitsOf[prompt], data + i * stride, (first + i) * vocabulary, vocabulary);
  };
  auto greedy = forwardAll(model.get(), prompts, options.forward, sink);
  for (size_t i = 0; i < greedyOf.size(); ++i)
    writer.write(greedyOf[i], greedy[i].data(), 0, greedy[i].size());
  checkInterrupt();
  writer.commit();
  return exitSuccess;
}

void addLogits(CLI::App &app, Action &action) {
  auto options = std::make_shared<Options>();
  CLI::App *sub =
      app.add_subcommand("logits", "Write the logits of every position of given token ids");
  sub->add_option("model", options->model, "Artifact")->required();
  sub->add_option("--ids", options->idsFile, "JSON file: a list of lists of ids, taken as they are")
      ->required();
  sub->add_option("-o,--output", options->output,
                  "Safetensors file: logits_i [n, vocab] f32 and greedy_i i32")
      ->required();
  sub->add_option("--greedy", options->forward.greedy,
                  "Continue each prompt by this many greedy ids")
      ->check(wholeNumber(0));
  sub->add_option("--chunk", options->forward.chunk,
                  "Most tokens of a prompt in one step; 0: no bound")
      ->check(wholeNumber(0));
  addThreads(sub, options->forward.threads);
  sub->add_flag("--poison", options->forward.poison,
                "For tests: fill KV pages with NaN before they are used");
  sub->add_flag("--one-by-one", options->forward.oneByOne,
                "One prompt after the other instead of one ragged batch");
  addVariant(sub, options->variant);
  options->forward.progress = true;
  sub->footer("Examples:\n"
              "  echo '[[1,2,3],[4,5]]' > prompts.json\n"
              "  kvasir logits llama.kvasir --ids prompts.json -o out.safetensors\n"
              "  kvasir logits llama.kvasir --ids prompts.json -o out.safetensors"
              " --greedy 24 --chunk 7");
  sub->callback([=, &action] { action = [=] { return logits(*options); }; });
}

} // namespace kvasir::cli
