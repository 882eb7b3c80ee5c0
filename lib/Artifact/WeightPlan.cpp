// Layout of the weights section.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "WeightPlan.h"

#include "kvasir-c/abi.h"
#include "kvasir/Encoding/Mma16.h"
#include "kvasir/Encoding/Stored.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/Support/MathExtras.h"

namespace kvasir {

/// Far above any model, and small enough that sums of sizes stay in 64 bits.
constexpr uint64_t maxWeightBytes = uint64_t(1) << 50;

/// Columns of an encoded matrix: 32 rows are encoded in memory at a time.
constexpr uint64_t maxEncodedColumns = uint64_t(1) << 20;

uint64_t elementSize(artifact::ElementType type) {
  return type == artifact::ElementType::f32 || type == artifact::ElementType::i32 ? 4 : 2;
}

static artifact::ElementType convertType(mlir::Type type) {
  if (llvm::isa<llm::EncodedType>(type))
    return artifact::ElementType::encoded;
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
  plan.interleaved = source.getInterleaved();
  plan.matrix = source.getMatrix();
  plan.sourceType = convertType(stored.getElementType());
}

StoredLines WeightPlan::sourceLines() const {
  if (matrix)
    return matrix->codeLines();
  return {int64_t(storedRows), int64_t(storedColumns * elementSize(sourceType))};
}

uint64_t WeightPlan::sourceRow(uint64_t weightRow) const {
  uint64_t at = row + weightRow;
  if (interleaved == 0)
    return at;
  uint64_t inHead = at % interleaved, half = interleaved / 2;
  return at - inHead + inHead % half * 2 + inHead / half;
}

/// Bytes in the artifact, or nothing when they are beyond all bounds.
static std::optional<uint64_t> packedBytes(const WeightPlan &plan) {
  uint64_t rows = plan.rows, rowBytes = 0;
  bool overflow = false;
  if (plan.layout == artifact::Layout::panel32) {
    rows = llvm::divideCeil(rows, uint64_t(unitRows));
    rowBytes = plan.unitBytes;
  } else {
    bool inTiles = plan.layout == artifact::Layout::mma16;
    if (inTiles || plan.layout == artifact::Layout::panel16)
      rows = llvm::alignTo(rows, 16);
    uint64_t columns = inTiles ? llvm::alignTo(plan.columns, Mma16::columns) : plan.columns;
    rowBytes = llvm::SaturatingMultiply(columns, elementSize(plan.type), &overflow);
  }
  uint64_t bytes = llvm::SaturatingMultiply(rows, rowBytes, &overflow);
  return overflow || bytes > maxWeightBytes ? std::nullopt : std::optional(bytes);
}

/// What cannot be packed of an encoded weight; empty if all can.
static std::string checkEncoded(const WeightPlan &plan) {
  std::string name = plan.encoding->name();
  if (plan.layout == artifact::Layout::panel16 || plan.layout == artifact::Layout::mma16)
    return "is encoded as " + name + ", but its layout is " + artifact::EnumNameLayout(plan.layout);
  if (plan.columns > maxEncodedColumns)
    return "has " + std::to_string(plan.columns) + " columns, but at most " +
           std::to_string(maxEncodedColumns) + " can be encoded as " + name;
  if (plan.sourceType != artifact::ElementType::encoded)
    return llvm::is_contained(quantizableEncodingNames(), name)
               ? ""
               : "cannot be quantized to " + name + "; expected one of " +
                     llvm::join(quantizableEncodingNames(), ", ");
  std::string problem = plan.matrix->problem();
  return problem.empty() ? "" : "cannot be read from its file: " + problem;
}

static llvm::Error setEncoding(WeightPlan &plan, const Encoding &encoding) {
  plan.encoding = encoding;
  std::string problem = checkEncoded(plan);
  if (!problem.empty())
    return llvm::createStringError("weight @" + plan.name + " " + problem);
  bool inUnits = plan.layout == artifact::Layout::panel32;
  plan.type = inUnits ? artifact::ElementType::encoded : artifact::ElementType::f32;
  plan.unitBytes = inUnits ? Panel32(encoding, plan.columns).unitBytes : 0;
  return llvm::Error::success();
}

static artifact::Layout convertLayout(std::optional<llm::WeightLayout> layout) {
  switch (layout.value_or(llm::WeightLayout::row_major)) {
  case llm::WeightLayout::row_major:
    return artifact::Layout::row_major;
  case llm::WeightLayout::panel16:
    return artifact::Layout::panel16;
  case llm::WeightLayout::panel32:
    return artifact::Layout::panel32;
  case llm::WeightLayout::mma16:
    return artifact::Layout::mma16;
  }
  llvm_unreachable("layouts");
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
  plan.layout = convertLayout(op.getLayout());
  if (isVector && plan.layout != artifact::Layout::row_major)
    return llvm::createStringError("weight @" + plan.name + " is a vector, but its layout is " +
                                   artifact::EnumNameLayout(plan.layout));
  if (std::optional<Encoding> encoding = type.getEncoding()) {
    if (llvm::Error error = setEncoding(plan, *encoding))
      return std::move(error);
  } else if (plan.layout == artifact::Layout::panel32) {
    return llvm::createStringError("weight @" + plan.name +
                                   " is not encoded, but its layout is panel32");
  }
  std::optional<uint64_t> bytes = packedBytes(plan);
  if (!bytes)
    return llvm::createStringError("weight @" + plan.name + " has " + std::to_string(plan.rows) +
                                   " x " + std::to_string(plan.columns) +
                                   " elements, which is too large");
  plan.size = *bytes;
  return plan;
}

namespace {
/// Gives files their numbers.
class Files {
public:
  explicit Files(WeightsPlan &plan) : plan(plan) {}
  StoredPart place(llm::SourceAttr source) {
    if (!source)
      return {};
    llvm::StringRef file = source.getFile().getValue();
    auto [entry, isNew] = numbers.try_emplace(file, plan.files.size());
    if (isNew)
      plan.files.push_back(file.str());
    return {entry->second, source.getOffset()};
  }

private:
  WeightsPlan &plan;
  llvm::StringMap<uint32_t> numbers;
};
} // namespace

llvm::Expected<WeightsPlan> planWeights(llvm::ArrayRef<llm::WeightOp> weights) {
  WeightsPlan plan;
  Files files(plan);
  for (llm::WeightOp op : weights) {
    auto weight = planWeight(op);
    if (!weight)
      return weight.takeError();
    weight->file = files.place(op.getSource()).file;
    weight->scales = files.place(op.getSource().getScales());
    weight->zeros = files.place(op.getSource().getZeros());
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
