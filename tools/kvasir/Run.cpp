// kvasir run: command line and prompts. Generate.cpp does the rest.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "Run.h"

#include "Commands.h"
#include "Flags.h"

#include <algorithm>

namespace kvasir::cli {

static constexpr int32_t defaultNewTokens = 256;

std::vector<int32_t> promptIds(const kvasir_model *model, const std::string &text,
                               bool addSpecial) {
  std::vector<int32_t> ids = tokenize(model, text, addSpecial);
  if (!ids.empty())
    return ids;
  int32_t bos = infoOf(model).bos;
  if (bos < 0)
    fail(exitBadInput, "the prompt is empty, and the model has no BOS token to start from; give it "
                       "some text");
  return {bos};
}

/// The same with the place in messages.
static std::vector<int32_t> idsOf(const kvasir_model *model, const RunOptions &options,
                                  const std::string &text, const std::string &place) {
  try {
    return promptIds(model, text, !options.noSpecial);
  } catch (Failure &failure) {
    failure.message = place + ": " + failure.message;
    throw;
  }
}

int32_t newTokensFor(size_t promptTokens, int wanted, int32_t context, const std::string &prompt,
                     const char *option) {
  int64_t left = int64_t(context) - int64_t(promptTokens);
  int64_t count = wanted > 0    ? wanted
                  : wanted == 0 ? std::max<int64_t>(left, 1)
                                : std::clamp<int64_t>(left, 1, defaultNewTokens);
  if (count > left)
    fail(exitBadInput,
         format("%s has %zu tokens and %lld new ones are wanted, but "
                "the context of this artifact is %d; shorten it, lower %s, "
                "or compile with a larger --max-context",
                prompt.c_str(), promptTokens, static_cast<long long>(count), context, option));
  return static_cast<int32_t>(count);
}

static void addLines(const RunOptions &options, const kvasir_model *model,
                     std::vector<Prompt> &prompts) {
  std::string text = readFile(options.promptsFile);
  size_t line = 1;
  for (size_t at = 0; at < text.size(); ++line) {
    size_t end = std::min(text.find('\n', at), text.size());
    std::string prompt = text.substr(at, end - at);
    if (!prompt.empty() && prompt.back() == '\r')
      prompt.pop_back();
    std::string place = format("%s:%zu", options.promptsFile.c_str(), line);
    std::vector<int32_t> ids = idsOf(model, options, prompt, place);
    prompts.push_back({std::move(prompt), std::move(ids), 0});
    at = end + 1;
  }
  if (text.empty())
    fail(exitBadInput,
         (options.promptsFile == "-" ? "standard input" : "'" + options.promptsFile + "'") +
             " is empty; expected one prompt per line");
}

std::vector<Prompt> readPrompts(const RunOptions &options, const kvasir_model *model) {
  kvasir_model_info info = infoOf(model);
  std::vector<Prompt> prompts;
  for (const std::string &text : options.prompts)
    prompts.push_back(
        {text, idsOf(model, options, text, format("prompt %zu", prompts.size() + 1)), 0});
  for (const std::string &text : options.idPrompts) {
    prompts.push_back({"", parseIds(text, info.vocab_size), 0});
    if (prompts.back().ids.empty())
      fail(exitBadInput, format("prompt %zu has no ids", prompts.size()));
  }
  if (!options.promptsFile.empty())
    addLines(options, model, prompts);
  for (size_t i = 0; i < prompts.size(); ++i)
    prompts[i].newTokens = newTokensFor(prompts[i].ids.size(), options.newTokens, info.max_context,
                                        format("prompt %zu", i + 1), "-n");
  return prompts;
}

static int run(const RunOptions &options) {
  Model model = loadModel(options.model, options.variant, options.device);
  if (options.jsonLines)
    return runBatch(options, model.get());
  std::vector<Prompt> prompts = readPrompts(options, model.get());
  return generate(options, model.get(), prompts);
}

static void addSampling(CLI::App *sub, RunOptions &options) {
  const char *group = "Sampling";
  sub->add_option("--temperature", options.temperature, "0 takes the best token always (default)")
      ->check(numberIn(0, INFINITY))
      ->group(group);
  sub->add_option("--top-k", options.topK, "Draw from the k best; 0: from all")
      ->check(wholeNumber(0))
      ->group(group);
  sub->add_option("--top-p", options.topP,
                  "Draw from the best that reach this probability together")
      ->check(numberIn(0, 1, /*open=*/true))
      ->group(group);
  sub->add_option("--min-p", options.minP,
                  "Leave out what is less likely than this share of the best")
      ->check(numberIn(0, 1))
      ->group(group);
  sub->add_option("--repetition-penalty", options.repetitionPenalty,
                  "Above 1: tokens of prompt and answer become less likely")
      ->check(numberIn(0, INFINITY, /*open=*/true))
      ->group(group);
  sub->add_option("--seed", options.seed, "Same seed, same answer")
      ->check(wholeNumber(0, INT64_MAX))
      ->group(group);
  sub->add_option("--stop", options.stop, "End before this text; may be given several times")
      ->allow_extra_args(false)
      ->group(group);
  sub->add_option("--stop-id", options.stopIds, "End at this id; may be given several times")
      ->allow_extra_args(false)
      ->group(group);
  sub->add_option("--logit-bias", options.logitBias,
                  "ID=BIAS added to a logit; -inf forbids the token")
      ->allow_extra_args(false)
      ->group(group);
  sub->add_option("--logprobs", options.logprobs,
                  "With --json or --jsonl: log-probabilities of the chosen and the n best")
      ->check(wholeNumber(0, KVASIR_MAX_LOGPROBS))
      ->group(group);
  sub->add_flag("--model-defaults", options.modelDefaults,
                "Sample as the checkpoint's generation config says")
      ->group(group);
}

static void addLimits(CLI::App *sub, RunOptions &options) {
  addThreads(sub, options.threads);
  addSharedWeights(sub, options.sharedWeights);
  sub->add_option("--max-requests", options.maxRequests,
                  "Prompts decoded at once; 0: as many as there are, with --jsonl as many as the "
                  "program for few tokens takes in a step (CPUs: 16), on GPUs 32 or more")
      ->check(wholeNumber(0));
  sub->add_option("--step-tokens", options.stepTokens,
                  "Tokens in one step, prompts are chunked to it; 0: 256")
      ->check(wholeNumber(0));
  sub->add_option("--kv-memory", options.kvBytes, "Memory for keys and values, such as 512M or 2G")
      ->transform(memorySize());
  addVariant(sub, options.variant);
  addDevice(sub, options.device);
}

static void addPrompts(CLI::App *sub, RunOptions &options) {
  sub->add_option("-p,--prompt", options.prompts,
                  "Prompt; several are decoded as one batch. An empty one "
                  "starts from BOS")
      ->allow_extra_args(false);
  sub->add_option("--prompts-file", options.promptsFile,
                  "One prompt per line; - is standard input");
  sub->add_option("--ids", options.idPrompts, "Prompt as ids such as 1,403,407")
      ->allow_extra_args(false);
  sub->add_flag("--jsonl", options.jsonLines,
                "Requests from standard input, one object per line such as {\"id\": \"a\", "
                "\"prompt\": \"Once\", \"max_new_tokens\": 8}; results, one object per line, as "
                "they finish");
  sub->add_option("-n,--new-tokens", options.newTokens,
                  "Most new tokens; 0: what the context leaves (default 256)")
      ->check(wholeNumber(0));
  sub->add_flag("--ignore-eos", options.ignoreEos, "Go on after the model's end");
  sub->add_flag("--no-special", options.noSpecial, "Take prompts without BOS and the like");
  sub->add_flag("--keep-special", options.keepSpecial, "Show special tokens in the text");
  sub->add_flag("--json", options.json, "One object per prompt and line, in their order");
  sub->add_flag("-q,--quiet", options.quiet, "No summary on standard error");
}

/// Sources of prompts and forms of output that suit each other.
static void checkRun(const RunOptions &options) {
  bool given =
      !options.prompts.empty() || !options.promptsFile.empty() || !options.idPrompts.empty();
  if (options.jsonLines && given)
    throw CLI::ValidationError("--jsonl takes prompts from standard input: expected no -p, "
                               "--prompts-file or --ids beside it");
  if (!options.jsonLines && !given)
    throw CLI::ValidationError(
        "expected a prompt: -p TEXT, --prompts-file FILE, --ids IDS or --jsonl");
  if (options.logprobs >= 0 && !options.json && !options.jsonLines)
    throw CLI::ValidationError("--logprobs are printed with --json or --jsonl only: expected both");
}

/// All options but the artifact, on `sub`, and what they lead to.
static void addOptions(CLI::App *sub, Action &action, const std::shared_ptr<RunOptions> &options) {
  addPrompts(sub, *options);
  addSampling(sub, *options);
  addLimits(sub, *options);
  sub->callback([=, &action] {
    checkRun(*options);
    action = [=] { return run(*options); };
  });
}

void addRun(CLI::App &app, Action &action) {
  auto options = std::make_shared<RunOptions>();
  CLI::App *sub = app.add_subcommand("run", "Continue prompts");
  sub->add_option("model", options->model, "Artifact, or a program or library that holds one")
      ->required();
  addOptions(sub, action, options);
  sub->footer("Examples:\n"
              "  kvasir run llama.kvasir -p 'Once upon a time' -n 64\n"
              "  kvasir run llama.kvasir -p 'One' -p 'Two' --temperature 0.8 --seed 7\n"
              "  kvasir run llama.kvasir --prompts-file prompts.txt --json > out.jsonl\n"
              "  kvasir run llama.kvasir --jsonl < requests.jsonl > results.jsonl");
}

void addRunOf(CLI::App &app, Action &action, const std::string &model) {
  auto options = std::make_shared<RunOptions>();
  options->model = model;
  addOptions(&app, action, options);
}

} // namespace kvasir::cli
