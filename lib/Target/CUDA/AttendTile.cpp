// Attention on tensor cores: what a warp does with a tile of 64 keys.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "AttendTiles.h"

using namespace mlir;
using namespace kvasir;
using namespace kvasir::cuda;

/// i32 words that lie one after the other, as one load.
SmallVector<Value> TilesEmitter::loadWords(Value address, int64_t words) {
  Value loaded = e.load(e.vec(words, e.i32()), address, words * 4);
  SmallVector<Value> list;
  for (int64_t i = 0; i < words; ++i)
    list.push_back(LLVM::ExtractElementOp::create(e.b, loaded, e.c(i)));
  return list;
}

/// The constant in both halves of a register, which LLVM does not know: an instruction takes one
/// constant and no two, and codes are masked and raised by one. (No step has 2^31 blocks.)
static Value inRegister(KernelEmitter &e, uint32_t half) {
  return e.sub(e.integer(e.i32(), int32_t(half * 0x10001)), e.shiftRight(e.blocks, 31));
}

/// Codes 0 and 2 of a word in the lower bytes of its halves, as bf16. There is room for 7 bits
/// beside the leading one: the bits of 128 with the lower ones in the lowest ones, less 128, or 256
/// where the code is negative.
static Value pairOfCodes(KernelEmitter &e, Value word) {
  auto floats = [&](Value bits) { return e.bitcast(e.vec(2, e.b.getBF16Type()), bits); };
  Value low = e.orBits(e.andBits(word, 0x007f007f), inRegister(e, 0x4300));
  Value less = arith::XOrIOp::create(e.b, e.andBits(word, 0x00800080), inRegister(e, 0xc300));
  return e.bitcast(e.i32(), arith::AddFOp::create(e.b, floats(low), floats(less)));
}

/// Entries of the cache as pairs of the operands' type. Of four codes 0 and 2, 1 and 3 are pairs:
/// so they are in queries and weights, too.
SmallVector<Value> TilesEmitter::pairsOf(ArrayRef<Value> words) {
  if (!type.isQuantized())
    return SmallVector<Value>(words);
  SmallVector<Value> pairs;
  for (Value word : words)
    for (int64_t i = 0; i < 2; ++i)
      pairs.push_back(pairOfCodes(e, e.shiftRight(word, 8 * i)));
  return pairs;
}

/// Four neighbours of a row as two registers, in the pairs of `pairsOf`.
std::array<Value, 2> TilesEmitter::roundFour(ArrayRef<Value> values) {
  int64_t second = type.isQuantized() ? 2 : 1;
  return {roundPair(e, element, values[0], values[second]),
          roundPair(e, element, values[3 - second], values[3])};
}

/// Scales of the lane's keys: [8][2], as in scores.
SmallVector<Value> TilesEmitter::loadScales(Value address) {
  SmallVector<Value> scales;
  for (int64_t half = 0; half < 2; ++half)
    for (int64_t i = 0; i < 2; ++i) {
      Value key = e.add(e.mul(q(), e.c(8)), e.c(32 * half + 4 * i));
      Value four = e.load(e.vec(4), entry(address, key), 16);
      for (int64_t j = 0; j < 4; ++j)
        scales.push_back(LLVM::ExtractElementOp::create(e.b, four, e.c(j)));
    }
  return scales;
}

/// The lane's entries of the key of score `n` in the `columns` (32 or 16) columns at `keys`.
SmallVector<Value> TilesEmitter::loadKey(Value keys, int64_t n, int64_t columns) {
  Value own = e.at(keys, e.mul(q(), e.c(columns / 4 * bytes)));
  return loadWords(e.at(own, (n / 4 * 32 + n % 4 * 2) * size * bytes), columns / 4 * bytes / 4);
}

/// Of all 8 keys: [8][words].
SmallVector<Value> TilesEmitter::loadKeys(Value keys, int64_t columns) {
  SmallVector<Value> words;
  for (int64_t n = 0; n < 8; ++n)
    llvm::append_range(words, loadKey(keys, n, columns));
  return words;
}

