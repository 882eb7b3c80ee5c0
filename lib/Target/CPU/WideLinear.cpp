// Linear layers of quantized rows, for many tokens: weights are decoded to bytes once for all of
// them, 64 rows and 256 columns at a time. See docs/Rationale/CPU.md for the choice of tiles.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "EncodedLinear.h"

#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace kvasir;
using namespace kvasir::cpu;

/// Columns that are decoded at a time, a multiple of every block and group: 16 KB of bytes, which
/// stay in the first-level cache while the tokens pass by.
constexpr int64_t expandedColumns = 256;
/// One step (4 columns) of the bytes, and one group of a field, for all rows.
constexpr int64_t stepBytes = wideRows * stepColumns, fieldBytes = wideRows * 4;
constexpr int64_t lineBytes = 64;

static_assert(wideTokens % tileTokens == 0);

/// Of the kernel: some rows of those that its arguments are for, `rowBytes` (4 for each) behind the
/// first.
struct EncodedLinear::WideKernel {
  ValueRange arguments;
  int64_t tokens;
  ArrayRef<RowSet> sets;
  Value rowBytes;
};

/// The driver's.
struct EncodedLinear::WideArguments {
  Value x, scales, sums, scaledSums, tileBytes; // of inputs; tileBytes: from one tile to the next
  Value unit, toSecond, tile, tokens, columns;  // columns: padded
  Value codes, fields;                          // decoded weights
  Value next, nextStride; // of the columns to come: weights of the first unit, way to the second
};

int64_t EncodedLinear::wideSets() const { return e.variant.vectorBits >= 512 ? 4 : 2; }

/// Where scales are rare, integer sums take the registers (24 of 32, beside the weights and an
/// input) and the sums of floats are in memory. Else those take half of the registers: going
/// through memory for every 32 columns costs more than loading weights more often.
bool EncodedLinear::wideIsCarried() const {
  return e.variant.vectorBits >= 512 && chunkColumns <= pieceColumns;
}

int64_t EncodedLinear::wideKernelTokens() const {
  return (e.variant.vectorBits >= 512 ? 6 : 4) / (wideIsCarried() ? 2 : 1);
}

/// Groups of the weights in the decoded columns.
int64_t EncodedLinear::wideGroups() const {
  return panel.fieldsInHeader ? 1 : expandedColumns / panel.groupColumns;
}

//===----------------------------------------------------------------------===//
// Decoded weights: bytes [step][64 rows][4 columns]; scales [group][64 rows] f32, then the minimum
// (f32) or zero point (i32) likewise
//===----------------------------------------------------------------------===//

void EncodedLinear::emitExpandedPiece(Value piece, Value to) {
  for (int64_t first = 0; first < unitRows; first += lanes()) {
    PieceCodes codes(e, encoding, piece, {first, lanes()});
    for (int64_t step = 0; step < pieceColumns / stepColumns; ++step)
      e.store(codes.bytes(step), e.at(to, step * stepBytes + first * stepColumns),
              lanes() * stepColumns);
  }
}

void EncodedLinear::emitExpandedFields(Value fields, Value group, Value to) {
  for (int64_t first = 0; first < unitRows; first += lanes()) {
    GroupScales scales = loadScales(e, encoding, panel, fields, group, {first, lanes()});
    Value place = e.at(to, first * 4);
    e.store(scales.scale, place, lanes() * 4);
    if (Value second = scales.minimum ? scales.minimum : scales.zeroPoints)
      e.store(second, e.at(place, wideGroups() * fieldBytes), lanes() * 4);
  }
}

GroupScales EncodedLinear::expandedScales(Value fields, Value group, RowSet set) {
  Value place = e.at(e.at(fields, e.mul(group, e.c(fieldBytes))), set.first * 4);
  Value second = e.at(place, wideGroups() * fieldBytes);
  GroupScales scales{e.load(e.vec(lanes()), place, lanes() * 4), {}, {}};
  if (encoding.minimum == MinimumKind::zeroPoint)
    scales.zeroPoints = e.load(e.vec(lanes(), e.i32()), second, lanes() * 4);
  else if (encoding.minimum != MinimumKind::none)
    scales.minimum = e.load(e.vec(lanes()), second, lanes() * 4);
  return scales;
}

