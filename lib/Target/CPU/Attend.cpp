// Attention over a paged cache: 64-key tiles at absolute positions, online softmax inside a
// partition of 512 keys, partitions folded left to right (docs/Rationale/Bits.md).
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "PhaseEmitter.h"

#include "kvasir-c/abi.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

#include <limits>

using namespace mlir;
using namespace kvasir;
using namespace kvasir::cpu;

namespace {

constexpr int64_t tileKeys = KVASIR_PAGE_TOKENS;
constexpr double negativeInfinity = -std::numeric_limits<double>::infinity();

/// Emits the attention of `rows` query heads of one token, which share keys and values, as a
/// function (q, out, cache, table, first key, end of keys). Softmax state is kept for each row:
/// m (maximum), l (sum), and the weighted sum of values in memory.
class RowsEmitter {
public:
  RowsEmitter(PhaseEmitter &e, kv::AttendOp op, int64_t rows)
      : e(e), op(op), type(cast<kv::PagedType>(op.getCache().getType())),
        element(type.getElementType()), size(type.getHeadSize()), lanes(lanesFor(size)),
        rows(rows) {}

  func::FuncOp function();

private:
  void emitBody(func::FuncOp function);
  SmallVector<Value> emitPartition(Value first, Value end);
  SmallVector<Value> emitTile(Value tile, Value first, Value end, ValueRange state);
  SmallVector<Value> emitScores(Value keys);
  SmallVector<Value> loadScales(Value head, int64_t offset);
  SmallVector<Value> seenLanes(Value from, Value to);
  void emitValues(Value values, Value first, Value end, ArrayRef<Value> alphas);
  SmallVector<Value> foldPartition(ValueRange total, ValueRange part);
  void scaleSum(Value to, Value factor, Value from, Value otherFactor);
  Value rowOf(Value base, int64_t row, int64_t columns) { return e.at(base, row * columns * 4); }
  Value splat(Value v) { return e.splat(v, lanes); }

  PhaseEmitter &e;
  kv::AttendOp op;
  kv::PagedType type;
  Type element;
  int64_t size, lanes, rows;
  Value q, out, cache, table;
  Value total, part, weights; // [rows][size], [rows][size], [rows][64]
};

} // namespace

func::FuncOp RowsEmitter::function() {
  std::string name;
  llvm::raw_string_ostream(name) << "attend_" << element << "_h" << type.getHeads() << "x" << size
                                 << "_r" << rows << "_s"
                                 << op.getScale().bitcastToAPInt().getZExtValue();
  auto module = e.function->getParentOfType<ModuleOp>();
  if (auto known = module.lookupSymbol<func::FuncOp>(name))
    return known;
  OpBuilder::InsertionGuard guard(e.b);
  e.b.setInsertionPoint(e.function);
  Type p = e.ptr(), i = e.i64();
  func::FuncOp function = e.declareInternal(name, {p, p, p, p, i, i});
  emitBody(function);
  return function;
}

void RowsEmitter::emitBody(func::FuncOp function) {
  total = e.stack(rows * size * 4);
  part = e.stack(rows * size * 4);
  weights = e.stack(rows * tileKeys * 4);
  q = function.getArgument(0);
  out = function.getArgument(1);
  cache = function.getArgument(2);
  table = function.getArgument(3);
  Value first = function.getArgument(4), end = function.getArgument(5);

  e.loop(e.c(0), e.c(rows * size * 4), lanes * 4,
         [&](Value i) { e.store(e.constant(e.vec(lanes), 0), e.at(total, i)); });
  SmallVector<Value> state(rows, e.f(negativeInfinity)); // m of each row, then l of each row
  state.append(rows, e.f(0));
  Value keys = e.c(KVASIR_PARTITION_TOKENS);
  Value lastPartition = e.div(e.sub(end, e.c(1)), keys);
  state = e.fold(e.div(first, keys), e.add(lastPartition, e.c(1)), 1, state,
                 [&](Value p, ValueRange sums) {
                   Value from = e.maximum(first, e.mul(p, keys));
                   Value to = e.minimum(end, e.mul(e.add(p, e.c(1)), keys));
                   return foldPartition(sums, emitPartition(from, to));
                 });
  for (int64_t r = 0; r < rows; ++r) {
    Value sum = splat(state[rows + r]);
    e.loop(e.c(0), e.c(size * 4), lanes * 4, [&](Value i) {
      Value v = e.load(e.vec(lanes), e.at(rowOf(total, r, size), i));
      e.store(e.fdiv(v, sum), e.at(rowOf(out, r, size), i));
    });
  }
}

