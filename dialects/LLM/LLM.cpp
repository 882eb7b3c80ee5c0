// Verifiers, types and attributes of the llm dialect.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "dialects/LLM/LLM.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/TypeSwitch.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace kvasir::llm;
using kvasir::MinimumKind;

#include "dialects/LLM/LLMDialect.cpp.inc"
#include "dialects/LLM/LLMEnums.cpp.inc"
#define GET_ATTRDEF_CLASSES
#include "dialects/LLM/LLMAttrs.cpp.inc"
#define GET_TYPEDEF_CLASSES
#include "dialects/LLM/LLMTypes.cpp.inc"
#define GET_OP_CLASSES
#include "dialects/LLM/LLMOps.cpp.inc"

void LLMDialect::initialize() {
  addTypes<
#define GET_TYPEDEF_LIST
#include "dialects/LLM/LLMTypes.cpp.inc"
      >();
  addAttributes<
#define GET_ATTRDEF_LIST
#include "dialects/LLM/LLMAttrs.cpp.inc"
      >();
  addOperations<
#define GET_OP_LIST
#include "dialects/LLM/LLMOps.cpp.inc"
      >();
}

LogicalResult LLMDialect::verifyOperationAttribute(Operation *op, NamedAttribute attribute) {
  if (attribute.getName() == "llm.model" && !isa<DictionaryAttr>(attribute.getValue()))
    return op->emitOpError("expected attribute llm.model to be a dictionary");
  if (attribute.getName() == "llm.directory" && !isa<StringAttr>(attribute.getValue()))
    return op->emitOpError("expected attribute llm.directory to be a string");
  return success();
}

//===----------------------------------------------------------------------===//
// Types and attributes
//===----------------------------------------------------------------------===//

Type WeightType::parse(AsmParser &parser) {
  SmallVector<int64_t> shape;
  Type element;
  SMLoc loc = parser.getCurrentLocation();
  if (parser.parseLess() ||
      parser.parseDimensionList(shape, /*allowDynamic=*/false, /*withTrailingX=*/true) ||
      parser.parseType(element) || parser.parseGreater())
    return {};
  return getChecked([&] { return parser.emitError(loc); }, parser.getContext(), shape, element);
}

void WeightType::print(AsmPrinter &printer) const {
  printer << "<";
  printer.printDimensionList(getShape());
  printer << "x" << getElementType() << ">";
}

/// Bounds that keep every later product of sizes within 63 bits.
static LogicalResult verifyStored(function_ref<InFlightDiagnostic()> emitError,
                                  ArrayRef<int64_t> shape, Type elementType, bool isPart) {
  constexpr int64_t mostValues = int64_t(1) << 48;
  if (shape.empty() || shape.size() > 2)
    return emitError() << "expected 1 or 2 dimensions, but got " << shape.size();
  for (int64_t size : shape)
    if (size <= 0 || size > (int64_t(1) << 40))
      return emitError() << "expected dimensions from 1 to 2^40, but got " << size;
  if (shape.size() == 2 && shape[0] > mostValues / shape[1])
    return emitError() << "expected at most 2^48 values, but got " << shape[0] << "x" << shape[1];
  if (isa<EncodedType>(elementType) && shape.size() == 2)
    return success();
  if (isPart && (elementType.isInteger(8) || elementType.isInteger(32)))
    return success();
  if (!elementType.isF32() && !elementType.isF16() && !elementType.isBF16())
    return emitError()
           << "expected values of f32, f16 or bf16, or encoded ones of a matrix, but got "
           << elementType;
  return success();
}

std::optional<kvasir::Encoding> WeightType::getEncoding() const {
  auto encoded = dyn_cast<EncodedType>(getElementType());
  return encoded ? std::optional(encoded.getEncoding()) : std::nullopt;
}

kvasir::Encoding EncodedType::getEncoding() const { return *kvasir::parseEncoding(getName()); }

LogicalResult EncodedType::verify(function_ref<InFlightDiagnostic()> emitError, StringRef name) {
  std::optional<kvasir::Encoding> encoding = kvasir::parseEncoding(name);
  if (!encoding)
    return emitError() << "expected an encoding (" << llvm::join(kvasir::encodingNames(), ", ")
                       << "), but got '" << name << "'";
  if (encoding->name() != name)
    return emitError() << "expected the encoding's own name '" << encoding->name() << "', but got '"
                       << name << "'";
  return success();
}

