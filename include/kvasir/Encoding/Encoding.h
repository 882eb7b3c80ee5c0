// Encodings of weights as values: how a matrix of real numbers is written in few bits, and how the
// codes lie in an artifact. Importers, packer, emitters and tests all read this one table.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_ENCODING_ENCODING_H
#define KVASIR_ENCODING_ENCODING_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"

#include <cstdint>
#include <optional>
#include <string>

namespace kvasir {

/// What a code stands for before it is scaled.
enum class CodeKind : uint8_t {
  linear, ///< code - offset
  iq4_nl, ///< one of 16 integers (llama.cpp's IQ4_NL and IQ4_XS)
  e2m1,   ///< a 4-bit float: sign, 2 bits of exponent, 1 of mantissa (OCP MX specification 1.0)
  e4m3,   ///< an 8-bit float without infinities (OCP 8-bit floating point specification)
};

enum class ScaleKind : uint8_t {
  f32,
  f16,
  bf16,
  e8m0, ///< a power of two, 2^(value - 127)
};

/// What is taken from or added to the scaled code.
enum class MinimumKind : uint8_t {
  none,
  zeroPoint, ///< an integer (u8) of each group: value = scale * (code - zeroPoint)
  f16,       ///< of each group: value = scale * code + minimum
  sub8,      ///< an u8 of each group times the f16 minimum of the super-block:
             ///< value = scale * code - superMinimum * minimum
};

/// How values are encoded. Every group of `group` neighbouring columns of a row has a scale:
///   value = scale * (code - offset)           codes linear
///   value = scale * codebook[code]            other codes
/// and a minimum, if there is one. With `superBlock` the scale of a group is an i8 times the f16
/// scale of 256 columns. Scales and minima are kept as they are stored: all of scale * code is
/// exact in f32, so a decoded value is rounded at most once, by the minimum.
struct Encoding {
  uint8_t bits = 4; ///< of a code: 2, 3, 4, 5, 6 or 8
  CodeKind codes = CodeKind::linear;
  uint8_t offset = 0;               ///< of linear codes
  uint16_t group = 32;              ///< columns: 16, 32, 64, 128; 0: the whole row
  ScaleKind scale = ScaleKind::f16; ///< of a group; f16 with `superBlock`: of the super-block
  bool superBlock = false;
  MinimumKind minimum = MinimumKind::none;

  friend bool operator==(const Encoding &, const Encoding &) = default;

  /// "int4-g128", "int4-g128-asym", "int8", "fp8-e4m3-g128", "mxfp4", "q4_k". Encodings that are
  /// equal have one name: a Q4_0 tensor of a GGUF file is int4-g32, a Q8_0 tensor int8-g32.
  std::string name() const;

  /// Whether a code is an integer of 8 bits times the scale, so that sums of products with 8-bit
  /// activations are exact. All but e4m3.
  bool isInteger() const { return codes != CodeKind::e4m3; }
  /// The integer that a code stands for, of encodings with integers. In e2m1 twice the value:
  /// `scaleFactor` is 0.5.
  int codeValue(unsigned code) const;
  float scaleFactor() const { return codes == CodeKind::e2m1 ? 0.5f : 1.0f; }
  /// What is subtracted from the unsigned byte that kernels multiply with: `offset` of linear
  /// codes; 128 for codebooks, whose bytes are codeValue + 128.
  int byteOffset() const { return codes == CodeKind::linear ? offset : 128; }
  /// Columns that share a scale, in rows of `columns`.
  int64_t groupColumns(int64_t columns) const { return group ? group : columns; }
  /// Bits per value in the artifact, without padding.
  double bitsPerValue() const;
};

/// The encoding of a name, GGUF's names among them ("Q4_0", in any case); nothing if unknown.
std::optional<Encoding> parseEncoding(llvm::StringRef name);

/// Names for messages, with what can be made from floats ("int4-g32") first.
llvm::ArrayRef<llvm::StringRef> encodingNames();
/// Those that `quantize` can make of floats.
llvm::ArrayRef<llvm::StringRef> quantizableEncodingNames();

//===----------------------------------------------------------------------===//
// Layout panel32
//===----------------------------------------------------------------------===//

/// Rows of a unit: the piece of a matrix that one worker streams.
constexpr int64_t unitRows = 32;
/// Rows of a half of a unit: one 64-byte line of codes has 16 rows of 4 columns.
constexpr int64_t halfRows = 16;
/// Columns whose codes lie together.
constexpr int64_t pieceColumns = 32;

/// A plane of `bits` bits (8, 4, 2 or 1) of every code. The planes of a code are its low bits
/// first: 5 = 4 + 1, 6 = 4 + 2, 3 = 2 + 1.
struct CodePlane {
  int bits, shift; ///< the plane holds bits [shift, shift + bits) of the code
  int lines;       ///< of 64 bytes, in one piece of 16 rows and 32 columns: equal to `bits`
};
llvm::ArrayRef<CodePlane> codePlanes(int bits);

/// Something stored for every group (or super-block) of every row.
struct PanelField {
  int64_t offset = -1;  ///< in the block (or in the unit's header), a multiple of 64; -1: absent
  int64_t bytes = 0;    ///< of one element
  int64_t perBlock = 0; ///< elements of a row in a block
};

/// Where a matrix of N x K lies in layout panel32: units of 32 rows one after the other, missing
/// rows zero. A unit is a header (fields of the whole row) and then blocks of `blockColumns`
/// columns, the last one maybe shorter, each
///   fields  superScale, superMinimum, scale, minimum: [elements of a block][32 rows], padded to 64
///   bytes pieces  of 32 columns: [2 halves of 16 rows][planes][lines][16 rows][4 bytes]
/// In a plane of p bits, bits [i * p, (i + 1) * p) of byte 4 * r + j of line l belong to row r of
/// the half and column 4 * (l * 8 / p + i) + j of the piece. Columns beyond K have code 0 and, in
/// groups that lie wholly beyond K, scale 0.
struct Panel32 {
  Panel32(const Encoding &encoding, int64_t columns);

  int64_t columns, paddedColumns; ///< K, and K rounded up to pieces
  int64_t groupColumns;           ///< columns of a group
  int64_t blockColumns, blocks;   ///< blocks: of all columns, the last one maybe short
  PanelField superScale, superMinimum, scale, minimum;
  bool fieldsInHeader; ///< of encodings with one group: at the unit's start
  int64_t headerBytes; ///< of a unit
  int64_t fieldBytes;  ///< of a block
  int64_t pieceBytes;  ///< both halves
  int64_t blockBytes, lastBlockBytes, unitBytes;

  int64_t units(int64_t rows) const { return (rows + unitRows - 1) / unitRows; }
  int64_t bytes(int64_t rows) const { return units(rows) * unitBytes; }
  int64_t blockOffset(int64_t block) const { return headerBytes + block * blockBytes; }
};

} // namespace kvasir

#endif // KVASIR_ENCODING_ENCODING_H