/// total = total * factor + part * otherFactor, for one row.
void RowsEmitter::scaleSum(Value to, Value factor, Value from, Value otherFactor) {
  Value x = splat(factor), y = splat(otherFactor);
  e.loop(e.c(0), e.c(size * 4), lanes * 4, [&](Value i) {
    Value scaled = e.fmul(e.load(e.vec(lanes), e.at(to, i)), x);
    e.store(e.fma(e.load(e.vec(lanes), e.at(from, i)), y, scaled), e.at(to, i));
  });
}

SmallVector<Value> RowsEmitter::foldPartition(ValueRange sums, ValueRange partition) {
  SmallVector<Value> maxima, lengths;
  for (int64_t r = 0; r < rows; ++r) {
    Value m = e.fmax(sums[r], partition[r]);
    Value a = emitExp(e, e.fsub(sums[r], m)), b = emitExp(e, e.fsub(partition[r], m));
    maxima.push_back(m);
    lengths.push_back(e.fma(partition[rows + r], b, e.fmul(sums[rows + r], a)));
    scaleSum(rowOf(total, r, size), a, rowOf(part, r, size), b);
  }
  maxima.append(lengths);
  return maxima;
}

SmallVector<Value> RowsEmitter::emitPartition(Value first, Value end) {
  e.loop(e.c(0), e.c(rows * size * 4), lanes * 4,
         [&](Value i) { e.store(e.constant(e.vec(lanes), 0), e.at(part, i)); });
  SmallVector<Value> state(rows, e.f(negativeInfinity));
  state.append(rows, e.f(0));
  Value keys = e.c(tileKeys);
  Value lastTile = e.div(e.sub(end, e.c(1)), keys);
  return e.fold(e.div(first, keys), e.add(lastTile, e.c(1)), 1, state,
                [&](Value tile, ValueRange sums) { return emitTile(tile, first, end, sums); });
}

/// Four vectors of 16 scores for each row, unscaled: one chain over the head size per score.
SmallVector<Value> RowsEmitter::emitScores(Value keys) {
  int64_t bytes = bytesOf(element), vectors = tileKeys / 16;
  SmallVector<Value> scores(rows * vectors, e.constant(e.vec(16), 0));
  return e.fold(e.c(0), e.c(size), 1, scores, [&](Value i, ValueRange sums) {
    SmallVector<Value> next;
    Value line = e.at(keys, e.mul(i, e.c(tileKeys * bytes)));
    SmallVector<Value> k;
    for (int64_t v = 0; v < vectors; ++v)
      k.push_back(e.loadAs(element, e.at(line, v * 16 * bytes), 16));
    for (int64_t r = 0; r < rows; ++r) {
      Value query = e.load(e.f32(), e.at(rowOf(q, r, size), e.mul(i, e.c(4))));
      for (int64_t v = 0; v < vectors; ++v)
        next.push_back(e.fma(k[v], e.splat(query, 16), sums[r * vectors + v]));
    }
    return next;
  });
}

/// The scales of 64 tokens; none if the cache has none. Those of tokens that are not seen may be
/// anything, NaN too: what is multiplied by them is replaced (scores) or not read (weights).
SmallVector<Value> RowsEmitter::loadScales(Value head, int64_t offset) {
  SmallVector<Value> scales;
  for (int64_t v = 0; type.isQuantized() && v < tileKeys / 16; ++v)
    scales.push_back(e.load(e.vec(16), e.at(head, offset + v * 16 * 4)));
  return scales;
}

