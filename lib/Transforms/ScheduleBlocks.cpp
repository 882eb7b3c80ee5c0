// What a step for GPUs has beside the model: a choice among logits, contexts divided among blocks.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "SchedulePhases.h"

#include "dialects/KV/KV.h"
#include "dialects/LLM/LLM.h"
#include "dialects/Step/TokenTile.h"
#include "kvasir-c/abi.h"
#include "mlir/IR/Builders.h"
#include "llvm/Support/MathExtras.h"

#include <limits>

using namespace mlir;
using namespace kvasir;

static int64_t ofModel(ModuleOp module, StringRef name) {
  auto model = module->getAttrOfType<DictionaryAttr>("llm.model");
  auto value = model ? model.getAs<IntegerAttr>(name) : nullptr;
  return value && value.getType().isInteger(64) ? value.getInt() : 0;
}

/// Of the vocabulary, which can be less than the rows of the matrix that makes the logits.
void kvasir::addChoice(func::FuncOp step, ModuleOp module) {
  Operation *end = step.getBody().front().getTerminator();
  Value logits = end->getOperand(0);
  int64_t features = cast<RankedTensorType>(logits.getType()).getDimSize(1);
  int64_t vocabulary = ofModel(module, "vocab_size");
  OpBuilder builder(end);
  auto ids = RankedTensorType::get({ShapedType::kDynamic}, builder.getI32Type());
  auto choice = llm::ArgmaxOp::create(builder, logits.getLoc(), ids, logits,
                                      vocabulary > 0 ? std::min(vocabulary, features) : features);
  end->insertOperands(1, choice.getResult());
  step.setFunctionType(builder.getFunctionType(step.getArgumentTypes(), {logits.getType(), ids}));
}

/// Partitions of 512 keys of which a token can see any.
static int64_t partitionsOf(ModuleOp module, kv::PagedType cache) {
  constexpr int64_t keys = KVASIR_PARTITION_TOKENS;
  int64_t most = llvm::divideCeil(ofModel(module, "max_context"), keys);
  if (int64_t window = cache.getWindow())
    most = std::min<int64_t>(most, llvm::divideCeil(window - 1, keys) + 1);
  return most;
}

func::FuncOp kvasir::splitContexts(func::FuncOp step, ModuleOp module) {
  OpBuilder builder(step->getContext());
  builder.setInsertionPointAfter(step); // phases stand before it
  auto split = cast<func::FuncOp>(builder.clone(*step));
  bool any = false;
  split.walk([&](kv::AttendOp attend) {
    auto cache = cast<kv::PagedType>(attend.getCache().getType());
    int64_t heads = attend.getHeads(), partitions = partitionsOf(module, cache);
    int64_t columns = heads * (cache.getHeadSize() + 2);
    if (partitions < 2 || columns > std::numeric_limits<int32_t>::max() / partitions)
      return;
    builder.setInsertionPoint(attend);
    auto integer = [&](int64_t value) { return builder.getI64IntegerAttr(value); };
    auto parts = kv::AttendPartitionsOp::create(
        builder, attend.getLoc(),
        RankedTensorType::get({ShapedType::kDynamic, columns * partitions}, builder.getF32Type()),
        attend.getCache(), attend.getQ(), integer(heads), integer(partitions),
        attend.getScaleAttr());
    auto merge = kv::MergePartitionsOp::create(builder, attend.getLoc(), attend.getType(), parts,
                                               split.getArgument(1), integer(heads),
                                               integer(partitions), integer(cache.getWindow()));
    attend.replaceAllUsesWith(merge.getResult());
    attend.erase();
    any = true;
  });
  if (any)
    return split;
  split.erase();
  return nullptr;
}

int64_t kvasir::splitTokens(func::FuncOp split) {
  constexpr int64_t mostBytes = int64_t(256) << 20;
  int64_t tokens = step::manyTokens;
  split.walk([&](kv::AttendPartitionsOp parts) {
    int64_t bytes = cast<RankedTensorType>(parts.getType()).getDimSize(1) * sizeof(float);
    while (tokens > 1 && tokens * bytes > mostBytes)
      tokens /= 2;
  });
  return tokens;
}
