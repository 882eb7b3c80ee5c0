// Microkernels of linear layers whose weights are encoded: integer sums of bytes where inputs are
// quantized, else decoded weights in f32. See docs/Rationale/CPU.md for the choice of tiles.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "EncodedLinear.h"

#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace kvasir;
using namespace kvasir::cpu;

/// Bytes of weights ahead of the loads that are prefetched.
constexpr int64_t prefetchDistance = 6144;
constexpr int64_t lineBytes = 64;

/// The arguments for the tokens from `first` (i64) on.
EncodedLinear::Arguments EncodedLinear::from(Value first, const Arguments &arguments) {
  auto shifted = [&](Value base, int64_t bytes) { return e.at(base, e.mul(first, e.c(bytes))); };
  Arguments result = arguments;
  result.x = shifted(arguments.x, rows ? pieceColumns : x.getRowBytes());
  for (Value Arguments::*part : {&Arguments::scales, &Arguments::sums, &Arguments::scaledSums})
    result.*part = shifted(arguments.*part, 4);
  result.tile = shifted(arguments.tile, halfRows * 4);
  return result;
}

EncodedLinear::EncodedLinear(PhaseEmitter &e, llm::WeightType weight, step::BufferType x)
    : e(e), encoding(*weight.getEncoding()), panel(encoding, weight.getColumns()), x(x),
      rows(x.getQuantized()) {
  if (rows)
    chunkColumns =
        encoding.group ? std::min<int64_t>(encoding.group, rows.getGroup()) : rows.getGroup();
}

std::string EncodedLinear::name() const {
  std::string name = "encoded_" + encoding.name();
  llvm::raw_string_ostream os(name);
  if (rows)
    os << "_x" << rows.getGroup() << "_" << rows.getSums() << "_" << rows.getFactor() << "_tail"
       << panel.paddedColumns % panel.blockColumns;
  else
    os << "_k" << panel.columns << "_x" << x.getRowBytes();
  return name;
}

/// Of 32 vector registers, integers and the bytes that they are made of take two thirds; f32 sums
/// alone three quarters. Of 16, half.
int64_t EncodedLinear::sumsTogether() const {
  return e.variant.vectorBits < 512 ? 8 : rows ? 16 : 24;
}

int64_t EncodedLinear::tokensTogether() const {
  return sumsTogether() / (e.variant.vectorBits < 512 ? 1 : 2);
}

int64_t EncodedLinear::setsTogether(int64_t tokens) const {
  int64_t sets = unitRows / lanes();
  while (sets > 1 && sets * tokens > sumsTogether())
    sets /= 2;
  return sets;
}

bool EncodedLinear::isCarried(int64_t tokens) const {
  int64_t all = unitRows / lanes() * tokens;
  int64_t most = rows ? (e.variant.vectorBits >= 512 ? 12 : 4) : sumsTogether();
  return all <= most;
}

//===----------------------------------------------------------------------===//
// Integer sums
//===----------------------------------------------------------------------===//

StepSums::StepSums(PhaseEmitter &e, const Encoding &encoding, MutableArrayRef<Value> sums)
    : e(e), sums(sums), words(sums.size()), steps(sums.size()) {
  mostCode = encoding.codes == CodeKind::linear ? (1 << encoding.bits) - 1 : 255;
  int64_t mostInput = 127, mostPair = 2 * mostCode * mostInput;
  stepsInWords = e.variant.dotProducts ? 0 : std::numeric_limits<int16_t>::max() / mostPair;
}

void StepSums::flush(int64_t index) {
  if (words[index])
    sums[index] = e.addPairs(sums[index], words[index]);
  words[index] = {};
  steps[index] = 0;
}

void StepSums::add(int64_t index, Value weights, Value inputs) {
  if (stepsInWords < 2) {
    sums[index] = e.dot(sums[index], weights, inputs, mostCode, e.variant.dotProducts);
    return;
  }
  Value pairs = e.multiplyPairs(weights, inputs);
  words[index] = words[index] ? e.add(words[index], pairs) : pairs;
  if (++steps[index] == stepsInWords)
    flush(index);
}

void StepSums::finish() {
  for (size_t index = 0; index < words.size(); ++index)
    flush(index);
}

