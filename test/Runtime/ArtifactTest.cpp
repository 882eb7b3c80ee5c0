// Reading artifacts: facts, verification, and files that are damaged or lie.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "artifact/Artifact.h"
#include "Support.h"
#include "kvasir/Artifact/Format.h"
#include "loader/CodeObject.h"

#include <cmath>
#include <cstring>
#include <xxhash.h>

namespace kvasir::test {
namespace {

using namespace artifact;

kvasir_error *load(const std::string &bytes) {
  TemporaryFile file(bytes);
  kvasir_model *model = nullptr;
  kvasir_error *error = kvasir_model_load(file.path().c_str(), nullptr, &model);
  kvasir_model_free(model);
  return error;
}

/// A header that is right again after its fields were changed.
void rehash(std::string &bytes) {
  uint64_t hash = XXH3_64bits(bytes.data(), offsetof(FileHeader, headerHash));
  std::memcpy(bytes.data() + offsetof(FileHeader, headerHash), &hash, 8);
}

TEST(Artifact, InfoSaysWhatIsInside) {
  ToyConfig config;
  config.windows = {70, 30};
  ModelHandle model = loadToy(config);
  kvasir_model_info info = {};
  info.struct_size = sizeof(info);
  ASSERT_OK(kvasir_model_get_info(model.get(), &info));
  EXPECT_STREQ(info.architecture, "toy");
  EXPECT_STREQ(info.variant, "toy");
  EXPECT_STREQ(info.kv_type, "f32");
  EXPECT_EQ(info.vocab_size, 96);
  EXPECT_EQ(info.window, 70);
  EXPECT_EQ(info.max_context, 2048);
  EXPECT_EQ(info.kv_bytes_per_token, 256u);
  EXPECT_EQ(info.bos, 1);
  ASSERT_EQ(info.eos_count, 1u);
  EXPECT_EQ(info.eos[0], 2);
  EXPECT_FALSE(info.has_tokenizer);
  EXPECT_STREQ(info.tokenizer_missing, "the toy has none");
  EXPECT_TRUE(std::isnan(info.temperature));
  EXPECT_EQ(info.chat_template, nullptr);
  size_t size = 0;
  const void *table = kvasir_model_table(model.get(), &size);
  EXPECT_STREQ(GetModule(table)->model()->architecture()->c_str(), "toy");
  EXPECT_GT(size, 100u);
  EXPECT_EQ(std::memcmp(kvasir_model_file(model.get(), &size), magic, 8), 0);
}

TEST(Artifact, GenerationDefaultsBecomeRequestOptions) {
  TemporaryFile file(toyArtifact({}, [](ModuleT &module) {
    module.generation = std::make_unique<GenerationT>();
    module.generation->temperature = 0.6f;
    module.generation->top_p = 0.9f;
    module.generation->do_sample = true;
  }));
  kvasir_model *raw = nullptr;
  ASSERT_OK(kvasir_model_load(file.path().c_str(), nullptr, &raw));
  ModelHandle model(raw);
  kvasir_request_options options;
  kvasir_request_options_from_model(raw, &options);
  EXPECT_EQ(options.temperature, 0.6f);
  EXPECT_EQ(options.top_p, 0.9f);
  EXPECT_EQ(options.top_k, 0);
  EXPECT_EQ(options.repetition_penalty, 1.0f);
}

TEST(Artifact, TruncationAtEveryByteIsRefused) {
  ToyConfig config;
  config.tokenizer = true;
  std::string bytes = toyArtifact(config);
  TemporaryFile file(bytes);
  // Every byte of the header and the table; between them, every 61st.
  for (size_t size = 0; size < bytes.size();
       size += size < 80 || size > bytes.size() - 300 ? 1 : 61) {
    ASSERT_EQ(truncate(file.path().c_str(), off_t(size)), 0);
    auto artifact = rt::Artifact::open(file.path());
    ASSERT_FALSE(artifact) << "opened with " << size << " bytes";
    ASSERT_EQ(artifact.status().code(), rt::Code::dataLoss);
    TemporaryFile whole(bytes);
    rename(whole.path().c_str(), file.path().c_str());
  }
  EXPECT_REFUSED(load(bytes.substr(0, 5000)), KVASIR_DATA_LOSS,
                 "truncated: file is 5000 bytes, header says");
  EXPECT_REFUSED(load(bytes.substr(0, 60)), KVASIR_DATA_LOSS, "truncated");
  EXPECT_REFUSED(load(bytes + "x"), KVASIR_DATA_LOSS, "too long");
  EXPECT_REFUSED(load(""), KVASIR_DATA_LOSS, "empty");
}

TEST(Artifact, FlippedBitsAreFound) {
  ToyConfig config;
  config.tokenizer = true;
  std::string bytes = toyArtifact(config);
  TemporaryFile file(bytes);
  auto whole = rt::Artifact::open(file.path());
  ASSERT_TRUE(whole);
  const Module &module = whole->module();
  struct Part {
    const char *name;
    uint64_t begin, size, step;
  } parts[] = {
      {"header", 0, 64, 1},
      {"module",
       uint64_t(whole->tableBytes().data() - reinterpret_cast<const char *>(whole->file().data())),
       whole->tableBytes().size(), 37},
      {"code", module.code()->Get(0)->section()->offset(), module.code()->Get(0)->section()->size(),
       397},
      {"tokenizer", module.tokenizer()->offset(), module.tokenizer()->size(), 101}};
  for (const Part &part : parts)
    for (uint64_t at = part.begin; at < part.begin + part.size; at += part.step) {
      std::string damaged = bytes;
      damaged[at] ^= char(1 << at % 8);
      TemporaryFile copy(damaged);
      EXPECT_FALSE(rt::Artifact::open(copy.path())) << part.name << " byte " << at;
    }
}

TEST(Artifact, FlippedWeightsAreFoundByVerify) {
  ToyConfig config;
  std::string bytes = toyArtifact(config);
  uint64_t offset = 0;
  toyArtifact(config, [&](ModuleT &module) {
    offset = module.weights_section->offset + module.weights[1]->offset;
  });
  bytes[offset + 17] ^= 4;
  TemporaryFile file(bytes);
  kvasir_model *model = nullptr;
  ASSERT_OK(kvasir_model_load(file.path().c_str(), nullptr, &model));
  EXPECT_REFUSED(kvasir_model_verify(model, nullptr, nullptr), KVASIR_DATA_LOSS,
                 "weight 'weight1' is corrupt");
  kvasir_model_free(model);
  kvasir_model_options options;
  kvasir_model_options_init(&options);
  options.verify_weights = true;
  EXPECT_REFUSED(kvasir_model_load(file.path().c_str(), &options, &model), KVASIR_DATA_LOSS,
                 "weight1");
  ModelHandle sound = loadToy(config);
  uint64_t last = 0;
  EXPECT_OK(kvasir_model_verify(
      sound.get(),
      [](uint64_t done, uint64_t total, void *user) {
        EXPECT_LE(done, total);
        *static_cast<uint64_t *>(user) = done;
      },
      &last));
  EXPECT_GT(last, 0u);
}

TEST(Artifact, OtherFilesAndVersionsAreNamed) {
  EXPECT_REFUSED(load("{\"a\": 1}"), KVASIR_DATA_LOSS, "not a kvasir artifact");
  std::string bytes = toyArtifact({});
  bytes[offsetof(FileHeader, versionMinor)] = 9;
  rehash(bytes);
  EXPECT_REFUSED(load(bytes), KVASIR_UNSUPPORTED, "artifact version 0.9,");
  bytes[offsetof(FileHeader, versionMinor)] = versionMinor - 1;
  rehash(bytes);
  EXPECT_OK(load(bytes));
  bytes[offsetof(FileHeader, versionMinor)] = versionMinor - 2;
  rehash(bytes);
  EXPECT_REFUSED(load(bytes), KVASIR_UNSUPPORTED, "and the minor version before it");
  kvasir_model *model = nullptr;
  EXPECT_REFUSED(kvasir_model_load("/nonexistent/x.kvasir", nullptr, &model), KVASIR_NOT_FOUND,
                 "No such file");
  EXPECT_REFUSED(kvasir_model_load("/tmp", nullptr, &model), KVASIR_INVALID_ARGUMENT,
                 "not a regular file");
}

TEST(Artifact, VariantsAreChosenByFeatures) {
  ToyConfig config;
  config.features = {"avx9000", "+avx10000"};
  EXPECT_REFUSED(load(toyArtifact(config)), KVASIR_UNAVAILABLE, "toy (lacks avx9000, avx10000)");
  ModelHandle model = loadToy({});
  TemporaryFile file(toyArtifact({}));
  kvasir_model_options options;
  kvasir_model_options_init(&options);
  options.variant = "other";
  kvasir_model *none = nullptr;
  EXPECT_REFUSED(kvasir_model_load(file.path().c_str(), &options, &none), KVASIR_NOT_FOUND,
                 "no variant 'other' in the artifact; it has "
                 "toy");
}

static void leaveDevicesOnly(ModuleT &module) {
  module.functions.clear();
  module.programs.clear();
  module.code.clear();
}

TEST(Artifact, CodeForDevicesMayStandBesideThatForCPUs) {
  ToyConfig config;
  config.device = true;
  ModelHandle model = loadToy(config);
  EXPECT_TRUE(makeEngine(model, engineOptions()));
}

TEST(Artifact, CodeForDevicesAloneIsDescribedButHasNoEngine) {
  ToyConfig config;
  config.device = true;
  TemporaryFile file(toyArtifact(config, leaveDevicesOnly));
  kvasir_model *model = nullptr;
  ASSERT_OK(kvasir_model_load(file.path().c_str(), nullptr, &model));
  kvasir_model_info info = {};
  info.struct_size = sizeof(info);
  EXPECT_OK(kvasir_model_get_info(model, &info));
  EXPECT_STREQ(info.variant, "cuda");
  kvasir_memory_plan plan = {};
  plan.struct_size = sizeof(plan);
  EXPECT_OK(kvasir_plan(model, nullptr, &plan));
  EXPECT_GT(plan.workspace_bytes, 0u);
  kvasir_engine *engine = nullptr;
  EXPECT_REFUSED(kvasir_engine_create(model, nullptr, &engine), KVASIR_UNAVAILABLE,
                 "has code for cuda only, which does not run here");
  kvasir_model_free(model);
}

TEST(Artifact, DamagedCodeForDevicesIsFound) {
  ToyConfig config;
  config.device = true;
  uint64_t offset = 0;
  std::string bytes =
      toyArtifact(config, [&](ModuleT &m) { offset = m.devices[0]->code[0]->section->offset; });
  bytes[offset + 3] ^= 1;
  EXPECT_REFUSED(load(bytes), KVASIR_DATA_LOSS, "cuda code 'sm_80' is corrupt");
}

TEST(Artifact, ManyModelsAtOnceKeepTheirOwnCode) {
  std::vector<ModelHandle> models;
  for (int i = 0; i < 5; ++i)
    models.push_back(loadToy({}));
  models.erase(models.begin() + 1);
  models.push_back(loadToy({}));
  for (const ModelHandle &model : models)
    EXPECT_TRUE(makeEngine(model, engineOptions()));
}

/// A shape that is there and has no extents.
TEST(Artifact, AWeightMayBeOneValue) {
  std::string bytes = toyArtifact({});
  FileHeader header;
  std::memcpy(&header, bytes.data(), sizeof(header));
  char *module = bytes.data() + header.moduleOffset;
  const auto *shape = GetModule(module)->weights()->Get(1)->shape();
  std::memset(const_cast<void *>(static_cast<const void *>(shape)), 0, sizeof(uint32_t));
  XXH128_hash_t hash = XXH3_128bits(module, header.moduleSize);
  header.moduleHash = {hash.low64, hash.high64};
  std::memcpy(bytes.data(), &header, sizeof(header));
  rehash(bytes);
  EXPECT_OK(load(bytes));
}

/// Tables with right hashes that point where they must not.
struct Lie {
  const char *name;
  EditModule edit;
  const char *message;
};

class Lies : public testing::TestWithParam<Lie> {};

TEST_P(Lies, AreRefused) {
  ToyConfig config;
  config.tokenizer = true;
  config.device = true;
  kvasir_error *error = load(toyArtifact(config, GetParam().edit));
  EXPECT_NE(error, nullptr);
  EXPECT_NE(std::string(kvasir_error_message(error)).find(GetParam().message), std::string::npos)
      << kvasir_error_message(error);
  kvasir_error_free(error);
}

const Lie lies[] = {
    {"abi", [](ModuleT &m) { m.abi_version = 7; }, "step ABI version 7"},
    {"vocabulary", [](ModuleT &m) { m.model->vocab_size = 0; }, "vocabulary"},
    {"eos", [](ModuleT &m) { m.model->eos = {96}; }, "eos id 96"},
    {"bos", [](ModuleT &m) { m.model->bos = -7; }, "bos id -7"},
    {"limits", [](ModuleT &m) { *m.limits = Limits(0xffffffffu, 1, 1); }, "max_context"},
    {"weightsSection", [](ModuleT &m) { m.weights_section->size = UINT64_MAX - 4096; },
     "does not lie in the file"},
    {"sectionAlignment", [](ModuleT &m) { m.weights_section->offset += 64; }, "multiple of 4096"},
    {"sectionInHeader", [](ModuleT &m) { m.weights_section->offset = 0; },
     "does not lie in the file"},
    {"weightOffset", [](ModuleT &m) { m.weights[1]->offset = UINT64_MAX - 63; },
     "does not lie in the weights"},
    {"weightAlignment", [](ModuleT &m) { m.weights[1]->offset += 4; }, "not a multiple of 64"},
    {"weightShape", [](ModuleT &m) { m.weights[1]->shape = {1u << 31, 1u << 31, 1u << 31}; },
     "expected at least"},
    {"weightTooSmall", [](ModuleT &m) { m.weights[1]->shape = {100000}; },
     "expected at least 400000"},
    {"weightPanels", [](ModuleT &m) { m.weights[1]->layout = Layout::panel16; }, "not a matrix"},
    {"weightUnits",
     [](ModuleT &m) {
       m.weights[1]->shape = {70, 8};
       m.weights[1]->layout = Layout::panel32;
       m.weights[1]->type = ElementType::encoded;
       m.weights[1]->unit_bytes = 1 << 20;
     },
     "expected at least 3145728"},
    {"weightUnitsOverflow",
     [](ModuleT &m) {
       m.weights[1]->shape = {70, 8};
       m.weights[1]->layout = Layout::panel32;
       m.weights[1]->type = ElementType::encoded;
       m.weights[1]->unit_bytes = UINT64_MAX / 2;
     },
     "expected at least 0"},
    {"weightEncoded", [](ModuleT &m) { m.weights[1]->type = ElementType::encoded; },
     "another layout than panel32"},
    {"weightType", [](ModuleT &m) { m.weights[1]->type = static_cast<ElementType>(77); },
     "unknown type"},
    {"cacheHeads", [](ModuleT &m) { m.caches[0]->kv_heads = 0; }, "0 heads"},
    {"cachePage", [](ModuleT &m) { m.caches[0]->page_bytes = 64; }, "pages of 64 bytes"},
    {"cacheHuge", [](ModuleT &m) { m.caches[0]->page_bytes = 1ull << 60; }, "pages of"},
    {"cachePageInt8", // the toy's page holds half of it as codes, but no scales
     [](ModuleT &m) {
       m.caches[0]->type = ElementType::i8;
       m.caches[0]->page_bytes = 2 * 64 * m.caches[0]->head_size;
     },
     "at least"},
    {"cacheType", [](ModuleT &m) { m.caches[0]->type = ElementType::i32; }, "type that is not"},
    {"weightInt8", [](ModuleT &m) { m.weights[1]->type = ElementType::i8; }, "unknown type"},
    {"noPrograms", [](ModuleT &m) { m.programs.clear(); }, "0 programs"},
    {"noRows", [](ModuleT &m) { m.programs[0]->rows.clear(); }, "has 0 rows"},
    {"noSlots", [](ModuleT &m) { m.programs[0]->slots.clear(); }, "no slot for logits"},
    {"logitsPerWorker", [](ModuleT &m) { m.programs[0]->logits_slot = 1; }, "no slot for logits"},
    {"stride", [](ModuleT &m) { m.programs[1]->logits_stride = 90; }, "logits of 90 values"},
    {"slotHuge",
     [](ModuleT &m) { *m.programs[0]->slots[1]->size = Size(UINT64_MAX, UINT64_MAX, 0); },
     "slot 1 of program 'decode' is too large"},
    {"stepSizes", [](ModuleT &m) { m.programs[1]->max_tokens = 255; },
     "no program takes steps of 256"},
    {"function", [](ModuleT &m) { m.programs[0]->rows[1]->function = 4; },
     "row 1 of program 'decode': module table is invalid: function 4"},
    {"operandWeight",
     [](ModuleT &m) { m.programs[1]->rows[0]->operands[0] = Operand(OperandKind::weight, 5, 0); },
     "weight operand has index 5"},
    {"operandSlot",
     [](ModuleT &m) { m.programs[1]->rows[0]->operands[1] = Operand(OperandKind::slot, 3, 0); },
     "slot operand has index 3"},
    {"operandCache",
     [](ModuleT &m) { m.programs[1]->rows[1]->operands[1] = Operand(OperandKind::cache, 2, 0); },
     "cache operand has index 2"},
    {"operandKind",
     [](ModuleT &m) {
       m.programs[1]->rows[1]->operands[1] = Operand(static_cast<OperandKind>(9), 0, 0);
     },
     "operand kind 9"},
    {"functionName", [](ModuleT &m) { m.functions[0] = ""; }, "no name"},
    {"functionMissing", [](ModuleT &m) { m.functions[0] = "nowhere"; }, "no function 'nowhere'"},
    {"noCode", [](ModuleT &m) { m.code.clear(); }, "no code"},
    {"codeSection", [](ModuleT &m) { m.code[0]->section->offset = 1ull << 40; },
     "code 'toy' [1099511627776"},
    {"codeEmpty", [](ModuleT &m) { m.code[0]->section->size = 0; }, "is empty"},
    {"codeHash", [](ModuleT &m) { m.code[0]->section->hash.reset(); }, "no hash"},
    {"codeNotElf",
     [](ModuleT &m) {
       // The tokenizer's bytes and hash in place of the code's.
       m.code[0]->section = std::make_unique<SectionT>(*m.tokenizer);
     },
     "cannot load code 'toy'"},
    {"tokenizerIsCode",
     [](ModuleT &m) { m.tokenizer = std::make_unique<SectionT>(*m.code[0]->section); },
     "tokenizer"},
    {"chosen", [](ModuleT &m) { m.devices[0]->programs[0]->chosen_slot = 4; },
     "device 'cuda': module table is invalid: program 'decode' has no slot for the ids chosen"},
    {"chosenNegative", [](ModuleT &m) { m.programs[0]->chosen_slot = -2; }, "the ids chosen"},
    {"chosenPerWorker", [](ModuleT &m) { m.programs[0]->chosen_slot = 1; }, "the ids chosen"},
    {"deviceName", [](ModuleT &m) { m.devices[0]->target.clear(); }, "it has no name"},
    {"deviceTwice",
     [](ModuleT &m) { m.devices.push_back(std::make_unique<DeviceT>(*m.devices[0])); },
     "device 'cuda' is there twice"},
    {"devicesMany",
     [](ModuleT &m) {
       while (m.devices.size() < 17)
         m.devices.push_back(std::make_unique<DeviceT>(*m.devices[0]));
     },
     "17 devices"},
    {"devicePrograms", [](ModuleT &m) { m.devices[0]->programs.clear(); },
     "device 'cuda': module table is invalid: 0 programs"},
    {"deviceFunction", [](ModuleT &m) { m.devices[0]->functions.pop_back(); },
     "function 4, but there are 4"},
    {"deviceFunctionName", [](ModuleT &m) { m.devices[0]->functions[2].clear(); },
     "function 2 has no name"},
    {"deviceOperand",
     [](ModuleT &m) {
       m.devices[0]->programs[1]->rows[0]->operands[0] = Operand(OperandKind::weight, 5, 0);
     },
     "weight operand has index 5"},
    {"deviceSlots", [](ModuleT &m) { m.devices[0]->programs[1]->slots[1]->per_worker = true; },
     "program 'prefill' has slots of workers"},
    {"deviceNoCode", [](ModuleT &m) { m.devices[0]->code.clear(); }, "there is no code"},
    {"deviceArchitecture", [](ModuleT &m) { m.devices[0]->code[0]->architecture = "sm_9"; },
     "'sm_9' is for no architecture"},
    {"deviceSection", [](ModuleT &m) { m.devices[0]->code[1]->section->size = 1 << 30; },
     "PTX 'sm_90' ["},
    {"deviceCodeEmpty", [](ModuleT &m) { m.devices[0]->code[0]->section->size = 0; },
     "code 'sm_80' is empty"},
    {"deviceCodeHash", [](ModuleT &m) { m.devices[0]->code[0]->section->hash.reset(); }, "no hash"},
    {"ptxEnd",
     [](ModuleT &m) {
       XXH128_hash_t hash = XXH3_128bits("not PTX", 7);
       m.devices[0]->code[1]->section->size = 7;
       *m.devices[0]->code[1]->section->hash = HashValue(hash.low64, hash.high64);
     },
     "does not end in a zero"},
    {"kernels", [](ModuleT &m) { m.devices[0]->code[0]->kernels.pop_back(); },
     "has 4 kernels, but there are 5"},
    {"kernelFunction", [](ModuleT &m) { m.devices[0]->code[0]->kernels[1]->function = 0; },
     "kernel 1 of code 'sm_80': module table is invalid: it is of function 0"},
    {"kernelThreads", [](ModuleT &m) { m.devices[0]->code[0]->kernels[1]->threads = 100; },
     "100 threads"},
    {"kernelItems",
     [](ModuleT &m) { m.devices[0]->code[0]->kernels[1]->items_per_row = UINT64_MAX; },
     "18446744073709551615 items"},
    {"kernelShared",
     [](ModuleT &m) { m.devices[0]->code[0]->kernels[1]->dynamic_shared = UINT32_MAX; },
     "bytes of shared memory"},
    {"kernelRegisters", [](ModuleT &m) { m.devices[0]->code[0]->kernels[1]->registers = 256; },
     "256 registers"},
    {"kernelBlocks", [](ModuleT &m) { m.devices[0]->code[0]->kernels[1]->blocks_per_sm = 0; },
     "0 blocks of a multiprocessor"},
    {"codeTarget", [](ModuleT &m) { m.code[0]->target = "cuda"; }, "none is for CPUs"},
};

INSTANTIATE_TEST_SUITE_P(Table, Lies, testing::ValuesIn(lies),
                         [](const auto &info) { return info.param.name; });

} // namespace
} // namespace kvasir::test
