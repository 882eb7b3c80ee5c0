// Geometry of stored matrices, and their codes, scales and zero points taken apart.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "kvasir/Encoding/Stored.h"

#include "Floats.h"

#include "llvm/Support/Endian.h"
#include "llvm/Support/MathExtras.h"

#include <algorithm>
#include <cstring>

using namespace kvasir;
using llvm::divideCeil;
using llvm::StringRef;
using llvm::support::endian::read16le;
using llvm::support::endian::read32le;

static constexpr std::pair<StringRef, StoredFormat> formatNames[] = {
    {"gguf", StoredFormat::gguf},      {"gptq", StoredFormat::gptq},
    {"gptq_v2", StoredFormat::gptqV2}, {"awq", StoredFormat::awq},
    {"packed", StoredFormat::packed},  {"bytes", StoredFormat::bytes},
    {"mxfp4", StoredFormat::mxfp4}};

StringRef kvasir::storedFormatName(StoredFormat format) {
  for (auto &[name, known] : formatNames)
    if (known == format)
      return name;
  llvm_unreachable("every format has a name");
}

std::optional<StoredFormat> kvasir::parseStoredFormat(StringRef name) {
  for (auto &[known, format] : formatNames)
    if (known == name)
      return format;
  return std::nullopt;
}

//===----------------------------------------------------------------------===//
// Geometry
//===----------------------------------------------------------------------===//

/// Rows of a tile that shares a scale in FP8 checkpoints.
constexpr int64_t tileRows = 128;

static int64_t perWord(const StoredMatrix &matrix) { return 32 / matrix.encoding.bits; }

bool StoredMatrix::isTransposed() const {
  return format == StoredFormat::gptq || format == StoredFormat::gptqV2 ||
         format == StoredFormat::awq;
}

static int64_t groups(const StoredMatrix &matrix) {
  return divideCeil(matrix.columns, matrix.encoding.groupColumns(matrix.columns));
}

static int64_t numberBytes(ScaleKind kind) {
  return kind == ScaleKind::f32 ? 4 : kind == ScaleKind::e8m0 ? 1 : 2;
}

static std::string shape(int64_t rows, int64_t columns) {
  return "[" + std::to_string(rows) + ", " + std::to_string(columns) + "]";
}

/// Whether the format can hold such codes.
static bool holds(StoredFormat format, const Encoding &encoding) {
  bool words = encoding.codes == CodeKind::linear && !encoding.superBlock &&
               encoding.minimum != MinimumKind::f16 && (encoding.bits == 4 || encoding.bits == 8);
  switch (format) {
  case StoredFormat::gguf:
    return ggufBlock(encoding).has_value();
  case StoredFormat::awq:
    return words && encoding.bits == 4;
  case StoredFormat::gptq:
  case StoredFormat::gptqV2:
  case StoredFormat::packed:
    return words;
  case StoredFormat::bytes:
    return encoding.bits == 8 && encoding.minimum == MinimumKind::none &&
           (encoding.codes == CodeKind::e4m3 || encoding.codes == CodeKind::linear);
  case StoredFormat::mxfp4:
    return encoding.codes == CodeKind::e2m1;
  }
  llvm_unreachable("formats");
}

static std::string checkScales(const StoredMatrix &matrix) {
  int64_t n = matrix.rows, g = groups(matrix), rows = matrix.scaleRows;
  if (matrix.isTransposed() ? rows == g && matrix.scaleColumns == n
                            : rows == n && matrix.scaleColumns == g)
    return "";
  std::string expected = matrix.isTransposed() ? shape(g, n) : shape(n, g);
  if (matrix.format == StoredFormat::bytes) {
    int64_t tiles = divideCeil(n, tileRows);
    if ((rows == 1 || rows == tiles) && matrix.scaleColumns == g)
      return "";
    expected += " or " + shape(1, g) + (matrix.encoding.group ? " or " + shape(tiles, g) : "");
  }
  return "expected scales of shape " + expected + ", but got " + shape(rows, matrix.scaleColumns);
}

std::string StoredMatrix::problem() const {
  std::string name = encoding.name();
  if (!holds(format, encoding))
    return name + " is not what format " + storedFormatName(format).str() + " holds";
  if (format == StoredFormat::gguf) {
    int64_t block = ggufBlock(encoding)->values;
    return columns % block == 0 ? ""
                                : "expected a multiple of " + std::to_string(block) +
                                      " columns, but got " + std::to_string(columns);
  }
  int64_t unit = format == StoredFormat::mxfp4 ? 32 : isTransposed() ? perWord(*this) : 1;
  if (columns % unit != 0 || (isTransposed() && rows % unit != 0))
    return "expected multiples of " + std::to_string(unit) + " rows and columns, but got " +
           shape(rows, columns);
  bool widens = encoding.scale == ScaleKind::f32 && encoding.codes != CodeKind::e2m1;
  if (scaleType != encoding.scale && !widens)
    return "scales have another type than those of " + name;
  if (encoding.minimum == MinimumKind::zeroPoint && !zeros)
    return "expected a tensor of zero points";
  return checkScales(*this);
}

