// Verifiers and types of the kv dialect.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "dialects/KV/KV.h"

#include "include/kvasir-c/abi.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace kvasir::kv;

static ParseResult parseDimensions(AsmParser &parser, bool withTrailingX, int64_t &heads,
                                   int64_t &headSize) {
  SmallVector<int64_t> shape;
  SMLoc loc = parser.getCurrentLocation();
  if (parser.parseDimensionList(shape, /*allowDynamic=*/false, withTrailingX))
    return failure();
  if (shape.size() != 2)
    return parser.emitError(loc, "expected heads x head size");
  heads = shape[0];
  headSize = shape[1];
  return success();
}

static ParseResult parseShape(AsmParser &parser, int64_t &heads, int64_t &headSize) {
  return parseDimensions(parser, /*withTrailingX=*/false, heads, headSize);
}

static void printShape(AsmPrinter &printer, int64_t heads, int64_t headSize) {
  printer << heads << "x" << headSize;
}

static ParseResult parsePagedShape(AsmParser &parser, int64_t &heads, int64_t &headSize,
                                   Type &elementType) {
  return failure(parseDimensions(parser, /*withTrailingX=*/true, heads, headSize) ||
                 parser.parseType(elementType));
}

static void printPagedShape(AsmPrinter &printer, int64_t heads, int64_t headSize,
                            Type elementType) {
  printer << heads << "x" << headSize << "x" << elementType;
}

#include "dialects/KV/KVDialect.cpp.inc"
#define GET_TYPEDEF_CLASSES
#include "dialects/KV/KVTypes.cpp.inc"
#define GET_OP_CLASSES
#include "dialects/KV/KVOps.cpp.inc"

void KVDialect::initialize() {
  addTypes<
#define GET_TYPEDEF_LIST
#include "dialects/KV/KVTypes.cpp.inc"
      >();
  addOperations<
#define GET_OP_LIST
#include "dialects/KV/KVOps.cpp.inc"
      >();
}

static LogicalResult verifyShape(function_ref<InFlightDiagnostic()> emitError, int64_t heads,
                                 int64_t headSize, int64_t window) {
  constexpr int64_t most = 1 << 16; // so that no product of sizes overflows
  if (heads <= 0 || headSize <= 0 || heads > most || headSize > most)
    return emitError() << "expected heads and head size from 1 to " << most << ", but got " << heads
                       << "x" << headSize;
  if (window < 0 || window > std::numeric_limits<int32_t>::max())
    return emitError() << "expected a window from 0 to 2^31 - 1, but got " << window;
  return success();
}

LogicalResult CacheType::verify(function_ref<InFlightDiagnostic()> emitError, int64_t heads,
                                int64_t headSize, int64_t window) {
  return verifyShape(emitError, heads, headSize, window);
}

LogicalResult PagedType::verify(function_ref<InFlightDiagnostic()> emitError, int64_t heads,
                                int64_t headSize, Type elementType, int64_t window) {
  if (!elementType.isF32() && !elementType.isF16() && !elementType.isBF16() &&
      !elementType.isSignlessInteger(8))
    return emitError() << "expected a cache of f32, f16, bf16 or i8, but got " << elementType;
  return verifyShape(emitError, heads, headSize, window);
}

int64_t PagedType::getKeyScalesOffset() const {
  return KVASIR_PAGE_TOKENS * getHeadSize() * (getElementType().getIntOrFloatBitWidth() / 8);
}

int64_t PagedType::getValuesOffset() const {
  int64_t scales = isQuantized() ? KVASIR_PAGE_TOKENS * sizeof(float) : 0;
  return getKeyScalesOffset() + scales;
}

int64_t PagedType::getValueScalesOffset() const { return getValuesOffset() + getKeyScalesOffset(); }
int64_t PagedType::getHeadBytes() const { return 2 * getValuesOffset(); }
int64_t PagedType::getPageBytes() const { return getHeads() * getHeadBytes(); }
int64_t PagedType::getTokenBytes() const { return getPageBytes() / KVASIR_PAGE_TOKENS; }

//===----------------------------------------------------------------------===//
// Ops
//===----------------------------------------------------------------------===//

LogicalResult GetCacheOp::verifySymbolUses(SymbolTableCollection &symbols) {
  auto cache = symbols.lookupNearestSymbolFrom<CacheOp>(*this, getNameAttr());
  if (!cache)
    return emitOpError("get_cache_c1: expected a kv.cache named ") << getNameAttr();
  if (cache.getType() != getType()) {
    InFlightDiagnostic diag = emitOpError("get_cache_c1: expected type ")
                              << cache.getType() << ", but got " << getType();
    diag.attachNote(cache.getLoc()) << "the cache is declared here";
    return diag;
  }
  return success();
}

static std::pair<int64_t, int64_t> headsOf(Type type) {
  if (auto paged = dyn_cast<PagedType>(type))
    return {paged.getHeads(), paged.getHeadSize()};
  auto cache = cast<CacheType>(type);
  return {cache.getHeads(), cache.getHeadSize()};
}

LogicalResult AppendOp::verify() {
  auto [heads, size] = headsOf(getCache().getType());
  int64_t got = cast<RankedTensorType>(getK().getType()).getDimSize(1);
  if (got != heads * size)
    return emitOpError("append_c1: expected ") << heads * size << " features, but got " << got;
  return success();
}

/// Of `kv.attend` and `kv.attend_partitions`: the cache's heads divide the queries', and the sizes
/// are equal.
static LogicalResult verifyQueries(Operation *op, StringRef name, Type cache, int64_t queries,
                                   Type rows) {
  auto [heads, size] = headsOf(cache);
  int64_t got = cast<RankedTensorType>(rows).getDimSize(1);
  if (queries <= 0 || queries % heads != 0)
    return op->emitOpError() << name << "_c1: expected a multiple of " << heads
                             << " heads, but got " << queries;
  if (got % size != 0 || got / size != queries) // no product: it could overflow
    return op->emitOpError() << name << "_c2: expected " << queries << " heads of " << size
                             << ", but got " << got << " features";
  return success();
}

LogicalResult AttendOp::verify() {
  return verifyQueries(*this, "attend", getCache().getType(), getHeads(), getQ().getType());
}

/// `rows` has [heads][partitions][size + 2] features.
static LogicalResult verifyPartitions(Operation *op, StringRef label, int64_t heads, int64_t size,
                                      int64_t partitions, Type rows) {
  int64_t got = cast<RankedTensorType>(rows).getDimSize(1), perPartition = heads * (size + 2);
  if (got % perPartition != 0 || got / perPartition != partitions)
    return op->emitOpError() << label << ": expected " << partitions << " partitions of "
                             << perPartition << " features, but got " << got << " features";
  return success();
}

LogicalResult AttendPartitionsOp::verify() {
  if (failed(verifyQueries(*this, "attend_partitions", getCache().getType(), getHeads(),
                           getQ().getType())))
    return failure();
  return verifyPartitions(*this, "attend_partitions_c3", getHeads(),
                          headsOf(getCache().getType()).second, getPartitions(), getType());
}

LogicalResult MergePartitionsOp::verify() {
  int64_t features = cast<RankedTensorType>(getType()).getDimSize(1), heads = getHeads();
  if (features % heads != 0)
    return emitOpError("merge_partitions_c1: expected a multiple of ")
           << heads << " heads, but got " << features << " features";
  return verifyPartitions(*this, "merge_partitions_c2", heads, features / heads, getPartitions(),
                          getParts().getType());
}
