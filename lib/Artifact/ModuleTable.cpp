// Serialization of the module table.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "ModuleTable.h"

#include "kvasir-c/abi.h"
#include "kvasir/Artifact/Format.h"

#include "mlir/IR/BuiltinAttributes.h"
#include "llvm/ADT/STLExtras.h"

#include <cmath>
#include <limits>

namespace kvasir {

using namespace artifact;

namespace {
/// Typed access to a dictionary attribute; notes the first entry of a wrong
/// type.
class Dictionary {
public:
  Dictionary(mlir::DictionaryAttr dictionary, std::string &problem)
      : dictionary(dictionary), problem(problem) {}

  mlir::DictionaryAttr dictionaryAt(llvm::StringRef key) {
    return get<mlir::DictionaryAttr>(key, "a dictionary");
  }
  std::string string(llvm::StringRef key) {
    auto attribute = get<mlir::StringAttr>(key, "a string");
    return attribute ? attribute.str() : "";
  }
  bool boolean(llvm::StringRef key) {
    auto attribute = get<mlir::BoolAttr>(key, "a boolean");
    return attribute && attribute.getValue();
  }
  int64_t integer(llvm::StringRef key, int64_t otherwise, int64_t least, int64_t most);
  float number(llvm::StringRef key);
  ElementType type(llvm::StringRef key);
  std::vector<int32_t> ids(llvm::StringRef key);

private:
  template <class T> T get(llvm::StringRef key, const char *expected) {
    mlir::Attribute attribute = dictionary ? dictionary.get(key) : nullptr;
    auto typed = llvm::dyn_cast_or_null<T>(attribute);
    if (attribute && !typed)
      note(key, expected);
    return typed;
  }
  void note(llvm::StringRef key, const llvm::Twine &expected) {
    if (problem.empty())
      problem = ("expected '" + key + "' of llm.model to be " + expected).str();
  }

  mlir::DictionaryAttr dictionary;
  std::string &problem;
};
} // namespace

int64_t Dictionary::integer(llvm::StringRef key, int64_t otherwise, int64_t least, int64_t most) {
  auto attribute = get<mlir::IntegerAttr>(key, "an integer");
  if (!attribute)
    return otherwise;
  std::optional<int64_t> value = attribute.getValue().trySExtValue();
  if (value && *value >= least && *value <= most)
    return *value;
  note(key, "from " + llvm::Twine(least) + " to " + llvm::Twine(most));
  return otherwise;
}

float Dictionary::number(llvm::StringRef key) {
  mlir::Attribute attribute = dictionary ? dictionary.get(key) : nullptr;
  if (auto integer = llvm::dyn_cast_or_null<mlir::IntegerAttr>(attribute))
    return integer.getValue().signedRoundToDouble();
  auto real = get<mlir::FloatAttr>(key, "a number");
  return real ? float(real.getValueAsDouble()) : std::nanf("");
}

/// As a type (bf16) or a string ("bf16").
ElementType Dictionary::type(llvm::StringRef key) {
  mlir::Attribute attribute = dictionary ? dictionary.get(key) : nullptr;
  std::string name;
  if (auto type = llvm::dyn_cast_or_null<mlir::TypeAttr>(attribute))
    llvm::raw_string_ostream(name) << type.getValue();
  else if (auto string = get<mlir::StringAttr>(key, "a type"))
    name = string.str();
  if (name == "f16")
    return ElementType::f16;
  if (name == "bf16")
    return ElementType::bf16;
  if (parseEncoding(name))
    return ElementType::encoded;
  if (!name.empty() && name != "f32")
    note(key, "f32, f16, bf16 or an encoding");
  return ElementType::f32;
}

/// One id, a list of them, or a dense array.
std::vector<int32_t> Dictionary::ids(llvm::StringRef key) {
  mlir::Attribute attribute = dictionary ? dictionary.get(key) : nullptr;
  if (!attribute)
    return {};
  if (auto dense = llvm::dyn_cast<mlir::DenseI32ArrayAttr>(attribute))
    return dense.asArrayRef().vec();
  llvm::SmallVector<int64_t> values;
  if (auto dense = llvm::dyn_cast<mlir::DenseI64ArrayAttr>(attribute))
    values.append(dense.asArrayRef().begin(), dense.asArrayRef().end());
  else if (auto one = llvm::dyn_cast<mlir::IntegerAttr>(attribute))
    values.push_back(one.getValue().getSExtValue());
  else if (auto list = llvm::dyn_cast<mlir::ArrayAttr>(attribute))
    for (mlir::Attribute element : list)
      if (auto integer = llvm::dyn_cast<mlir::IntegerAttr>(element))
        values.push_back(integer.getValue().getSExtValue());
      else
        note(key, "a list of integers");
  else
    note(key, "a list of integers");
  std::vector<int32_t> ids;
  for (int64_t value : values)
    if (value >= 0 && value <= std::numeric_limits<int32_t>::max())
      ids.push_back(value);
    else
      note(key, "a list of ids");
  return ids;
}

namespace {
class TableBuilder {
public:
  explicit TableBuilder(const TableContents &contents)
      : contents(contents), options(contents.options),
        model(contents.module->getAttrOfType<mlir::DictionaryAttr>("llm.model"), problem) {}
  llvm::Expected<std::vector<uint8_t>> run();

private:
  template <class T> using Offset = flatbuffers::Offset<T>;
  template <class T> using Vector = Offset<flatbuffers::Vector<Offset<T>>>;

