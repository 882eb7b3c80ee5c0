// The naive path: one op per phase, scalar loops on worker 0, MLIR's own math functions. An oracle
// for the fast path, so it shares with it only what moves data unchanged.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "PhaseEmitter.h"

#include "kvasir-c/abi.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "llvm/ADT/TypeSwitch.h"

#include <limits>

using namespace mlir;
using namespace kvasir;
using namespace kvasir::cpu;

namespace {

/// Scalar code for one op; `x[i]` is an f32 at a row address.
class SerialEmitter {
public:
  explicit SerialEmitter(PhaseEmitter &e) : e(e) {}
  void emit(Operation *op);

private:
  Value get(Value base, Value i) { return e.load(e.f32(), e.at(base, e.mul(i, e.c(4)))); }
  void put(Value v, Value base, Value i) { e.store(v, e.at(base, e.mul(i, e.c(4)))); }
  Value sum(int64_t n, llvm::function_ref<Value(Value)> term);
  Value exp(Value x) { return math::ExpOp::create(e.b, x); }

  void emitRow(Operation *op, Value row);
  void emitLinear(llm::LinearOp op, Value row);
  Value getQuantized(Value x, step::BufferType type, Value row, Value i);
  void emitQuantizeRows(llm::QuantizeRowsOp op, Value row);
  void emitRmsNorm(llm::RmsNormOp op, Value row);
  void emitLayerNorm(llm::LayerNormOp op, Value row);
  void emitRope(llm::RopeOp op, Value row);
  void emitArgmax(llm::ArgmaxOp op, Value row);
  void emitAppend(kv::AppendOp op, Value row);
  void emitHeadAsInt8(Value from, int64_t size, Value codes, int64_t stride, Value scale);
  void emitAttend(kv::AttendOp op, Value row);
  void emitElementwise(Operation *op, Value row);
  Value activation(llm::ActivationKind kind, Value x);

  PhaseEmitter &e;
};

} // namespace

Value SerialEmitter::sum(int64_t n, llvm::function_ref<Value(Value)> term) {
  return e.fold(e.c(0), e.c(n), 1, {e.f(0)}, [&](Value i, ValueRange total) -> SmallVector<Value> {
    return {e.fadd(total[0], term(i))};
  })[0];
}

/// The value that a quantized row has in column i: its code times the scale of the group.
Value SerialEmitter::getQuantized(Value x, step::BufferType type, Value row, Value i) {
  Value lane = e.rem(row, e.c(16));
  Value code =
      e.add(e.mul(e.div(i, e.c(32)), e.c(512)), e.add(e.mul(lane, e.c(32)), e.rem(i, e.c(32))));
  Value group = e.div(i, e.c(type.getQuantized().getGroup()));
  Value scale =
      e.at(e.at(x, type.getTile().scales), e.mul(e.add(e.mul(group, e.c(16)), lane), e.c(4)));
  Value integer = e.signExtend(e.i32(), e.load(e.i8(), e.at(x, code)));
  return e.fmul(e.toFloat(integer), e.load(e.f32(), scale));
}

void SerialEmitter::emitLinear(llm::LinearOp op, Value row) {
  Value x = e.rowAddress(op.getX(), row);
  auto input = cast<step::BufferType>(homeOf(op.getX()).getType());
  auto getInput = [&](Value i) {
    return input.getQuantized() ? getQuantized(x, input, row, i) : get(x, i);
  };
  for (auto [index, weight] : llvm::enumerate(op.getWeights())) {
    auto type = cast<llm::WeightType>(weight.getType());
    Type element = plainType(type);
    int64_t k = type.getColumns(), bytes = bytesOf(element);
    Value out = e.rowAddress(op.getResult(index), row);
    e.loop(e.c(0), e.c(type.getRows()), 1, [&](Value n) {
      Value w = e.at(e.operand(weight), e.mul(n, e.c(k * bytes)));
      Value dot = sum(k, [&](Value i) {
        Value v = e.loadAs(element, e.at(w, e.mul(i, e.c(bytes))), 0);
        return e.fmul(getInput(i), v);
      });
      if (!op.getBiases().empty())
        dot = e.fadd(dot, get(e.operand(op.getBiases()[index]), n));
      put(dot, out, n);
    });
  }
}

