// Phases of linear layers: weights are the 16-row operand of matrix instructions, tokens stand on
// the 8-column side. Form and order of sums: docs/Rationale/CUDA.md.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "KernelEmitter.h"

#include "kvasir/Encoding/Mma16.h"
#include "llvm/Support/MathExtras.h"

#include <numeric>

using namespace mlir;
using namespace kvasir;
using namespace kvasir::cuda;
using kvasir::emit::LinearGroup;

namespace {

/// Columns of a matrix instruction's result: tokens.
constexpr int64_t mmaTokens = 8;
/// Most instructions side by side for the tokens of one tile: a tile has up to 32 tokens.
constexpr int64_t mostColumns = 4;
/// Floats from one token to the next in the partial sums: 16 rows, and 4 more so that the lanes
/// of a warp write to different banks.
constexpr int64_t tokenStride = Mma16::rows + 4;
/// Tiles of weights that a warp has in flight: 1 KB each, so a block has 32 KB.
constexpr int64_t tilesInFlight = 4;

using Fragment = SmallVector<Value>; ///< i32 registers of an operand, of one lane

/// How a matrix of weights is multiplied.
struct Shape {
  Type element;
  int64_t rows, columns;

  int64_t tilesInRow() const { return llvm::divideCeil(columns, Mma16::columns); }
  int64_t outputTiles() const { return llvm::divideCeil(rows, Mma16::rows); }
  int64_t parts() const { return element.isF32() ? 2 : 1; } ///< bf16 that an f32 is made of
  int64_t tileBytes() const { return Mma16::tileBytes * parts(); }
};

/// Emits the phase.
class LinearEmitter {
public:
  explicit LinearEmitter(KernelEmitter &e)
      : e(e), linear(*e.phase.getBody().front().getOps<llm::LinearOp>().begin()) {}
  FailureOr<Items> emit();

private:
  LogicalResult check();
  Shape shapeOf(unsigned result) {
    auto type = cast<llm::WeightType>(linear.getWeights()[result].getType());
    return {type.getElementType(), type.getRows(), type.getColumns()};
  }
  void emitGroup(const LinearGroup &group, int64_t before);
  void emitTile(const LinearGroup &group, Value tile, Value firstToken, int64_t columns);
  SmallVector<Value> emitSums(const LinearGroup &group, Value tile, Value firstToken,
                              int64_t columns);
  SmallVector<Value> emitStep(const LinearGroup &group, ArrayRef<Fragment> weights, Value step,
                              ValueRange x, ValueRange sums);
  SmallVector<Value> loadWeights(const Shape &shape, Value band, Value step);
  SmallVector<Value> loadInputs(Value x, Value step);
  Fragment round(ArrayRef<Value> values, Type element);
  Fragment multiply(Type element, ArrayRef<Value> a, ArrayRef<Value> b, ArrayRef<Value> sums);
  void storeSums(const LinearGroup &group, ValueRange sums, int64_t columns);
  void emitEpilogue(const LinearGroup &group, Value tile, Value firstToken, int64_t columns);
  void emitOutput(const LinearGroup &group, ArrayRef<Value> sums, Value output, Value token);
  int64_t resultBytes() const { return blockWarps * mostColumns * mmaTokens * tokenStride * 4; }

  KernelEmitter &e;
  llm::LinearOp linear;
  Value count;    ///< tokens (rows) of the linear layer
  Value partials; ///< [result of the group][warp][token][tokenStride] f32 in shared memory
};

} // namespace

LogicalResult LinearEmitter::check() {
  for (Operation &op : e.phase.getBody().front()) {
    if (&op == linear.getOperation())
      break;
    if (!isa<step::ReadOp, step::InputOp>(op))
      return op.emitError("expected no work on rows before a linear layer in its phase; run "
                          "`schedule` with `blocks`");
  }
  if (cast<RankedTensorType>(linear.getX().getType()).getEncoding())
    return linear.emitError("linear layers whose inputs are rounded to 8 bits have no kernel yet; "
                            "compile with --activations exact");
  for (Value weight : linear.getWeights())
    if (cast<llm::WeightType>(weight.getType()).getEncoding())
      return linear.emitError("linear layers with weights of type ")
             << weight.getType() << " have no kernel yet; compile without --quantize";
  return success();
}

/// Tiles of 16 outputs are dealt to blocks, those of the next group after those of the one before.
FailureOr<Items> LinearEmitter::emit() {
  if (failed(check()))
    return failure();
  count = e.extent(linear.getResult(0));
  SmallVector<LinearGroup> groups = emit::linearGroups(linear);
  size_t most = 0;
  for (const LinearGroup &group : groups)
    most = std::max<size_t>(most, group.results.size());
  partials = e.shared(most * resultBytes());
  int64_t tiles = 0;
  for (const LinearGroup &group : groups) {
    emitGroup(group, tiles);
    tiles += shapeOf(group.results[0]).outputTiles();
  }
  return Items{tiles, 0, 0, 0};
}