/// (unit, column, columns, bytes, fields): the unit's `columns` columns from `column` on.
func::FuncOp EncodedLinear::expander() {
  Type p = e.ptr(), i = e.i64();
  return e.declareOnce("expand_" + encoding.name(), {p, i, i, p, p}, [&](ValueRange a) {
    // Nothing here may depend on the number of columns: matrices of all sizes share the function.
    int64_t pieces = panel.blockColumns / pieceColumns;
    Value firstBlock = e.div(a[1], e.c(panel.blockColumns));
    Value left = e.div(a[2], e.c(pieceColumns)); // pieces in all
    Value blocks = e.div(e.add(left, e.c(pieces - 1)), e.c(pieces));
    Value first =
        e.at(a[0], e.add(e.c(panel.headerBytes), e.mul(firstBlock, e.c(panel.blockBytes))));
    if (panel.fieldsInHeader)
      emitExpandedFields(a[0], e.c(0), a[4]);
    e.loop(e.c(0), blocks, 1, [&](Value block) {
      Value address = e.at(first, e.mul(block, e.c(panel.blockBytes)));
      Value firstPiece = e.mul(block, e.c(pieces));
      e.loop(e.c(0), e.minimum(e.c(pieces), e.sub(left, firstPiece)), 1, [&](Value piece) {
        Value to = e.mul(e.add(firstPiece, piece), e.c(pieceColumns / stepColumns * stepBytes));
        emitExpandedPiece(
            e.at(e.at(address, panel.fieldBytes), e.mul(piece, e.c(panel.pieceBytes))),
            e.at(a[3], to));
      });
      if (panel.fieldsInHeader)
        return;
      int64_t groups = panel.blockColumns / panel.groupColumns;
      e.loop(e.c(0), e.c(groups), 1, [&](Value group) {
        Value index = e.add(e.mul(block, e.c(groups)), group);
        emitExpandedFields(address, group, e.at(a[4], e.mul(index, e.c(fieldBytes))));
      });
    });
  });
}

//===----------------------------------------------------------------------===//
// The kernel: few tokens, 64 rows
//===----------------------------------------------------------------------===//

/// (x, scales, sums, scaled sums, bytes, fields, tile, columns, next, its stride, its bytes in a
/// span)
func::FuncOp EncodedLinear::wideKernel(int64_t tokens) {
  Type p = e.ptr(), i = e.i64();
  return e.declareOnce(name() + "_w" + std::to_string(tokens), {p, p, p, p, p, p, p, i, p, i, i},
                       [&](ValueRange a) { emitWideKernel(tokens, a); });
}

void EncodedLinear::emitWideKernel(int64_t tokens, ValueRange arguments) {
  SmallVector<RowSet> sets;
  for (int64_t s = 0; s < wideSets(); ++s)
    sets.push_back({s * lanes(), lanes()});
  int64_t together = wideSets() * lanes();
  if (together == wideRows)
    return emitWideRows({arguments, tokens, sets, e.c(0)});
  e.loop(e.c(0), e.c(wideRows * 4), together * 4,
         [&](Value rowBytes) { emitWideRows({arguments, tokens, sets, rowBytes}); });
}

/// All columns for some rows.
void EncodedLinear::emitWideRows(const WideKernel &kernel) {
  ValueRange a = kernel.arguments;
  Value tile = e.at(a[6], kernel.rowBytes);
  auto place = [&](int64_t set, int64_t token) {
    return e.at(tile, token * fieldBytes + kernel.sets[set].first * 4);
  };
  auto load = [&](int64_t set, int64_t token) {
    return e.load(e.vec(lanes()), place(set, token), lanes() * 4);
  };
  auto eachSum = [&](llvm::function_ref<void(int64_t, int64_t)> body) {
    for (size_t set = 0; set < kernel.sets.size(); ++set)
      for (int64_t token = 0; token < kernel.tokens; ++token)
        body(set, token);
  };
  SmallVector<Value> sums;
  if (wideIsCarried())
    eachSum([&](int64_t set, int64_t token) { sums.push_back(load(set, token)); });
  sums = e.fold(e.c(0), a[7], spanColumns(), sums, [&](Value column, ValueRange before) {
    prefetchNext(e.at(a[8], e.mul(e.div(column, e.c(spanColumns())), a[10])), a[9], a[10]);
    SmallVector<Value> next(before);
    emitWideSpan(kernel, column, [&](int64_t set, int64_t token, AddChunk add) {
      if (next.empty())
        e.store(add(load(set, token)), place(set, token), lanes() * 4);
      else
        next[set * kernel.tokens + token] = add(next[set * kernel.tokens + token]);
    });
    return next;
  });
  if (wideIsCarried())
    eachSum([&](int64_t set, int64_t token) {
      e.store(sums[set * kernel.tokens + token], place(set, token), lanes() * 4);
    });
}