/// The negative sum of the chunk's inputs of a token: f32, or i32 times the factor; in all lanes.
Value EncodedLinear::sumOfInputs(const Chunk &chunk, Value sums, int64_t token, bool integer) {
  Value first = e.mul(e.div(chunk.inputColumn, e.c(rows.getSums())), e.c(tileTokens * 4));
  Value total;
  for (int64_t i = 0; i < chunkColumns / rows.getSums(); ++i) {
    Value address = e.at(e.at(sums, first), (i * tileTokens + token) * 4);
    Value sum = e.load(integer ? e.i32() : e.f32(), address);
    total = !total ? sum : integer ? e.add(total, sum) : e.fadd(total, sum);
  }
  return e.splat(total, lanes());
}

/// The part of the sums that takes offsets and zero points back, for [set][token].
SmallVector<Value> EncodedLinear::startChunk(const Chunk &chunk) {
  Type type = e.vec(lanes(), e.i32());
  SmallVector<Value> result(chunk.sets.size() * chunk.tokens);
  bool zeroPoints = encoding.minimum == MinimumKind::zeroPoint;
  int64_t offset = encoding.byteOffset() / rows.getFactor();
  for (int64_t t = 0; t < chunk.tokens; ++t) {
    Value sum;
    if (offset || zeroPoints)
      sum = sumOfInputs(chunk, chunk.arguments.sums, t, true);
    for (auto [s, scales] : llvm::enumerate(chunk.scales)) {
      Value start = !sum          ? e.integer(type, 0)
                    : zeroPoints  ? e.mul(sum, scales.zeroPoints)
                    : offset == 1 ? sum
                                  : e.mul(sum, e.integer(type, offset));
      result[s * chunk.tokens + t] = start;
    }
  }
  return result;
}

void EncodedLinear::addPiece(const Chunk &chunk, Value address, Value x, int64_t firstStep,
                             int64_t steps, MutableArrayRef<Value> integers) {
  Type bytes = e.vec(lanes() * 4, e.i8());
  StepSums sums(e, encoding, integers);
  SmallVector<PieceCodes> codes;
  for (RowSet set : chunk.sets)
    codes.emplace_back(e, encoding, address, set);
  for (int64_t step = firstStep; step < firstStep + steps; ++step) {
    SmallVector<Value> weights;
    for (PieceCodes &code : codes)
      weights.push_back(code.bytes(step));
    for (int64_t t = 0; t < chunk.tokens; ++t) {
      Value word = e.load(e.i32(), e.at(x, t * pieceColumns + step * stepColumns));
      Value input = e.bitcast(bytes, e.splat(word, lanes()));
      for (auto [s, weight] : llvm::enumerate(weights))
        sums.add(s * chunk.tokens + t, weight, input);
    }
  }
  sums.finish();
}

/// `sum(set, token)` gives the place of a sum, one after the other: those in memory are loaded when
/// they are asked for.
void EncodedLinear::finishChunk(const Chunk &chunk, ArrayRef<Value> integers,
                                llvm::function_ref<void(int64_t, int64_t, AddChunk)> addTo) {
  Value place = e.mul(e.div(chunk.inputColumn, e.c(rows.getGroup())), e.c(tileTokens * 4));
  Value inputScales = e.at(chunk.arguments.scales, place);
  for (int64_t t = 0; t < chunk.tokens; ++t) {
    Value inputScale = e.splat(e.load(e.f32(), e.at(inputScales, t * 4)), lanes());
    Value inputs;
    if (chunk.scales.front().minimum)
      inputs = sumOfInputs(chunk, chunk.arguments.scaledSums, t, false);
    for (auto [s, scales] : llvm::enumerate(chunk.scales)) {
      Value integer = e.toFloat(integers[s * chunk.tokens + t]);
      Value scale = e.fmul(scales.scale, inputScale), minimum = scales.minimum;
      addTo(s, t, [&](Value sum) {
        sum = e.fma(integer, scale, sum);
        return minimum ? e.fma(minimum, inputs, sum) : sum;
      });
    }
  }
}

