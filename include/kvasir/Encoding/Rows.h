// Rows of an encoded matrix in a plain form, and the ways into it and out of it: from floats, from
// GGUF's blocks, to floats, and to and from layout panel32.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_ENCODING_ROWS_H
#define KVASIR_ENCODING_ROWS_H

#include "kvasir/Encoding/Encoding.h"

#include <vector>

namespace kvasir {

/// One code per value, and the fields of each group and super-block as raw bits: nothing is lost
/// from any source, whichever way it packs them. Buffers keep their memory when they are used
/// again.
struct EncodedRows {
  Encoding encoding;
  int64_t rows = 0, columns = 0;

  std::vector<uint8_t> codes; ///< [rows][columns]
  /// [rows][groups]: the scale's bits; with super-blocks an i8 in two's complement, as an u8.
  std::vector<uint32_t> scale;
  std::vector<uint16_t> minimum; ///< [rows][groups], if the encoding has one
  /// [rows][superBlocks]: bits of f16, if the encoding has them.
  std::vector<uint16_t> superScale, superMinimum;

  int64_t groupColumns() const { return encoding.groupColumns(columns); }
  int64_t groups() const { return (columns + groupColumns() - 1) / groupColumns(); }
  int64_t superBlocks() const { return (columns + 255) / 256; }

  /// Takes a shape and sizes the buffers for it. Their values are unspecified.
  void resize(const Encoding &encoding, int64_t rows, int64_t columns);

  friend bool operator==(const EncodedRows &, const EncodedRows &) = default;
};

/// The values, [rows][columns]. Products of codes and scales are exact (but for scales in f32,
/// which round once), the minimum's addition rounds once: what llama.cpp and gguf-py compute in
/// f32.
void decodeRows(const EncodedRows &rows, float *to);

/// Encodes floats, [rows][columns], to nearest, with the scales that (of those searched) have the
/// least squared error. Zero stays zero. `encoding` is one of `quantizableEncodingNames()`. The
/// same on every machine. Returns the first row with a value that is not finite, or -1.
[[nodiscard]] int64_t quantizeRows(const float *from, int64_t rows, int64_t columns,
                                   const Encoding &encoding, EncodedRows &to);

//===----------------------------------------------------------------------===//
// GGUF
//===----------------------------------------------------------------------===//

/// How GGUF stores an encoding: blocks of `values` columns in `bytes` bytes, a row's one after the
/// other. Values is a multiple of all block's groups.
struct GgufBlock {
  int64_t values, bytes;
};

/// Nothing for encodings that GGUF does not have.
std::optional<GgufBlock> ggufBlock(const Encoding &encoding);

/// Reads GGUF's blocks of `encoding` (one that has a `ggufBlock`). `columns` is a multiple of the
/// block's values.
void readGgufRows(const uint8_t *from, int64_t rows, int64_t columns, const Encoding &encoding,
                  EncodedRows &to);

//===----------------------------------------------------------------------===//
// Layout panel32
//===----------------------------------------------------------------------===//

/// Writes units of 32 rows: `Panel32(rows.encoding, rows.columns).bytes(rows.rows)` bytes.
void packPanel32(const EncodedRows &rows, uint8_t *to);

/// The inverse.
void unpackPanel32(const uint8_t *from, int64_t rows, int64_t columns, const Encoding &encoding,
                   EncodedRows &to);

} // namespace kvasir

#endif // KVASIR_ENCODING_ROWS_H
