// The one place where a decoder description becomes ops.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "Emitter.h"

using namespace kvasir;
using namespace mlir;

static Type elementType(StringRef stored, Builder &b) {
  if (stored == "F32")
    return b.getF32Type();
  if (stored == "F16")
    return b.getF16Type();
  if (stored == "BF16")
    return b.getBF16Type();
  std::optional<Encoding> encoding = parseEncoding(stored);
  assert(encoding && "checked by checkWeights");
  return llm::EncodedType::get(b.getContext(), encoding->name());
}

/// The source of scales or zero points.
static llm::SourceAttr partSource(const StoredTensor &part, Builder &b) {
  Type element = part.type == "I32"                            ? b.getI32Type()
                 : part.type == "U8" || part.type == "F8_E8M0" ? b.getIntegerType(8)
                                                               : elementType(part.type, b);
  return llm::SourceAttr::get(b.getContext(), b.getStringAttr(part.file), part.offset,
                              RankedTensorType::get(part.shape, element), false, 0, 0, {}, {}, {});
}

static llm::ActivationKind activationKind(Activation activation) {
  switch (activation) {
  case Activation::silu:
    return llm::ActivationKind::silu;
  case Activation::gelu:
    return llm::ActivationKind::gelu;
  case Activation::geluTanh:
    return llm::ActivationKind::gelu_tanh;
  case Activation::relu:
    return llm::ActivationKind::relu;
  }
  llvm_unreachable("every activation is above");
}

void DecoderEmitter::emit() {
  forEachWeight(decoder, [&](const WeightDescription &weight) { declareWeight(weight); });
  func::FuncOp step = emitSignature();
  OpBuilder::InsertionGuard guard(b);
  Block *entry = step.addEntryBlock();
  b.setInsertionPointToStart(entry);
  Value ids = entry->getArgument(0), positions = entry->getArgument(1),
        totals = entry->getArgument(2), rows = entry->getArgument(3);

  Value x = emitEmbedding(ids, positions);
  emitRopeTables(positions, totals);
  for (auto [index, layer] : llvm::enumerate(decoder.layers)) {
    enter(index, "attention");
    x = emitResidual(x, emitAttention(x, layer, index));
    enter(index, "mlp");
    x = emitResidual(x, emitMlp(x, layer));
  }
  func::ReturnOp::create(b, loc, emitLogits(x, rows));
}

void DecoderEmitter::declareWeight(const WeightDescription &weight) {
  auto [entry, inserted] = weights.try_emplace(weight.symbol);
  if (!inserted)
    return; // a tied head
  const StoredTensor &stored = table.find(weight.tensor)->second;
  Type element = elementType(stored.type, b);
  entry->second = llm::WeightType::get(b.getContext(), weight.shape, element);
  StringAttr format = stored.format.empty() ? StringAttr() : b.getStringAttr(stored.format);
  size_t parts = stored.parts.size();
  auto source = llm::SourceAttr::get(b.getContext(), b.getStringAttr(stored.file), stored.offset,
                                     RankedTensorType::get(weight.stored, element),
                                     weight.transpose, weight.row, weight.interleaved, format,
                                     parts > 0 ? partSource(stored.parts[0], b) : nullptr,
                                     parts > 1 ? partSource(stored.parts[1], b) : nullptr);
  llm::WeightOp::create(b, NameLoc::get(b.getStringAttr(weight.tensor)),
                        b.getStringAttr(weight.symbol), TypeAttr::get(entry->second), source,
                        llm::WeightLayoutAttr());
}

func::FuncOp DecoderEmitter::emitSignature() {
  auto integers = RankedTensorType::get({ShapedType::kDynamic}, b.getI32Type());
  SmallVector<Type> arguments(4, integers);
  return func::FuncOp::create(b, loc, "step",
                              b.getFunctionType(arguments, rowsType(decoder.vocabularySize)));
}

Value DecoderEmitter::emitEmbedding(Value ids, Value positions) {
  auto type = rowsType(decoder.hiddenSize);
  Value x = llm::EmbeddingOp::create(b, loc, type, ids, getWeight(decoder.embedding));
  x = emitScale(x, decoder.embeddingScale);
  if (!decoder.positionEmbedding)
    return x;
  Value p =
      llm::EmbeddingOp::create(b, loc, type, positions, getWeight(*decoder.positionEmbedding));
  return llm::AddOp::create(b, loc, type, x, p, b.getF32FloatAttr(1.0f));
}

void DecoderEmitter::emitRopeTables(Value positions, Value totals) {
  for (const RopeDescription &rope : decoder.ropes) {
    bool isLong = !rope.longFrequencies.empty();
    ropeTables.push_back(llm::RopeTableOp::create(
        b, loc, rowsType(2 * rope.frequencies.size()), positions, totals,
        b.getDenseF32ArrayAttr(rope.frequencies), b.getF32FloatAttr(rope.magnitude),
        isLong ? b.getDenseF32ArrayAttr(rope.longFrequencies) : DenseF32ArrayAttr(),
        isLong ? b.getF32FloatAttr(rope.longMagnitude) : FloatAttr(),
        isLong ? b.getI64IntegerAttr(rope.originalContext) : IntegerAttr()));
  }
}