/// `columns` of a block from `column` (i64) on: one chunk, or those of one piece.
void EncodedLinear::emitIntegerSpan(int64_t tokens, const Arguments &arguments, Value block,
                                    Value address, Value column, int64_t columns,
                                    ArrayRef<RowSet> sets, MutableArrayRef<Value> sums) {
  Value fields = panel.fieldsInHeader ? arguments.unit : address;
  Value row = e.add(e.mul(block, e.c(panel.blockColumns)), column);
  Value piece = e.div(column, e.c(pieceColumns));
  Value codes = e.at(e.at(address, panel.fieldBytes), e.mul(piece, e.c(panel.pieceBytes)));
  Value inputs = e.at(arguments.x, e.mul(e.div(row, e.c(pieceColumns)), e.c(inputPieceBytes)));
  int64_t inPiece = std::min(chunkColumns, pieceColumns);
  for (int64_t first = 0; first < pieceColumns; first += inPiece) {
    Chunk chunk{arguments, tokens, sets, {}, e.add(row, e.c(first))};
    Value group =
        panel.fieldsInHeader ? e.c(0) : e.div(e.add(column, e.c(first)), e.c(panel.groupColumns));
    for (RowSet set : sets)
      chunk.scales.push_back(loadScales(e, encoding, panel, fields, group, set));
    SmallVector<Value> integers = startChunk(chunk);
    if (columns <= pieceColumns)
      addPiece(chunk, codes, inputs, first / stepColumns, inPiece / stepColumns, integers);
    else
      integers =
          e.fold(e.c(0), e.c(columns / pieceColumns), 1, integers, [&](Value p, ValueRange before) {
            SmallVector<Value> next(before);
            addPiece(chunk, e.at(codes, e.mul(p, e.c(panel.pieceBytes))),
                     e.at(inputs, e.mul(p, e.c(inputPieceBytes))), 0, pieceColumns / stepColumns,
                     next);
            return next;
          });
    finishChunk(chunk, integers, [&](int64_t set, int64_t token, AddChunk add) {
      Value &sum = sums[set * tokens + token];
      sum = add(sum);
    });
  }
}

//===----------------------------------------------------------------------===//
// Decoded weights
//===----------------------------------------------------------------------===//

/// (piece, fields of its block, first group in the block, buffer, base of the sets): the piece's
/// decoded values for some sets of rows, [32 columns][sets][lanes] f32. One function for all
/// kernels.
func::FuncOp EncodedLinear::pieceDecoder(SmallVector<RowSet> sets) {
  std::string decoder = "decode_" + encoding.name() + "_" + std::to_string(sets.size() * lanes());
  Type p = e.ptr(), i = e.i64();
  func::FuncOp function = e.declareOnce(decoder, {p, p, i, p, i}, [&](ValueRange a) {
    // Nothing here may depend on the number of columns: matrices of all sizes share the function.
    int64_t inGroup =
        panel.fieldsInHeader ? pieceColumns : std::min(panel.groupColumns, pieceColumns);
    for (auto [index, set] : llvm::enumerate(sets)) {
      set.base = a[4];
      PieceCodes codes(e, encoding, a[0], set);
      Value scale, bias;
      for (int64_t column = 0; column < pieceColumns; ++column) {
        if (column % inGroup == 0)
          std::tie(scale, bias) = scaleAndBias(a[1], e.add(a[2], e.c(column / inGroup)), set);
        Value code = codes.values(column / stepColumns, column % stepColumns);
        Value place = e.at(a[3], (column * sets.size() + index) * lanes() * 4);
        e.store(e.fma(code, scale, bias), place, lanes() * 4);
      }
    }
  });
  function->setAttr("passthrough", e.b.getStrArrayAttr({"noinline"}));
  return function;
}

/// A value is scale * byte + bias. The product of the scale with an offset is exact.
std::pair<Value, Value> EncodedLinear::scaleAndBias(Value fields, Value group, RowSet set) {
  GroupScales scales = loadScales(e, encoding, panel, fields, group, set);
  if (scales.minimum)
    return {scales.scale, e.fneg(scales.minimum)};
  double byteOffset = encoding.isInteger() ? encoding.byteOffset() : 0;
  Value offset =
      scales.zeroPoints ? e.toFloat(scales.zeroPoints) : e.constant(e.vec(lanes()), byteOffset);
  return {scales.scale, e.fneg(e.fmul(scales.scale, offset))};
}

