// Transpositions with vector registers of 16 bytes, which every x86-64 and
// AArch64 has.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "Pack.h"

#include "kvasir/Encoding/Mma16.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace kvasir {

constexpr size_t panelRows = 16;

using V8 = uint16_t __attribute__((vector_size(16)));
using V4 = uint32_t __attribute__((vector_size(16)));

static V8 low(V8 a, V8 b) { return __builtin_shufflevector(a, b, 0, 8, 1, 9, 2, 10, 3, 11); }
static V8 high(V8 a, V8 b) { return __builtin_shufflevector(a, b, 4, 12, 5, 13, 6, 14, 7, 15); }
static V4 low(V4 a, V4 b) { return __builtin_shufflevector(a, b, 0, 4, 1, 5); }
static V4 high(V4 a, V4 b) { return __builtin_shufflevector(a, b, 2, 6, 3, 7); }

/// A square of N x N elements, N filling a vector: to[c][r] = from[r][c].
/// Interleaving rows i and i + N/2, log2(N) times, transposes.
template <class Vector, class Element, size_t N = sizeof(Vector) / sizeof(Element)>
static void transposeSquare(Element *to, size_t toStride, const Element *from, size_t fromStride) {
  Vector rows[N], next[N];
  for (size_t i = 0; i < N; ++i)
    std::memcpy(&rows[i], from + i * fromStride, sizeof(Vector));
  for (size_t step = 1; step < N; step *= 2) {
    for (size_t i = 0; i < N / 2; ++i) {
      next[2 * i] = low(rows[i], rows[i + N / 2]);
      next[2 * i + 1] = high(rows[i], rows[i + N / 2]);
    }
    std::copy(next, next + N, rows);
  }
  for (size_t i = 0; i < N; ++i)
    std::memcpy(to + i * toStride, &rows[i], sizeof(Vector));
}

/// to[c * toStride + r] = from[r * fromStride + c].
template <class Vector, class Element>
static void transposeBlock(Element *to, size_t toStride, const Element *from, size_t fromStride,
                           size_t rows, size_t columns) {
  constexpr size_t N = sizeof(Vector) / sizeof(Element);
  size_t wholeRows = rows / N * N, wholeColumns = columns / N * N;
  for (size_t c = 0; c < wholeColumns; c += N)
    for (size_t r = 0; r < wholeRows; r += N)
      transposeSquare<Vector>(to + c * toStride + r, toStride, from + r * fromStride + c,
                              fromStride);
  for (size_t c = 0; c < columns; ++c)
    for (size_t r = c < wholeColumns ? wholeRows : 0; r < rows; ++r)
      to[c * toStride + r] = from[r * fromStride + c];
}

template <class Vector, class Element>
static void packPanelsOf(Element *to, const Element *from, size_t rows, size_t columns) {
  for (size_t row = 0; row < rows; row += panelRows) {
    size_t present = std::min(panelRows, rows - row);
    if (present < panelRows)
      std::memset(to, 0, columns * panelRows * sizeof(Element));
    transposeBlock<Vector>(to, panelRows, from + row * columns, columns, present, columns);
    to += columns * panelRows;
  }
}

void packPanels(void *to, const void *from, size_t rows, size_t columns, size_t elementBytes) {
  if (elementBytes == 2)
    packPanelsOf<V8>(static_cast<uint16_t *>(to), static_cast<const uint16_t *>(from), rows,
                     columns);
  else
    packPanelsOf<V4>(static_cast<uint32_t *>(to), static_cast<const uint32_t *>(from), rows,
                     columns);
}

void packPanelsTransposed(void *to, const void *from, size_t rows, size_t columns,
                          size_t elementBytes) {
  char *out = static_cast<char *>(to);
  const char *in = static_cast<const char *>(from);
  size_t panelBytes = panelRows * elementBytes;
  for (size_t row = 0; row < rows; row += panelRows) {
    size_t present = std::min(panelRows, rows - row) * elementBytes;
    for (size_t c = 0; c < columns; ++c, out += panelBytes) {
      std::memcpy(out, in + (c * rows + row) * elementBytes, present);
      std::memset(out + present, 0, panelBytes - present);
    }
  }
}

template <class Vector, class Element>
static void transposeOf(Element *to, const Element *from, size_t rows, size_t columns) {
  // Strips whose lines of both sides stay in the cache.
  constexpr size_t strip = 64;
  for (size_t row = 0; row < rows; row += strip)
    transposeBlock<Vector>(to + row * columns, columns, from + row, rows, columns,
                           std::min(strip, rows - row));
}