void LinearEmitter::emitGroup(const LinearGroup &group, int64_t before) {
  int64_t tiles = shapeOf(group.results[0]).outputTiles();
  // The first tile of this group whose number among all is the block's plus a multiple of the grid.
  Value skipped = e.rem(e.c(before), e.grid);
  Value first = e.rem(e.sub(e.add(e.block, e.grid), skipped), e.grid);
  e.loopBy(first, e.c(tiles), e.grid, [&](Value tile) {
    e.loop(e.c(0), count, mostColumns * mmaTokens, [&](Value token) {
      Value left = e.sub(count, token);
      e.either(
          e.less(e.c(mmaTokens), left),
          [&] {
            e.either(
                e.less(e.c(2 * mmaTokens), left),
                [&] { emitTile(group, tile, token, mostColumns); },
                [&] { emitTile(group, tile, token, 2); });
          },
          [&] { emitTile(group, tile, token, 1); });
    });
  });
}

/// 16 outputs of each result for 8 * `columns` tokens, by all warps of the block.
void LinearEmitter::emitTile(const LinearGroup &group, Value tile, Value firstToken,
                             int64_t columns) {
  SmallVector<Value> sums = emitSums(group, tile, firstToken, columns);
  e.barrier(); // whoever still reads the partial sums of the tile before
  storeSums(group, sums, columns);
  e.barrier();
  emitEpilogue(group, tile, firstToken, columns);
}

//===----------------------------------------------------------------------===//
// Sums of a warp
//===----------------------------------------------------------------------===//

/// The lane's operands of the tile at `step`: two for each part, 4 registers each.
SmallVector<Value> LinearEmitter::loadWeights(const Shape &shape, Value band, Value step) {
  SmallVector<Value> registers;
  Value tile = e.at(band, e.mul(step, e.c(shape.tileBytes())));
  for (int64_t i = 0; i < 2 * shape.parts(); ++i)
    registers.push_back(e.loadConstant(e.vec(4, e.i32()), e.at(tile, i * Mma16::operandBytes), 16));
  return registers;
}

/// The lane's 8 columns of one token: column 8 (lane % 4) of the tile at `step`. Beyond the last
/// column there are zeros, whatever lies in memory.
SmallVector<Value> LinearEmitter::loadInputs(Value x, Value step) {
  int64_t columns = featuresOf(linear.getX());
  Value first = e.add(e.mul(step, e.c(Mma16::columns)), e.mul(e.andBits(e.lane, 3), e.c(8)));
  int64_t together = columns % 4 == 0 ? 4 : 1; // that are inside or outside as one
  SmallVector<Value> values;
  for (int64_t i = 0; i < 8; i += together) {
    Value column = e.add(first, e.c(i)), inside;
    if (columns % Mma16::columns != 0) {
      inside = e.less(column, e.c(columns));
      column = e.select(inside, column, e.c(0));
    }
    Value address = e.at(x, e.mul(column, e.c(4)));
    Type type = together == 1 ? e.f32() : Type(e.vec(together));
    Value loaded = e.load(type, address, 4 * together);
    if (inside)
      loaded = e.select(inside, loaded, e.constant(type, 0));
    for (int64_t j = 0; j < together; ++j)
      values.push_back(together == 1 ? loaded
                                     : LLVM::ExtractElementOp::create(e.b, loaded, e.c(j)));
  }
  return values;
}

/// Pairs of values, rounded, in registers.
Fragment LinearEmitter::round(ArrayRef<Value> values, Type element) {
  Fragment registers;
  for (size_t i = 0; i < values.size(); i += 2) {
    Value pair = LLVM::PoisonOp::create(e.b, e.vec(2));
    pair = LLVM::InsertElementOp::create(e.b, pair, values[i], e.c(0));
    pair = LLVM::InsertElementOp::create(e.b, pair, values[i + 1], e.c(1));
    Value rounded = arith::TruncFOp::create(e.b, e.vec(2, element), pair);
    registers.push_back(e.bitcast(e.i32(), rounded));
  }
  return registers;
}

