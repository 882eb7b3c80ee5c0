// kvasir-quantize: an encoding for every weight, and 8-bit activations where they can be used.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "kvasir/Transforms/Passes.h"

#include "dialects/LLM/LLM.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Builders.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/GlobPattern.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;

namespace kvasir {
#define GEN_PASS_DEF_QUANTIZEPASS
#include "kvasir/Transforms/Passes.h.inc"

namespace {

/// Weights that a pattern matches get an encoding, or stay floats.
struct Rule {
  std::string text;
  llvm::GlobPattern pattern;
  std::optional<Encoding> encoding; ///< nothing: floats
  bool used = false;
};

struct Quantize : impl::QuantizePassBase<Quantize> {
  using QuantizePassBase::QuantizePassBase;

  void runOnOperation() override {
    ModuleOp module = getOperation();
    if (failed(parseOptions(module)) || failed(encodeWeights(module)))
      return signalPassFailure();
    if (activations == "int8")
      quantizeActivations(module);
  }

private:
  LogicalResult parseOptions(ModuleOp module);
  LogicalResult parseRule(ModuleOp module, StringRef text);
  FailureOr<std::optional<Encoding>> parse(ModuleOp module, StringRef name, StringRef where);
  LogicalResult encodeWeights(ModuleOp module);
  Rule *findRule(llm::WeightOp weight);
  LogicalResult encode(llm::WeightOp weight, ArrayRef<llm::GetWeightOp> uses);
  bool takesInt8Rows(llm::LinearOp linear) const;
  void quantizeActivations(ModuleOp module);

