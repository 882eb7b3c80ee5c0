// kvasir logits: how other programs check us.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "Commands.h"
#include "Flags.h"
#include "Forward.h"
#include "Output.h"
#include "Prompts.h"

namespace kvasir::cli {

namespace {
struct Options {
  std::string model;
  std::string variant;
  std::string device;
  std::string idsFile;
  std::string output;
  ForwardOptions forward;
};
} // namespace

/// Prompts that fit into the context together with what is to follow them.
static std::vector<std::vector<int32_t>> promptsOf(const Options &options,
                                                   const kvasir_model_info &info) {
  auto prompts = readPrompts(options.idsFile, info.vocab_size);
  for (size_t i = 0; i < prompts.size(); ++i)
    if (prompts[i].size() + size_t(options.forward.greedy) > size_t(info.max_context))
      fail(exitBadInput, format("'%s': prompt %zu has %zu ids and --greedy wants %d more, but "
                                "the context of this artifact is %d",
                                options.idsFile.c_str(), i, prompts[i].size(),
                                options.forward.greedy, info.max_context));
  return prompts;
}

static int logits(const Options &options) {
  checkOutputPath(options.output);
  checkNotInput(options.output, options.model);
  checkNotInput(options.output, options.idsFile);
  Model model = loadModel(options.model, options.variant, options.device);
  kvasir_model_info info = infoOf(model.get());
  auto prompts = promptsOf(options, info);
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
  addDevice(sub, options->device);
  options->forward.progress = true;
  sub->footer("Examples:\n"
              "  echo '[[1,2,3],[4,5]]' > prompts.json\n"
              "  kvasir logits llama.kvasir --ids prompts.json -o out.safetensors\n"
              "  kvasir logits llama.kvasir --ids prompts.json -o out.safetensors"
              " --greedy 24 --chunk 7");
  sub->callback([=, &action] { action = [=] { return logits(*options); }; });
}

} // namespace kvasir::cli