/// Codes and scales only: sums are for those who multiply integers.
void SerialEmitter::emitQuantizeRows(llm::QuantizeRowsOp op, Value row) {
  auto type = cast<step::BufferType>(homeOf(op.getResult()).getType());
  int64_t columns = type.getColumns(), group = type.getQuantized().getGroup();
  Value x = e.rowAddress(op.getX(), row), tile = e.rowAddress(op.getResult(), row);
  Value lane = e.rem(row, e.c(16));
  e.loop(e.c(0), e.c(columns), group, [&](Value first) {
    Value last = e.minimum(e.add(first, e.c(group)), e.c(columns));
    Value most = e.fold(first, last, 1, {e.f(0)}, [&](Value i, ValueRange m) -> SmallVector<Value> {
      return {e.fmax(m[0], e.fabs(get(x, i)))};
    })[0];
    Value none = arith::CmpFOp::create(e.b, arith::CmpFPredicate::OEQ, most, e.f(0));
    Value inverse = e.select(none, e.f(0), e.fdiv(e.f(127), most));
    Value slot = e.add(e.mul(e.div(first, e.c(group)), e.c(16)), lane);
    e.store(e.fdiv(most, e.f(127)), e.at(e.at(tile, type.getTile().scales), e.mul(slot, e.c(4))));
    e.loop(first, last, 1, [&](Value i) {
      Value code = e.fmin(e.round(e.fmul(get(x, i), inverse)), e.f(127));
      code = e.fmax(code, e.f(-127));
      Value place =
          e.add(e.mul(e.div(i, e.c(32)), e.c(512)), e.add(e.mul(lane, e.c(32)), e.rem(i, e.c(32))));
      e.store(arith::FPToSIOp::create(e.b, e.i8(), code), e.at(tile, place));
    });
  });
}

void SerialEmitter::emitRmsNorm(llm::RmsNormOp op, Value row) {
  int64_t group = op.getGroup();
  Value x = e.rowAddress(op.getX(), row), out = e.rowAddress(op.getResult(), row);
  Value weight = e.operand(op.getWeight());
  e.loop(e.c(0), e.c(featuresOf(op.getX())), group, [&](Value start) {
    Value squares = sum(group, [&](Value i) {
      Value v = get(x, e.add(start, i));
      return e.fmul(v, v);
    });
    Value norm = e.sqrt(e.fadd(e.fdiv(squares, e.f(group)), e.f(op.getEpsilon().convertToFloat())));
    e.loop(e.c(0), e.c(group), 1, [&](Value i) {
      Value at = e.add(start, i);
      put(e.fmul(e.fdiv(get(x, at), norm), get(weight, i)), out, at);
    });
  });
}

void SerialEmitter::emitLayerNorm(llm::LayerNormOp op, Value row) {
  int64_t n = featuresOf(op.getX());
  Value x = e.rowAddress(op.getX(), row), out = e.rowAddress(op.getResult(), row);
  Value mean = e.fdiv(sum(n, [&](Value i) { return get(x, i); }), e.f(n));
  Value squares = sum(n, [&](Value i) {
    Value d = e.fsub(get(x, i), mean);
    return e.fmul(d, d);
  });
  Value norm = e.sqrt(e.fadd(e.fdiv(squares, e.f(n)), e.f(op.getEpsilon().convertToFloat())));
  e.loop(e.c(0), e.c(n), 1, [&](Value i) {
    Value v = e.fmul(e.fdiv(e.fsub(get(x, i), mean), norm), get(e.operand(op.getWeight()), i));
    put(op.getBias() ? e.fadd(v, get(e.operand(op.getBias()), i)) : v, out, i);
  });
}

