// kvasir inspect: every table of an artifact, for people and as JSON.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "Commands.h"
#include "Cost.h"

#include <CLI/CLI.hpp>
#include <cmath>
#include <nlohmann/json.hpp>
#include <set>

namespace kvasir::cli {

using Json = nlohmann::ordered_json;

namespace {
struct Options {
  std::string model;
  std::vector<std::string> tables;
  bool all = false;
  bool json = false;
};
} // namespace

static std::string hex(const artifact::HashValue *hash) {
  return hash ? format("%016llx%016llx", static_cast<unsigned long long>(hash->high()),
                       static_cast<unsigned long long>(hash->low()))
              : std::string();
}

template <class Values> static std::string join(const Values *values) {
  std::string text;
  for (size_t i = 0; i < sizeOf(values); ++i)
    text += (i ? "x" : "") + std::to_string(values->Get(unsigned(i)));
  return text;
}

static std::string
joinTexts(const flatbuffers::Vector<flatbuffers::Offset<flatbuffers::String>> *texts) {
  std::string text;
  for (size_t i = 0; i < sizeOf(texts); ++i)
    text += (i ? " " : "") + texts->Get(unsigned(i))->str();
  return text;
}

static Json number(float value) { return std::isnan(value) ? Json(nullptr) : Json(value); }

static Json modelJson(const kvasir_model_info &info) {
  return {{"architecture", info.architecture},
          {"name", info.name},
          {"parameters", info.parameters},
          {"layers", info.layers},
          {"hidden_size", info.hidden_size},
          {"vocab_size", info.vocab_size},
          {"heads", info.heads},
          {"kv_heads", info.kv_heads},
          {"head_size", info.head_size},
          {"window", info.window},
          {"weight_type", info.weight_type},
          {"kv_type", info.kv_type},
          {"kv_bytes_per_token", info.kv_bytes_per_token},
          {"bos", info.bos},
          {"eos", std::vector<int32_t>(info.eos, info.eos + info.eos_count)},
          {"max_context", info.max_context},
          {"max_requests", info.max_requests},
          {"max_step_tokens", info.max_step_tokens},
          {"file_bytes", info.file_bytes},
          {"weight_bytes", info.weight_bytes},
          {"variant_loaded", info.variant},
          {"device", info.device}};
}

static Json generationJson(const kvasir_model_info &info) {
  return {{"do_sample", info.do_sample}, {"temperature", number(info.temperature)},
          {"top_k", info.top_k},         {"top_p", number(info.top_p)},
          {"min_p", number(info.min_p)}, {"repetition_penalty", number(info.repetition_penalty)}};
}

static Json codeJson(const artifact::Module &module) {
  Json list = Json::array();
  for (size_t i = 0; i < sizeOf(module.code()); ++i) {
    const artifact::CodeObject &code = *module.code()->Get(unsigned(i));
    list.push_back({{"target", textOf(code.target())},
                    {"variant", textOf(code.variant())},
                    {"features", joinTexts(code.features())},
                    {"bytes", code.section()->size()},
                    {"hash", hex(code.section()->hash())}});
  }
  for (const TargetPrograms &target : targetsOf(module))
    for (size_t i = 0; target.device && i < sizeOf(target.device->code()); ++i) {
      const artifact::DeviceCode &code = *target.device->code()->Get(unsigned(i));
      list.push_back({{"target", target.target},
                      {"variant", textOf(code.architecture())},
                      {"features", code.ptx() ? "ptx" : "cubin"},
                      {"bytes", code.section()->size()},
                      {"hash", hex(code.section()->hash())}});
    }
  return list;
}

static Json kernelsJson(const artifact::Module &module) {
  Json list = Json::array();
  for (const TargetPrograms &target : targetsOf(module))
    for (size_t i = 0; target.device && i < sizeOf(target.device->code()); ++i) {
      const artifact::DeviceCode &code = *target.device->code()->Get(unsigned(i));
      for (const artifact::Kernel *kernel : *code.kernels())
        list.push_back(
            {{"function", textOf(target.functions->Get(kernel->function()))},
             {"code", (code.ptx() ? "PTX " : "") + textOf(code.architecture())},
             {"threads", kernel->threads()},
             {"registers", kernel->registers()},
             {"shared", kernel->shared()},
             {"dynamic_shared", kernel->dynamic_shared()},
             {"blocks_per_sm", kernel->blocks_per_sm()},
             {"items", format("%llu + %llu T + %llu L + %llu B",
                              static_cast<unsigned long long>(kernel->items_constant()),
                              static_cast<unsigned long long>(kernel->items_per_token()),
                              static_cast<unsigned long long>(kernel->items_per_row()),
                              static_cast<unsigned long long>(kernel->items_per_block()))},
             {"dependent", kernel->dependent()}});
    }
  return list;
}

static Json cachesJson(const artifact::Module &module) {
  Json list = Json::array();
  for (size_t i = 0; i < sizeOf(module.caches()); ++i) {
    const artifact::Cache &cache = *module.caches()->Get(unsigned(i));
    list.push_back({{"name", textOf(cache.name())},
                    {"layer", cache.layer()},
                    {"type", cache.type() == artifact::ElementType::i8
                                 ? "int8"
                                 : artifact::EnumNameElementType(cache.type())},
                    {"kv_heads", cache.kv_heads()},
                    {"head_size", cache.head_size()},
                    {"window", cache.window()},
                    {"page_bytes", cache.page_bytes()}});
  }
  return list;
}

static Json weightsJson(const artifact::Module &module) {
  Json list = Json::array();
  for (size_t i = 0; i < sizeOf(module.weights()); ++i) {
    const artifact::Weight &weight = *module.weights()->Get(unsigned(i));
    list.push_back({{"name", textOf(weight.name())},
                    {"type", weight.encoding() ? textOf(weight.encoding())
                                               : artifact::EnumNameElementType(weight.type())},
                    {"layout", artifact::EnumNameLayout(weight.layout())},
                    {"shape", join(weight.shape())},
                    {"offset", weight.offset()},
                    {"bytes", weight.size()},
                    {"hash", hex(weight.hash())}});
  }
  return list;
}

static Json operandsJson(const artifact::Module &module, const artifact::Row &row) {
  Json list = Json::array();
  for (size_t i = 0; i < sizeOf(row.operands()); ++i) {
    const artifact::Operand &operand = *row.operands()->Get(unsigned(i));
    std::string name = artifact::EnumNameOperandKind(operand.kind());
    if (operand.kind() == artifact::OperandKind::weight)
      name = "@" + textOf(module.weights()->Get(operand.index())->name());
    else if (operand.kind() == artifact::OperandKind::cache)
      name = "@" + textOf(module.caches()->Get(operand.index())->name());
    else if (operand.kind() == artifact::OperandKind::slot)
      name += std::to_string(operand.index());
    list.push_back(name);
  }
  return list;
}

static Json rowsJson(const TargetPrograms &target, const artifact::Program &program) {
  Json list = Json::array();
  for (const artifact::Row *row : *program.rows()) {
    const artifact::Cost none;
    const artifact::Cost &cost = row->cost() ? *row->cost() : none;
    list.push_back({{"function", target.functionOf(*row)},
                    {"layer", row->layer()},
                    {"weight_bytes", cost.weight_bytes()},
                    {"bytes_per_token", cost.bytes_per_token()},
                    {"cache_bytes_per_context", cost.cache_bytes_per_context()},
                    {"flops_per_token", cost.flops_per_token()},
                    {"flops_per_row", cost.flops_per_row()},
                    {"flops_per_context", cost.flops_per_context()},
                    {"operands", operandsJson(*target.module, *row)}});
  }
  return list;
}

static Json slotsJson(const artifact::Program &program) {
  Json list = Json::array();
  for (size_t i = 0; i < sizeOf(program.slots()); ++i) {
    const artifact::Slot &slot = *program.slots()->Get(unsigned(i));
    list.push_back({{"slot", i},
                    {"bytes", slot.size()->constant()},
                    {"bytes_per_token", slot.size()->per_token()},
                    {"bytes_per_row", slot.size()->per_row()},
                    {"per_worker", slot.per_worker()}});
  }
  return list;
}

static Json programsJson(const artifact::Module &module) {
  Json list = Json::array();
  for (const TargetPrograms &target : targetsOf(module))
    for (const artifact::Program *program : *target.programs)
      list.push_back({{"name", textOf(program->name())},
                      {"target", target.target},
                      {"max_tokens", program->max_tokens()},
                      {"logits_slot", program->logits_slot()},
                      {"logits_stride", program->logits_stride()},
                      {"chosen_slot", program->chosen_slot()},
                      {"slots", slotsJson(*program)},
                      {"rows", rowsJson(target, *program)}});
  return list;
}

static Json provenanceJson(const artifact::Module &module) {
  const artifact::Provenance &from = *module.provenance();
  Json inputs = Json::array();
  for (size_t i = 0; i < sizeOf(from.inputs()); ++i) {
    const artifact::Input &input = *from.inputs()->Get(unsigned(i));
    inputs.push_back(
        {{"name", textOf(input.name())}, {"bytes", input.size()}, {"hash", hex(input.hash())}});
  }
  return {{"compiler", textOf(from.compiler())},
          {"options", joinTexts(from.options())},
          {"inputs", inputs}};
}

static Json everything(const kvasir_model *model) {
  const artifact::Module &module = moduleOf(model);
  kvasir_model_info info = infoOf(model);
  Json functions = Json::array();
  for (const TargetPrograms &target : targetsOf(module))
    for (size_t i = 0; i < sizeOf(target.functions); ++i)
      functions.push_back(textOf(target.functions->Get(unsigned(i))));
  Json tokenizer = {{"present", info.has_tokenizer}};
  if (info.has_tokenizer)
    tokenizer["bytes"] = module.tokenizer() ? module.tokenizer()->size() : 0;
  else
    tokenizer["missing"] = info.tokenizer_missing;
  return {{"abi_version", module.abi_version()},
          {"model", modelJson(info)},
          {"code", codeJson(module)},
          {"kernels", kernelsJson(module)},
          {"caches", cachesJson(module)},
          {"programs", programsJson(module)},
          {"functions", functions},
          {"weights", weightsJson(module)},
          {"tokenizer", tokenizer},
          {"chat_template", info.chat_template ? Json(info.chat_template) : Json(nullptr)},
          {"generation", generationJson(info)},
          {"provenance", provenanceJson(module)}};
}

static std::string cellOf(const Json &value) {
  if (value.is_string())
    return value.get<std::string>();
  if (value.is_number_float())
    return format("%g", value.get<double>());
  if (!value.is_array())
    return value.dump();
  std::string text;
  for (const Json &entry : value)
    text += (text.empty() ? "" : " ") + cellOf(entry);
  return text;
}

/// A list of objects with the same keys as a table.
static void printTable(const char *title, const Json &list) {
  std::printf("%s (%zu)\n", title, list.size());
  if (list.empty())
    return;
  std::vector<std::string> titles;
  for (const auto &[key, value] : list[0].items())
    titles.push_back((value.is_number() ? "" : "<") + key);
  Table table(titles);
  for (const Json &entry : list) {
    std::vector<std::string> cells;
    for (const auto &[key, value] : entry.items())
      cells.push_back(cellOf(value));
    table.add(cells);
  }
  table.print(stdout);
}

static void printFields(const char *title, const Json &object) {
  std::printf("%s\n", title);
  for (const auto &[key, value] : object.items())
    if (!value.is_array() || value.empty() || !value[0].is_object())
      std::printf("  %-19s %s\n", key.c_str(), value.is_null() ? "-" : cellOf(value).c_str());
}

static void printPrograms(const Json &programs, bool slots) {
  for (const Json &program : programs) {
    printFields(("program " + program["name"].get<std::string>()).c_str(),
                {{"target", program["target"]},
                 {"max_tokens", program["max_tokens"]},
                 {"logits_slot", program["logits_slot"]},
                 {"logits_stride", program["logits_stride"]},
                 {"chosen_slot", program["chosen_slot"]}});
    if (slots)
      printTable("slots of the arena", program["slots"]);
    else
      printTable("phases", program["rows"]);
  }
}

static const std::vector<std::string> tableNames = {
    "model",     "code",    "kernels",   "caches",        "phases",     "slots",
    "functions", "weights", "tokenizer", "chat-template", "generation", "provenance"};

static void print(const Json &data, const std::set<std::string> &wanted) {
  if (wanted.count("model"))
    printFields("model", data["model"]);
  if (wanted.count("code"))
    printTable("code", data["code"]);
  if (wanted.count("kernels"))
    printTable("kernels", data["kernels"]);
  if (wanted.count("caches"))
    printTable("caches", data["caches"]);
  if (wanted.count("phases"))
    printPrograms(data["programs"], false);
  if (wanted.count("slots"))
    printPrograms(data["programs"], true);
  if (wanted.count("functions"))
    std::printf("functions\n  %s\n", cellOf(data["functions"]).c_str());
  if (wanted.count("weights"))
    printTable("weights", data["weights"]);
  if (wanted.count("tokenizer"))
    printFields("tokenizer", data["tokenizer"]);
  if (wanted.count("chat-template"))
    std::printf("chat template\n%s\n", data["chat_template"].is_null()
                                           ? "  -"
                                           : data["chat_template"].get<std::string>().c_str());
  if (wanted.count("generation"))
    printFields("generation defaults", data["generation"]);
  if (wanted.count("provenance")) {
    printFields("provenance", data["provenance"]);
    printTable("inputs", data["provenance"]["inputs"]);
  }
}

static int inspect(const Options &options) {
  Model model = loadModel(options.model);
  Json data = everything(model.get());
  if (options.json) {
    printJson(data, true);
    return exitSuccess;
  }
  std::set<std::string> wanted(options.tables.begin(), options.tables.end());
  if (options.all)
    wanted.insert(tableNames.begin(), tableNames.end());
  if (!wanted.empty()) {
    print(data, wanted);
    return exitSuccess;
  }
  print(data, {"model", "code", "tokenizer", "generation", "provenance"});
  Table table({"<program", "<target", "phases", "functions", "slots"});
  for (const Json &program : data["programs"]) {
    std::set<std::string> functions;
    for (const Json &row : program["rows"])
      functions.insert(row["function"].get<std::string>());
    table.add({program["name"].get<std::string>(), program["target"].get<std::string>(),
               std::to_string(program["rows"].size()), std::to_string(functions.size()),
               std::to_string(program["slots"].size())});
  }
  std::printf("programs (%zu), weights (%zu), caches (%zu): --all or --table "
              "shows them\n",
              data["programs"].size(), data["weights"].size(), data["caches"].size());
  table.print(stdout);
  return exitSuccess;
}

void addInspect(CLI::App &app, Action &action) {
  auto options = std::make_shared<Options>();
  CLI::App *sub = app.add_subcommand("inspect", "Show what is in an artifact");
  sub->add_option("model", options->model, "Artifact")->required();
  sub->add_option("--table", options->tables, "Only this; may be given several times")
      ->allow_extra_args(false)
      ->check(CLI::IsMember(tableNames));
  sub->add_flag("--all", options->all, "Every table");
  sub->add_flag("--json", options->json, "Everything, as one object");
  sub->footer("Examples:\n"
              "  kvasir inspect llama.kvasir\n"
              "  kvasir inspect llama.kvasir --table phases --table caches\n"
              "  kvasir inspect llama.kvasir --json | jq .weights[0]");
  sub->callback([=, &action] { action = [=] { return inspect(*options); }; });
}

} // namespace kvasir::cli
