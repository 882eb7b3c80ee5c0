// Codes and fields in units of 32 rows, and back.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "kvasir/Encoding/Rows.h"

#include "llvm/Support/Endian.h"

#include <algorithm>
#include <cstring>

using namespace kvasir;
using llvm::support::endian::read32le;
using llvm::support::endian::write32le;

/// The codes of 16 rows and 32 columns: as many as there are, the others 0.
struct Tile {
  uint8_t codes[halfRows * pieceColumns];
};

/// `mask` in each of 4 bytes.
static uint32_t inBytes(uint32_t mask) { return mask * 0x01010101u; }

/// Writes the lines of all planes of a tile. 4 codes of a row are handled as one word.
static uint8_t *packTile(const uint8_t *codes, int64_t stride, int bits, uint8_t *to) {
  for (const CodePlane &plane : codePlanes(bits)) {
    uint32_t mask = inBytes((1u << plane.bits) - 1);
    int words = 8 / plane.bits;
    for (int line = 0; line < plane.lines; ++line)
      for (int r = 0; r < halfRows; ++r, to += 4) {
        const uint8_t *from = codes + r * stride + line * words * 4;
        uint32_t packed = 0;
        for (int i = 0; i < words; ++i)
          packed |= (read32le(from + 4 * i) >> plane.shift & mask) << (i * plane.bits);
        write32le(to, packed);
      }
  }
  return to;
}

static const uint8_t *unpackTile(const uint8_t *from, int bits, Tile &tile) {
  std::memset(tile.codes, 0, sizeof(tile.codes));
  for (const CodePlane &plane : codePlanes(bits)) {
    uint32_t mask = inBytes((1u << plane.bits) - 1);
    int words = 8 / plane.bits;
    for (int line = 0; line < plane.lines; ++line)
      for (int r = 0; r < halfRows; ++r, from += 4)
        for (int i = 0; i < words; ++i) {
          uint8_t *to = tile.codes + r * pieceColumns + (line * words + i) * 4;
          uint32_t part = read32le(from) >> (i * plane.bits) & mask;
          write32le(to, read32le(to) | part << plane.shift);
        }
  }
  return from;
}

/// Calls `work(row, column, rows, columns, place)` for the half tiles of a unit.
template <class Work>
static void forTiles(const Panel32 &panel, int64_t firstRow, int64_t rows, Work work) {
  int64_t halfBytes = panel.pieceBytes / 2;
  for (int64_t column = 0; column < panel.paddedColumns; column += pieceColumns) {
    int64_t block = column / panel.blockColumns;
    int64_t piece = (column - block * panel.blockColumns) / pieceColumns;
    int64_t place = panel.blockOffset(block) + panel.fieldBytes + piece * panel.pieceBytes;
    for (int64_t half = 0; half < 2; ++half) {
      int64_t row = firstRow + half * halfRows;
      work(row, column, std::clamp<int64_t>(rows - row, 0, halfRows),
           std::min(panel.columns - column, pieceColumns), place + half * halfBytes);
    }
  }
}

static void packCodes(const EncodedRows &rows, const Panel32 &panel, int64_t firstRow,
                      uint8_t *unit) {
  forTiles(panel, firstRow, rows.rows,
           [&](int64_t row, int64_t column, int64_t height, int64_t width, int64_t place) {
             const uint8_t *from = rows.codes.data() + row * rows.columns + column;
             if (height == halfRows && width == pieceColumns) {
               packTile(from, rows.columns, rows.encoding.bits, unit + place);
               return;
             }
             Tile tile = {};
             for (int64_t r = 0; r < height; ++r)
               std::memcpy(tile.codes + r * pieceColumns, from + r * rows.columns, width);
             packTile(tile.codes, pieceColumns, rows.encoding.bits, unit + place);
           });
}

static void unpackCodes(EncodedRows &rows, const Panel32 &panel, int64_t firstRow,
                        const uint8_t *unit) {
  forTiles(panel, firstRow, rows.rows,
           [&](int64_t row, int64_t column, int64_t height, int64_t width, int64_t place) {
             Tile tile;
             unpackTile(unit + place, rows.encoding.bits, tile);
             for (int64_t r = 0; r < height; ++r)
               std::memcpy(rows.codes.data() + (row + r) * rows.columns + column,
                           tile.codes + r * pieceColumns, width);
           });
}

/// Calls `work(element, place)` for the elements of a field that the unit's rows have; elements are
/// [rows][perRow].
template <class Work>
static void forField(const Panel32 &panel, const PanelField &field, int64_t perRow,
                     int64_t firstRow, int64_t rows, Work work) {
  if (field.offset < 0)
    return;
  int64_t present = std::min(rows - firstRow, unitRows);
  for (int64_t i = 0; i < perRow; ++i) {
    int64_t block = i / field.perBlock;
    int64_t place = (panel.fieldsInHeader ? 0 : panel.blockOffset(block)) + field.offset +
                    i % field.perBlock * unitRows * field.bytes;
    for (int64_t r = 0; r < present; ++r)
      work((firstRow + r) * perRow + i, place + r * field.bytes);
  }
}

/// Calls `work(values, field, perRow)` for the four fields.
template <class Rows, class Work>
static void forFields(Rows &rows, const Panel32 &panel, Work work) {
  work(rows.superScale, panel.superScale, rows.superBlocks());
  work(rows.superMinimum, panel.superMinimum, rows.superBlocks());
  work(rows.scale, panel.scale, rows.groups());
  work(rows.minimum, panel.minimum, rows.groups());
}

void kvasir::packPanel32(const EncodedRows &rows, uint8_t *to) {
  Panel32 panel(rows.encoding, rows.columns);
  std::memset(to, 0, panel.bytes(rows.rows));
  for (int64_t first = 0; first < rows.rows; first += unitRows, to += panel.unitBytes) {
    packCodes(rows, panel, first, to);
    forFields(rows, panel, [&](auto &values, const PanelField &field, int64_t perRow) {
      forField(panel, field, perRow, first, rows.rows, [&](int64_t element, int64_t place) {
        for (int64_t i = 0; i < field.bytes; ++i)
          to[place + i] = uint32_t(values[element]) >> (8 * i);
      });
    });
  }
}

void kvasir::unpackPanel32(const uint8_t *from, int64_t rows, int64_t columns,
                           const Encoding &encoding, EncodedRows &to) {
  to.resize(encoding, rows, columns);
  Panel32 panel(encoding, columns);
  for (int64_t first = 0; first < rows; first += unitRows, from += panel.unitBytes) {
    unpackCodes(to, panel, first, from);
    forFields(to, panel, [&](auto &values, const PanelField &field, int64_t perRow) {
      forField(panel, field, perRow, first, rows, [&](int64_t element, int64_t place) {
        uint32_t value = 0;
        for (int64_t i = 0; i < field.bytes; ++i)
          value |= uint32_t(from[place + i]) << (8 * i);
        values[element] = value;
      });
    });
  }
}
