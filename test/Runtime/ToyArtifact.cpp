// The toy model: artifact and reference.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "ToyArtifact.h"

#include "ToyMath.h"
#include "ToyTokenizer.h"
#include "kvasir-c/abi.h"
#include "kvasir/Artifact/Format.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <unistd.h>
#include <xxhash.h>

namespace kvasir::test {

using namespace artifact;

uint32_t toyWeight(int32_t which, int32_t id) {
  return toyMix(0x1234567u + which, static_cast<uint32_t>(id));
}

static HashValue hashOf(const std::string &bytes) {
  XXH128_hash_t hash = XXH3_128bits(bytes.data(), bytes.size());
  return HashValue(hash.low64, hash.high64);
}

static uint64_t alignUp(uint64_t value, uint64_t to) { return (value + to - 1) / to * to; }

/// Weights in the order of the table: embedding, output, then parameters.
static std::vector<std::vector<uint32_t>> weightValues(const ToyConfig &config) {
  std::vector<std::vector<uint32_t>> all(2);
  for (int32_t which = 0; which < 2; ++which)
    for (int32_t id = 0; id < config.vocab; ++id)
      all[which].push_back(toyWeight(which, id));
  for (size_t layer = 0; layer < config.windows.size(); ++layer)
    all.push_back({uint32_t(layer), uint32_t(config.windows[layer])});
  all.push_back(
      {uint32_t(config.vocab), uint32_t(alignUp(config.vocab, 16)), uint32_t(config.nanId)});
  return all;
}

static std::unique_ptr<SectionT> section(uint64_t &offset, const std::string &bytes) {
  auto result = std::make_unique<SectionT>();
  result->offset = offset;
  result->size = bytes.size();
  result->hash = std::make_unique<HashValue>(hashOf(bytes));
  offset = alignUp(offset + bytes.size(), sectionAlignment);
  return result;
}

static void addWeights(const ToyConfig &config, ModuleT &module, std::string &bytes) {
  for (const std::vector<uint32_t> &values : weightValues(config)) {
    auto weight = std::make_unique<WeightT>();
    std::string data(reinterpret_cast<const char *>(values.data()),
                     values.size() * sizeof(uint32_t));
    weight->name = "weight" + std::to_string(module.weights.size());
    weight->type = ElementType::i32;
    weight->layout = Layout::row_major;
    weight->shape = {values.size()};
    weight->offset = bytes.size();
    weight->size = data.size();
    weight->hash = std::make_unique<HashValue>(hashOf(data));
    bytes += data;
    bytes.resize(alignUp(bytes.size(), 64));
    module.weights.push_back(std::move(weight));
  }
}

enum Function : uint32_t { embed, append, attend, logits, choose };

static std::unique_ptr<RowT> row(Function function, int32_t layer, std::vector<Operand> operands) {
  auto result = std::make_unique<RowT>();
  result->function = function;
  result->layer = layer;
  result->operands = std::move(operands);
  return result;
}

static std::unique_ptr<SlotT> slot(Size size, bool perWorker = false) {
  auto result = std::make_unique<SlotT>();
  result->size = std::make_unique<Size>(size);
  result->per_worker = perWorker;
  return result;
}

/// Slots are in another order in each program, so that a mix-up shows.
static std::unique_ptr<ProgramT> program(const ToyConfig &config, const char *name,
                                         uint32_t maxTokens) {
  auto result = std::make_unique<ProgramT>();
  bool decode = maxTokens != 0;
  uint32_t states = decode ? 2 : 0, scratch = 1, rows = decode ? 0 : 2;
  uint64_t stride = alignUp(config.vocab, 16);
  result->name = name;
  result->max_tokens = maxTokens;
  result->slots.resize(3);
  result->slots[states] = slot(Size(0, sizeof(uint32_t), 0));
  result->slots[scratch] = slot(Size(KVASIR_BLOCK_TOKENS * sizeof(uint32_t), 0, 0), true);
  result->slots[rows] = slot(Size(0, 0, stride * sizeof(float)));
  result->logits_slot = rows;
  result->logits_stride = static_cast<uint32_t>(stride);
  Operand state(OperandKind::slot, states, 0);
  result->rows.push_back(row(embed, -1, {Operand(OperandKind::weight, 0, 0), state}));
  uint32_t layers = static_cast<uint32_t>(config.windows.size());
  for (uint32_t layer = 0; layer < layers; ++layer) {
    Operand cache(OperandKind::cache, layer, 0);
    Operand parameters(OperandKind::weight, 2 + layer, 0);
    result->rows.push_back(row(append, layer, {state, cache, parameters}));
    result->rows.push_back(row(attend, layer,
                               {state, cache, parameters, Operand(OperandKind::counter, 0, 0),
                                Operand(OperandKind::slot, scratch, 0)}));
  }
  result->rows.push_back(
      row(logits, -1,
          {state, Operand(OperandKind::weight, 1, uint32_t(config.vocab)),
           Operand(OperandKind::slot, rows, 0), Operand(OperandKind::weight, 2 + layers, 0)}));
  return result;
}

static void addCaches(const ToyConfig &config, ModuleT &module) {
  for (size_t layer = 0; layer < config.windows.size(); ++layer) {
    auto cache = std::make_unique<CacheT>();
    cache->name = "layer" + std::to_string(layer);
    cache->layer = static_cast<int32_t>(layer);
    cache->type = ElementType::f32;
    cache->kv_heads = 1;
    cache->head_size = TOY_HEAD;
    cache->window = static_cast<uint32_t>(config.windows[layer]);
    cache->page_bytes = TOY_PAGE_FLOATS * sizeof(float);
    module.caches.push_back(std::move(cache));
  }
}

static std::string toyCode() {
  std::ifstream file(KVASIR_TOY_CODE, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

static void addFacts(const ToyConfig &config, ModuleT &module) {
  module.abi_version = KVASIR_ABI_VERSION;
  module.model = std::make_unique<ModelT>();
  module.model->architecture = "toy";
  module.model->layers = static_cast<uint32_t>(config.windows.size());
  module.model->vocab_size = static_cast<uint32_t>(config.vocab);
  module.model->kv_heads = module.model->heads = 1;
  module.model->head_size = module.model->hidden_size = TOY_HEAD;
  module.model->bos = config.bos;
  module.model->eos = config.eos;
  module.limits =
      std::make_unique<Limits>(config.maxContext, config.maxRequests, config.maxStepTokens);
  module.functions = {"toy_embed", "toy_append", "toy_attend", "toy_logits"};
  module.programs.push_back(program(config, "decode", config.decodeTokens));
  module.programs.push_back(program(config, "prefill", 0));
  module.tokenizer_missing = "the toy has none";
  module.provenance = std::make_unique<ProvenanceT>();
  module.provenance->compiler = "test";
}

static std::string packed(const ModuleT &module) {
  flatbuffers::FlatBufferBuilder builder;
  builder.Finish(Module::Pack(builder, &module), ModuleIdentifier());
  return {reinterpret_cast<const char *>(builder.GetBufferPointer()), builder.GetSize()};
}

static std::string header(const std::string &table, uint64_t tableOffset, uint64_t fileSize) {
  FileHeader header = {};
  std::memcpy(header.magic, magic, sizeof(magic));
  header.versionMajor = versionMajor;
  header.versionMinor = versionMinor;
  header.headerSize = sizeof(header);
  header.fileSize = fileSize;
  header.moduleOffset = tableOffset;
  header.moduleSize = table.size();
  HashValue hash = hashOf(table);
  header.moduleHash = {hash.low(), hash.high()};
  header.headerHash = XXH3_64bits(&header, offsetof(FileHeader, headerHash));
  return {reinterpret_cast<const char *>(&header), sizeof(header)};
}

static std::unique_ptr<KernelT> kernel(uint32_t function, bool ptx) {
  auto result = std::make_unique<KernelT>();
  result->function = function;
  result->threads = 256;
  result->items_per_token = 1;
  result->registers = ptx ? 0 : 100;
  result->shared = ptx ? 0 : 4096;
  result->blocks_per_sm = ptx ? 0 : 2;
  result->dependent = true;
  return result;
}

static std::unique_ptr<DeviceCodeT> deviceCode(const char *architecture, bool ptx,
                                               std::unique_ptr<SectionT> place) {
  auto result = std::make_unique<DeviceCodeT>();
  result->architecture = architecture;
  result->ptx = ptx;
  result->section = std::move(place);
  for (uint32_t function = 0; function <= choose; ++function)
    result->kernels.push_back(kernel(function, ptx));
  return result;
}

/// The toy's programs once more, with code that is none: a driver of the tests brings its own.
static void addDevice(const ToyConfig &config, ModuleT &module, uint64_t &offset,
                      const std::string &code) {
  auto device = std::make_unique<DeviceT>();
  device->target = "cuda";
  device->functions = module.functions;
  device->functions.push_back("toy_choose");
  device->programs.push_back(program(config, "decode", config.decodeTokens));
  device->programs.push_back(program(config, "prefill", 0));
  for (const std::unique_ptr<ProgramT> &program : device->programs) {
    program->slots[1]->per_worker = false;
    if (!config.chooses)
      continue;
    uint32_t chosen = static_cast<uint32_t>(program->slots.size());
    program->chosen_slot = static_cast<int32_t>(chosen);
    program->slots.push_back(slot(Size(0, 0, sizeof(int32_t))));
    Operand parameters(OperandKind::weight, uint32_t(2 + config.windows.size()), 0);
    program->rows.push_back(row(choose, -1,
                                {Operand(OperandKind::slot, program->logits_slot, 0),
                                 Operand(OperandKind::slot, chosen, 0), parameters}));
  }
  device->code.push_back(deviceCode("sm_80", false, section(offset, code)));
  device->code.push_back(deviceCode("sm_90", true, section(offset, code)));
  module.devices.push_back(std::move(device));
}

std::string toyArtifact(const ToyConfig &config, const EditModule &edit) {
  ModuleT module;
  addFacts(config, module);
  addCaches(config, module);
  std::string weights, code = toyCode(), tokenizer, deviceText("not PTX", 8);
  addWeights(config, module, weights);
  uint64_t offset = sectionAlignment;
  auto object = std::make_unique<CodeObjectT>();
  object->target = "cpu";
  object->variant = "toy";
  object->features = config.features;
  object->section = section(offset, code);
  module.code.push_back(std::move(object));
  if (config.tokenizer) {
    tokenizer = toyTokenizer(config.vocab);
    module.tokenizer = section(offset, tokenizer);
    module.tokenizer_missing.clear();
  }
  if (config.device)
    addDevice(config, module, offset, deviceText);
  module.weights_section = section(offset, weights);
  // Where the bytes go, before anything is falsified.
  uint64_t places[] = {module.code[0]->section->offset,
                       module.tokenizer ? module.tokenizer->offset : 0,
                       module.weights_section->offset,
                       config.device ? module.devices[0]->code[0]->section->offset : 0,
                       config.device ? module.devices[0]->code[1]->section->offset : 0};
  if (edit)
    edit(module);
  std::string table = packed(module);
  std::string bytes = header(table, offset, offset + table.size());
  auto put = [&](uint64_t at, const std::string &part) {
    bytes.resize(std::max<size_t>(bytes.size(), at + part.size()));
    bytes.replace(at, part.size(), part);
  };
  put(places[0], code);
  put(places[1], config.tokenizer ? tokenizer : std::string());
  put(places[2], weights);
  if (config.device) {
    put(places[3], deviceText);
    put(places[4], deviceText);
  }
  put(offset, table);
  return bytes;
}

/// State of every token after all layers.
static std::vector<uint32_t> finalStates(const ToyConfig &config, const std::vector<int32_t> &ids,
                                         int32_t total) {
  int32_t count = static_cast<int32_t>(ids.size());
  std::vector<uint32_t> states;
  for (int32_t id : ids)
    states.push_back(toyEmbed(toyWeight(0, id), total));
  for (int32_t layer = 0; layer < int32_t(config.windows.size()); ++layer) {
    std::vector<uint32_t> next(count);
    for (int32_t p = 0; p < count; ++p) {
      uint32_t hash = static_cast<uint32_t>(layer);
      for (int32_t q = toyFirst(p, config.windows[layer]); q <= p; ++q)
        for (int32_t d = 0; d < TOY_HEAD; ++d) {
          hash = toyMix(hash, toyBits(toyKey(states[q], layer, d)));
          hash = toyMix(hash, toyBits(toyValue(states[q], layer, d)));
        }
      next[p] = toyMix(states[p], hash);
    }
    states = std::move(next);
  }
  return states;
}

std::vector<std::vector<float>> toyRows(const ToyConfig &config, const std::vector<int32_t> &ids,
                                        int32_t total) {
  std::vector<std::vector<float>> rows;
  for (uint32_t state : finalStates(config, ids, total)) {
    rows.emplace_back();
    for (int32_t id = 0; id < config.vocab; ++id)
      rows.back().push_back(toyLogit(state, toyWeight(1, id)));
  }
  return rows;
}

std::vector<float> toyLogits(const ToyConfig &config, const std::vector<int32_t> &ids,
                             int32_t total) {
  return toyRows(config, ids, total).back();
}

std::vector<int32_t> toyGreedy(const ToyConfig &config, std::vector<int32_t> ids, int32_t count) {
  int32_t total = static_cast<int32_t>(ids.size()) + count;
  std::vector<int32_t> answer;
  for (int32_t i = 0; i < count; ++i) {
    std::vector<float> logits = toyLogits(config, ids, total);
    auto best = std::max_element(logits.begin(), logits.end());
    answer.push_back(static_cast<int32_t>(best - logits.begin()));
    ids.push_back(answer.back());
  }
  return answer;
}

TemporaryFile::TemporaryFile(const std::string &bytes) : name("/tmp/kvasir-test-XXXXXX") {
  int file = mkstemp(name.data());
  if (file >= 0)
    close(file);
  std::ofstream(name, std::ios::binary) << bytes;
}

TemporaryFile::~TemporaryFile() { unlink(name.c_str()); }

} // namespace kvasir::test