/// `state`: scores, then words of keys of `columns` columns. Adds the products with the queries'
/// operands A at `from` to the scores; entries of the next 32 columns, if there is a `next`, take
/// the place of those that were multiplied.
SmallVector<Value> TilesEmitter::multiplyKeys(Value from, int64_t columns, ValueRange state,
                                              Value next) {
  SmallVector<Fragment> a;
  for (int64_t step = 0; step < columns / 16; ++step) {
    Value own = e.at(e.at(from, step * warpLanes * 16), e.mul(e.lane, e.c(16)));
    a.push_back(Fragment(loadWords(own, 4)));
  }
  SmallVector<Value> scores, ahead;
  ValueRange words = state.drop_front(scoreCount);
  size_t each = words.size() / 8;
  for (int64_t n = 0; n < 8; ++n) {
    SmallVector<Value> pairs = pairsOf(SmallVector<Value>(words.slice(n * each, each)));
    Fragment score(state.slice(4 * n, 4));
    for (size_t step = 0; step < a.size(); ++step)
      score = emitMma(e, element, a[step], {pairs[2 * step], pairs[2 * step + 1]}, score);
    llvm::append_range(scores, score);
    if (!next)
      continue;
    llvm::append_range(ahead, loadKey(next, n, 32));
    if (n % 2)
      e.syncWarp(); // loads do not move across: ptxas would have all of them wait in registers
  }
  llvm::append_range(scores, ahead);
  return scores;
}

/// Scores of 16 rows and 64 keys, unscaled: [8][4] results. Column n of result 4 k + j is key
/// 32 k + 8 (n / 2) + 2 j + n % 2, so that a lane's 8 columns of 32 keys are 8 q .. 8 q + 7.
/// A loop over 32 columns at a time, whose keys are loaded while those before are multiplied.
SmallVector<Fragment> TilesEmitter::emitScores(Value keys) {
  Value key = e.add(e.shiftLeft(e.shiftRight(g(), 1), 3), e.andBits(g(), 1));
  Value own = e.at(keys, e.mul(key, e.c(size * bytes)));
  int64_t wide = size / 32;
  auto columns = [&](Value i) { return e.at(own, e.mul(i, e.c(32 * bytes))); };
  auto operands = [&](Value i) { return e.at(queries, e.mul(i, e.c(2 * warpLanes * 16))); };
  SmallVector<Value> state(scoreCount, e.f(0));
  if (wide > 0) {
    llvm::append_range(state, loadKeys(own, 32));
    // Where LLVM knows that there is one round there is no loop, and all loads are made at once.
    Value rounds = e.shuffle(e.c(wide), e.lane);
    state = e.fold(e.c(1), rounds, 1, state, [&](Value i, ValueRange before) {
      prefetchKeys(keys, e.add(i, e.c(1)));
      return multiplyKeys(operands(e.sub(i, e.c(1))), 32, before, columns(i));
    });
  }
  SmallVector<Value> rest;
  if (size % 32)
    rest = loadKeys(columns(e.c(wide)), 16);
  if (wide > 0)
    state = multiplyKeys(operands(e.c(wide - 1)), 32, state, Value());
  if (size % 32) {
    llvm::append_range(state, rest);
    state = multiplyKeys(operands(e.c(wide)), 16, state, Value());
  }
  SmallVector<Fragment> scores;
  for (int64_t n = 0; n < 8; ++n)
    scores.emplace_back(state.begin() + 4 * n, state.begin() + 4 * n + 4);
  return scores;
}

/// What row `row` of the chunk sees of a tile.
KeyRange TilesEmitter::keysOf(Value row, Value start) {
  Value from = type.getWindow() ? e.load(e.i32(), entry(rowBegins, row)) : e.c(0);
  return {e.sub(from, start), e.sub(e.load(e.i32(), entry(rowEnds, row)), start)};
}

