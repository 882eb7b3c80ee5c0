// Ops on rows: norms, rotary embedding, embedding, cache writes, elementwise ops.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "Encoded.h"
#include "PhaseEmitter.h"

#include "kvasir-c/abi.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace kvasir;
using namespace kvasir::cpu;

void PhaseEmitter::emitRow(Operation *op, Value row) {
  llvm::TypeSwitch<Operation *>(op)
      .Case<llm::EmbeddingOp>([&](auto o) { emitEmbedding(o, row); })
      .Case<llm::QuantizeRowsOp>([&](auto o) { emitQuantizeRows(o, row); })
      .Case<llm::SelectRowsOp>([&](auto o) { emitSelectRows(o, row); })
      .Case<llm::RmsNormOp>([&](auto o) { emitRmsNorm(o, row); })
      .Case<llm::LayerNormOp>([&](auto o) { emitLayerNorm(o, row); })
      .Case<llm::RopeTableOp>([&](auto o) { emitRopeTable(o, row); })
      .Case<llm::RopeOp>([&](auto o) { emitRope(o, row); })
      .Case<kv::AppendOp>([&](auto o) { emitAppend(o, row); })
      .Default([&](Operation *o) { emitElementwiseRow(o, row); });
}

void PhaseEmitter::emitEmbedding(llm::EmbeddingOp op, Value row) {
  auto table = cast<llm::WeightType>(op.getTable().getType());
  auto input = op.getIndex().getDefiningOp<step::InputOp>();
  Value index = loadInt(inputArray(input.getKind()), row);
  Value base = operand(op.getTable()), out = rowAddress(op.getResult(), row);
  int64_t columns = table.getColumns();
  if (std::optional<Encoding> encoding = table.getEncoding();
      encoding && op.getLayout() == llm::WeightLayout::panel32) {
    Panel32 panel(*encoding, columns);
    loop(c(0), c(columns), 1, [&](Value k) {
      store(loadEncoded(*this, *encoding, panel, base, index, k), at(out, mul(k, c(4))));
    });
    return;
  }
  Type element = plainType(table);
  int64_t bytes = bytesOf(element);
  if (op.getLayout() == llm::WeightLayout::panel16) {
    Value panel = mul(div(index, c(panelRows)), c(panelRows * columns * bytes));
    Value lane = at(base, add(panel, mul(rem(index, c(panelRows)), c(bytes))));
    loop(c(0), c(columns), 1, [&](Value k) {
      Value x = loadAs(element, at(lane, mul(k, c(panelRows * bytes))), 0);
      store(x, at(out, mul(k, c(4))));
    });
    return;
  }
  int64_t lanes = lanesFor(columns);
  Value from = at(base, mul(index, c(columns * bytes)));
  loop(c(0), c(columns), lanes, [&](Value k) {
    Value x = loadAs(element, at(from, mul(k, c(bytes))), lanes);
    store(x, at(out, mul(k, c(4))));
  });
}

void PhaseEmitter::emitSelectRows(llm::SelectRowsOp op, Value row) {
  Value token = loadInt(inputArray(step::InputKind::rows), row);
  copyRow(rowAddress(op.getX(), token), rowAddress(op.getResult(), row), featuresOf(op.getX()));
}

void PhaseEmitter::emitRmsNorm(llm::RmsNormOp op, Value row) {
  int64_t group = op.getGroup(), lanes = lanesFor(group), step = lanes * 4;
  Value x = rowAddress(op.getX(), row), out = rowAddress(op.getResult(), row);
  Value weight = operand(op.getWeight());
  loop(c(0), c(featuresOf(op.getX()) * 4), group * 4, [&](Value start) {
    Value from = at(x, start), to = at(out, start);
    Value squares = fold(c(0), c(group * 4), step, {constant(vec(lanes), 0)},
                         [&](Value i, ValueRange sum) -> SmallVector<Value> {
                           Value v = load(vec(lanes), at(from, i));
                           return {fma(v, v, sum[0])};
                         })[0];
    Value mean = fdiv(sumLanes(squares), f(group));
    Value scale = fdiv(f(1), sqrt(fadd(mean, f(op.getEpsilon().convertToFloat()))));
    Value scales = splat(scale, lanes);
    loop(c(0), c(group * 4), step, [&](Value i) {
      Value v = fmul(load(vec(lanes), at(from, i)), scales);
      store(fmul(load(vec(lanes), at(weight, i)), v), at(to, i));
    });
  });
}