LogicalResult Int8RowsAttr::verify(function_ref<InFlightDiagnostic()> emitError, int64_t group,
                                   int64_t sums, int64_t factor) {
  auto isSize = [](int64_t n, int64_t least) {
    return llvm::isPowerOf2_64(n) && n >= least && n <= 256;
  };
  if (!isSize(group, 32))
    return emitError() << "expected a group of 32, 64, 128 or 256 columns, but got " << group;
  if (!isSize(sums, 16) || sums > group)
    return emitError() << "expected sums of 16 columns or more that divide the group of " << group
                       << ", but got " << sums;
  if (!isSize(factor, 1))
    return emitError() << "expected a factor that is a power of two up to 256, but got " << factor;
  return success();
}

LogicalResult WeightType::verify(function_ref<InFlightDiagnostic()> emitError,
                                 ArrayRef<int64_t> shape, Type elementType) {
  return verifyStored(emitError, shape, elementType, /*isPart=*/false);
}

LogicalResult SourceAttr::verify(function_ref<InFlightDiagnostic()> emitError, StringAttr file,
                                 uint64_t offset, RankedTensorType stored, bool transpose,
                                 int64_t row, int64_t interleaved, StringAttr format,
                                 SourceAttr scales, SourceAttr zeros) {
  if (file.getValue().empty())
    return emitError() << "expected the name of a file";
  if (offset > (uint64_t(1) << 62))
    return emitError() << "expected an offset of at most 2^62, but got " << offset;
  if (failed(verifyStored(emitError, stored.getShape(), stored.getElementType(), /*isPart=*/true)))
    return failure();
  if (transpose && stored.getRank() != 2)
    return emitError() << "expected a matrix to transpose, but got " << stored;
  if (row < 0 || row > (int64_t(1) << 40))
    return emitError() << "expected a row from 0 to 2^40, but got " << row;
  if (interleaved < 0 || interleaved % 2 != 0 || interleaved > (int64_t(1) << 20))
    return emitError() << "expected an even number of interleaved rows up to 2^20, but got "
                       << interleaved;
  return success();
}

static kvasir::ScaleKind scaleKind(Type type) {
  return type.isF32()    ? kvasir::ScaleKind::f32
         : type.isF16()  ? kvasir::ScaleKind::f16
         : type.isBF16() ? kvasir::ScaleKind::bf16
                         : kvasir::ScaleKind::e8m0;
}

std::optional<kvasir::StoredMatrix> SourceAttr::getMatrix() const {
  auto encoded = dyn_cast<EncodedType>(getStored().getElementType());
  auto format = kvasir::parseStoredFormat(getFormat() ? getFormat().getValue() : "gguf");
  if (!encoded || !format)
    return std::nullopt;
  kvasir::StoredMatrix matrix;
  matrix.format = *format;
  matrix.encoding = encoded.getEncoding();
  matrix.rows = getStored().getDimSize(0);
  matrix.columns = getStored().getDimSize(1);
  if (SourceAttr scales = getScales()) {
    ArrayRef<int64_t> shape = scales.getStored().getShape();
    matrix.scaleType = scaleKind(scales.getStored().getElementType());
    matrix.scaleRows = shape.front();
    matrix.scaleColumns = shape.size() == 1 ? 1 : shape.back();
  }
  matrix.zeros = bool(getZeros());
  return matrix;
}

//===----------------------------------------------------------------------===//
// Weights
//===----------------------------------------------------------------------===//

/// weight_c6
static LogicalResult verifyParts(WeightOp weight) {
  SourceAttr source = weight.getSource();
  if (source.getStored().getElementType().isInteger())
    return weight.emitOpError("weight_c6: expected floats or encoded values, but got ")
           << source.getStored();
  if (!source.getFormat()) {
    if (source.getScales() || source.getZeros())
      return weight.emitOpError("weight_c6: expected the format of values with scales or zeros");
    return success();
  }
  std::optional<kvasir::StoredMatrix> matrix = source.getMatrix();
  if (!matrix)
    return weight.emitOpError("weight_c6: expected encoded values in a known format, but got ")
           << source.getStored() << " in " << source.getFormat();
  if (std::string problem = matrix->problem(); !problem.empty())
    return weight.emitOpError("weight_c6: ") << problem;
  if (source.getInterleaved())
    return weight.emitOpError("weight_c6: expected rows of format ")
           << source.getFormat() << " that are not interleaved";
  return success();
}