/// What some row sees of a tile.
KeyRange TilesEmitter::keysOfAny(Value start) {
  return {e.sub(bound(beginKey), start), e.sub(bound(endKey), start)};
}

/// Whether the key of column j of score n is one of `keys`.
Value TilesEmitter::isSeen(const KeyRange &keys, int64_t n, int64_t j) {
  Value key = e.add(e.mul(q(), e.c(8)), e.c(n / 4 * 32 + n % 4 * 2 + j));
  Value above = arith::CmpIOp::create(e.b, arith::CmpIPredicate::sge, key, keys.from);
  return arith::AndIOp::create(e.b, above, e.less(key, keys.to));
}

/// Scores of a row become what the softmax is of, -inf where a key is not seen.
void TilesEmitter::maskScores(SmallVector<Fragment> &scores, int64_t row, Value start,
                              ArrayRef<Value> keyScales, Value &most) {
  KeyRange keys = keysOf(e.add(g(), e.c(8 * row)), start);
  for (int64_t n = 0; n < 8; ++n)
    for (int64_t j = 0; j < 2; ++j) {
      Value &score = scores[n][2 * row + j];
      if (!keyScales.empty())
        score = e.fmul(score, keyScales[2 * n + j]);
      score = e.select(isSeen(keys, n, j), e.fmul(score, e.f(op.scale)), e.f(negativeInfinity));
      most = e.fmax(most, score);
    }
  for (int64_t mask : {1, 2})
    most = e.fmax(most, e.shuffleXor(most, mask));
}

/// Scores become weights; keys that a row does not see get 0, and so does all of a row that sees
/// none. Returns the maxima of both rows, then their sums.
SmallVector<Value> TilesEmitter::emitSoftmax(SmallVector<Fragment> &scores, const Tile &tile) {
  SmallVector<Value> keyScales, result(4);
  if (type.isQuantized())
    keyScales = loadScales(e.at(tile.page, type.getKeyScalesOffset()));
  for (int64_t i = 0; i < 2; ++i) {
    Value most = e.f(negativeInfinity);
    maskScores(scores, i, tile.start, keyScales, most);
    Value base = finiteMaximum(e, most), sum = e.f(0);
    for (int64_t n = 0; n < 8; ++n)
      for (int64_t j = 0; j < 2; ++j) {
        Value &score = scores[n][2 * i + j];
        score = emitExp(e, e.fsub(score, base));
        sum = e.fadd(sum, score);
      }
    for (int64_t mask : {1, 2})
      sum = e.fadd(sum, e.shuffleXor(sum, mask));
    result[i] = most;
    result[2 + i] = sum;
  }
  if (type.isQuantized())
    scaleWeights(scores, tile);
  return result;
}

/// The scale of a key's values belongs to its weight. That of a key that is not seen may be
/// anything.
void TilesEmitter::scaleWeights(SmallVector<Fragment> &weights, const Tile &tile) {
  SmallVector<Value> scales = loadScales(e.at(tile.page, type.getValueScalesOffset()));
  for (int64_t i = 0; i < 2; ++i) {
    KeyRange keys = keysOf(e.add(g(), e.c(8 * i)), tile.start);
    for (int64_t n = 0; n < 8; ++n)
      for (int64_t j = 0; j < 2; ++j) {
        Value &weight = weights[n][2 * i + j];
        weight = e.select(isSeen(keys, n, j), e.fmul(weight, scales[2 * n + j]), e.f(0));
      }
  }
}

/// Masks of four pairs of values, of keys `first` and up: those of `keys` are kept.
SmallVector<Value> TilesEmitter::masksOf(Value first, const KeyRange &keys) {
  SmallVector<Value> masks;
  for (int64_t i = 0; i < 4; ++i) {
    Value mask;
    for (int64_t j = 0; j < 2; ++j) {
      Value key = e.add(first, e.c(2 * i + j));
      Value outside =
          arith::OrIOp::create(e.b, e.less(key, keys.from),
                               arith::CmpIOp::create(e.b, arith::CmpIPredicate::sge, key, keys.to));
      Value bits = e.select(outside, e.c(0), e.integer(e.i32(), j ? -65536 : 65535));
      mask = mask ? e.orBits(mask, bits) : bits;
    }
    masks.push_back(mask);
  }
  return masks;
}

