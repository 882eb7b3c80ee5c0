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

/// Entries of the cache that lie one after the other, in pairs.
SmallVector<Value> TilesEmitter::loadPairs(Value address, int64_t values) {
  SmallVector<Value> words = loadWords(address, values * bytes / 4);
  if (!type.isQuantized())
    return words;
  SmallVector<Value> pairs;
  for (Value word : words) {
    // 2^23 + 128 + code is the bits of 2^23 with the code, its sign turned over, in the lowest
    // ones.
    word = arith::XOrIOp::create(e.b, word, e.integer(e.i32(), int32_t(0x80808080)));
    SmallVector<Value> codes;
    for (int64_t i = 0; i < 4; ++i) {
      Value code = e.andBits(e.shiftRight(word, 8 * i), 0xff);
      code = e.bitcast(e.f32(), e.orBits(code, e.integer(e.i32(), 0x4b000000)));
      codes.push_back(e.fsub(code, e.f(8388608.0 + 128)));
    }
    for (int64_t i = 0; i < 4; i += 2)
      pairs.push_back(roundPair(e, element, codes[i], codes[i + 1]));
  }
  return pairs;
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

/// Scores of 16 rows and 64 keys, unscaled: [8][4] results. Column n of result 4 k + j is key
/// 32 k + 8 (n / 2) + 2 j + n % 2, so that a lane's 8 columns of 32 keys are 8 q .. 8 q + 7.
SmallVector<Fragment> TilesEmitter::emitScores(Value keys) {
  SmallVector<Fragment> scores(8, Fragment(4, e.f(0)));
  Value pairs = e.shiftRight(g(), 1), key = e.add(e.shiftLeft(pairs, 3), e.andBits(g(), 1));
  Value own = e.at(keys, e.mul(key, e.c(size * bytes)));
  for (int64_t dims = 0; dims < size; dims += 32) {
    bool wide = dims + 32 <= size;
    Value column = e.at(own, e.add(e.c(dims * bytes), e.mul(q(), e.c((wide ? 8 : 4) * bytes))));
    SmallVector<Fragment> a;
    for (int64_t step = 0; step < (wide ? 2 : 1); ++step) {
      Value from = e.at(queries, (dims / 16 + step) * warpLanes * 16);
      a.push_back(Fragment(loadWords(e.at(from, e.mul(e.lane, e.c(16))), 4)));
    }
    for (int64_t n = 0; n < 8; ++n) {
      int64_t first = n / 4 * 32 + n % 4 * 2;
      SmallVector<Value> words = loadPairs(e.at(column, first * size * bytes), wide ? 8 : 4);
      for (size_t step = 0; step < a.size(); ++step)
        scores[n] = emitMma(e, element, a[step], {words[2 * step], words[2 * step + 1]}, scores[n]);
    }
  }
  return scores;
}

/// Whether row g or g + 8 sees the key of column j of score n.
Value TilesEmitter::isSeen(int64_t row, Value start, int64_t n, int64_t j) {
  Value key = e.add(e.mul(q(), e.c(8)), e.c(n / 4 * 32 + n % 4 * 2 + j));
  Value above =
      arith::CmpIOp::create(e.b, arith::CmpIPredicate::sge, key, e.sub(rowBegins[row], start));
  return arith::AndIOp::create(e.b, above, e.less(key, e.sub(rowEnds[row], start)));
}

/// Scores of a row become what the softmax is of, -inf where a key is not seen.
void TilesEmitter::maskScores(SmallVector<Fragment> &scores, int64_t row, Value start,
                              ArrayRef<Value> keyScales, Value &most) {
  for (int64_t n = 0; n < 8; ++n)
    for (int64_t j = 0; j < 2; ++j) {
      Value &score = scores[n][2 * row + j];
      if (!keyScales.empty())
        score = e.fmul(score, keyScales[2 * n + j]);
      score =
          e.select(isSeen(row, start, n, j), e.fmul(score, e.f(op.scale)), e.f(negativeInfinity));
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
  for (int64_t i = 0; i < 2; ++i)
    for (int64_t n = 0; n < 8; ++n)
      for (int64_t j = 0; j < 2; ++j) {
        Value &weight = weights[n][2 * i + j];
        weight = e.select(isSeen(i, tile.start, n, j), e.fmul(weight, scales[2 * n + j]), e.f(0));
      }
}

/// Masks of four pairs of values, of keys `first` and up: those from `from` to `to` are kept.
SmallVector<Value> TilesEmitter::masksOf(Value first, Value from, Value to) {
  SmallVector<Value> masks;
  for (int64_t i = 0; i < 4; ++i) {
    Value mask;
    for (int64_t j = 0; j < 2; ++j) {
      Value key = e.add(first, e.c(2 * i + j));
      Value outside = arith::OrIOp::create(
          e.b, e.less(key, from), arith::CmpIOp::create(e.b, arith::CmpIPredicate::sge, key, to));
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
  return {roundPair(e, element, left[0], left[1]), roundPair(e, element, left[2], left[3]),
          roundPair(e, element, right[0], right[1]), roundPair(e, element, right[2], right[3])};
}

/// Weights times values, of part `part` of the columns. Values of keys that no row sees are not
/// looked at: they may be anything.
SmallVector<Value> TilesEmitter::emitOutputs(const Tile &tile, int64_t part) {
  SmallVector<Value> outputs(width / 8 * 4, e.f(0));
  Value own = valuesOfLane(tile, part);
  for (int64_t half = 0; half < 2; ++half) {
    SmallVector<Value> masks;
    if (!type.isQuantized()) // codes are finite, whatever a page holds
      masks = masksOf(keyOfHalf(half), e.sub(beginKey, tile.start), e.sub(endKey, tile.start));
    for (int64_t n = 0; n < width / 8; ++n) {
      SmallVector<Value> words = loadPairs(e.at(own, (n * 8 * tileKeys + half * 32) * bytes), 8);
      for (size_t i = 0; i < masks.size(); ++i)
        words[i] = arith::AndIOp::create(e.b, words[i], masks[i]);
      Fragment sum(outputs.begin() + 4 * n, outputs.begin() + 4 * n + 4);
      for (int64_t step = 0; step < 2; ++step)
        sum = emitMma(e, element, tile.weights[2 * half + step],
                      {words[2 * step], words[2 * step + 1]}, sum);
      llvm::copy(sum, outputs.begin() + 4 * n);
    }
  }
  return outputs;
}

/// The lane's values of the first 8 columns of a part: of column g, keys 8 q and up.
Value TilesEmitter::valuesOfLane(const Tile &tile, int64_t part) {
  Value own = e.add(e.mul(g(), e.c(tileKeys)), e.mul(q(), e.c(8)));
  own = e.at(tile.page, e.mul(own, e.c(bytes)));
  return e.at(own, type.getValuesOffset() + part * width * tileKeys * bytes);
}

/// Whether some row sees a key of the tile that another does not see.
Value TilesEmitter::isSeenInParts(Value start) {
  Value late = e.less(endAll, e.minimum(endKey, e.add(start, e.c(tileKeys))));
  if (!type.getWindow())
    return late;
  return arith::OrIOp::create(e.b, late, e.less(e.maximum(beginKey, start), beginAll));
}

/// In every lane of the warp: whether a value that some row sees is infinite or NaN.
Value TilesEmitter::hasNonFinite(const Tile &tile) {
  // Of each column of 64 values a lane has the same 8: column by column, 4 at a time.
  Value keys = e.shiftLeft(e.andBits(e.lane, 7), 3);
  SmallVector<Value> masks = masksOf(keys, e.sub(beginKey, tile.start), e.sub(endKey, tile.start));
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
SmallVector<Value> TilesEmitter::emitOutputsByRow(const Tile &tile, int64_t part) {
  Value all = valuesOfLane(tile, part);
  SmallVector<Value> none(width / 8 * 4, e.f(0));
  return e.fold(e.c(0), e.c(blockRows), 1, none, [&](Value row, ValueRange before) {
    // The lanes that have the row say what it sees.
    Value low = e.less(row, e.c(8)), lane = e.shiftLeft(e.andBits(row, 7), 2);
    Value from = e.shuffle(e.select(low, rowBegins[0], rowBegins[1]), lane);
    Value to = e.shuffle(e.select(low, rowEnds[0], rowEnds[1]), lane);
    // LLVM must not know that the rows' values are the same: it would keep all in registers.
    Value own = e.at(all, e.shuffle(e.c(0), lane));
    SmallVector<Value> masks[2], next;
    for (int64_t half = 0; half < 2; ++half)
      masks[half] = masksOf(keyOfHalf(half), e.sub(from, tile.start), e.sub(to, tile.start));
    for (int64_t n = 0; n < width / 8; ++n) {
      // Loads do not move across: ptxas would have all of them wait in registers.
      NVVM::SyncWarpOp::create(e.b, e.integer(e.i32(), -1));
      Fragment sum(4, e.f(0));
      for (int64_t half = 0; half < 2; ++half) {
        SmallVector<Value> words = loadWords(e.at(own, (n * 8 * tileKeys + half * 32) * 2), 4);
        for (int64_t i = 0; i < 4; ++i)
          words[i] = arith::AndIOp::create(e.b, words[i], masks[half][i]);
        for (int64_t step = 0; step < 2; ++step)
          sum = emitMma(e, element, tile.weights[2 * half + step],
                        {words[2 * step], words[2 * step + 1]}, sum);
      }
      for (int64_t i = 0; i < 4; ++i) {
        Value mine = e.equal(row, e.add(g(), e.c(i / 2 * 8)));
        next.push_back(e.select(mine, sum[i], before[4 * n + i]));
      }
    }
    return next;
  });
}

/// Sums of part `part` of the columns, in which nothing has a part that a row does not see.
SmallVector<Value> TilesEmitter::emitPart(const Tile &tile, int64_t part) {
  auto zeros = [&] { return SmallVector<Value>(width / 8 * 4, e.f(0)); };
  auto ordinary = [&] { return emitOutputs(tile, part); };
  auto byRow = [&] { return emitOutputsByRow(tile, part); };
  return e.choose(
      tile.inside,
      [&] { return type.isQuantized() ? ordinary() : e.choose(tile.bad, byRow, ordinary); }, zeros);
}

/// Asks for all keys and values of the head at once: values come while keys are multiplied, with no
/// register waiting for them. (LLVM has the instruction from sm_90 on.)
void TilesEmitter::prefetchHead(Value head) {
  if (e.architecture.number < 90)
    return;
  constexpr int64_t line = 128;
  int64_t last = type.getHeadBytes() - line;
  for (int64_t from = 0; from <= last; from += warpLanes * line) {
    Value offset = e.add(e.c(from), e.mul(e.lane, e.c(line)));
    if (from + (warpLanes - 1) * line > last)
      offset = e.minimum(offset, e.c(last));
    auto level = NVVM::PrefetchCacheLevelAttr::get(e.b.getContext(), NVVM::PrefetchCacheLevel::L2);
    NVVM::PrefetchOp::create(e.b, level, /*evictPriority=*/nullptr, e.at(head, offset),
                             /*predicate=*/Value(), /*tensormap=*/nullptr);
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
    prefetchHead(tile.page);
    SmallVector<Fragment> scores = emitScores(tile.page);
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