void SerialEmitter::emitRope(llm::RopeOp op, Value row) {
  int64_t head = op.getHeadSize(), pairs = featuresOf(op.getTable()) / 2;
  Value x = e.rowAddress(op.getX(), row), out = e.rowAddress(op.getResult(), row);
  Value table = e.rowAddress(op.getTable(), row);
  e.loop(e.c(0), e.c(featuresOf(op.getX())), head, [&](Value start) {
    e.loop(e.c(0), e.c(pairs), 1, [&](Value i) {
      Value low = e.add(start, i), high = e.add(low, e.c(pairs));
      Value a = get(x, low), b = get(x, high);
      Value cosine = get(table, i), sine = get(table, e.add(i, e.c(pairs)));
      put(e.fsub(e.fmul(a, cosine), e.fmul(b, sine)), out, low);
      put(e.fadd(e.fmul(b, cosine), e.fmul(a, sine)), out, high);
    });
    e.loop(e.c(2 * pairs), e.c(head), 1, [&](Value i) {
      Value at = e.add(start, i);
      put(get(x, at), out, at);
    });
  });
}

/// What is not less than infinity, NaN among it, makes the choice -1, and so does a row without a
/// finite number.
void SerialEmitter::emitArgmax(llm::ArgmaxOp op, Value row) {
  Value x = e.rowAddress(op.getX(), row), infinity = e.f(std::numeric_limits<double>::infinity());
  auto test = [&](arith::CmpFPredicate predicate, Value a, Value b) -> Value {
    return arith::CmpFOp::create(e.b, predicate, a, b);
  };
  SmallVector<Value> start = {e.fneg(infinity), e.c(-1), e.c(0)};
  SmallVector<Value> result = e.fold(
      e.c(0), e.c(op.getCount()), 1, start, [&](Value i, ValueRange best) -> SmallVector<Value> {
        Value value = get(x, i), more = test(arith::CmpFPredicate::OGT, value, best[0]);
        Value bad = test(arith::CmpFPredicate::UGE, value, infinity);
        return {e.select(more, value, best[0]), e.select(more, i, best[1]),
                e.select(bad, e.c(1), best[2])};
      });
  Value choice = e.select(e.equal(result[2], e.c(0)), result[1], e.c(-1));
  e.store(e.truncate(e.i32(), choice), e.rowAddress(op.getResult(), row));
}

/// Codes `stride` bytes apart, and their scale.
void SerialEmitter::emitHeadAsInt8(Value from, int64_t size, Value codes, int64_t stride,
                                   Value scale) {
  Value most =
      e.fold(e.c(0), e.c(size), 1, {e.f(0)}, [&](Value i, ValueRange m) -> SmallVector<Value> {
        return {e.fmax(m[0], e.fabs(get(from, i)))};
      })[0];
  Value none = arith::CmpFOp::create(e.b, arith::CmpFPredicate::OEQ, most, e.f(0));
  Value inverse = e.select(none, e.f(0), e.fdiv(e.f(127), most));
  e.store(e.fdiv(most, e.f(127)), scale);
  e.loop(e.c(0), e.c(size), 1, [&](Value i) {
    Value code = e.fmin(e.round(e.fmul(get(from, i), inverse)), e.f(127));
    code = e.fmax(code, e.f(-127));
    e.store(arith::FPToSIOp::create(e.b, e.i8(), code), e.at(codes, e.mul(i, e.c(stride))));
  });
}