void EncodedLinear::prefetchNext(Value next, Value stride, Value bytes) {
  e.loop(e.c(0), bytes, lineBytes, [&](Value ahead) {
    Value address = e.at(next, ahead);
    e.prefetch(address);
    e.prefetch(e.at(address, stride));
  });
}

/// The columns from `column` on that share scales, or those of a piece.
void EncodedLinear::emitWideSpan(const WideKernel &kernel, Value column,
                                 llvm::function_ref<void(int64_t, int64_t, AddChunk)> addTo) {
  ValueRange a = kernel.arguments;
  Arguments inputs{a[0], a[1], a[2], a[3], {}, {}, {}, {}, {}};
  Value fields = e.at(a[5], kernel.rowBytes);
  Value pieces = e.div(e.minimum(e.c(spanColumns()), e.sub(a[7], column)), e.c(pieceColumns));
  Value piece = e.div(column, e.c(pieceColumns));
  int64_t inPiece = std::min(chunkColumns, pieceColumns);
  for (int64_t first = 0; first < pieceColumns; first += inPiece) {
    Value from = e.add(column, e.c(first));
    Chunk chunk{inputs, kernel.tokens, kernel.sets, {}, from};
    Value group = panel.fieldsInHeader ? e.c(0) : e.div(from, e.c(panel.groupColumns));
    for (RowSet set : kernel.sets)
      chunk.scales.push_back(expandedScales(fields, group, set));
    SmallVector<Value> integers = startChunk(chunk);
    if (spanColumns() == pieceColumns)
      addWidePiece(kernel, piece, first, inPiece, integers);
    else
      integers = e.fold(e.c(0), pieces, 1, integers, [&](Value p, ValueRange before) {
        SmallVector<Value> next(before);
        addWidePiece(kernel, e.add(piece, p), 0, pieceColumns, next);
        return next;
      });
    finishChunk(chunk, integers, addTo);
  }
}

/// `columns` of a piece from its `first` on.
void EncodedLinear::addWidePiece(const WideKernel &kernel, Value piece, int64_t first,
                                 int64_t columns, MutableArrayRef<Value> integers) {
  VectorType type = e.vec(4 * lanes(), e.i8());
  Value bytes = e.at(kernel.arguments[4], kernel.rowBytes);
  Value steps = e.at(bytes, e.mul(piece, e.c(pieceColumns / stepColumns * stepBytes)));
  Value x = e.at(kernel.arguments[0], e.mul(piece, e.c(inputPieceBytes)));
  StepSums sums(e, encoding, integers);
  for (int64_t column = first; column < first + columns; column += stepColumns) {
    Value step = e.at(steps, column / stepColumns * stepBytes);
    SmallVector<Value> weights;
    for (RowSet set : kernel.sets)
      weights.push_back(e.load(type, e.at(step, set.first * stepColumns), lanes() * 4));
    for (int64_t t = 0; t < kernel.tokens; ++t) {
      Value word = e.load(e.i32(), e.at(x, t * pieceColumns + column));
      Value input = e.bitcast(type, e.splat(word, lanes()));
      for (auto [s, weight] : llvm::enumerate(weights))
        sums.add(s * kernel.tokens + t, weight, input);
    }
  }
  sums.finish();
}

//===----------------------------------------------------------------------===//
// The driver: all columns and tokens
//===----------------------------------------------------------------------===//