LogicalResult WeightOp::verify() {
  auto type = cast<WeightType>(getType());
  RankedTensorType stored = getSource().getStored();
  bool encodes = type.getEncoding() && !isa<EncodedType>(stored.getElementType());
  if (!encodes && type.getElementType() != stored.getElementType())
    return emitOpError("weight_c1: expected the stored type to be ")
           << type.getElementType() << ", but got " << stored.getElementType();
  if (type.getRank() != stored.getRank())
    return emitOpError("weight_c2: expected a source of ")
           << type.getRank() << " dimensions, but got " << stored;
  int64_t rows = stored.getDimSize(0), columns = stored.getRank() == 2 ? stored.getDimSize(1) : 1;
  if (getSource().getTranspose())
    std::swap(rows, columns);
  if (type.getColumns() != columns)
    return emitOpError("weight_c2: expected a source of ")
           << type.getColumns() << " columns, but got " << columns;
  if (getSource().getRow() > rows - type.getRows())
    return emitOpError("weight_c3: expected rows ")
           << getSource().getRow() << " to " << getSource().getRow() + type.getRows()
           << " inside the source's " << rows;
  if (int64_t head = getSource().getInterleaved())
    if (getSource().getTranspose() || getSource().getRow() % head != 0 ||
        type.getRows() % head != 0)
      return emitOpError("weight_c4: expected whole heads of ") << head << " rows, not transposed";
  if (getSource().getTranspose() && isa<EncodedType>(stored.getElementType()))
    return emitOpError("weight_c5: expected encoded values that are not transposed");
  return verifyParts(*this);
}

LogicalResult GetWeightOp::verifySymbolUses(SymbolTableCollection &symbols) {
  auto weight = symbols.lookupNearestSymbolFrom<WeightOp>(*this, getNameAttr());
  if (!weight)
    return emitOpError("get_weight_c1: expected an llm.weight named ") << getNameAttr();
  if (weight.getType() != getType()) {
    InFlightDiagnostic diag = emitOpError("get_weight_c1: expected type ")
                              << weight.getType() << ", but got " << getType();
    diag.attachNote(weight.getLoc()) << "the weight is declared here";
    return diag;
  }
  return success();
}

//===----------------------------------------------------------------------===//
// Ops
//===----------------------------------------------------------------------===//

static int64_t features(Value value) {
  return cast<RankedTensorType>(value.getType()).getDimSize(1);
}

static bool isVector(Type type, int64_t length) {
  auto weight = cast<WeightType>(type);
  return weight.getRank() == 1 && weight.getRows() == length;
}

LogicalResult EmbeddingOp::verify() {
  auto table = cast<WeightType>(getTable().getType());
  if (table.getRank() != 2 || table.getColumns() != features(getResult()))
    return emitOpError("embedding_c1: expected a table of ")
           << features(getResult()) << " columns, but got " << table;
  return success();
}

LogicalResult RmsNormOp::verify() {
  int64_t group = getGroup();
  if (group <= 0 || features(getX()) % group != 0)
    return emitOpError("rms_norm_c1: expected a group that divides ")
           << features(getX()) << ", but got " << group;
  if (!isVector(getWeight().getType(), group))
    return emitOpError("rms_norm_c2: expected a weight of ")
           << group << " values, but got " << getWeight().getType();
  return success();
}

LogicalResult LayerNormOp::verify() {
  int64_t n = features(getX());
  if (!isVector(getWeight().getType(), n) || (getBias() && !isVector(getBias().getType(), n)))
    return emitOpError("layer_norm_c1: expected weight and bias of ") << n << " values";
  return success();
}

LogicalResult QuantizeRowsOp::verify() {
  if (features(getX()) != features(getResult()))
    return emitOpError("quantize_rows_c1: expected a result of ")
           << features(getX()) << " columns, but got " << features(getResult());
  return success();
}

