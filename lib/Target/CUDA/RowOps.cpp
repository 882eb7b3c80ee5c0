// Ops on rows, each by the threads of a block: norms, rotary embedding, embedding, cache writes,
// elementwise ops.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "../Common/Encoded.h"
#include "Attend.h"
#include "StoredRows.h"

#include "kvasir-c/abi.h"
#include "kvasir/Encoding/Mma16.h"
#include "llvm/ADT/TypeSwitch.h"
#include "llvm/Support/SaveAndRestore.h"

using namespace mlir;
using namespace kvasir;
using namespace kvasir::cuda;

namespace {

/// Emits row ops for one row.
class RowEmitter {
public:
  RowEmitter(KernelEmitter &e, Value row) : e(e), row(row) {}
  void emit(Operation *op);

private:
  Value get(Value base, Value i) { return e.load(e.f32(), e.at(base, e.mul(i, e.c(4)))); }
  Value getConstant(Value base, Value i) {
    return e.loadConstant(e.f32(), e.at(base, e.mul(i, e.c(4))));
  }
  void put(Value v, Value base, Value i) { e.store(v, e.at(base, e.mul(i, e.c(4)))); }

  void emitEmbedding(llm::EmbeddingOp op);
  void emitSelectRows(llm::SelectRowsOp op);
  void emitRmsNorm(llm::RmsNormOp op);
  void emitLayerNorm(llm::LayerNormOp op);
  void emitRopeTable(llm::RopeTableOp op);
  void emitRopeTablePart(Value position, Value out, ArrayRef<float> frequencies, float magnitude);
  void emitRope(llm::RopeOp op);
  void emitArgmax(llm::ArgmaxOp op);
  void emitAppend(kv::AppendOp op);
  void emitAppendCodes(kv::PagedType type, Value from, Value to, Value scales, bool inRows,
                       Value slot);
  void emitElementwise(Operation *op);
  Value inverseRoot(Value mean, float epsilon);

  KernelEmitter &e;
  Value row;
};

} // namespace

void cuda::emitRowOp(KernelEmitter &e, Operation *op, Value row) { RowEmitter(e, row).emit(op); }

void RowEmitter::emit(Operation *op) {
  llvm::TypeSwitch<Operation *>(op)
      .Case<llm::EmbeddingOp>([&](auto o) { emitEmbedding(o); })
      .Case<llm::SelectRowsOp>([&](auto o) { emitSelectRows(o); })
      .Case<llm::RmsNormOp>([&](auto o) { emitRmsNorm(o); })
      .Case<llm::LayerNormOp>([&](auto o) { emitLayerNorm(o); })
      .Case<llm::RopeTableOp>([&](auto o) { emitRopeTable(o); })
      .Case<llm::RopeOp>([&](auto o) { emitRope(o); })
      .Case<llm::ArgmaxOp>([&](auto o) { emitArgmax(o); })
      .Case<kv::AppendOp>([&](auto o) { emitAppend(o); })
      .Default([&](Operation *o) { emitElementwise(o); });
}

Value cuda::loadFromTiles(KernelEmitter &e, llm::WeightType type, Value table, Value row,
                          Value column) {
  Type element = type.getElementType();
  int64_t tiles = (type.getColumns() + Mma16::columns - 1) / Mma16::columns;
  int64_t tileBytes = Mma16::tileBytes / 2 * bytesOf(element);
  Value band = e.far(table, e.shiftRight(row, 4), tiles * tileBytes);
  Value tile = e.at(band, e.mul(e.shiftRight(column, 5), e.c(tileBytes)));
  // Mma16::place, of values known at run time.
  Value lane = e.add(e.shiftLeft(e.andBits(row, 7), 2), e.shiftRight(e.andBits(column, 31), 3));
  Value operand = e.andBits(e.shiftRight(column, 2), 1);
  Value value =
      e.orBits(e.shiftLeft(e.andBits(e.shiftRight(column, 1), 1), 2),
               e.orBits(e.shiftLeft(e.andBits(e.shiftRight(row, 3), 1), 1), e.andBits(column, 1)));
  Value place = e.add(e.shiftLeft(e.add(e.shiftLeft(operand, 5), lane), 3), value);
  Value address = e.at(tile, e.shiftLeft(place, 1));
  if (!element.isF32())
    return e.loadAs(element, address, 0);
  Type part = e.b.getBF16Type();
  return e.fadd(e.loadAs(part, address, 0), e.loadAs(part, e.at(address, Mma16::tileBytes), 0));
}