StoredLines StoredMatrix::codeLines() const {
  switch (format) {
  case StoredFormat::gguf:
    return {rows, columns / ggufBlock(encoding)->values * ggufBlock(encoding)->bytes};
  case StoredFormat::gptq:
  case StoredFormat::gptqV2:
    return {columns / perWord(*this), 4 * rows};
  case StoredFormat::awq:
    return {columns, 4 * (rows / perWord(*this))};
  case StoredFormat::packed:
    return {rows, 4 * int64_t(divideCeil(columns, perWord(*this)))};
  case StoredFormat::bytes:
    return {rows, columns};
  case StoredFormat::mxfp4:
    return {rows, columns / 2};
  }
  llvm_unreachable("formats");
}

StoredLines StoredMatrix::scaleLines() const {
  if (format == StoredFormat::gguf)
    return {};
  return {scaleRows, scaleColumns * numberBytes(scaleType)};
}

StoredLines StoredMatrix::zeroLines() const {
  if (!zeros)
    return {};
  int64_t words = divideCeil(rows, perWord(*this));
  return isTransposed() ? StoredLines{groups(*this), 4 * words}
                        : StoredLines{words, 4 * groups(*this)};
}

StoredWindow StoredMatrix::codeWindow(int64_t row, int64_t count) const {
  StoredLines all = codeLines();
  if (format == StoredFormat::awq) {
    int64_t first = row / perWord(*this), last = divideCeil(row + count, perWord(*this));
    return {0, all.lines, 4 * first, 4 * (last - first)};
  }
  if (isTransposed())
    return {0, all.lines, 4 * row, 4 * count};
  return {row, count, 0, all.lineBytes};
}

StoredWindow StoredMatrix::scaleWindow(int64_t row, int64_t count) const {
  StoredLines all = scaleLines();
  if (isTransposed())
    return {0, all.lines, row * numberBytes(scaleType), count * numberBytes(scaleType)};
  if (all.lines == rows)
    return {row, count, 0, all.lineBytes};
  if (all.lines <= 1)
    return {0, all.lines, 0, all.lineBytes};
  int64_t first = row / tileRows, last = divideCeil(row + count, tileRows);
  return {first, last - first, 0, all.lineBytes};
}

StoredWindow StoredMatrix::zeroWindow(int64_t row, int64_t count) const {
  StoredLines all = zeroLines();
  if (!zeros)
    return {};
  int64_t first = row / perWord(*this), last = divideCeil(row + count, perWord(*this));
  if (isTransposed())
    return {0, all.lines, 4 * first, 4 * (last - first)};
  return {first, last - first, 0, all.lineBytes};
}

//===----------------------------------------------------------------------===//
// Reading
//===----------------------------------------------------------------------===//

namespace {
class Reader {
public:
  Reader(const StoredMatrix &matrix, int64_t row, EncodedRows &to)
      : matrix(matrix), row(row), to(to), bits(matrix.encoding.bits), mask((1u << bits) - 1) {}

  void readCodes(const uint8_t *from);
  void readScales(const uint8_t *from);
  int64_t readZeros(const uint8_t *from);

private:
  /// The part of a word that belongs to position `index` (of 0 to 32 / bits - 1).
  unsigned part(const uint8_t *word, int64_t index) const {
    if (matrix.format == StoredFormat::awq)
      index = index % 2 * 4 + index / 2;
    return read32le(word) >> (index * bits) & mask;
  }
  void readWordsAlongK(const uint8_t *from);
  void readWordsAlongN(const uint8_t *from);
  uint32_t scaleBits(const uint8_t *from) const;

  const StoredMatrix &matrix;
  int64_t row;
  EncodedRows &to;
  int bits;
  uint32_t mask;
};
} // namespace

/// gptq and packed: a word has neighbouring columns of one row.
void Reader::readWordsAlongK(const uint8_t *from) {
  int64_t per = perWord(matrix), words = divideCeil(to.columns, per);
  bool transposed = matrix.isTransposed();
  for (int64_t i = 0; i < words; ++i)
    for (int64_t r = 0; r < to.rows; ++r) {
      const uint8_t *word = from + 4 * (transposed ? i * to.rows + r : r * words + i);
      uint8_t *codes = to.codes.data() + r * to.columns + i * per;
      for (int64_t j = 0; j < std::min(per, to.columns - i * per); ++j)
        codes[j] = part(word, j);
    }
}