void PhaseEmitter::emitLayerNorm(llm::LayerNormOp op, Value row) {
  int64_t n = featuresOf(op.getX()), lanes = lanesFor(n), step = lanes * 4;
  Value x = rowAddress(op.getX(), row), out = rowAddress(op.getResult(), row);
  Value weight = operand(op.getWeight());
  Value bias = op.getBias() ? operand(op.getBias()) : Value();
  auto reduce = [&](llvm::function_ref<Value(Value, Value)> body) {
    Value sums = fold(c(0), c(n * 4), step, {constant(vec(lanes), 0)},
                      [&](Value i, ValueRange sum) -> SmallVector<Value> {
                        return {body(load(vec(lanes), at(x, i)), sum[0])};
                      })[0];
    return fdiv(sumLanes(sums), f(n));
  };
  Value mean = splat(reduce([&](Value v, Value sum) { return fadd(sum, v); }), lanes);
  Value variance = reduce([&](Value v, Value sum) {
    Value d = fsub(v, mean);
    return fma(d, d, sum);
  });
  Value scale = fdiv(f(1), sqrt(fadd(variance, f(op.getEpsilon().convertToFloat()))));
  Value scales = splat(scale, lanes);
  loop(c(0), c(n * 4), step, [&](Value i) {
    Value v = fmul(fsub(load(vec(lanes), at(x, i)), mean), scales);
    v = fmul(v, load(vec(lanes), at(weight, i)));
    store(bias ? fadd(v, load(vec(lanes), at(bias, i))) : v, at(out, i));
  });
}

void PhaseEmitter::emitRopeTablePart(llm::RopeTableOp op, Value position, Value out,
                                     ArrayRef<float> frequencies, float magnitude) {
  int64_t n = frequencies.size(), lanes = lanesFor(n, 8);
  Value p = splat(position, lanes);
  Value scale = constant(vec(lanes), magnitude);
  for (int64_t i = 0; i < n; i += lanes) {
    auto part = DenseElementsAttr::get(vec(lanes), frequencies.slice(i, lanes));
    Value angle = fmul(p, arith::ConstantOp::create(b, part));
    auto [cosine, sine] = emitCosSin(*this, angle);
    store(fmul(cosine, scale), at(out, i * 4));
    store(fmul(sine, scale), at(out, (n + i) * 4));
  }
}

void PhaseEmitter::emitRopeTable(llm::RopeTableOp op, Value row) {
  Value out = rowAddress(op.getResult(), row);
  Value position = loadInt(inputArray(step::InputKind::positions), row);
  Value p = arith::SIToFPOp::create(b, f32(), position);
  auto part = [&](ArrayRef<float> frequencies, APFloat magnitude) {
    emitRopeTablePart(op, p, out, frequencies, magnitude.convertToFloat());
  };
  if (!op.getLongFrequencies())
    return part(op.getFrequencies(), op.getMagnitude());
  Value request = loadInt(argsField(offsetof(kvasir_step_args, token_request)), row);
  Value total = loadInt(inputArray(step::InputKind::totals), request);
  either(
      less(c(*op.getOriginalContext()), total),
      [&] { part(*op.getLongFrequencies(), *op.getLongMagnitude()); },
      [&] { part(op.getFrequencies(), op.getMagnitude()); });
}

void PhaseEmitter::emitRope(llm::RopeOp op, Value row) {
  int64_t head = op.getHeadSize(), pairs = featuresOf(op.getTable()) / 2, lanes = lanesFor(pairs);
  Value x = rowAddress(op.getX(), row), out = rowAddress(op.getResult(), row);
  Value table = rowAddress(op.getTable(), row);
  loop(c(0), c(featuresOf(op.getX()) * 4), head * 4, [&](Value start) {
    Value from = at(x, start), to = at(out, start);
    loop(c(0), c(pairs * 4), lanes * 4, [&](Value i) {
      auto get = [&](Value base, int64_t offset) {
        return load(vec(lanes), at(at(base, i), offset * 4));
      };
      Value low = get(from, 0), high = get(from, pairs);
      Value cosine = get(table, 0), sine = get(table, pairs);
      store(fsub(fmul(low, cosine), fmul(high, sine)), at(to, i));
      store(fadd(fmul(high, cosine), fmul(low, sine)), at(at(to, i), pairs * 4));
    });
    if (head > 2 * pairs)
      copyRow(at(from, pairs * 8), at(to, pairs * 8), head - 2 * pairs);
  });
}