/// Whether integer sums of products with these activations can be formed.
static LogicalResult verifyQuantized(LinearOp linear, Int8RowsAttr rows) {
  for (Value value : linear.getWeights()) {
    auto type = cast<WeightType>(value.getType());
    std::optional<kvasir::Encoding> encoding = type.getEncoding();
    if (!encoding || !encoding->isInteger())
      return linear.emitOpError("linear_c3: expected weights encoded as integers, but got ")
             << type;
    if (encoding->group && encoding->group % rows.getSums() != 0)
      return linear.emitOpError("linear_c3: expected groups that are multiples of ")
             << rows.getSums() << " columns, but got " << type;
    bool zeroPoints = encoding->minimum == MinimumKind::zeroPoint;
    if (encoding->byteOffset() % rows.getFactor() != 0 || (zeroPoints && rows.getFactor() != 1))
      return linear.emitOpError("linear_c3: expected sums with a factor that divides ")
             << (zeroPoints ? 1 : encoding->byteOffset()) << ", but got " << rows.getFactor();
  }
  return success();
}

LogicalResult LinearOp::verify() {
  if (getWeights().empty() || getWeights().size() != getResults().size())
    return emitOpError("linear_c1: expected one result for each weight, but got ")
           << getWeights().size() << " weights and " << getResults().size() << " results";
  for (auto [weight, result] : llvm::zip(getWeights(), getResults())) {
    auto type = cast<WeightType>(weight.getType());
    if (type.getRank() != 2 || type.getColumns() != features(getX()) ||
        type.getRows() != features(result))
      return emitOpError("linear_c1: expected a weight of ")
             << features(result) << "x" << features(getX()) << ", but got " << type;
  }
  auto rows =
      dyn_cast_or_null<Int8RowsAttr>(cast<RankedTensorType>(getX().getType()).getEncoding());
  if (rows && failed(verifyQuantized(*this, rows)))
    return failure();
  if (getBiases().empty())
    return success();
  if (getBiases().size() != getWeights().size())
    return emitOpError("linear_c2: expected no biases or one for each weight, but got ")
           << getBiases().size();
  for (auto [bias, result] : llvm::zip(getBiases(), getResults()))
    if (!isVector(bias.getType(), features(result)))
      return emitOpError("linear_c2: expected a bias of ")
             << features(result) << " values, but got " << bias.getType();
  return success();
}

LogicalResult RopeTableOp::verify() {
  int64_t count = getFrequencies().size();
  if (count == 0 || features(getResult()) != 2 * count)
    return emitOpError("rope_table_c1: expected ")
           << 2 * count << " features for " << count << " frequencies, but got "
           << features(getResult());
  bool hasLong = getLongFrequencies().has_value();
  if (hasLong != getOriginalContext().has_value() || hasLong != getLongMagnitude().has_value() ||
      (hasLong && static_cast<int64_t>(getLongFrequencies()->size()) != count))
    return emitOpError("rope_table_c2: expected long_frequencies as many as frequencies, "
                       "with long_magnitude and original_context");
  return success();
}

LogicalResult RopeOp::verify() {
  int64_t head = getHeadSize(), table = features(getTable());
  if (head <= 0 || features(getX()) % head != 0)
    return emitOpError("rope_c1: expected a head size that divides ")
           << features(getX()) << ", but got " << head;
  if (table % 2 != 0 || table > head)
    return emitOpError("rope_c2: expected a table of an even number of features, at most ")
           << head << ", but got " << table;
  return success();
}

int64_t AttentionOp::getHeadSize() { return features(getQ()) / getHeads(); }

LogicalResult ArgmaxOp::verify() {
  int64_t features = cast<RankedTensorType>(getX().getType()).getDimSize(1);
  if (features < int64_t(getCount()))
    return emitOpError("argmax_c1: expected rows of at least ")
           << getCount() << " features, but got " << features;
  return success();
}

LogicalResult AttentionOp::verify() {
  int64_t heads = getHeads(), kvHeads = getKvHeads();
  if (kvHeads <= 0 || heads <= 0 || heads % kvHeads != 0)
    return emitOpError("attention_c1: expected kv_heads to divide heads, but got ")
           << kvHeads << " and " << heads;
  int64_t size = getHeadSize();
  if (features(getQ()) != heads * size || features(getK()) != kvHeads * size ||
      features(getV()) != kvHeads * size || features(getResult()) != heads * size)
    return emitOpError("attention_c2: expected ")
           << heads << " and " << kvHeads << " heads of " << size << ", but got "
           << features(getQ()) << ", " << features(getK()) << " and " << features(getV())
           << " features";
  return success();
}
