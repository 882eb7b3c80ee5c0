// Reads quantization_config: one function for each method.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "QuantizationScheme.h"
#include "Config.h"

using namespace kvasir;
using namespace kvasir::hf;
using llvm::StringRef;
using llvm::Twine;
using nlohmann::json;

std::optional<Encoding> QuantizationScheme::encoding(ScaleKind scales) const {
  std::string name = isFloat ? "fp8-e4m3" : "int" + std::to_string(bits);
  if (group)
    name += "-g" + std::to_string(group);
  if (!symmetric)
    name += "-asym";
  if (group && !isFloat && scales == ScaleKind::bf16)
    name += "-bf16";
  return isFloat && bits != 8 ? std::nullopt : parseEncoding(name);
}

std::string QuantizationScheme::text(ScaleKind scales) const {
  static const char *names[] = {"F32", "F16", "BF16", "F8_E8M0"};
  return (symmetric ? "" : "asymmetric ") + std::string(isFloat ? "floats" : "codes") + " of " +
         std::to_string(bits) + " bits " +
         (group ? "in groups of " + std::to_string(group) : std::string("with one scale per row")) +
         " with scales in " + names[int(scales)];
}

/// A value other than the one that is supported; absence is that one.
static void expectValue(Config &config, StringRef key, const json &expected) {
  const json *value = config.value(key);
  if (value && *value != expected)
    config.problem(key, "= " + Twine(describeJson(*value)) + " is not supported; expected " +
                            describeJson(expected));
}

/// Something that must not be there, except empty.
static void expectNothing(Config &config, StringRef key, const Twine &why) {
  const json *value = config.value(key);
  if (value && !(value->is_structured() && value->empty()) && *value != false)
    config.problem(key, why);
}

static int64_t readBits(Config &config, StringRef key, bool eight) {
  int64_t bits = config.requiredInteger(key, 1, 64);
  if (bits == 4 || (bits == 8 && eight))
    return bits;
  config.problem(key,
                 "= " + Twine(bits) + " is not supported; expected 4" + (eight ? " or 8" : ""));
  return 4;
}

/// -1 is the whole row.
static int64_t readGroup(Config &config, StringRef key) {
  if (!config.value(key))
    config.problem(key, "is missing");
  int64_t group = config.integer(key, -1, int64_t(1) << 31).value_or(128);
  return group <= 0 ? 0 : group;
}

static void readGptq(Config &config, QuantizationSettings &settings) {
  settings.format = StoredFormat::gptq;
  if (auto format = config.text("checkpoint_format")) {
    if (*format == "gptq_v2")
      settings.format = StoredFormat::gptqV2;
    else if (*format != "gptq")
      config.problem("checkpoint_format",
                     "= '" + Twine(*format) + "' is not supported; expected gptq or gptq_v2");
  }
  expectValue(config, "pack_dtype", "int32");
  expectNothing(config, "is_marlin_format", "is not supported; save as plain GPTQ");
  expectNothing(config, "dynamic", "gives modules different quantizations, which is not supported");
  // desc_act alone says nothing: g_idx of each matrix does.
  settings.schemes = {{readBits(config, "bits", true), readGroup(config, "group_size"), false,
                       config.boolean("sym").value_or(true)}};
}

static void readAwq(Config &config, QuantizationSettings &settings) {
  settings.format = StoredFormat::awq;
  std::string version = StringRef(config.text("version").value_or("gemm")).lower();
  if (version != "gemm")
    config.problem("version", "= '" + Twine(version) +
                                  "' is not supported; expected gemm: quantize or convert with "
                                  "version \"GEMM\"");
  StringRef bits = config.value("w_bit") ? "w_bit" : "bits";
  StringRef group = config.value("q_group_size") ? "q_group_size" : "group_size";
  settings.schemes = {{readBits(config, bits, false), readGroup(config, group), false,
                       !config.boolean("zero_point").value_or(true)}};
}

/// `weight_block_size` or `block_structure`: absent, or [128, 128].
static void checkBlock(Config &config, StringRef key) {
  expectValue(config, key, json::array({128, 128}));
}