/// The largest magnitude of a head's values; NaN does not count.
Int8Scale PhaseEmitter::emitScaleOfHead(Value from, int64_t size) {
  int64_t lanes = lanesFor(size);
  Value most = fold(c(0), c(size * 4), lanes * 4, {constant(vec(lanes), 0)},
                    [&](Value i, ValueRange before) -> SmallVector<Value> {
                      return {fmax(before[0], fabs(load(vec(lanes), at(from, i))))};
                    })[0];
  return emitInt8Scale(*this, maxLanes(most));
}

/// One head's key of the token at `slot` of a page, scattered into [head size][64].
void PhaseEmitter::emitAppendKey(kv::PagedType type, Value from, Value head, Value slot) {
  Type element = type.getElementType();
  int64_t size = type.getHeadSize(), bytes = bytesOf(element), lanes = lanesFor(size);
  auto place = [&](Value i) {
    return at(head, mul(add(mul(i, c(KVASIR_PAGE_TOKENS)), slot), c(bytes)));
  };
  if (!type.isQuantized())
    return loop(c(0), c(size), 1,
                [&](Value i) { storeAs(element, load(f32(), at(from, mul(i, c(4)))), place(i)); });
  Int8Scale scale = emitScaleOfHead(from, size);
  store(scale.scale, at(at(head, type.getKeyScalesOffset()), mul(slot, c(4))));
  Value inverse = splat(scale.inverse, lanes);
  loop(c(0), c(size), lanes, [&](Value i) {
    Value codes = emitInt8Codes(*this, load(vec(lanes), at(from, mul(i, c(4)))), inverse);
    Value integers = arith::FPToSIOp::create(b, vec(lanes, i32()), codes);
    Value narrow = truncate(vec(lanes, i8()), integers), first = place(i);
    for (int64_t lane = 0; lane < lanes; ++lane)
      store(vector::ExtractOp::create(b, narrow, ArrayRef<int64_t>{lane}),
            at(first, lane * KVASIR_PAGE_TOKENS));
  });
}

/// One head's value of the token at `slot` of a page, a row of [64][head size].
void PhaseEmitter::emitAppendValue(kv::PagedType type, Value from, Value head, Value slot) {
  Type element = type.getElementType();
  int64_t size = type.getHeadSize(), bytes = bytesOf(element), lanes = lanesFor(size);
  Value to = at(at(head, type.getValuesOffset()), mul(slot, c(size * bytes)));
  if (!type.isQuantized())
    return loop(c(0), c(size), lanes, [&](Value i) {
      storeAs(element, load(vec(lanes), at(from, mul(i, c(4)))), at(to, mul(i, c(bytes))));
    });
  Int8Scale scale = emitScaleOfHead(from, size);
  store(scale.scale, at(at(head, type.getValueScalesOffset()), mul(slot, c(4))));
  Value inverse = splat(scale.inverse, lanes);
  loop(c(0), c(size), lanes, [&](Value i) {
    Value codes = emitInt8Codes(*this, load(vec(lanes), at(from, mul(i, c(4)))), inverse);
    Value integers = arith::FPToSIOp::create(b, vec(lanes, i32()), codes);
    store(truncate(vec(lanes, i8()), integers), at(to, i));
  });
}

void PhaseEmitter::emitAppend(kv::AppendOp op, Value row) {
  auto type = cast<kv::PagedType>(op.getCache().getType());
  int64_t size = type.getHeadSize();
  Value position = loadInt(inputArray(step::InputKind::positions), row);
  Value request = loadInt(argsField(offsetof(kvasir_step_args, token_request)), row);
  Value page = pageOf(op.getCache(), request, position);
  Value slot = rem(position, c(KVASIR_PAGE_TOKENS));
  Value keys = rowAddress(op.getK(), row), values = rowAddress(op.getV(), row);
  loop(c(0), c(type.getHeads()), 1, [&](Value head) {
    Value to = at(page, mul(head, c(type.getHeadBytes())));
    emitAppendKey(type, at(keys, mul(head, c(size * 4))), to, slot);
    emitAppendValue(type, at(values, mul(head, c(size * 4))), to, slot);
  });
}

void PhaseEmitter::emitElementwiseRow(Operation *op, Value row) {
  int64_t columns = featuresOf(op->getResult(0)), lanes = lanesFor(columns);
  SmallVector<Value> from;
  for (Value operand : op->getOperands())
    from.push_back(rowAddress(operand, row));
  Value out = rowAddress(op->getResult(0), row);
  loop(c(0), c(columns * 4), lanes * 4, [&](Value i) {
    SmallVector<Value> values;
    for (Value address : from)
      values.push_back(load(vec(lanes), at(address, i)));
    store(emitElementwise(op, values), at(out, i));
  });
}
