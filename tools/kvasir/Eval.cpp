// kvasir eval: perplexity of a text, and distance from another artifact.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "Commands.h"
#include "Divergence.h"
#include "Flags.h"
#include "Forward.h"
#include "Prompts.h"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace kvasir::cli {

using Json = nlohmann::ordered_json;
using Windows = std::vector<std::vector<int32_t>>;

namespace {
struct Options {
  std::string model;
  std::string variant;
  std::string device;
  std::string textFile;
  std::string idsFile;
  std::string reference;
  int context = 0;
  int64_t maxTokens = 0;
  bool json = false;
  ForwardOptions forward;
};

class Evaluation {
public:
  explicit Evaluation(const Options &options);
  Json run();

private:
  void settleContext();
  void readText();
  void cut(const std::vector<int32_t> &ids, const std::vector<int32_t> &start);
  void evaluate(const Windows &group);
  void add(const Windows &group, size_t window, uint64_t position, const float *logits,
           const float *other);

  const Options &options;
  Model model, reference;
  kvasir_model_info info;
  size_t vocabulary;
  size_t context = 0; ///< tokens of a window, its start included
  uint64_t tokens = 0;
  Windows windows;
  Divergence sums;
};
} // namespace

Evaluation::Evaluation(const Options &options)
    : options(options), model(loadModel(options.model, options.variant, options.device)),
      info(infoOf(model.get())), vocabulary(size_t(info.vocab_size)) {
  if (options.reference.empty())
    return;
  reference = loadModel(options.reference, options.variant, options.device);
  int32_t other = infoOf(reference.get()).vocab_size;
  if (other != info.vocab_size)
    fail(exitBadInput,
         format("'%s' has a vocabulary of %d ids, but '%s' has %d; artifacts of "
                "the same model can be compared",
                options.model.c_str(), info.vocab_size, options.reference.c_str(), other));
}

void Evaluation::settleContext() {
  int32_t most = info.max_context;
  const std::string *least = &options.model;
  if (reference && infoOf(reference.get()).max_context < most) {
    most = infoOf(reference.get()).max_context;
    least = &options.reference;
  }
  if (options.context > most)
    fail(exitBadInput, format("--context %d is more than the %d tokens of the context of '%s'",
                              options.context, most, least->c_str()));
  context = size_t(options.context > 0 ? options.context : std::min(512, most));
}

/// What the tokenizer puts before a text, if it does.
static std::vector<int32_t> startOf(const kvasir_model *model, const kvasir_model_info &info) {
  std::vector<int32_t> with = tokenize(model, "a", true), without = tokenize(model, "a", false);
  bool has = info.bos >= 0 && with.size() > without.size() && with[0] == info.bos;
  return has ? std::vector<int32_t>{info.bos} : std::vector<int32_t>{};
}

/// Windows follow each other without overlap; one that predicts nothing is left out.
void Evaluation::cut(const std::vector<int32_t> &ids, const std::vector<int32_t> &start) {
  size_t step = context - start.size(), end = ids.size();
  if (options.maxTokens > 0)
    end = size_t(std::min<uint64_t>(end, uint64_t(options.maxTokens) - tokens));
  tokens += end;
  for (size_t first = 0; first < end; first += step) {
    std::vector<int32_t> window = start;
    window.insert(window.end(), ids.begin() + std::ptrdiff_t(first),
                  ids.begin() + std::ptrdiff_t(std::min(first + step, end)));
    if (window.size() > 1)
      windows.push_back(std::move(window));
  }
}

void Evaluation::readText() {
  if (!options.idsFile.empty()) {
    for (const auto &ids : readPrompts(options.idsFile, info.vocab_size))
      cut(ids, {});
    return;
  }
  std::string text = readFile(options.textFile);
  std::vector<int32_t> ids = tokenize(model.get(), text, false);
  if (reference && infoOf(reference.get()).has_tokenizer &&
      tokenize(reference.get(), text, false) != ids)
    fail(exitBadInput, format("the tokenizers of '%s' and '%s' give different ids for this text; "
                              "--ids takes ids as they are",
                              options.model.c_str(), options.reference.c_str()));
  cut(ids, startOf(model.get(), info));
}

void Evaluation::add(const Windows &group, size_t window, uint64_t position, const float *logits,
                     const float *other) {
  if (position + 1 >= group[window].size())
    return; // what follows the last token is not known
  if (!sums.add(logits, other, vocabulary, group[window][size_t(position) + 1]))
    fail(exitBadInput, format("the logits after %llu predicted tokens are not finite numbers",
                              static_cast<unsigned long long>(sums.positions)));
}