/// One tile of inputs, from `token` on: as few kernel calls as there can be, of about as many
/// tokens. All calls of a step prefetch what the next columns need, a few lines in each span: many
/// lines at once would have to wait for each other, and the products for them.
void EncodedLinear::emitWideTile(const WideArguments &wide, Value column, Value columns,
                                 Value token) {
  Value most = e.c(wideKernelTokens());
  Value count = e.minimum(e.c(tileTokens), e.sub(wide.tokens, token));
  Value parts = e.div(e.add(count, e.sub(most, e.c(1))), most);
  Value tile = e.mul(e.div(token, e.c(tileTokens)), wide.tileBytes);
  auto partOf = [&](Value base, int64_t columnsOfOne, int64_t bytesOfOne) {
    return e.at(e.at(base, tile), e.mul(e.div(column, e.c(columnsOfOne)), e.c(bytesOfOne)));
  };
  Value x = partOf(wide.x, pieceColumns, inputPieceBytes);
  Value scales = partOf(wide.scales, rows.getGroup(), tileTokens * 4);
  Value sums = partOf(wide.sums, rows.getSums(), tileTokens * 4);
  Value scaledSums = partOf(wide.scaledSums, rows.getSums(), tileTokens * 4);
  int64_t spans = expandedColumns / spanColumns();
  int64_t calls = llvm::divideCeil(tileTokens, wideKernelTokens()); // of a whole tile
  int64_t lines = panel.blockBytes * expandedColumns / panel.blockColumns / lineBytes + 1;
  Value tiles = e.div(e.add(wide.tokens, e.c(tileTokens - 1)), e.c(tileTokens));
  Value allSpans = e.mul(tiles, e.c(calls * spans));
  Value perSpan = e.div(e.add(allSpans, e.c(lines - 1)), allSpans);
  Value firstCall = e.mul(e.div(token, e.c(tileTokens)), e.c(calls));
  e.fold(e.c(0), parts, 1, {e.c(0)}, [&](Value part, ValueRange before) -> SmallVector<Value> {
    Value first = before[0], partsLeft = e.sub(parts, part);
    Value some = e.div(e.add(e.sub(count, first), e.sub(partsLeft, e.c(1))), partsLeft);
    Value words = e.mul(first, e.c(4));
    Value line = e.mul(e.mul(e.add(firstCall, part), e.c(spans)), perSpan);
    Value own = e.select(e.less(line, e.c(lines)), perSpan, e.c(0));
    SmallVector<Value> arguments = {e.at(x, e.mul(first, e.c(pieceColumns))),
                                    e.at(scales, words),
                                    e.at(sums, words),
                                    e.at(scaledSums, words),
                                    wide.codes,
                                    wide.fields,
                                    e.at(wide.tile, e.mul(e.add(token, first), e.c(fieldBytes))),
                                    columns,
                                    e.at(wide.next, e.mul(line, e.c(lineBytes))),
                                    wide.nextStride,
                                    e.mul(own, e.c(lineBytes))};
    e.switchOn(
        some, wideKernelTokens(),
        [&](int64_t tokens) { func::CallOp::create(e.b, wideKernel(tokens), arguments); }, [] {});
    return {e.add(first, some)};
  });
}

/// (x, scales, sums, scaled sums, tile bytes, unit, to second, tile, tokens, columns, unit bytes)
func::FuncOp EncodedLinear::wideDriver() {
  Type p = e.ptr(), i = e.i64();
  return e.declareOnce(name() + "_wide", {p, p, p, p, i, p, i, p, i, i, i}, [&](ValueRange a) {
    WideArguments wide{a[0], a[1], a[2], a[3], a[4], a[5], a[6], a[7], a[8], a[9], {}, {}, {}, {}};
    wide.codes = e.stack(expandedColumns * wideRows);
    wide.fields = e.stack(2 * wideGroups() * fieldBytes);
    Value all = a[9], unitBytes = a[10];
    e.loop(e.c(0), e.mul(wide.tokens, e.c(fieldBytes)), panelRows * 4, [&](Value place) {
      e.store(e.constant(e.vec(panelRows), 0), e.at(wide.tile, place), panelRows * 4);
    });
    e.loop(e.c(0), all, expandedColumns, [&](Value column) {
      Value end = e.add(column, e.c(expandedColumns));
      Value columns = e.minimum(e.c(expandedColumns), e.sub(all, column));
      for (int64_t unit = 0; unit < wideRows / unitRows; ++unit)
        func::CallOp::create(e.b, expander(),
                             ValueRange{unit ? e.at(wide.unit, wide.toSecond) : wide.unit, column,
                                        columns, e.at(wide.codes, unit * unitRows * stepColumns),
                                        e.at(wide.fields, unit * unitRows * 4)});
      Value inUnit = e.mul(e.div(end, e.c(panel.blockColumns)), e.c(panel.blockBytes));
      wide.next = e.at(wide.unit, e.select(e.less(end, all), e.add(e.c(panel.headerBytes), inUnit),
                                           e.mul(unitBytes, e.c(2))));
      wide.nextStride = unitBytes;
      e.loop(e.c(0), wide.tokens, tileTokens,
             [&](Value token) { emitWideTile(wide, column, columns, token); });
    });
  });
}

void EncodedLinear::emitWide(Value inputs, Value unit, Value toSecond, Value tile, Value tokens) {
  step::BufferType::Tile parts = x.getTile();
  func::CallOp::create(e.b, wideDriver(),
                       ValueRange{inputs, e.at(inputs, parts.scales), e.at(inputs, parts.sums),
                                  e.at(inputs, parts.scaledSums), e.c(parts.bytes), unit, toSecond,
                                  tile, tokens, e.c(panel.paddedColumns), e.c(panel.unitBytes)});
}