/// sums + A B, for operands of 4 and 2 registers.
Fragment LinearEmitter::multiply(Type element, ArrayRef<Value> a, ArrayRef<Value> b,
                                 ArrayRef<Value> sums) {
  bool half = element.isF16();
  auto operands = [&](ArrayRef<Value> registers) {
    SmallVector<Value> list;
    for (Value value : registers)
      list.push_back(half ? e.bitcast(e.vec(2, element), value) : value);
    return list;
  };
  SmallVector<Type> floats(4, e.f32());
  auto type = LLVM::LLVMStructType::getLiteral(e.b.getContext(), floats);
  NVVM::MMATypes kind = half ? NVVM::MMATypes::f16 : NVVM::MMATypes::bf16;
  Value result = NVVM::MmaOp::create(
      e.b, type, operands(a), operands(b), sums, ArrayRef<int64_t>{16, 8, 16}, std::nullopt,
      std::nullopt, std::array<NVVM::MMATypes, 2>{kind, kind},
      std::array<NVVM::MMALayout, 2>{NVVM::MMALayout::row, NVVM::MMALayout::col});
  Fragment next;
  for (int64_t i = 0; i < 4; ++i)
    next.push_back(LLVM::ExtractValueOp::create(e.b, result, i));
  return next;
}

/// Adds the products of one tile of each result's weights. Sums: [result][column][4].
SmallVector<Value> LinearEmitter::emitStep(const LinearGroup &group, ArrayRef<Fragment> weights,
                                           Value step, ValueRange x, ValueRange sums) {
  SmallVector<Value> next(sums);
  for (auto [column, address] : llvm::enumerate(x)) {
    SmallVector<Value> inputs = loadInputs(address, step);
    for (auto [index, result] : llvm::enumerate(group.results)) {
      Shape shape = shapeOf(result);
      Type element = shape.parts() == 2 ? e.b.getBF16Type() : shape.element;
      Fragment first = round(inputs, element), second;
      if (shape.parts() == 2) { // what rounding took away
        SmallVector<Value> left;
        for (auto [i, value] : llvm::enumerate(inputs)) {
          Value rounded = arith::TruncFOp::create(e.b, element, value);
          left.push_back(e.fsub(value, arith::ExtFOp::create(e.b, e.f32(), rounded)));
        }
        second = round(left, element);
      }
      auto *own = &next[(index * x.size() + column) * 4];
      Fragment sum(own, own + 4);
      auto add = [&](int64_t part, const Fragment &b, int64_t f) {
        SmallVector<Value> a;
        for (int64_t i = 0; i < 4; ++i)
          a.push_back(LLVM::ExtractElementOp::create(e.b, weights[index][part * 2 + f], e.c(i)));
        sum = multiply(element, a, ArrayRef(b).slice(2 * f, 2), sum);
      };
      for (int64_t f = 0; f < 2; ++f) {
        if (shape.parts() == 2) {
          add(1, first, f);
          add(0, second, f);
        }
        add(0, first, f);
      }
      llvm::copy(sum, own);
    }
  }
  return next;
}

/// A warp's share of K: tiles [S w / 8, S (w + 1) / 8) of the S tiles in a row. Tiles are loaded
/// one round ahead.
SmallVector<Value> LinearEmitter::emitSums(const LinearGroup &group, Value tile, Value firstToken,
                                           int64_t columns) {
  int64_t tiles = shapeOf(group.results[0]).tilesInRow(), share = tiles / blockWarps;
  int64_t inFlight = 1;
  for (Shape shape = shapeOf(group.results[0]);
       tiles % blockWarps == 0 && share % (2 * inFlight) == 0 &&
       2 * inFlight * shape.parts() * int64_t(group.results.size()) <= tilesInFlight;)
    inFlight *= 2;
  auto bound = [&](Value w) { return e.shiftRight(e.mul(w, e.c(tiles)), 3); };
  Value begin = bound(e.warp), end = bound(e.add(e.warp, e.c(1)));
  Value last = e.maximum(e.sub(end, e.c(1)), e.c(0));

  SmallVector<Value> bands, x;
  for (unsigned result : group.results) {
    Shape shape = shapeOf(result);
    Value band =
        e.far(e.operand(linear.getWeights()[result]), tile, shape.tilesInRow() * shape.tileBytes());
    bands.push_back(e.at(band, e.mul(e.lane, e.c(16))));
  }
  for (int64_t column = 0; column < columns; ++column) {
    Value token = e.add(firstToken, e.add(e.shiftRight(e.lane, 2), e.c(column * mmaTokens)));
    // A column that no token has repeats the last one; nobody stores it.
    token = e.minimum(token, e.sub(count, e.c(1)));
    x.push_back(e.rowAddress(linear.getX(), token));
  }
  auto loadRound = [&](Value step) {
    SmallVector<Value> all;
    for (int64_t i = 0; i < inFlight; ++i) {
      Value at = e.minimum(e.add(step, e.c(i)), last);
      for (auto [index, result] : llvm::enumerate(group.results))
        llvm::append_range(all, loadWeights(shapeOf(result), bands[index], at));
    }
    return all;
  };
  SmallVector<Value> state(group.results.size() * columns * 4, e.f(0));
  size_t sums = state.size();
  llvm::append_range(state, loadRound(begin));
  state = e.fold(begin, end, inFlight, state, [&](Value step, ValueRange before) {
    SmallVector<Value> next = loadRound(e.add(step, e.c(inFlight)));
    SmallVector<Value> total(before.take_front(sums));
    ValueRange loaded = before.drop_front(sums);
    for (int64_t i = 0; i < inFlight; ++i) {
      SmallVector<Fragment> weights;
      for (unsigned result : group.results) {
        size_t registers = 2 * shapeOf(result).parts();
        weights.push_back(Fragment(loaded.take_front(registers)));
        loaded = loaded.drop_front(registers);
      }
      total = emitStep(group, weights, e.add(step, e.c(i)), x, total);
    }
    llvm::append_range(total, next);
    return total;
  });
  state.truncate(sums);
  return state;
}