/// awq: a word has neighbouring rows of one column. Columns go in strips whose lines of codes stay
/// in the cache.
void Reader::readWordsAlongN(const uint8_t *from) {
  constexpr int64_t strip = 64;
  int64_t per = perWord(matrix), skipped = row % per;
  int64_t lineBytes = matrix.codeWindow(row, to.rows).bytes;
  for (int64_t first = 0; first < to.columns; first += strip)
    for (int64_t word = 0; word < lineBytes / 4; ++word) {
      int64_t begin = std::max<int64_t>(0, word * per - skipped);
      int64_t end = std::min(to.rows, (word + 1) * per - skipped);
      for (int64_t c = first; c < std::min(first + strip, to.columns); ++c)
        for (int64_t r = begin; r < end; ++r)
          to.codes[r * to.columns + c] =
              part(from + c * lineBytes + 4 * word, r + skipped - word * per);
    }
}

void Reader::readCodes(const uint8_t *from) {
  int64_t count = to.rows * to.columns;
  switch (matrix.format) {
  case StoredFormat::gguf:
    break; // as a whole
  case StoredFormat::gptq:
  case StoredFormat::gptqV2:
  case StoredFormat::packed:
    return readWordsAlongK(from);
  case StoredFormat::awq:
    return readWordsAlongN(from);
  case StoredFormat::bytes: {
    uint8_t flip = matrix.encoding.codes == CodeKind::linear ? 128 : 0; // i8 + 128
    for (int64_t i = 0; i < count; ++i)
      to.codes[i] = from[i] ^ flip;
    return;
  }
  case StoredFormat::mxfp4:
    for (int64_t i = 0; i < count / 2; ++i) {
      to.codes[2 * i] = from[i] & 15;
      to.codes[2 * i + 1] = from[i] >> 4;
    }
    return;
  }
}

/// Bits of the encoding's scale from the stored one; widening is exact.
uint32_t Reader::scaleBits(const uint8_t *from) const {
  bool same = matrix.scaleType == matrix.encoding.scale;
  switch (matrix.scaleType) {
  case ScaleKind::f32:
    return read32le(from);
  case ScaleKind::f16:
    return same ? read16le(from) : std::bit_cast<uint32_t>(floatOfF16(read16le(from)));
  case ScaleKind::bf16:
    return same ? read16le(from) : std::bit_cast<uint32_t>(floatOfBF16(read16le(from)));
  case ScaleKind::e8m0:
    return same ? *from : std::bit_cast<uint32_t>(2.0f * halfOfE8M0(*from));
  }
  llvm_unreachable("kinds of scales");
}

void Reader::readScales(const uint8_t *from) {
  int64_t bytes = numberBytes(matrix.scaleType), all = to.groups();
  StoredWindow window = matrix.scaleWindow(row, to.rows);
  for (int64_t r = 0; r < to.rows; ++r)
    for (int64_t g = 0; g < all; ++g) {
      int64_t at = r * all + g;
      if (matrix.isTransposed())
        at = g * to.rows + r;
      else if (matrix.scaleRows != matrix.rows) // shared by rows
        at = (matrix.scaleRows == 1 ? 0 : (row + r) / tileRows - window.line) * all + g;
      to.scale[r * all + g] = scaleBits(from + at * bytes);
    }
}

/// The first row whose zero points differ from the encoding's offset, if it has a fixed one.
int64_t Reader::readZeros(const uint8_t *from) {
  int64_t per = perWord(matrix), all = to.groups();
  int64_t lineWords = matrix.zeroWindow(row, to.rows).bytes / 4;
  bool fixed = matrix.encoding.minimum == MinimumKind::none;
  unsigned lessOne = matrix.format == StoredFormat::gptq;
  for (int64_t r = 0; r < to.rows; ++r) {
    int64_t word = row % per + r;
    for (int64_t g = 0; g < all; ++g) {
      int64_t at = matrix.isTransposed() ? g * lineWords + word / per : word / per * all + g;
      unsigned zero = (part(from + 4 * at, word % per) + lessOne) & mask; // 0 is stored as -1
      if (!fixed)
        to.minimum[r * all + g] = zero;
      else if (zero != matrix.encoding.offset)
        return r;
    }
  }
  return -1;
}

int64_t kvasir::readStoredRows(const StoredMatrix &matrix, int64_t row, int64_t rows,
                               const uint8_t *codes, const uint8_t *scales, const uint8_t *zeros,
                               EncodedRows &to) {
  if (matrix.format == StoredFormat::gguf) {
    readGgufRows(codes, rows, matrix.columns, matrix.encoding, to);
    return -1;
  }
  to.resize(matrix.encoding, rows, matrix.columns);
  Reader reader(matrix, row, to);
  reader.readCodes(codes);
  reader.readScales(scales);
  return matrix.zeros ? reader.readZeros(zeros) : -1;
}