/// What only moves or narrows floats is shared with the fast path.
void SerialEmitter::emitAppend(kv::AppendOp op, Value row) {
  auto type = cast<kv::PagedType>(op.getCache().getType());
  if (!type.isQuantized())
    return e.emitRow(op, row);
  int64_t size = type.getHeadSize();
  Value position = e.loadInt(e.inputArray(step::InputKind::positions), row);
  Value request = e.loadInt(e.argsField(offsetof(kvasir_step_args, token_request)), row);
  Value page = e.pageOf(op.getCache(), request, position);
  Value slot = e.rem(position, e.c(KVASIR_PAGE_TOKENS));
  Value keys = e.rowAddress(op.getK(), row), values = e.rowAddress(op.getV(), row);
  e.loop(e.c(0), e.c(type.getHeads()), 1, [&](Value h) {
    Value head = e.at(page, e.mul(h, e.c(type.getHeadBytes())));
    Value from = e.mul(h, e.c(size * 4));
    auto scaleAt = [&](int64_t offset) { return e.at(e.at(head, offset), e.mul(slot, e.c(4))); };
    emitHeadAsInt8(e.at(keys, from), size, e.at(head, slot), KVASIR_PAGE_TOKENS,
                   scaleAt(type.getKeyScalesOffset()));
    Value line = e.at(e.at(head, type.getValuesOffset()), e.mul(slot, e.c(size)));
    emitHeadAsInt8(e.at(values, from), size, line, 1, scaleAt(type.getValueScalesOffset()));
  });
}

/// Three passes over the context: the largest score, the sum of weights, the weighted values.
void SerialEmitter::emitAttend(kv::AttendOp op, Value row) {
  auto type = cast<kv::PagedType>(op.getCache().getType());
  Type element = type.getElementType();
  int64_t size = type.getHeadSize(), bytes = bytesOf(element);
  int64_t group = op.getHeads() / type.getHeads();
  Value position = e.loadInt(e.inputArray(step::InputKind::positions), row);
  Value request = e.loadInt(e.argsField(offsetof(kvasir_step_args, token_request)), row);
  Value end = e.add(position, e.c(1));
  Value begin = type.getWindow() ? e.maximum(e.sub(end, e.c(type.getWindow())), e.c(0)) : e.c(0);
  Value out = e.rowAddress(op.getResult(), row);
  e.loop(e.c(0), e.c(op.getHeads()), 1, [&](Value h) {
    Value q = e.at(e.rowAddress(op.getQ(), row), e.mul(h, e.c(size * 4)));
    Value headOffset = e.mul(e.div(h, e.c(group)), e.c(type.getHeadBytes()));
    // Entry `index` of the keys or values that begin at `offset` of the head; `scales` are theirs.
    auto entry = [&](Value p, int64_t offset, Value index, int64_t scales) {
      Value head = e.at(e.pageOf(op.getCache(), request, p), headOffset);
      Value value = e.loadAs(element, e.at(e.at(head, offset), e.mul(index, e.c(bytes))), 0);
      if (!type.isQuantized())
        return value;
      return e.fmul(value, get(e.at(head, scales), e.rem(p, e.c(KVASIR_PAGE_TOKENS))));
    };
    auto score = [&](Value p) {
      Value slot = e.rem(p, e.c(KVASIR_PAGE_TOKENS));
      Value dot = sum(size, [&](Value i) {
        Value index = e.add(e.mul(i, e.c(KVASIR_PAGE_TOKENS)), slot);
        return e.fmul(get(q, i), entry(p, 0, index, type.getKeyScalesOffset()));
      });
      return e.fmul(dot, e.f(op.getScale().convertToFloat()));
    };
    auto over = [&](Value start, llvm::function_ref<Value(Value, Value)> body) {
      return e.fold(begin, end, 1, {start}, [&](Value p, ValueRange v) -> SmallVector<Value> {
        return {body(p, v[0])};
      })[0];
    };
    Value most = over(e.f(-std::numeric_limits<double>::infinity()),
                      [&](Value p, Value m) { return e.fmax(m, score(p)); });
    Value weights =
        over(e.f(0), [&](Value p, Value s) { return e.fadd(s, exp(e.fsub(score(p), most))); });
    e.loop(e.c(0), e.c(size), 1, [&](Value i) {
      Value total = over(e.f(0), [&](Value p, Value s) {
        Value slot = e.rem(p, e.c(KVASIR_PAGE_TOKENS));
        Value v = entry(p, type.getValuesOffset(), e.add(e.mul(slot, e.c(size)), i),
                        type.getValueScalesOffset());
        return e.fadd(s, e.fmul(exp(e.fsub(score(p), most)), v));
      });
      put(e.fdiv(total, weights), out, e.add(e.mul(h, e.c(size)), i));
    });
  });
}