  Offset<Model> addModel();
  Limits limits();
  Offset<Generation> addGeneration();
  Offset<Section> addSection(const SectionPlan &section);
  Offset<Program> addProgram(const ProgramPlan &program, bool ofDevice);
  Vector<Program> addPrograms(const StepPlan &steps, bool ofDevice);
  Offset<Kernel> addKernel(const KernelInput &kernel, uint32_t function);
  Vector<Kernel> addKernels(const DeviceCodeInput &code, const StepPlan &steps);
  Offset<Device> addDevice(const DevicePlan &device);
  Vector<Device> addDevices();
  Vector<Weight> addWeights();
  Vector<Cache> addCaches();
  Vector<CodeObject> addCode();
  Offset<Provenance> addProvenance();
  /// 0 for an empty text.
  Offset<flatbuffers::String> addText(const std::string &text) {
    return text.empty() ? 0 : fbb.CreateString(text);
  }
  llvm::Error check();

  const TableContents &contents;
  const PackageOptions &options;
  flatbuffers::FlatBufferBuilder fbb;
  std::string problem;
  Dictionary model;
};
} // namespace

constexpr int64_t maxInt = std::numeric_limits<int32_t>::max();

flatbuffers::Offset<Model> TableBuilder::addModel() {
  auto count = [&](llvm::StringRef key) { return uint32_t(model.integer(key, 0, 0, maxInt)); };
  auto architecture = fbb.CreateString(model.string("architecture"));
  auto name = addText(model.string("name"));
  auto eos = fbb.CreateVector(model.ids("eos"));
  int64_t parameters = model.integer("parameters", 0, 0, int64_t(1) << 50);
  ModelBuilder builder(fbb);
  builder.add_architecture(architecture);
  builder.add_name(name);
  builder.add_parameters(parameters);
  builder.add_layers(count("layers"));
  builder.add_hidden_size(count("hidden_size"));
  builder.add_vocab_size(count("vocab_size"));
  builder.add_heads(count("heads"));
  builder.add_kv_heads(count("kv_heads"));
  builder.add_head_size(count("head_size"));
  builder.add_weight_type(model.type("weight_type"));
  builder.add_bos(model.integer("bos", -1, -1, maxInt));
  builder.add_eos(eos);
  return builder.Finish();
}

Limits TableBuilder::limits() {
  uint32_t context = options.maxContext;
  if (context == 0)
    context = std::min<uint32_t>(model.integer("max_context", 0, 0, maxInt), artifact::mostContext);
  return Limits(context, options.maxRequests, options.maxStepTokens);
}

flatbuffers::Offset<Generation> TableBuilder::addGeneration() {
  mlir::DictionaryAttr found = model.dictionaryAt("generation");
  if (!found)
    return 0;
  Dictionary generation(found, problem);
  return CreateGeneration(fbb, generation.number("temperature"),
                          generation.integer("top_k", -1, -1, maxInt), generation.number("top_p"),
                          generation.number("min_p"), generation.number("repetition_penalty"),
                          generation.boolean("do_sample"));
}

flatbuffers::Offset<Section> TableBuilder::addSection(const SectionPlan &section) {
  return CreateSection(fbb, section.offset, section.size, &section.hash);
}

flatbuffers::Offset<Program> TableBuilder::addProgram(const ProgramPlan &program, bool ofDevice) {
  std::vector<Offset<Slot>> slots;
  for (const SlotPlan &slot : program.slots) {
    // The blocks of a device have their scratch in shared memory.
    artifact::Size size = slot.scratch && ofDevice
                              ? artifact::Size(0, 0, 0)
                              : artifact::Size(slot.constant, slot.perToken, slot.perRow);
    slots.push_back(CreateSlot(fbb, &size, slot.scratch && !ofDevice));
  }
  std::vector<Offset<Row>> rows;
  for (const RowPlan &row : program.rows) {
    auto operands = fbb.CreateVectorOfStructs(row.operands);
    rows.push_back(CreateRow(fbb, row.function, row.layer, operands, &row.cost));
  }
  auto name = fbb.CreateString(program.name);
  auto slotVector = fbb.CreateVector(slots);
  auto rowVector = fbb.CreateVector(rows);
  return CreateProgram(fbb, name, program.maxTokens, slotVector, rowVector, program.logitsSlot,
                       program.logitsStride, program.chosenSlot);
}

TableBuilder::Vector<Program> TableBuilder::addPrograms(const StepPlan &steps, bool ofDevice) {
  std::vector<Offset<Program>> programs;
  for (const ProgramPlan &program : steps.programs)
    programs.push_back(addProgram(program, ofDevice));
  return fbb.CreateVector(programs);
}

flatbuffers::Offset<Kernel> TableBuilder::addKernel(const KernelInput &kernel, uint32_t function) {
  return CreateKernel(fbb, function, kernel.threads, kernel.dynamicShared, kernel.items[0],
                      kernel.items[1], kernel.items[2], kernel.items[3], kernel.registers,
                      kernel.shared, kernel.blocks, kernel.dependent);
}

TableBuilder::Vector<Kernel> TableBuilder::addKernels(const DeviceCodeInput &code,
                                                      const StepPlan &steps) {
  std::vector<Offset<Kernel>> kernels;
  for (auto [function, name] : llvm::enumerate(steps.functions)) {
    auto kernel = llvm::find_if(code.kernels, [&](const auto &k) { return k.name == name; });
    if (kernel != code.kernels.end())
      kernels.push_back(addKernel(*kernel, function));
    else if (problem.empty())
      problem = "the code for " + code.architecture + " has no kernel '" + name + "'";
  }
  return fbb.CreateVector(kernels);
}

flatbuffers::Offset<Device> TableBuilder::addDevice(const DevicePlan &device) {
  auto target = fbb.CreateString(device.input.target);
  auto functions = fbb.CreateVectorOfStrings(device.steps.functions);
  auto programs = addPrograms(device.steps, /*ofDevice=*/true);
  std::vector<Offset<DeviceCode>> codes;
  for (auto [code, place] : llvm::zip_equal(device.input.code, device.code)) {
    auto architecture = fbb.CreateString(code.architecture);
    auto section = addSection(place);
    auto kernels = addKernels(code, device.steps);
    codes.push_back(CreateDeviceCode(fbb, architecture, code.ptx, section, kernels));
  }
  if (codes.empty() && problem.empty())
    problem = "expected code for " + device.input.target;
  return CreateDevice(fbb, target, functions, programs, fbb.CreateVector(codes));
}

TableBuilder::Vector<Device> TableBuilder::addDevices() {
  std::vector<Offset<Device>> devices;
  for (const DevicePlan &device : contents.devices)
    devices.push_back(addDevice(device));
  return devices.empty() ? Vector<Device>() : fbb.CreateVector(devices);
}

TableBuilder::Vector<Weight> TableBuilder::addWeights() {
  std::vector<Offset<Weight>> weights;
  for (const WeightPlan &weight : contents.weights.weights) {
    auto name = fbb.CreateString(weight.name);
    auto shape = fbb.CreateVector(weight.shape);
    bool encoded = weight.type == ElementType::encoded;
    auto encoding = addText(encoded ? weight.encoding->name() : "");
    weights.push_back(CreateWeight(fbb, name, weight.type, weight.layout, shape, weight.offset,
                                   weight.size, &weight.hash, encoding, weight.unitBytes));
  }
  return fbb.CreateVector(weights);
}

static ElementType convert(kv::PagedType type) {
  if (type.isQuantized())
    return ElementType::i8;
  mlir::Type element = type.getElementType();
  return element.isF32()   ? ElementType::f32
         : element.isF16() ? ElementType::f16
                           : ElementType::bf16;
}

TableBuilder::Vector<Cache> TableBuilder::addCaches() {
  std::vector<Offset<Cache>> caches;
  for (kv::CacheOp cache : contents.tensors.caches) {
    auto type = llvm::dyn_cast<kv::PagedType>(cache.getType());
    if (!type) {
      problem = ("cache @" + cache.getSymName() + " is not paged").str();
      continue;
    }
    auto name = fbb.CreateString(cache.getSymName().str());
    caches.push_back(CreateCache(fbb, name, cache.getLayer(), convert(type), type.getHeads(),
                                 type.getHeadSize(), type.getWindow(), type.getPageBytes()));
  }
  return fbb.CreateVector(caches);
}

TableBuilder::Vector<CodeObject> TableBuilder::addCode() {
  std::vector<Offset<CodeObject>> objects;
  for (size_t i = 0; i < options.codeObjects.size(); ++i) {
    const CodeObjectInput &object = options.codeObjects[i];
    auto target = fbb.CreateString(object.target);
    auto variant = fbb.CreateString(object.variant);
    auto features = fbb.CreateVectorOfStrings(object.features);
    auto section = addSection(contents.code[i]);
    objects.push_back(CreateCodeObject(fbb, target, variant, features, section));
  }
  return fbb.CreateVector(objects);
}

flatbuffers::Offset<Provenance> TableBuilder::addProvenance() {
  std::vector<Offset<Input>> inputs;
  for (const InputPlan &input : contents.inputs)
    inputs.push_back(CreateInput(fbb, fbb.CreateString(input.name), input.size, &input.hash));
  auto compiler = fbb.CreateString(options.compiler);
  auto told = fbb.CreateVectorOfStrings(options.options);
  auto inputVector = fbb.CreateVector(inputs);
  return CreateProvenance(fbb, compiler, told, inputVector);
}

/// A limit that runtimes refuse; empty if there is none.
static std::string checkLimits(const Limits &limits) {
  struct Limit {
    const char *name;
    uint32_t value, most;
  };
  for (const Limit &limit :
       {Limit{"context", limits.max_context(), artifact::mostContext},
        Limit{"requests", limits.max_requests(), artifact::mostRequests},
        Limit{"step tokens", limits.max_step_tokens(), artifact::mostStepTokens}})
    if (limit.value == 0 || limit.value > limit.most)
      return std::string("expected a maximum of ") + limit.name + " from 1 to " +
             std::to_string(limit.most) + ", but got " + std::to_string(limit.value);
  return "";
}

/// What runtimes refuse must not be written.
llvm::Error TableBuilder::check() {
  int64_t vocabulary = model.integer("vocab_size", 0, 0, maxInt);
  if (problem.empty() && model.string("architecture").empty())
    problem = "expected the module attribute llm.model to name an architecture";
  if (problem.empty() && vocabulary == 0)
    problem = "expected 'vocab_size' of llm.model to be at least 1";
  std::vector<int32_t> ids = model.ids("eos");
  ids.push_back(model.integer("bos", -1, -1, maxInt));
  for (int32_t id : ids)
    if (problem.empty() && id >= vocabulary)
      problem = "bos or eos id " + std::to_string(id) + " is not in the vocabulary of " +
                std::to_string(vocabulary);
  std::vector<ProgramPlan> programs = contents.steps.programs;
  for (const DevicePlan &device : contents.devices)
    llvm::append_range(programs, device.steps.programs);
  for (const ProgramPlan &program : programs)
    if (problem.empty() && int64_t(program.logitsStride) < vocabulary)
      problem = "program @" + program.name + " has " + std::to_string(program.logitsStride) +
                " logits, but the vocabulary has " + std::to_string(vocabulary);
  if (problem.empty() && options.maxContext == 0 && model.integer("max_context", 0, 0, maxInt) == 0)
    problem = "expected a maximum context, but there is none in the options "
              "or in llm.model";
  if (problem.empty())
    problem = checkLimits(limits());
  if (problem.empty() && options.codeObjects.empty() && options.devices.empty())
    problem = "expected at least one code object or device";
  if (problem.empty())
    return llvm::Error::success();
  return llvm::createStringError("cannot write the module table: " + problem);
}

llvm::Expected<std::vector<uint8_t>> TableBuilder::run() {
  auto modelTable = addModel();
  Limits bounds = limits();
  auto functions = fbb.CreateVectorOfStrings(contents.steps.functions);
  auto programs = addPrograms(contents.steps, /*ofDevice=*/false);
  auto devices = addDevices();
  auto weights = addWeights();
  auto weightsSection = addSection(contents.weightsSection);
  auto caches = addCaches();
  auto code = addCode();
  Offset<Section> tokenizer = 0;
  if (!options.tokenizer.empty())
    tokenizer = addSection(contents.tokenizer);
  auto missing = addText(options.tokenizer.empty() ? options.tokenizerMissing : "");
  auto chatTemplate = addText(options.chatTemplate);
  auto generation = addGeneration();
  auto provenance = addProvenance();
  if (llvm::Error error = check())
    return std::move(error);
  FinishModuleBuffer(fbb, CreateModule(fbb, KVASIR_ABI_VERSION, modelTable, &bounds, functions,
                                       programs, weights, weightsSection, caches, code, tokenizer,
                                       missing, chatTemplate, generation, provenance, devices));
  return std::vector<uint8_t>(fbb.GetBufferPointer(), fbb.GetBufferPointer() + fbb.GetSize());
}

llvm::Expected<std::vector<uint8_t>> buildModuleTable(const TableContents &contents) {
  return TableBuilder(contents).run();
}

} // namespace kvasir