/// The lane's first key of a half of the tile.
Value TilesEmitter::keyOfHalf(int64_t half) { return e.add(e.mul(q(), e.c(8)), e.c(32 * half)); }

/// Weights of 16 keys as an operand A.
Fragment TilesEmitter::weightsOf(ArrayRef<Fragment> weights, int64_t step) {
  const Fragment &left = weights[2 * step], &right = weights[2 * step + 1];
  auto above = roundFour({left[0], left[1], right[0], right[1]});
  auto below = roundFour({left[2], left[3], right[2], right[3]});
  return {above[0], below[0], above[1], below[1]};
}

/// Weights times values, of part `part` of the columns, to the warp's partial sums. Values of keys
/// that no row sees are not looked at: they may be anything.
void TilesEmitter::emitOutputs(const Tile &tile, int64_t part) {
  Value own = valuesOfLane(tile, part), sums = partialsOfLane();
  SmallVector<Value> masks[2];
  if (!type.isQuantized()) { // codes are finite, whatever a page holds
    KeyRange keys = keysOfAny(tile.start);
    for (int64_t half = 0; half < 2; ++half)
      masks[half] = masksOf(keyOfHalf(half), keys);
  }
  for (int64_t n = 0; n < width / 8; ++n) {
    if (n && n % 4 == 0)
      e.syncWarp(); // as above
    Fragment sum = emitColumns(tile, e.at(own, n * 8 * tileKeys * bytes), masks);
    for (int64_t i = 0; i < 2; ++i)
      storePair(sum[2 * i], sum[2 * i + 1], e.at(sums, (i * 8 * stride() + n * 8) * 4));
  }
}

/// Weights times 8 columns of values, under the masks of both halves of the tile.
Fragment TilesEmitter::emitColumns(const Tile &tile, Value values,
                                   ArrayRef<SmallVector<Value>> masks) {
  Fragment sum(4, e.f(0));
  for (int64_t half = 0; half < 2; ++half) {
    SmallVector<Value> words = loadWords(e.at(values, half * 32 * bytes), 8 * bytes / 4);
    for (size_t i = 0; i < masks[half].size(); ++i)
      words[i] = arith::AndIOp::create(e.b, words[i], masks[half][i]);
    words = pairsOf(words);
    for (int64_t step = 0; step < 2; ++step)
      sum = emitMma(e, element, tile.weights[2 * half + step],
                    {words[2 * step], words[2 * step + 1]}, sum);
  }
  return sum;
}

/// Where the lane's sums of row g lie, the first two columns of the part.
Value TilesEmitter::partialsOfLane() {
  Value own = e.at(partials, e.mul(e.warp, e.c(blockRows * stride() * 4)));
  return e.at(own, e.mul(e.add(e.mul(g(), e.c(stride())), e.shiftLeft(q(), 1)), e.c(4)));
}

void TilesEmitter::storePair(Value left, Value right, Value to) {
  Value pair = LLVM::PoisonOp::create(e.b, e.vec(2));
  pair = LLVM::InsertElementOp::create(e.b, pair, left, e.c(0));
  pair = LLVM::InsertElementOp::create(e.b, pair, right, e.c(1));
  e.store(pair, to, 8);
}

/// The lane's values of the first 8 columns of a part: of column g, keys 8 q and up.
Value TilesEmitter::valuesOfLane(const Tile &tile, int64_t part) {
  Value own = e.add(e.mul(g(), e.c(tileKeys)), e.mul(q(), e.c(8)));
  own = e.at(tile.page, e.mul(own, e.c(bytes)));
  return e.at(own, type.getValuesOffset() + part * width * tileKeys * bytes);
}