Value SerialEmitter::activation(llm::ActivationKind kind, Value x) {
  switch (kind) {
  case llm::ActivationKind::silu:
    return e.fdiv(x, e.fadd(e.f(1), exp(e.fneg(x))));
  case llm::ActivationKind::gelu: {
    Value erf = math::ErfOp::create(e.b, e.fdiv(x, e.f(1.4142135623730951)));
    return e.fmul(e.fmul(x, e.f(0.5)), e.fadd(e.f(1), erf));
  }
  case llm::ActivationKind::gelu_tanh: {
    Value cube = e.fmul(e.fmul(x, x), x);
    Value inner = e.fmul(e.f(0.79788456080286536), e.fadd(x, e.fmul(e.f(0.044715), cube)));
    Value tanh = math::TanhOp::create(e.b, inner);
    return e.fmul(e.fmul(e.f(0.5), x), e.fadd(e.f(1), tanh));
  }
  case llm::ActivationKind::relu:
    return arith::MaximumFOp::create(e.b, x, e.f(0));
  }
  llvm_unreachable("covered switch");
}

void SerialEmitter::emitElementwise(Operation *op, Value row) {
  SmallVector<Value> from;
  for (Value operand : op->getOperands())
    from.push_back(e.rowAddress(operand, row));
  Value out = e.rowAddress(op->getResult(0), row);
  e.loop(e.c(0), e.c(featuresOf(op->getResult(0))), 1, [&](Value i) {
    Value a = get(from[0], i), b = from.size() > 1 ? get(from[1], i) : Value();
    Value result =
        llvm::TypeSwitch<Operation *, Value>(op)
            .Case<llm::AddOp>(
                [&](auto o) { return e.fadd(a, e.fmul(b, e.f(o.getScale().convertToFloat()))); })
            .Case<llm::ScaleOp>(
                [&](auto o) { return e.fmul(a, e.f(o.getFactor().convertToFloat())); })
            .Case<llm::ActivationOp>([&](auto o) { return activation(o.getKind(), a); })
            .Case<llm::GatedActOp>([&](auto o) { return e.fmul(activation(o.getKind(), a), b); });
    put(result, out, i);
  });
}

void SerialEmitter::emitRow(Operation *op, Value row) {
  llvm::TypeSwitch<Operation *>(op)
      .Case<llm::LinearOp>([&](auto o) { emitLinear(o, row); })
      .Case<llm::QuantizeRowsOp>([&](auto o) { emitQuantizeRows(o, row); })
      .Case<llm::RmsNormOp>([&](auto o) { emitRmsNorm(o, row); })
      .Case<llm::LayerNormOp>([&](auto o) { emitLayerNorm(o, row); })
      .Case<llm::RopeOp>([&](auto o) { emitRope(o, row); })
      .Case<llm::ArgmaxOp>([&](auto o) { emitArgmax(o, row); })
      .Case<kv::AttendOp>([&](auto o) { emitAttend(o, row); })
      .Case<kv::AppendOp>([&](auto o) { emitAppend(o, row); })
      .Case<llm::EmbeddingOp, llm::SelectRowsOp, llm::RopeTableOp>(
          [&](auto o) { e.emitRow(o, row); })
      .Default([&](Operation *o) { emitElementwise(o, row); });
}

void SerialEmitter::emit(Operation *op) {
  Value count = op->getNumResults() ? e.extent(op->getResult(0)) : e.tokens;
  e.loop(e.c(0), count, 1, [&](Value row) { emitRow(op, row); });
}

void cpu::emitSerial(PhaseEmitter &e) {
  e.when(e.equal(e.worker, e.c(0)), [&] {
    for (Operation &op : e.phase.getBody().front())
      if (!isa<step::ReadOp, step::InputOp, step::WriteOp>(op))
        SerialEmitter(e).emit(&op);
  });
}