/// Which keys of a tile are seen: those in [from, to).
SmallVector<Value> RowsEmitter::seenLanes(Value from, Value to) {
  SmallVector<Value> seen;
  Type lanes32 = VectorType::get({16}, e.i32());
  auto narrow = [&](Value v) { return e.splat(arith::TruncIOp::create(e.b, e.i32(), v), 16); };
  Value low = narrow(from), high = narrow(to);
  for (int64_t v = 0; v < tileKeys / 16; ++v) {
    SmallVector<int32_t> index;
    for (int32_t i = 0; i < 16; ++i)
      index.push_back(v * 16 + i);
    Value lane = arith::ConstantOp::create(
        e.b, DenseElementsAttr::get(cast<ShapedType>(lanes32), ArrayRef<int32_t>(index)));
    Value above = arith::CmpIOp::create(e.b, arith::CmpIPredicate::sge, lane, low);
    seen.push_back(arith::AndIOp::create(
        e.b, above, arith::CmpIOp::create(e.b, arith::CmpIPredicate::slt, lane, high)));
  }
  return seen;
}

/// Keys [first, end) of one page.
SmallVector<Value> RowsEmitter::emitTile(Value tile, Value first, Value end, ValueRange state) {
  int64_t vectors = tileKeys / 16;
  Value page = e.loadInt(table, tile);
  Value keys = e.at(cache, e.mul(page, e.c(type.getPageBytes())));
  Value start = e.mul(tile, e.c(tileKeys));
  Value from = e.maximum(e.sub(first, start), e.c(0));
  Value to = e.minimum(e.sub(end, start), e.c(tileKeys));
  SmallVector<Value> scores = emitScores(keys);
  SmallVector<Value> keyScales = loadScales(keys, type.getKeyScalesOffset());
  SmallVector<Value> valueScales = loadScales(keys, type.getValueScalesOffset());
  SmallVector<Value> inside = seenLanes(from, to);
  SmallVector<Value> maxima, lengths, alphas;
  Value scale = e.constant(e.vec(16), op.getScale().convertToFloat());
  for (int64_t r = 0; r < rows; ++r) {
    SmallVector<Value> s;
    for (int64_t v = 0; v < vectors; ++v) {
      Value score = scores[r * vectors + v];
      if (!keyScales.empty())
        score = e.fmul(score, keyScales[v]);
      s.push_back(
          e.select(inside[v], e.fmul(score, scale), e.constant(e.vec(16), negativeInfinity)));
    }
    Value highest = e.maxLanes(e.fmax(e.fmax(s[0], s[1]), e.fmax(s[2], s[3])));
    Value m = e.fmax(state[r], highest);
    SmallVector<Value> p;
    for (int64_t v = 0; v < vectors; ++v) {
      p.push_back(emitExp(e, e.fsub(s[v], e.splat(m, 16))));
      Value weight = valueScales.empty() ? p[v] : e.fmul(p[v], valueScales[v]);
      e.store(weight, e.at(weights, (r * tileKeys + v * 16) * 4));
    }
    Value sum = e.sumLanes(e.fadd(e.fadd(p[0], p[1]), e.fadd(p[2], p[3])));
    Value alpha = emitExp(e, e.fsub(state[r], m));
    alphas.push_back(alpha);
    maxima.push_back(m);
    lengths.push_back(e.fma(state[rows + r], alpha, sum));
  }
  emitValues(e.at(keys, type.getValuesOffset()), from, to, alphas);
  maxima.append(lengths);
  return maxima;
}

/// part = part * alpha + weights . values, keys ascending; values outside [from, to) are not read.
void RowsEmitter::emitValues(Value values, Value from, Value to, ArrayRef<Value> alphas) {
  int64_t bytes = bytesOf(element);
  int64_t together = size % (2 * lanes) == 0 && rows <= 4 ? 2 : 1; // vectors of a row side by side
  e.loop(e.c(0), e.c(size), lanes * together, [&](Value column) {
    auto address = [&](int64_t r, int64_t i) {
      return e.at(e.at(rowOf(part, r, size), e.mul(column, e.c(4))), i * lanes * 4);
    };
    SmallVector<Value> sums;
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t i = 0; i < together; ++i)
        sums.push_back(e.fmul(e.load(e.vec(lanes), address(r, i)), splat(alphas[r])));
    Value base = e.at(values, e.mul(column, e.c(bytes)));
    sums = e.fold(from, to, 1, sums, [&](Value key, ValueRange before) {
      SmallVector<Value> next, v;
      Value line = e.at(base, e.mul(key, e.c(size * bytes)));
      for (int64_t i = 0; i < together; ++i)
        v.push_back(e.loadAs(element, e.at(line, i * lanes * bytes), lanes));
      for (int64_t r = 0; r < rows; ++r) {
        Value p = e.load(e.f32(), e.at(rowOf(weights, r, tileKeys), e.mul(key, e.c(4))));
        for (int64_t i = 0; i < together; ++i)
          next.push_back(e.fma(v[i], splat(p), before[r * together + i]));
      }
      return next;
    });
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t i = 0; i < together; ++i)
        e.store(sums[r * together + i], address(r, i));
  });
}