void RowEmitter::emitEmbedding(llm::EmbeddingOp op) {
  auto table = cast<llm::WeightType>(op.getTable().getType());
  auto input = op.getIndex().getDefiningOp<step::InputOp>();
  Value index = e.loadInt(e.inputArray(input.getKind()), row);
  Value base = e.operand(op.getTable()), out = e.rowAddress(op.getResult(), row);
  if (std::optional<Encoding> encoding = table.getEncoding()) {
    Panel32 panel(*encoding, table.getColumns());
    e.forThreads(table.getColumns(), [&](Value i) {
      Value wideRow = e.signExtend(e.i64(), index), wideColumn = e.signExtend(e.i64(), i);
      llvm::SaveAndRestore<Type> wide(e.index, e.i64());
      Value x = emit::loadEncoded(e, *encoding, panel, base, wideRow, wideColumn);
      e.store(x, e.at(out, e.mul(wideColumn, e.c(4))));
    });
    return;
  }
  Type element = table.getElementType();
  bool inTiles = op.getLayout() == llm::WeightLayout::mma16;
  Value from = inTiles ? base : e.far(base, index, table.getColumns() * bytesOf(element));
  e.forThreads(table.getColumns(), [&](Value i) {
    Value x = inTiles ? loadFromTiles(e, table, base, index, i)
                      : e.loadAs(element, e.at(from, e.mul(i, e.c(bytesOf(element)))), 0);
    put(x, out, i);
  });
}

void RowEmitter::emitSelectRows(llm::SelectRowsOp op) {
  Value token = e.loadInt(e.inputArray(step::InputKind::rows), row);
  Value from = e.rowAddress(op.getX(), token), to = e.rowAddress(op.getResult(), row);
  e.forThreads(featuresOf(op.getX()), [&](Value i) { put(get(from, i), to, i); });
}

/// 1 / sqrt(mean + epsilon).
Value RowEmitter::inverseRoot(Value mean, float epsilon) {
  return e.fdiv(e.f(1), e.sqrt(e.fadd(mean, e.f(epsilon))));
}

/// A group of a whole row takes the block, smaller groups a warp each.
void RowEmitter::emitRmsNorm(llm::RmsNormOp op) {
  int64_t group = op.getGroup(), features = featuresOf(op.getX());
  Value x = e.rowAddress(op.getX(), row), out = e.rowAddress(op.getResult(), row);
  Value weight = e.operand(op.getWeight());
  float epsilon = op.getEpsilon().convertToFloat();
  bool wholeRow = group == features;
  Stored stored = storedAtHome(e, op.getResult());
  Value start = wholeRow ? e.thread : e.lane;
  int64_t step = wholeRow ? blockThreads : warpLanes;
  auto emitGroup = [&](Value first) {
    Value from = e.at(x, e.mul(first, e.c(4)));
    Value squares = e.fold(start, e.c(group), step, {e.f(0)},
                           [&](Value i, ValueRange sum) -> SmallVector<Value> {
                             Value v = get(from, i);
                             return {e.fma(v, v, sum[0])};
                           })[0];
    Value sum = wholeRow ? e.sumBlock(squares) : e.sumWarp(squares);
    Value scale = inverseRoot(e.fdiv(sum, e.f(group)), epsilon);
    e.loop(start, e.c(group), step, [&](Value i) {
      Value y = e.fmul(getConstant(weight, i), e.fmul(get(from, i), scale));
      storeColumn(e, stored, y, out, e.add(first, i));
    });
  };
  if (wholeRow)
    return emitGroup(e.c(0));
  e.loop(e.warp, e.c(features / group), blockWarps,
         [&](Value g) { emitGroup(e.mul(g, e.c(group))); });
}