/// Up to 32 columns of a block from `column` (i64) on.
void EncodedLinear::emitFloatPiece(int64_t tokens, const Arguments &arguments, Value block,
                                   Value address, Value column, int64_t columns,
                                   ArrayRef<RowSet> sets, MutableArrayRef<Value> sums) {
  Value piece = e.mul(e.div(column, e.c(pieceColumns)), e.c(panel.pieceBytes));
  Value fields = panel.fieldsInHeader ? arguments.unit : address;
  Value group = panel.fieldsInHeader ? e.c(0) : e.div(column, e.c(panel.groupColumns));
  Value base = sets.front().base ? sets.front().base : e.c(0);
  func::CallOp::create(e.b, pieceDecoder(llvm::to_vector(sets)),
                       ValueRange{e.at(e.at(address, panel.fieldBytes), piece), fields, group,
                                  arguments.buffer, base});
  Value row = e.add(e.mul(block, e.c(panel.blockColumns)), column);
  Value inputs = e.at(arguments.x, e.mul(row, e.c(4)));
  int64_t unroll = columns % 4 == 0 ? 4 : 1, setBytes = lanes() * 4;
  auto result = e.fold(e.c(0), e.c(columns), unroll, sums, [&](Value first, ValueRange before) {
    SmallVector<Value> next(before);
    Value decoded = e.at(arguments.buffer, e.mul(first, e.c(sets.size() * setBytes)));
    Value from = e.at(inputs, e.mul(first, e.c(4)));
    for (int64_t i = 0; i < unroll; ++i) {
      SmallVector<Value> weights;
      for (size_t s = 0; s < sets.size(); ++s)
        weights.push_back(
            e.load(e.vec(lanes()), e.at(decoded, (i * sets.size() + s) * setBytes), setBytes));
      for (int64_t t = 0; t < tokens; ++t) {
        Value input = e.load(e.f32(), e.at(from, t * x.getRowBytes() + i * 4));
        for (auto [s, weight] : llvm::enumerate(weights)) {
          Value &sum = next[s * tokens + t];
          sum = e.fma(weight, e.splat(input, lanes()), sum);
        }
      }
    }
    return next;
  });
  llvm::copy(result, sums.begin());
}

//===----------------------------------------------------------------------===//
// Blocks
//===----------------------------------------------------------------------===//

void EncodedLinear::emitSets(int64_t tokens, const Arguments &arguments, Value block, Value address,
                             int64_t columns, ArrayRef<RowSet> sets, MutableArrayRef<Value> sums) {
  auto emitSpan = [&](Value column, int64_t count, MutableArrayRef<Value> into) {
    if (rows)
      emitIntegerSpan(tokens, arguments, block, address, column, count, sets, into);
    else
      emitFloatPiece(tokens, arguments, block, address, column, count, sets, into);
  };
  int64_t span = rows ? std::max(chunkColumns, pieceColumns) : pieceColumns;
  int64_t whole = columns / span * span;
  if (whole > span) {
    auto result = e.fold(e.c(0), e.c(whole), span, sums, [&](Value column, ValueRange before) {
      SmallVector<Value> next(before);
      emitSpan(column, span, next);
      return next;
    });
    llvm::copy(result, sums.begin());
  } else if (whole) {
    emitSpan(e.c(0), span, sums);
  }
  if (columns > whole)
    emitSpan(e.c(whole), columns - whole, sums);
}

Value EncodedLinear::startBlock(const Arguments &arguments, Value block) {
  Value place = e.add(e.c(panel.headerBytes), e.mul(block, e.c(panel.blockBytes)));
  Value address = e.at(arguments.unit, place);
  for (int64_t ahead = 0; ahead < panel.blockBytes; ahead += lineBytes)
    e.prefetch(e.at(address, ahead + prefetchDistance));
  return address;
}

/// Sums are [set][token]; those that are not carried lie in the tile. Then tokens are taken in
/// parts whose sums fit the registers. Decoding the block again for each costs less than loading it
/// decoded: loads are as scarce as arithmetic.
void EncodedLinear::emitBlock(int64_t tokens, const Arguments &arguments, Value block,
                              int64_t columns, MutableArrayRef<Value> sums, bool carried) {
  Value address = startBlock(arguments, block);
  int64_t parts = llvm::divideCeil(tokens, tokensTogether());
  for (int64_t part = 0, first = 0; part < parts; ++part) {
    int64_t some = llvm::divideCeil(tokens - first, parts - part);
    emitPart(some, from(e.c(first), arguments), block, address, columns, sums, carried);
    first += some;
  }
}

void EncodedLinear::emitPart(int64_t tokens, const Arguments &arguments, Value block, Value address,
                             int64_t columns, MutableArrayRef<Value> sums, bool carried) {
  int64_t rowsTogether = setsTogether(tokens) * lanes();
  auto setsFrom = [&](Value base) {
    SmallVector<RowSet> sets;
    for (int64_t first = 0; first < rowsTogether; first += lanes())
      sets.push_back({first, lanes(), base});
    return sets;
  };
  if (carried) {
    assert(rowsTogether == unitRows && "sums that are carried fit the registers");
    return emitSets(tokens, arguments, block, address, columns, setsFrom({}), sums);
  }
  auto emitRows = [&](Value base) {
    SmallVector<RowSet> sets = setsFrom(base);
    SmallVector<Value> places, own;
    for (RowSet set : sets) {
      Value place = set.at(e, arguments.tile, arguments.halfTile, 4);
      for (int64_t t = 0; t < tokens; ++t)
        places.push_back(e.at(place, t * halfRows * 4));
    }
    for (Value p : places)
      own.push_back(e.load(e.vec(lanes()), p, lanes() * 4));
    emitSets(tokens, arguments, block, address, columns, sets, own);
    for (auto [sum, p] : llvm::zip(own, places))
      e.store(sum, p, lanes() * 4);
  };
  // A loop, and not its body again and again: that is most of the code of a variant with 16
  // registers.
  if (rowsTogether == unitRows)
    emitRows({});
  else
    e.loop(e.c(0), e.c(unitRows), rowsTogether, emitRows);
}