/// All windows of the group; rows of the reference wait for those of the model.
void Evaluation::evaluate(const Windows &group) {
  std::vector<std::vector<float>> rows(group.size());
  auto keep = [&](size_t window, uint64_t first, size_t count, const float *data, size_t stride) {
    rows[window].resize(group[window].size() * vocabulary);
    for (size_t i = 0; i < count; ++i)
      std::copy_n(data + i * stride, vocabulary, &rows[window][(first + i) * vocabulary]);
  };
  if (reference)
    forwardAll(reference.get(), group, options.forward, keep);
  auto compare = [&](size_t window, uint64_t first, size_t count, const float *data,
                     size_t stride) {
    for (size_t i = 0; i < count; ++i)
      add(group, window, first + i, data + i * stride,
          reference ? &rows[window][(first + i) * vocabulary] : nullptr);
  };
  forwardAll(model.get(), group, options.forward, compare);
}

Json Evaluation::run() {
  settleContext();
  readText();
  if (windows.empty())
    fail(exitBadInput, "the text has too few tokens: there is none to predict");
  // Without a reference nothing waits; with one, keep its rows below 512 MB.
  size_t rows = reference ? (size_t(512) << 20) / (vocabulary * sizeof(float)) : SIZE_MAX;
  size_t perGroup = std::max<size_t>(1, std::min(windows.size(), rows / context));
  for (size_t first = 0; first < windows.size(); first += perGroup)
    evaluate({windows.begin() + std::ptrdiff_t(first),
              windows.begin() + std::ptrdiff_t(std::min(first + perGroup, windows.size()))});
  double count = double(sums.positions);
  Json result = {{"file", options.model},
                 {"tokens", tokens},
                 {"context", context},
                 {"windows", windows.size()},
                 {"predicted", sums.positions},
                 {"loss", sums.loss / count},
                 {"perplexity", std::exp(sums.loss / count)}};
  if (reference)
    result.update({{"reference", options.reference},
                   {"reference_loss", sums.referenceLoss / count},
                   {"reference_perplexity", std::exp(sums.referenceLoss / count)},
                   {"kl_divergence", sums.divergence / count},
                   {"largest_kl_divergence", sums.largest},
                   {"top1_agreement", double(sums.agreed) / count}});
  return result;
}

static void print(const Json &result) {
  auto number = [&](const char *name) { return result[name].get<double>(); };
  std::printf("text        %.0f tokens in %.0f windows of at most %.0f; %.0f predicted\n",
              number("tokens"), number("windows"), number("context"), number("predicted"));
  std::printf("perplexity  %.5g   (%.5f nats per token)\n", number("perplexity"), number("loss"));
  if (!result.contains("reference"))
    return;
  std::printf("reference   %.5g   (%.5f nats per token)  %s\n", number("reference_perplexity"),
              number("reference_loss"), result["reference"].get<std::string>().c_str());
  std::printf("divergence  %.4g nats per token, KL(reference || file); %.4g at most\n",
              number("kl_divergence"), number("largest_kl_divergence"));
  std::printf("agreement   %.2f %% of the most probable tokens\n", 100 * number("top1_agreement"));
}

static int eval(const Options &options) {
  Json result = Evaluation(options).run();
  if (options.json)
    printJson(result, true);
  else
    print(result);
  return exitSuccess;
}

static const char protocol[] =
    "The text is cut into windows that do not overlap, each computed by itself. A window starts\n"
    "with BOS where the tokenizer puts it before a text, and has at most --context tokens with "
    "it.\n"
    "Every token of a window but its first is predicted from all before it in the window;\n"
    "perplexity is exp of the mean of -log p, divergence and agreement are means over the same\n"
    "positions. Lists of --ids are taken as they are, without BOS, and cut in the same way.\n"
    "\n"
    "Examples:\n"
    "  kvasir eval llama.kvasir --text book.txt\n"
    "  kvasir eval llama-int4.kvasir --text book.txt --reference llama.kvasir --context 1024";

void addEval(CLI::App &app, Action &action) {
  auto options = std::make_shared<Options>();
  CLI::App *sub = app.add_subcommand("eval", "Perplexity of a text, divergence from a reference");
  sub->add_option("model", options->model, "Artifact")->required();
  auto *text = sub->add_option("--text", options->textFile, "File of text; - is standard input");
  sub->add_option("--ids", options->idsFile, "JSON file: a list of lists of ids, instead of a text")
      ->excludes(text);
  sub->add_option("--reference", options->reference,
                  "Artifact with the same vocabulary, for KL(reference || model)");
  sub->add_option("--context", options->context,
                  "Most tokens of a window (default: 512, or the context of the artifact)")
      ->check(wholeNumber(2));
  sub->add_option("--max-tokens", options->maxTokens, "Only the first tokens of the text; 0: all")
      ->check(wholeNumber(0));
  addThreads(sub, options->forward.threads);
  addVariant(sub, options->variant);
  addDevice(sub, options->device);
  sub->add_flag("--json", options->json, "One object");
  options->forward.progress = true;
  sub->footer(protocol);
  sub->callback([=, &action] {
    if (options->textFile.empty() && options->idsFile.empty())
      throw CLI::ValidationError("eval", "expected a text: --text FILE or --ids FILE");
    action = [=] { return eval(*options); };
  });
}

} // namespace kvasir::cli
