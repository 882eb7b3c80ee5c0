// Semantic checks of the module table.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "artifact/Check.h"

#include "kvasir-c/abi.h"
#include "kvasir/Artifact/Format.h"

#include <cinttypes>

namespace kvasir::rt {

using namespace artifact;

// Bounds on what a table may say. Far above any real model, and small enough
// that the products formed from them cannot overflow 64 bits.
constexpr uint64_t maxBytes = uint64_t(1) << 50;
constexpr uint64_t maxBytesPerToken = uint64_t(1) << 32;
constexpr uint64_t maxDimension = uint64_t(1) << 31;
constexpr uint32_t maxVocabulary = 1u << 28;
constexpr uint32_t maxRows = 1u << 20;
constexpr uint64_t maxItems = uint64_t(1) << 32;
constexpr uint32_t maxShared = 1u << 24;

uint64_t elementSize(ElementType type) {
  if (type == ElementType::i8)
    return 1;
  return type == ElementType::f32 || type == ElementType::i32 ? 4 : 2;
}

const char *elementName(ElementType type) {
  switch (type) {
  case ElementType::f32:
    return "f32";
  case ElementType::f16:
    return "f16";
  case ElementType::bf16:
    return "bf16";
  case ElementType::i32:
    return "i32";
  case ElementType::encoded:
    return "encoded";
  case ElementType::i8:
    return "int8";
  }
  return "unknown";
}

static Status corrupt(std::string message) {
  return error(Code::dataLoss, "module table is invalid: " + message);
}

/// Entries of a vector that may be absent.
template <class Vector> static uint64_t count(const Vector *vector) {
  return vector ? vector->size() : 0;
}

static Status checkSection(const Section &section, const char *name, uint64_t fileSize) {
  if (section.offset() % sectionAlignment != 0)
    return corrupt(format("%s starts at byte %" PRIu64 ", which is not a multiple of %" PRIu64,
                          name, section.offset(), sectionAlignment));
  if (section.offset() < sectionAlignment || section.offset() > fileSize ||
      section.size() > fileSize - section.offset())
    return corrupt(format("%s [%" PRIu64 ", +%" PRIu64 ") does not lie in the file of %" PRIu64
                          " bytes",
                          name, section.offset(), section.size(), fileSize));
  if (!section.hash() && section.size() != 0)
    return corrupt(format("%s has no hash", name));
  return Status::ok();
}

static Status checkModel(const Model &model) {
  if (model.vocab_size() == 0 || model.vocab_size() > maxVocabulary)
    return corrupt(
        format("vocabulary of %u ids, expected 1 to %u", model.vocab_size(), maxVocabulary));
  auto isId = [&](int32_t id) { return id >= 0 && static_cast<uint32_t>(id) < model.vocab_size(); };
  if (model.bos() != -1 && !isId(model.bos()))
    return corrupt(
        format("bos id %d is not in the vocabulary of %u", model.bos(), model.vocab_size()));
  for (uint64_t i = 0; i < count(model.eos()); ++i)
    if (!isId(model.eos()->Get(i)))
      return corrupt(format("eos id %d is not in the vocabulary of %u", model.eos()->Get(i),
                            model.vocab_size()));
  if (model.weight_type() > ElementType::encoded)
    return corrupt(format("weight type %u is not known", unsigned(model.weight_type())));
  return Status::ok();
}

static Status checkLimits(const Limits &limits) {
  auto check = [](const char *name, uint32_t value, uint32_t most) {
    if (value == 0 || value > most)
      return corrupt(format("limit %s is %u, expected 1 to %u", name, value, most));
    return Status::ok();
  };
  if (Status s = check("max_context", limits.max_context(), mostContext); !s)
    return s;
  if (Status s = check("max_requests", limits.max_requests(), mostRequests); !s)
    return s;
  return check("max_step_tokens", limits.max_step_tokens(), mostStepTokens);
}

/// Product of shape entries; 0 when it is not below maxBytes.
static uint64_t elements(const flatbuffers::Vector<uint64_t> &shape) {
  uint64_t product = 1;
  for (uint64_t extent : shape) {
    if (extent == 0 || extent > maxDimension)
      return 0;
    if (__builtin_mul_overflow(product, extent, &product) || product > maxBytes)
      return 0;
  }
  return product;
}

/// Bytes that a weight needs; 0 when its shape does not fit its layout.
static uint64_t neededBytes(const Weight &weight) {
  uint64_t stored = elements(*weight.shape());
  if (stored == 0 || (weight.layout() != Layout::row_major && weight.shape()->size() != 2))
    return 0;
  if (weight.layout() == Layout::row_major)
    return stored * elementSize(weight.type());
  uint64_t rows = weight.shape()->Get(0);
  if (weight.layout() == Layout::panel32) {
    uint64_t units = (rows + 31) / 32, bytes = 0;
    return __builtin_mul_overflow(units, weight.unit_bytes(), &bytes) || bytes > maxBytes ? 0
                                                                                          : bytes;
  }
  if (weight.layout() == Layout::panel16)
    stored = stored / rows * ((rows + 15) / 16 * 16);
  if (weight.layout() == Layout::mma16) {
    uint64_t tiles = 0, columns = weight.shape()->Get(1);
    if (__builtin_mul_overflow((rows + 15) / 16, (columns + 31) / 32, &tiles) ||
        tiles > maxBytes / 512)
      return 0;
    stored = tiles * 512;
  }
  return stored * elementSize(weight.type());
}

static Status checkWeight(const Weight &weight, uint64_t index, uint64_t sectionSize) {
  auto wrong = [&](const std::string &what) {
    return corrupt(
        format("weight %" PRIu64 " '%s' %s", index, weight.name()->c_str(), what.c_str()));
  };
  if (weight.type() > ElementType::encoded || weight.layout() > Layout::MAX)
    return wrong("has an unknown type or layout");
  if (weight.offset() % KVASIR_ALIGNMENT != 0)
    return wrong(
        format("starts at %" PRIu64 ", not a multiple of %d", weight.offset(), KVASIR_ALIGNMENT));
  if (weight.offset() > sectionSize || weight.size() > sectionSize - weight.offset())
    return wrong(format("[%" PRIu64 ", +%" PRIu64 ") does not lie in the weights of %" PRIu64
                        " bytes",
                        weight.offset(), weight.size(), sectionSize));
  if (!weight.shape() || weight.shape()->size() > 8 || !weight.hash())
    return wrong("has no shape or no hash");
  // The verifier aligns vectors for their lengths only, not for wider elements.
  if (reinterpret_cast<uintptr_t>(weight.shape()->Data()) % alignof(uint64_t))
    return wrong("has a shape that is not aligned");
  if (weight.layout() != Layout::row_major && weight.shape()->size() != 2)
    return wrong("lies in panels but is not a matrix");
  if ((weight.type() == ElementType::encoded) != (weight.layout() == Layout::panel32))
    return wrong("has encoded values in another layout than panel32, or others in it");
  uint64_t needed = neededBytes(weight);
  if (needed == 0 || weight.size() < needed)
    return wrong(
        format("has %" PRIu64 " bytes, expected at least %" PRIu64, weight.size(), needed));
  return Status::ok();
}

static Status checkCache(const Cache &cache, uint64_t index) {
  auto wrong = [&](const std::string &what) {
    return corrupt(format("cache %" PRIu64 " '%s' %s", index, cache.name()->c_str(), what.c_str()));
  };
  bool quantized = cache.type() == ElementType::i8;
  if (cache.type() > ElementType::bf16 && !quantized)
    return wrong("has a type that is not f32, f16, bf16 or i8");
  if (cache.kv_heads() == 0 || cache.kv_heads() > (1u << 16) || cache.head_size() == 0 ||
      cache.head_size() > (1u << 16))
    return wrong(format("has %u heads of size %u", cache.kv_heads(), cache.head_size()));
  if (cache.window() > mostContext)
    return wrong(format("has a window of %u tokens", cache.window()));
  uint64_t vectorBytes = cache.head_size() * elementSize(cache.type()) + (quantized ? 4 : 0);
  uint64_t needed = cache.kv_heads() * vectorBytes * 2 * KVASIR_PAGE_TOKENS;
  if (cache.page_bytes() < needed || cache.page_bytes() > maxBytesPerToken ||
      cache.page_bytes() % KVASIR_ALIGNMENT != 0)
    return wrong(format("has pages of %" PRIu64
                        " bytes, expected a multiple of %d, at least %" PRIu64,
                        cache.page_bytes(), KVASIR_ALIGNMENT, needed));
  return Status::ok();
}

static Status checkOperand(const Operand &operand, const Module &module, const Program &program) {
  uint64_t bound = 0;
  switch (operand.kind()) {
  case OperandKind::slot:
    bound = count(program.slots());
    break;
  case OperandKind::weight:
    bound = count(module.weights());
    break;
  case OperandKind::cache:
    bound = count(module.caches());
    break;
  case OperandKind::counter:
    return Status::ok();
  default:
    return corrupt(format("operand kind %u", unsigned(operand.kind())));
  }
  if (operand.index() >= bound)
    return corrupt(format("%s operand has index %u, but there are %" PRIu64,
                          EnumNameOperandKind(operand.kind()), operand.index(), bound));
  return Status::ok();
}

static Status checkRow(const Row &row, const Module &module, const Program &program,
                       uint64_t functions) {
  if (row.function() >= functions)
    return corrupt(format("function %u, but there are %" PRIu64, row.function(), functions));
  if (count(row.operands()) > 4096)
    return corrupt(format("%" PRIu64 " operands", count(row.operands())));
  for (uint64_t i = 0; i < count(row.operands()); ++i)
    if (Status s = checkOperand(*row.operands()->Get(i), module, program); !s)
      return s;
  return Status::ok();
}

static Status checkSlots(const Program &program) {
  if (count(program.slots()) > maxRows)
    return corrupt(format("program '%s' has too many slots", program.name()->c_str()));
  for (uint64_t i = 0; i < count(program.slots()); ++i) {
    const Size &size = *program.slots()->Get(i)->size();
    if (size.constant() > maxBytes || size.per_token() > maxBytesPerToken ||
        size.per_row() > maxBytesPerToken)
      return corrupt(
          format("slot %" PRIu64 " of program '%s' is too large", i, program.name()->c_str()));
  }
  return Status::ok();
}

static Status checkResults(const Program &program, const Module &module) {
  auto isShared = [&](uint64_t slot) {
    return slot < count(program.slots()) &&
           !program.slots()->Get(static_cast<uint32_t>(slot))->per_worker();
  };
  if (!isShared(program.logits_slot()))
    return corrupt(format("program '%s' has no slot for logits", program.name()->c_str()));
  if (program.chosen_slot() < -1 ||
      (program.chosen_slot() >= 0 && !isShared(static_cast<uint64_t>(program.chosen_slot()))))
    return corrupt(format("program '%s' has no slot for the ids chosen", program.name()->c_str()));
  if (program.logits_stride() < module.model()->vocab_size() ||
      program.logits_stride() > 2 * maxVocabulary)
    return corrupt(format("program '%s' has logits of %u values, but the "
                          "vocabulary has %u",
                          program.name()->c_str(), program.logits_stride(),
                          module.model()->vocab_size()));
  return Status::ok();
}

static Status checkProgram(const Program &program, const Module &module, uint64_t functions) {
  if (Status s = checkSlots(program); !s)
    return s;
  if (Status s = checkResults(program, module); !s)
    return s;
  if (count(program.rows()) == 0 || count(program.rows()) > maxRows)
    return corrupt(format("program '%s' has %" PRIu64 " rows", program.name()->c_str(),
                          count(program.rows())));
  for (uint64_t i = 0; i < program.rows()->size(); ++i)
    if (Status s = checkRow(*program.rows()->Get(i), module, program, functions); !s)
      return corrupt(format("row %" PRIu64 " of program '%s': %s", i, program.name()->c_str(),
                            s.message().c_str()));
  return Status::ok();
}

using Names = flatbuffers::Vector<flatbuffers::Offset<flatbuffers::String>>;
using Programs = flatbuffers::Vector<flatbuffers::Offset<Program>>;

/// The programs of one target, and the functions that their rows name.
static Status checkPrograms(const Programs *programs, const Names *functions,
                            const Module &module) {
  if (count(functions) > maxRows)
    return corrupt("too many functions");
  for (uint32_t i = 0; i < count(functions); ++i)
    if (functions->Get(i)->size() == 0)
      return corrupt(format("function %u has no name", i));
  if (count(programs) == 0 || count(programs) > 64)
    return corrupt(format("%" PRIu64 " programs, expected 1 to 64", count(programs)));
  bool admitsAll = false;
  for (const Program *program : *programs) {
    if (Status s = checkProgram(*program, module, count(functions)); !s)
      return s;
    admitsAll |=
        program->max_tokens() == 0 || program->max_tokens() >= module.limits()->max_step_tokens();
  }
  if (!admitsAll)
    return corrupt(
        format("no program takes steps of %u tokens", module.limits()->max_step_tokens()));
  return Status::ok();
}

static Status checkCode(const Module &module, uint64_t fileSize) {
  if (count(module.code()) == 0)
    return corrupt("there is no code");
  for (const CodeObject *code : *module.code()) {
    std::string name = format("code '%s'", code->variant()->c_str());
    if (Status s = checkSection(*code->section(), name.c_str(), fileSize); !s)
      return s;
    if (code->section()->size() == 0)
      return corrupt(name + " is empty");
  }
  return Status::ok();
}

static Status checkKernel(const Kernel &kernel, uint64_t place, bool ptx) {
  if (kernel.function() != place)
    return corrupt(format("it is of function %u", kernel.function()));
  if (kernel.threads() == 0 || kernel.threads() > 1024 || kernel.threads() % 32 != 0)
    return corrupt(format("%u threads, expected a multiple of 32 up to 1024", kernel.threads()));
  for (uint64_t items : {kernel.items_constant(), kernel.items_per_token(), kernel.items_per_row(),
                         kernel.items_per_block()})
    if (items > maxItems)
      return corrupt(format("%" PRIu64 " items, expected at most %" PRIu64, items, maxItems));
  if (kernel.shared() > maxShared || kernel.dynamic_shared() > maxShared)
    return corrupt(format("%u + %u bytes of shared memory, expected at most %u", kernel.shared(),
                          kernel.dynamic_shared(), maxShared));
  if (kernel.registers() > 255)
    return corrupt(format("%u registers, expected at most 255", kernel.registers()));
  if (kernel.blocks_per_sm() > 64 || (kernel.blocks_per_sm() == 0 && !ptx))
    return corrupt(
        format("%u blocks of a multiprocessor, expected 1 to 64", kernel.blocks_per_sm()));
  return Status::ok();
}

/// "sm_90"; a letter may follow ("sm_90a").
static bool isArchitecture(std::string_view name) {
  if (name.substr(0, 3) != "sm_" || name.size() > 8)
    return false;
  size_t end = name.find_first_not_of("0123456789", 3);
  size_t digits = (end == name.npos ? name.size() : end) - 3;
  return digits >= 2 && digits <= 3 &&
         (end == name.npos || (end + 1 == name.size() && name[end] >= 'a' && name[end] <= 'z'));
}

static Status checkDeviceCode(const DeviceCode &code, const Device &device, uint64_t fileSize) {
  std::string name = format("%s '%s'", code.ptx() ? "PTX" : "code", code.architecture()->c_str());
  if (!isArchitecture(code.architecture()->string_view()))
    return corrupt(name + " is for no architecture, expected a name such as sm_90");
  if (Status s = checkSection(*code.section(), name.c_str(), fileSize); !s)
    return s;
  if (code.section()->size() == 0)
    return corrupt(name + " is empty");
  if (count(code.kernels()) != count(device.functions()))
    return corrupt(format("%s has %" PRIu64 " kernels, but there are %" PRIu64 " functions",
                          name.c_str(), count(code.kernels()), count(device.functions())));
  for (uint32_t i = 0; i < count(code.kernels()); ++i)
    if (Status s = checkKernel(*code.kernels()->Get(i), i, code.ptx()); !s)
      return corrupt(format("kernel %u of %s: %s", i, name.c_str(), s.message().c_str()));
  return Status::ok();
}

static Status checkDevice(const Device &device, const Module &module, uint64_t fileSize) {
  if (device.target()->size() == 0)
    return corrupt("it has no name");
  if (Status s = checkPrograms(device.programs(), device.functions(), module); !s)
    return s;
  for (const Program *program : *device.programs())
    for (const Slot *slot : *program->slots())
      if (slot->per_worker())
        return corrupt(format("program '%s' has slots of workers", program->name()->c_str()));
  if (count(device.code()) == 0)
    return corrupt("there is no code");
  for (const DeviceCode *code : *device.code())
    if (Status s = checkDeviceCode(*code, device, fileSize); !s)
      return s;
  return Status::ok();
}

static Status checkDevices(const Module &module, uint64_t fileSize) {
  for (uint32_t i = 0; i < count(module.devices()); ++i) {
    const Device &device = *module.devices()->Get(i);
    if (Status s = checkDevice(device, module, fileSize); !s)
      return corrupt(format("device '%s': %s", device.target()->c_str(), s.message().c_str()));
    for (uint32_t other = 0; other < i; ++other)
      if (module.devices()->Get(other)->target()->string_view() == device.target()->string_view())
        return corrupt(format("device '%s' is there twice", device.target()->c_str()));
  }
  return Status::ok();
}

/// What is for CPUs, which a file with code for devices may lack.
static Status checkHost(const Module &module, uint64_t fileSize) {
  if (count(module.devices()) != 0 && count(module.functions()) == 0 &&
      count(module.programs()) == 0 && count(module.code()) == 0)
    return Status::ok();
  if (Status s = checkPrograms(module.programs(), module.functions(), module); !s)
    return s;
  return checkCode(module, fileSize);
}

Status checkModule(const Module &module, uint64_t fileSize) {
  if (module.abi_version() != KVASIR_ABI_VERSION)
    return error(Code::unsupported, format("the code has step ABI version %u, but this runtime "
                                           "has %d; compile the model again",
                                           module.abi_version(), KVASIR_ABI_VERSION));
  if (Status s = checkModel(*module.model()); !s)
    return s;
  if (Status s = checkLimits(*module.limits()); !s)
    return s;
  const Section &weights = *module.weights_section();
  if (Status s = checkSection(weights, "weights section", fileSize); !s)
    return s;
  for (uint64_t i = 0; i < count(module.weights()); ++i)
    if (Status s = checkWeight(*module.weights()->Get(i), i, weights.size()); !s)
      return s;
  if (count(module.caches()) > maxRows)
    return corrupt("too many caches");
  for (uint64_t i = 0; i < count(module.caches()); ++i)
    if (Status s = checkCache(*module.caches()->Get(i), i); !s)
      return s;
  if (module.tokenizer())
    if (Status s = checkSection(*module.tokenizer(), "tokenizer", fileSize); !s)
      return s;
  if (count(module.devices()) > 16)
    return corrupt(format("%" PRIu64 " devices, expected at most 16", count(module.devices())));
  if (Status s = checkHost(module, fileSize); !s)
    return s;
  return checkDevices(module, fileSize);
}

Result<const Module *> readModule(const unsigned char *bytes, size_t size, uint64_t fileSize) {
  if (size >= FLATBUFFERS_MAX_BUFFER_SIZE)
    return corrupt(format("it has %zu bytes", size));
  flatbuffers::Verifier verifier(bytes, size, /*max_depth=*/64,
                                 /*max_tables=*/4000000);
  if (!VerifyModuleBuffer(verifier))
    return corrupt("its FlatBuffers structure is broken");
  const Module *module = GetModule(bytes);
  if (Status s = checkModule(*module, fileSize); !s)
    return s;
  return module;
}

} // namespace kvasir::rt