void EncodedLinear::emitKernel(int64_t tokens, Arguments arguments) {
  int64_t all = unitRows / lanes();
  if (!rows)
    arguments.buffer = e.stack(pieceColumns * unitRows * 4);
  bool carried = isCarried(tokens);
  Value zero = e.constant(e.vec(lanes()), 0);
  auto eachPlace = [&](llvm::function_ref<void(int64_t, Value)> body) {
    for (int64_t s = 0; s < all; ++s) {
      int64_t first = s * lanes();
      Value half = e.at(arguments.tile, e.mul(arguments.halfTile, e.c(first / halfRows)));
      for (int64_t t = 0; t < tokens; ++t)
        body(s * tokens + t, e.at(half, (t * halfRows + first % halfRows) * 4));
    }
  };
  SmallVector<Value> sums;
  if (carried)
    sums.assign(all * tokens, zero);
  else
    eachPlace([&](int64_t, Value place) { e.store(zero, place, lanes() * 4); });
  sums = e.fold(e.c(0), arguments.blocks, 1, sums, [&](Value block, ValueRange before) {
    SmallVector<Value> next(before);
    emitBlock(tokens, arguments, block, panel.blockColumns, next, carried);
    return next;
  });
  int64_t columns = rows ? panel.paddedColumns : panel.columns;
  if (int64_t tail = columns % panel.blockColumns)
    emitBlock(tokens, arguments, arguments.blocks, tail, sums, carried);
  if (carried)
    eachPlace([&](int64_t i, Value place) { e.store(sums[i], place, lanes() * 4); });
}

//===----------------------------------------------------------------------===//
// Functions
//===----------------------------------------------------------------------===//

/// (x, scales, sums, scaled sums, unit, tile, half tile, blocks)
func::FuncOp EncodedLinear::kernel(int64_t tokens) {
  Type p = e.ptr(), i = e.i64();
  return e.declareOnce(name() + "_m" + std::to_string(tokens), {p, p, p, p, p, p, i, i},
                       [&](ValueRange a) {
                         emitKernel(tokens, {a[0], a[1], a[2], a[3], a[4], a[5], a[6], a[7], {}});
                       });
}

int64_t EncodedLinear::mostTokens() const { return rows ? tokensTogether() : tileTokens; }

/// (x, scales, sums, scaled sums, unit, tile, tokens, blocks)
func::FuncOp EncodedLinear::dispatcher() {
  Type p = e.ptr(), i = e.i64();
  return e.declareOnce(name(), {p, p, p, p, p, p, i, i}, [&](ValueRange a) {
    e.switchOn(
        a[6], mostTokens(),
        [&](int64_t tokens) {
          SmallVector<Value> arguments(a);
          arguments[6] = e.c(tokens * halfRows * 4);
          func::CallOp::create(e.b, kernel(tokens), arguments);
        },
        [] {});
  });
}

void EncodedLinear::emit(Value inputs, Value first, Value unit, Value tile, Value tokens) {
  int64_t columns = rows ? panel.paddedColumns : panel.columns;
  Value blocks = e.c(columns / panel.blockColumns);
  SmallVector<Value> arguments = {inputs, inputs, inputs, inputs, unit, tile, tokens, blocks};
  if (rows) {
    step::BufferType::Tile parts = x.getTile();
    Value lane = e.rem(first, e.c(tileTokens)), words = e.mul(lane, e.c(4));
    arguments[0] = e.at(inputs, e.mul(lane, e.c(pieceColumns)));
    arguments[1] = e.at(e.at(inputs, parts.scales), words);
    arguments[2] = e.at(e.at(inputs, parts.sums), words);
    arguments[3] = e.at(e.at(inputs, parts.scaledSums), words);
  }
  func::CallOp::create(e.b, dispatcher(), arguments);
}