static void readFp8(Config &config, QuantizationSettings &settings) {
  expectValue(config, "fmt", "e4m3");
  checkBlock(config, "weight_block_size");
}

/// The weights of one group of compressed-tensors.
static void readWeights(Config &config, QuantizationSettings &settings) {
  std::string type = config.text("type").value_or("int");
  std::string strategy = config.text("strategy").value_or("tensor");
  QuantizationScheme scheme{readBits(config, "num_bits", true), 0, type == "float",
                            config.boolean("symmetric").value_or(true)};
  if (type != "int" && type != "float")
    config.problem("type", "= '" + Twine(type) + "' is not supported; expected int or float");
  if (scheme.isFloat && scheme.bits != 8)
    config.problem("num_bits", "= 4 is not supported for floats; expected 8");
  if (strategy == "group")
    scheme.group = readGroup(config, "group_size");
  else if (strategy == "block")
    checkBlock(config, "block_structure");
  else if (strategy != "channel" && strategy != "tensor")
    config.problem("strategy", "= '" + Twine(strategy) +
                                   "' is not supported; expected group, channel, tensor or block");
  settings.schemes.push_back(scheme);
}

static void readCompressedTensors(Config &config, QuantizationSettings &settings) {
  settings.format = StoredFormat::packed;
  static const StringRef formats[] = {"pack-quantized", "int-quantized", "float-quantized",
                                      "naive-quantized", "mixed-precision"};
  std::string format = config.text("format").value_or("");
  if (!llvm::is_contained(formats, format))
    config.problem("format", "= '" + Twine(format) +
                                 "' is not supported; expected pack-quantized, int-quantized or "
                                 "float-quantized");
  expectNothing(config, "kv_cache_scheme", "(a quantized KV cache) is not supported");
  if (const json *sparsity = config.value("sparsity_config"))
    if (sparsity->is_object() && !sparsity->empty()) {
      Config inner = config.inner(*sparsity, "sparsity_config");
      expectValue(inner, "format", "dense");
    }
  const json *groups = config.value("config_groups");
  if (!groups || !groups->is_object() || groups->empty())
    return config.problem("config_groups", "should be an object with the groups of modules");
  for (auto &[name, group] : groups->items()) {
    if (!group.is_object() || !group.contains("weights") || !group["weights"].is_object()) {
      config.problem("config_groups", "has no weights in group '" + Twine(name) + "'");
      continue;
    }
    Config weights = config.inner(group["weights"], "config_groups: " + name + ": weights");
    readWeights(weights, settings);
  }
}

std::optional<QuantizationSettings> hf::readQuantization(StringRef text, Problems &problems) {
  auto parsed = parseJson(text, "config.json");
  if (!parsed || !parsed->is_object()) { // reported by who reads the rest
    llvm::consumeError(parsed.takeError());
    return std::nullopt;
  }
  const json &object = *parsed;
  Config outer(object, "config.json", problems);
  const json *found = outer.value("quantization_config");
  if (!found)
    found = outer.value("compression_config"); // its name in early compressed-tensors
  if (!found)
    return std::nullopt;
  if (!found->is_object()) {
    outer.problem("quantization_config", "should be an object");
    return std::nullopt;
  }
  Config config = outer.inner(*found, "quantization_config");
  QuantizationSettings settings;
  settings.method = config.text("quant_method").value_or("");
  static const std::pair<StringRef, void (*)(Config &, QuantizationSettings &)> methods[] = {
      {"gptq", readGptq},
      {"awq", readAwq},
      {"fp8", readFp8},
      {"fbgemm_fp8", readFp8},
      {"compressed-tensors", readCompressedTensors}};
  for (auto &[name, read] : methods)
    if (name == settings.method) {
      size_t before = problems.size();
      read(config, settings);
      return problems.size() == before ? std::optional(settings) : std::nullopt;
    }
  config.problem("quant_method",
                 "= '" + Twine(settings.method) +
                     "' is not supported; expected gptq, awq, compressed-tensors, fp8 or "
                     "fbgemm_fp8; or use the original f32, f16 or bf16 checkpoint");
  return std::nullopt;
}