/// Whether some row sees a key of the tile that another does not see.
Value TilesEmitter::isSeenInParts(Value start) {
  Value late = e.less(bound(endAll), e.minimum(bound(endKey), e.add(start, e.c(tileKeys))));
  if (!type.getWindow())
    return late;
  Value early = e.less(e.maximum(bound(beginKey), start), bound(beginAll));
  return arith::OrIOp::create(e.b, late, early);
}

/// In every lane of the warp: whether a value that some row sees is infinite or NaN.
Value TilesEmitter::hasNonFinite(const Tile &tile) {
  // Of each column of 64 values a lane has the same 8: column by column, 4 at a time.
  Value keys = e.shiftLeft(e.andBits(e.lane, 7), 3);
  SmallVector<Value> masks = masksOf(keys, keysOfAny(tile.start));
  Value own = e.at(e.at(tile.page, type.getValuesOffset()), e.shiftLeft(e.lane, 4));
  int64_t exponent = element.isF16() ? 0x7c00 : 0x7f80;
  Value found = e.fold(e.c(0), e.c(size * tileKeys * 2), warpLanes * 16, {e.c(0)},
                       [&](Value offset, ValueRange before) -> SmallVector<Value> {
                         Value next = before[0];
                         for (auto [word, mask] : llvm::zip(loadWords(e.at(own, offset), 4), masks))
                           for (int64_t half : {exponent, exponent << 16}) {
                             Value bits = arith::AndIOp::create(e.b, word, mask);
                             bits = e.andBits(bits, half);
                             Value bad = e.equal(bits, e.integer(e.i32(), half));
                             next = e.select(bad, e.c(1), next);
                           }
                         return {next};
                       })[0];
  for (int64_t mask = warpLanes / 2; mask > 0; mask /= 2)
    found = e.orBits(found, e.shuffleXor(found, mask));
  return e.equal(found, e.c(1));
}

/// The same sums, one row after the other, without the values of keys that the row does not see:
/// 0 times infinity is NaN. What a lane has of a row depends on that row's weights and on nothing
/// else of the operand, so rows whose values are finite keep their bits.
void TilesEmitter::emitOutputsByRow(const Tile &tile, int64_t part) {
  Value all = valuesOfLane(tile, part), sums = partialsOfLane();
  e.loop(e.c(0), e.c(blockRows), 1, [&](Value row) {
    Value low = e.less(row, e.c(8));
    KeyRange keys = keysOf(row, tile.start);
    // LLVM must not know that the rows' values are the same: it would keep all in registers.
    Value own = e.at(all, e.shuffle(e.c(0), row));
    SmallVector<Value> masks[2];
    for (int64_t half = 0; half < 2; ++half)
      masks[half] = masksOf(keyOfHalf(half), keys);
    Value mine = e.equal(e.andBits(row, 7), g());
    Value ofRow = e.at(sums, e.select(low, e.c(0), e.c(8 * stride() * 4)));
    for (int64_t n = 0; n < width / 8; ++n) {
      e.syncWarp(); // as above
      Fragment sum = emitColumns(tile, e.at(own, n * 8 * tileKeys * bytes), masks);
      Value left = e.select(low, sum[0], sum[2]), right = e.select(low, sum[1], sum[3]);
      e.when(mine, [&] { storePair(left, right, e.at(ofRow, n * 8 * 4)); });
    }
  });
}

/// Partial sums of the warp, of part `part` of the columns, in which nothing has a part that a row
/// does not see.
void TilesEmitter::emitPart(const Tile &tile, int64_t part) {
  auto ordinary = [&] { emitOutputs(tile, part); };
  auto inside = [&] {
    if (part + 1 < parts)
      prefetchValues(tile.page, part + 1);
    if (type.isQuantized())
      return ordinary();
    e.either(tile.bad, [&] { emitOutputsByRow(tile, part); }, ordinary);
  };
  auto outside = [&] {
    Value sums = partialsOfLane();
    for (int64_t n = 0; n < width / 8; ++n)
      for (int64_t i = 0; i < 2; ++i)
        storePair(e.f(0), e.f(0), e.at(sums, (i * 8 * stride() + n * 8) * 4));
  };
  e.either(tile.inside, inside, outside);
}