  std::optional<Encoding> policy;
  std::vector<Rule> parsedRules;
  llm::LinearOp head; ///< what makes the logits
  StringAttr headWeight;
};

} // namespace

//===----------------------------------------------------------------------===//
// Options
//===----------------------------------------------------------------------===//

FailureOr<std::optional<Encoding>> Quantize::parse(ModuleOp module, StringRef name,
                                                   StringRef where) {
  std::optional<Encoding> encoding = parseEncoding(name);
  if (encoding && llvm::is_contained(quantizableEncodingNames(), encoding->name()))
    return encoding;
  module.emitError() << where
                     << (encoding ? "floats cannot be quantized to '" : "unknown encoding '")
                     << name << "': expected one of "
                     << llvm::join(quantizableEncodingNames(), ", ");
  return failure();
}

LogicalResult Quantize::parseRule(ModuleOp module, StringRef text) {
  auto [pattern, name] = text.rsplit('=');
  if (pattern.empty() || name.empty())
    return module.emitError() << "expected a rule PATTERN=ENCODING, but got '" << text << "'";
  auto glob = llvm::GlobPattern::create(pattern);
  if (!glob)
    return module.emitError() << "rule '" << text << "': " << llvm::toString(glob.takeError());
  Rule rule{text.str(), std::move(*glob), std::nullopt};
  if (name != "float") {
    auto encoding = parse(module, name, ("rule '" + text + "': ").str());
    if (failed(encoding))
      return failure();
    rule.encoding = *encoding;
  }
  parsedRules.push_back(std::move(rule));
  return success();
}

LogicalResult Quantize::parseOptions(ModuleOp module) {
  if (activations != "exact" && activations != "int8")
    return module.emitError() << "expected activations exact or int8, but got '" << activations
                              << "'";
  policy.reset();
  parsedRules.clear();
  bool ok = true;
  if (!encoding.empty()) {
    auto parsed = parse(module, encoding, "");
    ok = succeeded(parsed);
    if (ok)
      policy = *parsed;
  }
  for (const std::string &rule : rules)
    ok &= succeeded(parseRule(module, rule));
  return success(ok);
}

//===----------------------------------------------------------------------===//
// Weights
//===----------------------------------------------------------------------===//

Rule *Quantize::findRule(llm::WeightOp weight) {
  SmallVector<StringRef> names = {weight.getSymName()};
  if (auto tensor = dyn_cast<NameLoc>(weight.getLoc())) {
    names.push_back(tensor.getName());
    StringRef base = tensor.getName();
    if (base.consume_back(".weight"))
      names.push_back(base);
  }
  if (weight.getSymNameAttr() == headWeight)
    names.push_back("lm_head");
  Rule *found = nullptr;
  for (Rule &rule : parsedRules)
    if (llvm::any_of(names, [&](StringRef name) { return rule.pattern.match(name); })) {
      rule.used = true;
      if (!found)
        found = &rule;
    }
  return found;
}

LogicalResult Quantize::encode(llm::WeightOp weight, ArrayRef<llm::GetWeightOp> uses) {
  auto type = cast<llm::WeightType>(weight.getType());
  Rule *rule = findRule(weight);
  if (type.getEncoding()) {
    if (rule && rule->encoding != type.getEncoding())
      return weight.emitError() << "rule '" << rule->text << "' matches '" << weight.getSymName()
                                << "', but that is stored as " << type.getEncoding()->name()
                                << ", which is not quantized again; start from the floats";
    return success();
  }
  std::optional<Encoding> chosen = rule ? rule->encoding : policy;
  if (!chosen)
    return success();
  Type element = llm::EncodedType::get(&getContext(), chosen->name());
  Type encoded = llm::WeightType::get(&getContext(), type.getShape(), element);
  weight.setTypeAttr(TypeAttr::get(encoded));
  for (llm::GetWeightOp use : uses)
    use.getResult().setType(cast<llm::WeightType>(encoded));
  return success();
}

/// Tables that positions choose from are small, and added to everything: they stay floats.
static bool canBeEncoded(llm::GetWeightOp get, func::FuncOp step) {
  for (OpOperand &use : get->getUses()) {
    auto embedding = dyn_cast<llm::EmbeddingOp>(use.getOwner());
    bool byIds =
        embedding && step.getNumArguments() > 0 && embedding.getIndex() == step.getArgument(0);
    if (!byIds && !isa<llm::LinearOp>(use.getOwner()))
      return false;
  }
  return get.getType().getRank() == 2;
}

LogicalResult Quantize::encodeWeights(ModuleOp module) {
  auto step = module.lookupSymbol<func::FuncOp>("step");
  if (!step || step.isExternal())
    return module.emitError("expected a function @step with a body");
  head = nullptr;
  headWeight = {};
  llvm::MapVector<StringAttr, SmallVector<llm::GetWeightOp>> uses;
  SmallVector<StringAttr> kept;
  step.walk([&](llm::GetWeightOp get) {
    uses[get.getNameAttr().getAttr()].push_back(get);
    if (!canBeEncoded(get, step))
      kept.push_back(get.getNameAttr().getAttr());
  });
  step.walk([&](llm::LinearOp linear) { head = linear; }); // the last one
  if (head)
    if (auto get = head.getWeights().back().getDefiningOp<llm::GetWeightOp>())
      headWeight = get.getNameAttr().getAttr();
  bool ok = true;
  for (auto &[name, gets] : uses)
    if (!llvm::is_contained(kept, name))
      ok &= succeeded(encode(module.lookupSymbol<llm::WeightOp>(name), gets));
  for (const Rule &rule : parsedRules)
    if (!rule.used) {
      ok = false;
      module.emitError() << "rule '" << rule.text
                         << "' matches no matrix of a linear layer, nor the token embedding";
    }
  return success(ok);
}

//===----------------------------------------------------------------------===//
// Activations
//===----------------------------------------------------------------------===//

/// Weights of 8 bits are chosen for accuracy, and nothing evens out what the layer of the logits
/// loses: there they get exact inputs.
bool Quantize::takesInt8Rows(llm::LinearOp linear) const {
  return llvm::all_of(linear.getWeights(), [&](Value weight) {
    std::optional<Encoding> encoding = cast<llm::WeightType>(weight.getType()).getEncoding();
    return encoding && encoding->isInteger() && !(linear == head && encoding->bits == 8);
  });
}

/// What all layers that read the same rows need: groups no longer than any of theirs (but two of
/// 16 columns share a scale), sums for each of theirs, and a factor that spares them the product
/// with their offset. Weights of 8 bits are chosen for accuracy, and bound by their bytes: their
/// inputs have the shortest groups.
static llm::Int8RowsAttr rowsFor(ArrayRef<llm::LinearOp> layers, MLIRContext *context) {
  int64_t group = 128, factor = 0;
  int64_t sums = group;
  bool zeroPoints = false;
  for (llm::LinearOp linear : layers)
    for (Value weight : linear.getWeights()) {
      Encoding encoding = *cast<llm::WeightType>(weight.getType()).getEncoding();
      if (encoding.bits == 8)
        sums = std::min<int64_t>(sums, 32);
      if (encoding.group)
        sums = std::min<int64_t>(sums, encoding.group);
      zeroPoints |= encoding.minimum == MinimumKind::zeroPoint;
      factor = std::gcd(factor, int64_t(encoding.byteOffset()));
    }
  group = std::max<int64_t>(32, std::min(group, sums));
  factor = zeroPoints || factor == 0 ? 1 : factor;
  return llm::Int8RowsAttr::get(context, group, sums, factor);
}

void Quantize::quantizeActivations(ModuleOp module) {
  llvm::MapVector<Value, SmallVector<llm::LinearOp>> readers;
  module.walk([&](llm::LinearOp linear) {
    auto rows = cast<RankedTensorType>(linear.getX().getType());
    if (!rows.getEncoding() && takesInt8Rows(linear))
      readers[linear.getX()].push_back(linear);
  });
  for (auto &[x, layers] : readers) {
    auto type = cast<RankedTensorType>(x.getType());
    OpBuilder builder(&getContext());
    builder.setInsertionPointAfterValue(x);
    auto rows =
        RankedTensorType::get(type.getShape(), builder.getI8Type(), rowsFor(layers, &getContext()));
    Value quantized =
        llm::QuantizeRowsOp::create(builder, layers.front().getLoc(), rows, x).getResult();
    for (llm::LinearOp linear : layers)
      linear.getXMutable().assign(quantized);
  }
}

} // namespace kvasir
