// Layout of the weights section.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "WeightPlan.h"

#include "kvasir-c/abi.h"

#include "llvm/ADT/StringMap.h"
#include "llvm/Support/MathExtras.h"

namespace kvasir {

/// Far above any model, and small enough that sums of sizes stay in 64 bits.
constexpr uint64_t maxWeightBytes = uint64_t(1) << 50;

uint64_t elementSize(artifact::ElementType type) {
  return type == artifact::ElementType::f32 || type == artifact::ElementType::i32 ? 4 : 2;
}

static artifact::ElementType convertType(mlir::Type type) {
  if (type.isF16())
    return artifact::ElementType::f16;
  return type.isBF16() ? artifact::ElementType::bf16 : artifact::ElementType::f32;
}

static void setSource(WeightPlan &plan, llm::SourceAttr source) {
  mlir::RankedTensorType stored = source.getStored();
  plan.sourceOffset = source.getOffset();
  plan.storedRows = stored.getDimSize(0);
  plan.storedColumns = stored.getRank() == 1 ? 1 : stored.getDimSize(1);
  plan.row = source.getRow();
  plan.transpose = source.getTranspose();
  plan.sourceType = convertType(stored.getElementType());
}

/// Bytes in the artifact, or nothing when they are beyond all bounds.
static std::optional<uint64_t> packedBytes(const WeightPlan &plan) {
  uint64_t rows =
      plan.layout == artifact::Layout::panel16 ? llvm::alignTo(plan.rows, 16) : plan.rows;
  bool overflow = false;
  uint64_t elements = llvm::SaturatingMultiply<uint64_t>(rows, plan.columns, &overflow);
  if (overflow || elements > maxWeightBytes / 4)
    return std::nullopt;
  return elements * elementSize(plan.type);
}

static llvm::Expected<WeightPlan> planWeight(llm::WeightOp op) {
  auto type = llvm::cast<llm::WeightType>(op.getType());
  WeightPlan plan;
  plan.name = op.getSymName().str();
  plan.shape.assign(type.getShape().begin(), type.getShape().end());
  plan.rows = type.getRows();
  plan.columns = type.getColumns();
  setSource(plan, op.getSource());
  bool isVector = type.getRank() == 1;
  plan.type = isVector ? artifact::ElementType::f32 : plan.sourceType;
  plan.layout = op.getLayout() == llm::WeightLayout::panel16 ? artifact::Layout::panel16
                                                             : artifact::Layout::row_major;
  if (isVector && plan.layout != artifact::Layout::row_major)
    return llvm::createStringError("weight @" + plan.name +
                                   " is a vector, but its layout is panel16");
  std::optional<uint64_t> bytes = packedBytes(plan);
  if (!bytes)
    return llvm::createStringError("weight @" + plan.name + " has " + std::to_string(plan.rows) +
                                   " x " + std::to_string(plan.columns) +
                                   " elements, which is too large");
  plan.size = *bytes;
  return plan;
}

llvm::Expected<WeightsPlan> planWeights(llvm::ArrayRef<llm::WeightOp> weights) {
  WeightsPlan plan;
  llvm::StringMap<uint32_t> files;
  for (llm::WeightOp op : weights) {
    auto weight = planWeight(op);
    if (!weight)
      return weight.takeError();
    llvm::StringRef file = op.getSource().getFile().getValue();
    auto [entry, isNew] = files.try_emplace(file, plan.files.size());
    if (isNew)
      plan.files.push_back(file.str());
    weight->file = entry->second;
    weight->offset = llvm::alignTo(plan.size, KVASIR_ALIGNMENT);
    plan.size = weight->offset + weight->size;
    if (plan.size > maxWeightBytes)
      return llvm::createStringError("the weights up to @" + weight->name +
                                     " are too large for one file");
    plan.weights.push_back(std::move(*weight));
  }
  return plan;
}

} // namespace kvasir