/// Asks the second-level cache for the line at `address`: no register waits for it. (LLVM has the
/// instruction from sm_90 on.)
void TilesEmitter::prefetch(Value address) {
  if (e.architecture.number < 90)
    return;
  auto level = NVVM::PrefetchCacheLevelAttr::get(e.b.getContext(), NVVM::PrefetchCacheLevel::L2);
  NVVM::PrefetchOp::create(e.b, level, /*evictPriority=*/nullptr, address,
                           /*predicate=*/Value(), /*tensormap=*/nullptr);
}

/// Half of the keys' lines, the `unit`-th: lines of all keys one after the other, 32 keys at once.
void TilesEmitter::prefetchKeys(Value keys, Value unit) {
  int64_t row = size * bytes, columns = llvm::divideCeil(row, lineBytes);
  unit = e.minimum(unit, e.c(2 * columns - 1));
  Value key = e.add(e.mul(e.andBits(unit, 1), e.c(warpLanes)), e.lane);
  Value column = e.mul(e.shiftRight(unit, 1), e.c(lineBytes));
  // The last line of a row may be a short one.
  column = e.minimum(column, e.c(row - 1));
  prefetch(e.at(keys, e.add(e.mul(key, e.c(row)), column)));
}

/// All values of a part.
void TilesEmitter::prefetchValues(Value page, int64_t part) {
  int64_t all = width * tileKeys * bytes;
  Value values = e.at(page, type.getValuesOffset() + part * all);
  for (int64_t from = 0; from < all; from += warpLanes * lineBytes) {
    Value offset = e.add(e.c(from), e.mul(e.lane, e.c(lineBytes)));
    prefetch(e.at(values, e.minimum(offset, e.c(all - 1))));
  }
}

/// What the warp needs of a tile before values are multiplied: in a tile that nobody sees, nothing.
Tile TilesEmitter::emitTile(Value index) {
  Tile tile;
  tile.inside = arith::AndIOp::create(
      e.b, arith::CmpIOp::create(e.b, arith::CmpIPredicate::sge, index, firstTile),
      e.less(index, endTile));
  index = e.select(tile.inside, index, firstTile);
  tile.page = e.far(cache, e.loadInt(table, index), type.getPageBytes());
  tile.start = e.mul(index, e.c(tileKeys));
  Value no = e.integer(e.b.getI1Type(), 0);
  auto emit = [&] {
    for (int64_t unit = 0; unit < 2; ++unit)
      prefetchKeys(tile.page, e.c(unit));
    SmallVector<Fragment> scores = emitScores(tile.page);
    prefetchValues(tile.page, 0);
    SmallVector<Value> all = emitSoftmax(scores, tile);
    for (int64_t step = 0; step < 4; ++step)
      llvm::append_range(all, weightsOf(scores, step));
    if (!type.isQuantized())
      all.push_back(e.choose(
          isSeenInParts(tile.start), [&] { return SmallVector{hasNonFinite(tile)}; },
          [&] { return SmallVector{no}; })[0]);
    return all;
  };
  auto none = [&] {
    SmallVector<Value> all(2, e.f(negativeInfinity));
    all.append(2, e.f(0));
    all.append(16, e.c(0));
    if (!type.isQuantized())
      all.push_back(no);
    return all;
  };
  SmallVector<Value> all = e.choose(tile.inside, emit, none);
  for (int64_t i = 0; i < 2; ++i) {
    tile.maxima[i] = all[i];
    tile.sums[i] = all[2 + i];
  }
  for (int64_t step = 0; step < 4; ++step)
    tile.weights[step].assign(all.begin() + 4 + 4 * step, all.begin() + 8 + 4 * step);
  tile.bad = type.isQuantized() ? no : all.back();
  return tile;
}