void transpose(void *to, const void *from, size_t rows, size_t columns, size_t elementBytes) {
  if (elementBytes == 2)
    transposeOf<V8>(static_cast<uint16_t *>(to), static_cast<const uint16_t *>(from), rows,
                    columns);
  else
    transposeOf<V4>(static_cast<uint32_t *>(to), static_cast<const uint32_t *>(from), rows,
                    columns);
}

/// To the nearest bf16, ties to even; NaN stays NaN.
static uint16_t toBF16(uint32_t bits) {
  if ((bits & 0x7fffffff) > 0x7f800000)
    return uint16_t(bits >> 16 | 0x40);
  return uint16_t((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

/// Puts one value at `place` of the tile; an f32 as two.
static void putInTile(char *tile, size_t place, const char *from, size_t elementBytes) {
  if (elementBytes == 2) {
    std::memcpy(tile + 2 * place, from, 2);
    return;
  }
  uint32_t bits;
  std::memcpy(&bits, from, sizeof(bits));
  uint16_t first = toBF16(bits), second = 0;
  uint32_t wide = uint32_t(first) << 16;
  float value, part;
  std::memcpy(&value, &bits, sizeof(value));
  std::memcpy(&part, &wide, sizeof(part));
  float left = value - part; // exact
  std::memcpy(&bits, &left, sizeof(bits));
  if (std::isfinite(part)) // else the first part says it
    second = toBF16(bits);
  std::memcpy(tile + 2 * place, &first, 2);
  std::memcpy(tile + Mma16::tileBytes + 2 * place, &second, 2);
}

/// The 32 values of 2 bytes that row `row` has in a tile: neighbours stay neighbours in pairs.
static void packTileRow(char *tile, size_t row, const char *from) {
  for (size_t column = 0; column < Mma16::columns; column += 2)
    std::memcpy(tile + 2 * Mma16::place(row, column), from + 2 * column, 4);
}

void packMma16(void *to, const void *from, const TileSource &source) {
  size_t tilesInRow = (source.columns + Mma16::columns - 1) / Mma16::columns;
  size_t tileBytes = Mma16::tileBytes / 2 * source.elementBytes;
  size_t bands = (source.rows + Mma16::rows - 1) / Mma16::rows;
  char *out = static_cast<char *>(to);
  const char *in = static_cast<const char *>(from);
  std::memset(out, 0, bands * tilesInRow * tileBytes);
  size_t rowStep = source.transposed ? 1 : source.columns;
  size_t columnStep = source.transposed ? source.rows : 1;
  bool inRows = source.elementBytes == 2 && !source.transposed;
  size_t whole = inRows ? source.columns / Mma16::columns * Mma16::columns : 0;
  for (size_t r = 0; r < source.rows; ++r) {
    char *band = out + r / Mma16::rows * tilesInRow * tileBytes;
    auto tile = [&](size_t c) { return band + c / Mma16::columns * tileBytes; };
    auto value = [&](size_t c) {
      return in + (r * rowStep + c * columnStep) * source.elementBytes;
    };
    for (size_t c = 0; c < whole; c += Mma16::columns)
      packTileRow(tile(c), r % Mma16::rows, value(c));
    for (size_t c = whole; c < source.columns; ++c)
      putInTile(tile(c), Mma16::place(r % Mma16::rows, c % Mma16::columns), value(c),
                source.elementBytes);
  }
}

static uint32_t widenF16(uint16_t half) {
  uint32_t sign = uint32_t(half & 0x8000) << 16;
  uint32_t exponent = half >> 10 & 31, mantissa = half & 0x3ff;
  if (exponent == 0) { // zero and subnormals: multiples of 2^-24
    float value = float(mantissa) * 0x1p-24f;
    uint32_t bits;
    std::memcpy(&bits, &value, sizeof(bits));
    return sign | bits;
  }
  uint32_t wide = exponent == 31 ? 255 : exponent + 112;
  return sign | wide << 23 | mantissa << 13;
}

void widenF16(float *to, const uint16_t *from, size_t count) {
  for (size_t i = 0; i < count; ++i) {
    uint32_t bits = widenF16(from[i]);
    std::memcpy(to + i, &bits, sizeof(bits));
  }
}

void widenBF16(float *to, const uint16_t *from, size_t count) {
  for (size_t i = 0; i < count; ++i) {
    uint32_t bits = uint32_t(from[i]) << 16;
    std::memcpy(to + i, &bits, sizeof(bits));
  }
}

} // namespace kvasir