Value DecoderEmitter::emitAttention(Value x, const LayerDescription &layer, int64_t index) {
  Value input = emitNorm(x, layer.attentionNorm);
  Value q = emitLinear(input, layer.query), k = emitLinear(input, layer.key),
        v = emitLinear(input, layer.value);
  q = emitRope(emitNorm(q, layer.queryNorm), layer);
  k = emitRope(emitNorm(k, layer.keyNorm), layer);
  IntegerAttr window = layer.window ? b.getI64IntegerAttr(*layer.window) : IntegerAttr();
  Value attended = llm::AttentionOp::create(
      b, loc, q.getType(), q, k, v, b.getI64IntegerAttr(index), b.getI64IntegerAttr(decoder.heads),
      b.getI64IntegerAttr(decoder.kvHeads),
      b.getF32FloatAttr(static_cast<float>(layer.attentionScale)), window);
  return emitNorm(emitLinear(attended, layer.output), layer.attentionOutputNorm);
}

Value DecoderEmitter::emitMlp(Value x, const LayerDescription &layer) {
  Value input = emitNorm(x, layer.mlpNorm);
  llm::ActivationKind kind = activationKind(layer.activation);
  Value inner;
  if (layer.gate) {
    Value gate = emitLinear(input, *layer.gate), up = emitLinear(input, layer.up);
    inner = llm::GatedActOp::create(b, loc, gate.getType(), kind, gate, up);
  } else {
    Value up = emitLinear(input, layer.up);
    inner = llm::ActivationOp::create(b, loc, up.getType(), kind, up);
  }
  return emitNorm(emitLinear(inner, layer.down), layer.mlpOutputNorm);
}

Value DecoderEmitter::emitLogits(Value x, Value rows) {
  loc = NameLoc::get(b.getStringAttr("logits"));
  // Before the norm: it and the head are computed for the wanted rows only.
  x = llm::SelectRowsOp::create(b, loc, x.getType(), x, rows);
  x = emitNorm(x, decoder.finalNorm);
  Value logits = emitLinear(x, {decoder.head, std::nullopt});
  return emitScale(logits, 1.0 / decoder.logitsDivisor);
}

Value DecoderEmitter::emitNorm(Value x, const std::optional<NormDescription> &norm) {
  if (!norm)
    return x;
  Value weight = getWeight(norm->weight);
  FloatAttr epsilon = b.getF32FloatAttr(static_cast<float>(norm->epsilon));
  if (norm->kind == NormKind::rms)
    return llm::RmsNormOp::create(b, loc, x.getType(), x, weight, epsilon,
                                  b.getI64IntegerAttr(norm->group));
  Value bias = norm->bias ? getWeight(*norm->bias) : Value();
  return llm::LayerNormOp::create(b, loc, x.getType(), x, weight, bias, epsilon);
}

Value DecoderEmitter::emitLinear(Value x, const LinearDescription &linear) {
  SmallVector<Value, 1> biases;
  Value weight = getWeight(linear.weight);
  if (linear.bias)
    biases.push_back(getWeight(*linear.bias));
  SmallVector<Type, 1> results = {rowsType(linear.weight.shape[0])};
  return llm::LinearOp::create(b, loc, results, x, ValueRange(weight), biases).getResult(0);
}

Value DecoderEmitter::emitRope(Value x, const LayerDescription &layer) {
  if (!layer.rope)
    return x;
  return llm::RopeOp::create(b, loc, x.getType(), x, ropeTables[*layer.rope],
                             b.getI64IntegerAttr(decoder.headSize));
}

Value DecoderEmitter::emitResidual(Value x, Value y) {
  FloatAttr scale = b.getF32FloatAttr(static_cast<float>(decoder.residualScale));
  return llm::AddOp::create(b, loc, x.getType(), x, y, scale);
}

Value DecoderEmitter::emitScale(Value x, double factor) {
  if (factor == 1.0)
    return x;
  return llm::ScaleOp::create(b, loc, x.getType(), x,
                              b.getF32FloatAttr(static_cast<float>(factor)));
}

Value DecoderEmitter::getWeight(const WeightDescription &weight) {
  return llm::GetWeightOp::create(b, loc, weights.lookup(weight.symbol),
                                  FlatSymbolRefAttr::get(b.getContext(), weight.symbol));
}

void DecoderEmitter::enter(int64_t index, StringRef part) {
  loc = NameLoc::get(b.getStringAttr("layers." + Twine(index) + "." + part));
}

RankedTensorType DecoderEmitter::rowsType(int64_t features) {
  return RankedTensorType::get({ShapedType::kDynamic, features}, b.getF32Type());
}