void RowEmitter::emitLayerNorm(llm::LayerNormOp op) {
  int64_t n = featuresOf(op.getX());
  Value x = e.rowAddress(op.getX(), row), out = e.rowAddress(op.getResult(), row);
  Value weight = e.operand(op.getWeight());
  Value bias = op.getBias() ? e.operand(op.getBias()) : Value();
  auto reduce = [&](llvm::function_ref<Value(Value, Value)> body) {
    Value sum = e.fold(e.thread, e.c(n), blockThreads, {e.f(0)},
                       [&](Value i, ValueRange sums) -> SmallVector<Value> {
                         return {body(get(x, i), sums[0])};
                       })[0];
    return e.fdiv(e.sumBlock(sum), e.f(n));
  };
  Value mean = reduce([&](Value v, Value sum) { return e.fadd(sum, v); });
  Value variance = reduce([&](Value v, Value sum) {
    Value d = e.fsub(v, mean);
    return e.fma(d, d, sum);
  });
  Value scale = inverseRoot(variance, op.getEpsilon().convertToFloat());
  Stored stored = storedAtHome(e, op.getResult());
  e.forThreads(n, [&](Value i) {
    Value v = e.fmul(e.fmul(e.fsub(get(x, i), mean), scale), getConstant(weight, i));
    storeColumn(e, stored, bias ? e.fadd(v, getConstant(bias, i)) : v, out, i);
  });
}

void RowEmitter::emitRopeTablePart(Value position, Value out, ArrayRef<float> frequencies,
                                   float magnitude) {
  int64_t n = frequencies.size();
  e.forThreads(n, [&](Value i) {
    Value frequency = e.f(frequencies[0]); // chosen: a table would be the only constant in memory
    for (int64_t k = 1; k < n; ++k)
      frequency = e.select(e.equal(i, e.c(k)), e.f(frequencies[k]), frequency);
    auto [cosine, sine] = emitCosSin(e, e.fmul(position, frequency));
    put(e.fmul(cosine, e.f(magnitude)), out, i);
    put(e.fmul(sine, e.f(magnitude)), out, e.add(i, e.c(n)));
  });
}

void RowEmitter::emitRopeTable(llm::RopeTableOp op) {
  Value out = e.rowAddress(op.getResult(), row);
  Value position = e.loadInt(e.inputArray(step::InputKind::positions), row);
  Value p = e.toFloat(position);
  auto part = [&](ArrayRef<float> frequencies, APFloat magnitude) {
    emitRopeTablePart(p, out, frequencies, magnitude.convertToFloat());
  };
  if (!op.getLongFrequencies())
    return part(op.getFrequencies(), op.getMagnitude());
  Value request = e.loadInt(e.argsField(offsetof(kvasir_step_args, token_request)), row);
  Value total = e.loadInt(e.inputArray(step::InputKind::totals), request);
  e.either(
      e.less(e.c(*op.getOriginalContext()), total),
      [&] { part(*op.getLongFrequencies(), *op.getLongMagnitude()); },
      [&] { part(op.getFrequencies(), op.getMagnitude()); });
}

/// A thread for each feature of the first half of each head's rotated part, and for each of those
/// that pass through.
void RowEmitter::emitRope(llm::RopeOp op) {
  int64_t head = op.getHeadSize(), pairs = featuresOf(op.getTable()) / 2;
  int64_t heads = featuresOf(op.getX()) / head, through = head - 2 * pairs;
  Value x = e.rowAddress(op.getX(), row), out = e.rowAddress(op.getResult(), row);
  Value table = e.rowAddress(op.getTable(), row);
  e.forThreads(heads * pairs, [&](Value n) {
    Value i = e.rem(n, e.c(pairs)), low = e.add(e.mul(e.div(n, e.c(pairs)), e.c(head)), i);
    Value high = e.add(low, e.c(pairs));
    Value a = get(x, low), b = get(x, high);
    Value cosine = get(table, i), sine = get(table, e.add(i, e.c(pairs)));
    put(e.fsub(e.fmul(a, cosine), e.fmul(b, sine)), out, low);
    put(e.fadd(e.fmul(b, cosine), e.fmul(a, sine)), out, high);
  });
  if (through == 0)
    return;
  e.forThreads(heads * through, [&](Value n) {
    Value start = e.mul(e.div(n, e.c(through)), e.c(head));
    Value i = e.add(start, e.add(e.rem(n, e.c(through)), e.c(2 * pairs)));
    put(get(x, i), out, i);
  });
}