//===----------------------------------------------------------------------===//
// Sums of the block
//===----------------------------------------------------------------------===//

/// Fragments of results (PTX ISA, mma.m16n8k16): registers 0 and 1 are row lane / 4, columns
/// 2 (lane % 4) and the next; registers 2 and 3 are 8 rows below.
void LinearEmitter::storeSums(const LinearGroup &group, ValueRange sums, int64_t columns) {
  Value row = e.shiftRight(e.lane, 2), token = e.shiftLeft(e.andBits(e.lane, 3), 1);
  Value own = e.at(partials, e.mul(e.warp, e.c(resultBytes() / blockWarps)));
  own = e.at(own, e.mul(e.add(e.mul(token, e.c(tokenStride)), row), e.c(4)));
  for (size_t result = 0; result < group.results.size(); ++result)
    for (int64_t column = 0; column < columns; ++column)
      for (int64_t i = 0; i < 4; ++i) {
        int64_t offset = (column * mmaTokens + i % 2) * tokenStride + i / 2 * 8;
        e.store(sums[(result * columns + column) * 4 + i],
                e.at(own, result * resultBytes() + offset * 4));
      }
}

/// A thread for each output and token: the warps' sums in the order of warps, then the epilogue.
void LinearEmitter::emitEpilogue(const LinearGroup &group, Value tile, Value firstToken,
                                 int64_t columns) {
  int64_t outputs = shapeOf(group.results[0]).rows;
  e.forThreads(columns * mmaTokens * Mma16::rows, [&](Value i) {
    Value row = e.andBits(i, Mma16::rows - 1), column = e.shiftRight(i, 4);
    Value output = e.add(e.mul(tile, e.c(Mma16::rows)), row);
    Value token = e.add(firstToken, column);
    Value wanted = e.less(token, count);
    if (outputs % Mma16::rows != 0)
      wanted = arith::AndIOp::create(e.b, wanted, e.less(output, e.c(outputs)));
    e.when(wanted, [&] {
      Value own = e.at(partials, e.mul(e.add(e.mul(column, e.c(tokenStride)), row), e.c(4)));
      SmallVector<Value> sums;
      for (size_t result = 0; result < group.results.size(); ++result) {
        auto part = [&](int64_t w) {
          return e.load(e.f32(),
                        e.at(own, result * resultBytes() + w * (resultBytes() / blockWarps)));
        };
        Value sum = part(0);
        for (int64_t w = 1; w < blockWarps; ++w)
          sum = e.fadd(sum, part(w));
        sums.push_back(sum);
      }
      emitOutput(group, sums, output, token);
    });
  });
}

/// Bias, epilogue ops and writes of one output of each result.
void LinearEmitter::emitOutput(const LinearGroup &group, ArrayRef<Value> sums, Value output,
                               Value token) {
  DenseMap<Value, Value> known;
  Value offset = e.mul(output, e.c(4));
  for (auto [index, result] : llvm::enumerate(group.results)) {
    Value sum = sums[index];
    if (!linear.getBiases().empty())
      sum =
          e.fadd(sum, e.loadConstant(e.f32(), e.at(e.operand(linear.getBiases()[result]), offset)));
    known[linear.getResult(result)] = sum;
  }
  for (Operation *op : group.epilogue) {
    SmallVector<Value> operands;
    for (Value operand : op->getOperands()) {
      Value &value = known[operand];
      if (!value)
        value = e.load(e.f32(), e.at(e.rowAddress(operand, token), offset));
      operands.push_back(value);
    }
    known[op->getResult(0)] = emit::emitElementwise(e, op, operands);
  }
  for (auto write : e.phase.getBody().front().getOps<step::WriteOp>())
    if (Value value = known.lookup(write.getValue());
        value && !write.getValue().getDefiningOp<step::ReadOp>())
      e.store(value, e.at(e.bufferRow(write.getBuffer(), token), offset));
}

FailureOr<Items> cuda::emitLinear(KernelEmitter &e) { return LinearEmitter(e).emit(); }