//===----------------------------------------------------------------------===//
// The phase
//===----------------------------------------------------------------------===//

/// All tokens of a block for one key/value head.
static void emitItem(PhaseEmitter &e, kv::AttendOp op, Value item) {
  auto type = cast<kv::PagedType>(op.getCache().getType());
  int64_t size = type.getHeadSize(), group = op.getHeads() / type.getHeads();
  Value block = e.div(item, e.c(type.getHeads())), head = e.rem(item, e.c(type.getHeads()));
  Value first = e.loadInt(e.argsField(offsetof(kvasir_step_args, block_token)), block);
  Value count = e.loadInt(e.argsField(offsetof(kvasir_step_args, block_tokens)), block);
  Value request = e.loadInt(e.argsField(offsetof(kvasir_step_args, token_request)), first);
  Value positions = e.argsField(offsetof(kvasir_step_args, positions));
  Value table = e.tableOf(request);
  Value cache = e.at(e.operand(op.getCache()), e.mul(head, e.c(type.getHeadBytes())));
  Value out;
  for (auto write : e.phase.getBody().front().getOps<step::WriteOp>())
    out = write.getBuffer();
  e.loop(first, e.add(first, count), 1, [&](Value token) {
    Value end = e.add(e.loadInt(positions, token), e.c(1));
    Value begin = type.getWindow() ? e.maximum(e.sub(end, e.c(type.getWindow())), e.c(0)) : e.c(0);
    Value offset = e.mul(head, e.c(group * size * 4));
    Value q = e.at(e.rowAddress(op.getQ(), token), offset);
    Value o = e.at(e.bufferRow(out, token), offset);
    int64_t most = e.variant.vectorBits >= 512 ? 4 : 1; // rows whose scores fit the registers
    for (int64_t row = 0; row < group; row += most) {
      int64_t rows = std::min(most, group - row);
      func::FuncOp attend = RowsEmitter(e, op, rows).function();
      func::CallOp::create(
          e.b, attend,
          ValueRange{e.at(q, row * size * 4), e.at(o, row * size * 4), cache, table, begin, end});
    }
  });
}

/// Items are (block of tokens, kv head), first come first served: contexts differ in length.
void cpu::emitAttend(PhaseEmitter &e) {
  Block &body = e.phase.getBody().front();
  auto op = *body.getOps<kv::AttendOp>().begin();
  auto type = cast<kv::PagedType>(op.getCache().getType());
  Value counter;
  for (BlockArgument argument : body.getArguments())
    if (isa<step::CounterType>(argument.getType()))
      counter = e.operand(argument);
  Value items = e.mul(e.blocks, e.c(type.getHeads()));
  scf::WhileOp::create(
      e.b, TypeRange{e.i64()}, ValueRange{},
      [&](OpBuilder &inner, Location, ValueRange) {
        OpBuilder::InsertionGuard guard(e.b);
        e.b.restoreInsertionPoint(inner.saveInsertionPoint());
        Value one = arith::ConstantOp::create(e.b, e.b.getI32IntegerAttr(1));
        Value taken = LLVM::AtomicRMWOp::create(e.b, LLVM::AtomicBinOp::add, counter, one,
                                                LLVM::AtomicOrdering::monotonic);
        Value item = arith::ExtSIOp::create(e.b, e.i64(), taken);
        scf::ConditionOp::create(e.b, e.less(item, items), item);
      },
      [&](OpBuilder &inner, Location, ValueRange arguments) {
        OpBuilder::InsertionGuard guard(e.b);
        e.b.restoreInsertionPoint(inner.saveInsertionPoint());
        emitItem(e, op, arguments[0]);
        scf::YieldOp::create(e.b);
      });
}
