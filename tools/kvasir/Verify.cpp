// kvasir verify: are the weights what the compiler wrote, and does the code
// still compute what it computed when its probes were recorded?
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "Commands.h"
#include "Cost.h"
#include "Flags.h"
#include "Forward.h"
#include "Output.h"
#include "kvasir/Artifact/Format.h"

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <nlohmann/json.hpp>

namespace kvasir::cli {

using Json = nlohmann::ordered_json;

static constexpr int formatVersion = 1;
static constexpr size_t promptLengths[] = {5, 17, 40};
static constexpr int greedyTokens = 8;
static constexpr size_t sampledLogits = 32; ///< kept of the last position

namespace {
struct Options {
  std::string model;
  std::string variant;
  std::string device;
  std::string probes; ///< "": beside the artifact
  int threads = 0;
  bool record = false;
  bool json = false;
};

/// What one prompt gives.
struct Probe {
  std::vector<int32_t> ids;
  uint64_t bits = 0xcbf29ce484222325; ///< FNV-1a of all logits
  std::vector<float> sample;          ///< every so many logits of the last row
  float largest = 0;                  ///< max |logit| of the last row
  std::vector<int32_t> greedy;
  /// Distance between the two best logits where the first greedy id is chosen.
  float gap = 0;
};
} // namespace

static std::string hex(uint64_t value) {
  return format("%016llx", static_cast<unsigned long long>(value));
}

/// Names the artifact: the hash of its module table, which holds all others.
static std::string moduleHash(const kvasir_model *model) {
  size_t size = 0;
  artifact::FileHeader header;
  std::memcpy(&header, kvasir_model_file(model, &size), sizeof(header));
  return hex(header.moduleHash.high) + hex(header.moduleHash.low);
}

static void addBits(uint64_t &hash, const float *row, size_t count) {
  for (size_t i = 0; i < count; ++i)
    hash = (hash ^ std::bit_cast<uint32_t>(row[i])) * 0x100000001b3u;
}

static void keepLastRow(Probe &probe, const float *row, size_t count) {
  float best = -INFINITY, second = -INFINITY;
  for (size_t i = 0; i < count; ++i) {
    probe.largest = std::max(probe.largest, std::fabs(row[i]));
    if (row[i] > best) {
      second = best;
      best = row[i];
    } else {
      second = std::max(second, row[i]);
    }
  }
  probe.gap = count > 1 ? best - second : 0;
  size_t stride = std::max<size_t>(1, count / sampledLogits);
  for (size_t i = 0; i < count && probe.sample.size() < sampledLogits; i += stride)
    probe.sample.push_back(row[i]);
}

static std::vector<Probe> runProbes(kvasir_model *model, std::vector<std::vector<int32_t>> prompts,
                                    int threads) {
  size_t vocabulary = size_t(infoOf(model).vocab_size);
  std::vector<Probe> probes(prompts.size());
  ForwardOptions options;
  options.threads = threads;
  options.greedy = greedyTokens;
  auto sink = [&](size_t prompt, uint64_t first, size_t count, const float *data, size_t stride) {
    for (size_t i = 0; i < count; ++i) {
      addBits(probes[prompt].bits, data + i * stride, vocabulary);
      if (first + i + 1 == prompts[prompt].size())
        keepLastRow(probes[prompt], data + i * stride, vocabulary);
    }
  };
  auto greedy = forwardAll(model, prompts, options, sink);
  for (size_t i = 0; i < probes.size(); ++i) {
    probes[i].ids = prompts[i];
    probes[i].greedy = greedy[i];
  }
  return probes;
}

static std::vector<std::vector<int32_t>> defaultPrompts(const kvasir_model_info &info) {
  std::vector<std::vector<int32_t>> prompts;
  for (size_t length : promptLengths)
    if (int64_t(length) + greedyTokens <= info.max_context)
      prompts.push_back(syntheticIds(length, info.vocab_size, length));
  if (prompts.empty())
    fail(exitBadInput, format("the context of %d tokens has no room for probes "
                              "of %zu tokens and %d new ones",
                              info.max_context, promptLengths[0], greedyTokens));
  return prompts;
}

static void record(const Options &options, kvasir_model *model) {
  kvasir_model_info info = infoOf(model);
  Json list = Json::array();
  for (const Probe &probe : runProbes(model, defaultPrompts(info), options.threads))
    list.push_back({{"ids", probe.ids},
                    {"logits_hash", hex(probe.bits)},
                    {"max_abs", probe.largest},
                    {"last_logits", probe.sample},
                    {"gap", probe.gap},
                    {"greedy", probe.greedy}});
  Json file = {{"format", formatVersion},
               {"artifact", moduleHash(model)},
               {"variant", info.variant},
               {"kv_type", info.kv_type},
               {"probes", list}};
  std::string text = file.dump(1) + "\n";
  AtomicFile output(options.probes);
  output.write(text.data(), text.size(), 0);
  output.commit();
}

/// The probes file, with every type checked.
static Json readProbes(const std::string &path, const kvasir_model_info &info) {
  auto broken = [&](const std::string &what) {
    fail(exitBadInput, "'" + path + "': " + what + "; record it again with kvasir verify --record");
  };
  std::string text = readFile(path, size_t(64) << 20);
  // Depth is bounded before anything is built.
  auto shallow = [](int depth, Json::parse_event_t, Json &) {
    if (depth > 8)
      throw Failure{exitBadInput, "nested too deeply"};
    return true;
  };
  Json file;
  try {
    file = Json::parse(text, shallow);
  } catch (const Json::exception &) {
    broken("not valid JSON");
  } catch (const Failure &failure) {
    broken(failure.message);
  }
  auto isList = [](const Json &object, const char *key, auto check) {
    return object.contains(key) && object[key].is_array() &&
           std::all_of(object[key].begin(), object[key].end(), check);
  };
  auto isId = [&](const Json &value) {
    return value.is_number_unsigned() && value.get<uint64_t>() < uint64_t(info.vocab_size);
  };
  auto isNumber = [](const Json &value) { return value.is_number() || value.is_null(); };
  auto isText = [](const Json &object, const char *key) {
    return object.contains(key) && object[key].is_string();
  };
  auto isProbe = [&](const Json &probe) {
    return probe.is_object() && isList(probe, "ids", isId) && !probe["ids"].empty() &&
           isList(probe, "greedy", isId) && isList(probe, "last_logits", isNumber) &&
           isText(probe, "logits_hash") && probe.contains("gap") && isNumber(probe["gap"]) &&
           probe.contains("max_abs") && isNumber(probe["max_abs"]);
  };
  if (!file.is_object() || !file.contains("format") || file["format"] != formatVersion)
    broken(format("expected format %d", formatVersion));
  if (!isText(file, "artifact") || !isText(file, "variant") || !isList(file, "probes", isProbe))
    broken("a field is missing, or does not suit this artifact");
  return file;
}

static double numberOf(const Json &value) { return value.is_number() ? value.get<double>() : NAN; }

/// Relative to max(1, max |logit|). Rounding of keys and values dominates: where two variants
/// differ in the last bit before it, they may differ by a step of the format after it.
static double toleranceFor(const kvasir_model_info &info) {
  std::string type = info.kv_type;
  return type == "f32" || type.empty() ? 2e-4 : type == "f16" ? 5e-3 : 3e-2;
}

/// What is wrong with `probe`, "" when nothing is. *difference: relative.
static std::string compare(const Json &golden, const Probe &probe, bool exact, double tolerance,
                           double &difference) {
  double scale = std::max(1.0, numberOf(golden["max_abs"]));
  const Json &sample = golden["last_logits"];
  difference = sample.size() == probe.sample.size() ? 0 : INFINITY;
  for (size_t i = 0; i < sample.size() && i < probe.sample.size(); ++i) {
    double off = std::fabs(numberOf(sample[i]) - double(probe.sample[i]));
    difference = std::max(difference, off / scale);
    if (std::isnan(off))
      difference = INFINITY;
  }
  if (exact)
    return golden["logits_hash"] == hex(probe.bits) && golden["greedy"] == Json(probe.greedy)
               ? ""
               : "bits of the logits differ";
  if (!(difference <= tolerance))
    return format("logits differ by %.2g of the largest, expected at most %.2g", difference,
                  tolerance);
  // Where two ids are nearly equal, either may be chosen.
  bool clear = numberOf(golden["gap"]) > 2 * tolerance * scale;
  if (clear && !probe.greedy.empty() && !golden["greedy"].empty() &&
      golden["greedy"][0] != probe.greedy[0])
    return format("greedy id %d, expected %s", probe.greedy[0], golden["greedy"][0].dump().c_str());
  return "";
}

static Json compareAll(const Options &options, kvasir_model *model) {
  kvasir_model_info info = infoOf(model);
  Json file = readProbes(options.probes, info);
  std::vector<std::vector<int32_t>> prompts;
  for (const Json &probe : file["probes"]) {
    prompts.push_back(probe["ids"].get<std::vector<int32_t>>());
    if (int64_t(prompts.back().size()) + greedyTokens > info.max_context)
      fail(exitBadInput,
           format("'%s': a probe of %zu tokens and %d new ones exceeds the "
                  "context of %d",
                  options.probes.c_str(), prompts.back().size(), greedyTokens, info.max_context));
  }
  bool exact = file["artifact"] == moduleHash(model) && file["variant"] == info.variant;
  auto probes = runProbes(model, std::move(prompts), options.threads);
  Json problems = Json::array();
  double worst = 0;
  for (size_t i = 0; i < probes.size(); ++i) {
    double difference = 0;
    std::string problem =
        compare(file["probes"][i], probes[i], exact, toleranceFor(info), difference);
    worst = std::max(worst, difference);
    if (!problem.empty())
      problems.push_back(format("probe %zu: %s", i, problem.c_str()));
  }
  return {{"count", probes.size()},
          {"recorded_on", file["variant"]},
          {"compared", exact ? "bits" : "tolerance"},
          {"tolerance", exact ? 0.0 : toleranceFor(info)},
          {"max_relative_difference", worst},
          {"problems", problems}};
}

static void verifyWeights(const kvasir_model *model) {
  Progress progress("verifying");
  auto onProgress = [](uint64_t done, uint64_t total, void *user) {
    static_cast<Progress *>(user)->update(done, total);
  };
  check(kvasir_model_verify(model, onProgress, &progress));
}

static int verify(Options options) {
  bool chosen = !options.probes.empty();
  if (!chosen)
    options.probes = options.model + ".probes.json";
  if (options.record) {
    checkOutputPath(options.probes);
    checkNotInput(options.probes, options.model);
  }
  Model model = loadModel(options.model, options.variant, options.device);
  kvasir_model_info info = infoOf(model.get());
  verifyWeights(model.get());
  checkInterrupt();
  Json result = {{"file", options.model},
                 {"variant", info.variant},
                 {"device", info.device},
                 {"weights", "intact"},
                 {"weight_bytes", info.weight_bytes}};
  bool haveProbes = false;
  if (options.record) {
    record(options, model.get());
    result["recorded"] = options.probes;
  } else if (FILE *file = std::fopen(options.probes.c_str(), "rb")) {
    std::fclose(file);
    haveProbes = true;
    result["probes"] = compareAll(options, model.get());
  } else if (chosen) {
    fail(exitBadInput, format("cannot open '%s': %s; kvasir verify --record makes it",
                              options.probes.c_str(), std::strerror(errno)));
  }
  bool good = !haveProbes || result["probes"]["problems"].empty();
  if (options.json) {
    printJson(result, true);
    return good ? exitSuccess : exitBadInput;
  }
  std::printf("header, module, tokenizer and code: intact\nweights: intact, %s\n",
              formatBytes(double(info.weight_bytes)).c_str());
  if (options.record)
    std::printf("probes: recorded on %s in %s\n", placeOf(info).c_str(), options.probes.c_str());
  else if (!haveProbes)
    std::printf("probes: none beside the file; kvasir verify --record makes "
                "them\n");
  else if (good)
    std::printf("probes: %zu agree on %s (%s)\n", result["probes"]["count"].get<size_t>(),
                placeOf(info).c_str(),
                result["probes"]["compared"] == "bits" ? "every bit"
                                                       : "within tolerance; recorded elsewhere");
  for (size_t i = 0; haveProbes && i < result["probes"]["problems"].size(); ++i)
    printError(result["probes"]["problems"][i].get<std::string>());
  return good ? exitSuccess : exitBadInput;
}

void addVerify(CLI::App &app, Action &action) {
  auto options = std::make_shared<Options>();
  CLI::App *sub =
      app.add_subcommand("verify", "Check the hashes of all weights, and the golden probes");
  sub->add_option("model", options->model, "Artifact")->required();
  sub->add_flag("--record", options->record,
                "Write golden probes: ids and logits of a few prompts");
  sub->add_option("--probes", options->probes, "File of the probes (default MODEL.probes.json)");
  addVariant(sub, options->variant);
  addDevice(sub, options->device);
  addThreads(sub, options->threads);
  sub->add_flag("--json", options->json, "One object");
  sub->footer("Probes recorded on the same artifact and CPU variant or GPU architecture must agree "
              "in every bit,\nothers within a tolerance.\n"
              "Examples:\n"
              "  kvasir verify llama.kvasir --record\n"
              "  kvasir verify llama.kvasir");
  sub->callback([=, &action] { action = [=] { return verify(*options); }; });
}

} // namespace kvasir::cli
