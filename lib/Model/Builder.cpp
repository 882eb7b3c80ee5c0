// Emits a decoder in the llm dialect.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "kvasir/Model/Builder.h"
#include "Emitter.h"
#include "llvm/ADT/StringSet.h"

using namespace kvasir;
using namespace mlir;

/// Values of the stored tensors, each counted once however many slices it has.
static int64_t countParameters(const DecoderDescription &decoder, const WeightTable &table) {
  llvm::StringSet<> counted;
  int64_t count = 0;
  forEachWeight(decoder, [&](const WeightDescription &weight) {
    if (!counted.insert(weight.tensor).second)
      return;
    int64_t values = 1;
    for (int64_t size : table.find(weight.tensor)->second.shape)
      values *= size;
    count += values;
  });
  return count;
}

static DictionaryAttr generationAttribute(const GenerationDefaults &generation, Builder &b) {
  SmallVector<NamedAttribute> entries;
  for (auto &[name, value] : generation) {
    Attribute attribute;
    if (const bool *flag = std::get_if<bool>(&value))
      attribute = b.getBoolAttr(*flag);
    else if (const int64_t *integer = std::get_if<int64_t>(&value))
      attribute = b.getI64IntegerAttr(*integer);
    else
      attribute = b.getF64FloatAttr(std::get<double>(value));
    entries.push_back(b.getNamedAttr(name, attribute));
  }
  return b.getDictionaryAttr(entries);
}

/// What the runtime reports of the model.
static DictionaryAttr modelAttribute(const DecoderDescription &decoder, const WeightTable &table,
                                     Builder &b) {
  // The type of the output matrix of the first layer speaks for all: norms and
  // biases are sometimes kept wider.
  StringRef tensor = decoder.layers.front().output.weight.tensor;
  std::string type = StringRef(table.find(tensor)->second.type).lower();
  auto integer = [&](StringRef name, int64_t value) {
    return b.getNamedAttr(name, b.getI64IntegerAttr(value));
  };
  SmallVector<NamedAttribute> entries = {
      b.getNamedAttr("architecture", b.getStringAttr(decoder.architecture)),
      integer("layers", decoder.layers.size()),
      integer("hidden_size", decoder.hiddenSize),
      integer("vocab_size", decoder.vocabularySize),
      integer("heads", decoder.heads),
      integer("kv_heads", decoder.kvHeads),
      integer("head_size", decoder.headSize),
      integer("parameters", countParameters(decoder, table)),
      integer("max_context", decoder.maxContext),
      b.getNamedAttr("weight_type", b.getStringAttr(type)),
      integer("bos", decoder.bos),
      b.getNamedAttr("eos", b.getDenseI64ArrayAttr(decoder.eos)),
  };
  if (!decoder.generation.empty())
    entries.push_back(b.getNamedAttr("generation", generationAttribute(decoder.generation, b)));
  return b.getDictionaryAttr(entries);
}

OwningOpRef<ModuleOp> kvasir::buildDecoder(const DecoderDescription &decoder,
                                           const WeightTable &table, StringRef directory,
                                           MLIRContext &context) {
  context.loadDialect<llm::LLMDialect, func::FuncDialect>();
  OwningOpRef<ModuleOp> module(ModuleOp::create(UnknownLoc::get(&context)));
  OpBuilder b = OpBuilder::atBlockBegin(module->getBody());
  (*module)->setAttr("llm.model", modelAttribute(decoder, table, b));
  (*module)->setAttr("llm.directory", b.getStringAttr(directory));
  DecoderEmitter(decoder, table, b).emit();
  return module;
}