/// Keys and values of a token: one of them is a row of [64][head size], the other is scattered into
/// [head size][64].
void RowEmitter::emitAppend(kv::AppendOp op) {
  auto type = cast<kv::PagedType>(op.getCache().getType());
  Type element = type.getElementType();
  int64_t size = type.getHeadSize(), bytes = bytesOf(element);
  Value position = e.loadInt(e.inputArray(step::InputKind::positions), row);
  Value request = e.loadInt(e.argsField(offsetof(kvasir_step_args, token_request)), row);
  Value page = e.pageOf(op.getCache(), request, position);
  Value slot = e.rem(position, e.c(KVASIR_PAGE_TOKENS));
  Value keys = e.rowAddress(op.getK(), row), values = e.rowAddress(op.getV(), row);
  bool inTiles = attendsInTiles(type);
  if (type.isQuantized()) {
    emitAppendCodes(type, keys, page, e.at(page, type.getKeyScalesOffset()), inTiles, slot);
    return emitAppendCodes(type, values, e.at(page, type.getValuesOffset()),
                           e.at(page, type.getValueScalesOffset()), !inTiles, slot);
  }
  e.forThreads(type.getHeads() * size, [&](Value n) {
    Value head = e.div(n, e.c(size)), i = e.rem(n, e.c(size));
    Value ofKeys = e.at(page, e.mul(head, e.c(type.getHeadBytes())));
    Value ofValues = e.at(ofKeys, type.getValuesOffset());
    Value inRow = e.mul(e.add(e.mul(slot, e.c(size)), i), e.c(bytes));
    Value scattered = e.mul(e.add(e.mul(i, e.c(KVASIR_PAGE_TOKENS)), slot), e.c(bytes));
    e.storeElement(element, get(keys, n), e.at(ofKeys, inTiles ? inRow : scattered));
    e.storeElement(element, get(values, n), e.at(ofValues, inTiles ? scattered : inRow));
  });
}

/// Codes of all heads with a scale for each, a warp for each head: as `kv.append` says. `to` and
/// `scales` are those of the first head.
void RowEmitter::emitAppendCodes(kv::PagedType type, Value from, Value to, Value scales,
                                 bool inRows, Value slot) {
  int64_t size = type.getHeadSize();
  e.loop(e.warp, e.c(type.getHeads()), blockWarps, [&](Value head) {
    Value own = e.at(from, e.mul(head, e.c(size * 4)));
    Value codes = e.at(to, e.mul(head, e.c(type.getHeadBytes())));
    Value most = e.fold(e.lane, e.c(size), warpLanes, {e.f(0)},
                        [&](Value i, ValueRange before) -> SmallVector<Value> {
                          return {e.fmax(before[0], e.fabs(get(own, i)))};
                        })[0];
    most = e.maxWarp(most);
    Value none = arith::CmpFOp::create(e.b, arith::CmpFPredicate::OEQ, most, e.f(0));
    Value inverse = e.select(none, e.f(0), e.fdiv(e.f(127), most));
    e.when(e.equal(e.lane, e.c(0)), [&] {
      Value place = e.at(scales, e.mul(head, e.c(type.getHeadBytes())));
      put(e.fdiv(most, e.f(127)), place, slot);
    });
    e.loop(e.lane, e.c(size), warpLanes, [&](Value i) {
      Value code = e.fmin(e.round(e.fmul(get(own, i), inverse)), e.f(127)); // NaN: 127
      Value integer = arith::FPToSIOp::create(e.b, e.i32(), e.fmax(code, e.f(-127)));
      Value place = inRows ? e.add(e.mul(slot, e.c(size)), i)
                           : e.add(e.mul(i, e.c(KVASIR_PAGE_TOKENS)), slot);
      e.store(e.truncate(e.i8(), integer), e.at(codes, place));
    });
  });
}

void RowEmitter::emitArgmax(llm::ArgmaxOp op) { cuda::emitArgmax(e, op, row); }

void RowEmitter::emitElementwise(Operation *op) {
  SmallVector<Value> from;
  for (Value operand : op->getOperands())
    from.push_back(e.rowAddress(operand, row));
  Value out = e.rowAddress(op->getResult(0), row);
  Stored stored = storedAtHome(e, op->getResult(0));
  e.forThreads(featuresOf(op->getResult(0)), [&](Value i) {
    SmallVector<Value> values;
    for (Value address : from)
      values.push_back(get(address, i));
    storeColumn(e, stored, emit::emitElementwise(e, op, values), out, i);
  });
}
