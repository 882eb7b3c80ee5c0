// The table of encodings, and the geometry of their layout.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "kvasir/Encoding/Encoding.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/Support/MathExtras.h"

using namespace kvasir;
using llvm::StringRef;

namespace {
struct Row {
  StringRef name;
  Encoding encoding;
};
} // namespace

constexpr Encoding groups(uint8_t bits, uint16_t group, ScaleKind scale = ScaleKind::f16,
                          MinimumKind minimum = MinimumKind::none) {
  bool symmetric = minimum == MinimumKind::none;
  return {bits,  CodeKind::linear, uint8_t(symmetric ? 1 << (bits - 1) : 0), group, scale,
          false, minimum};
}

constexpr Encoding superBlocks(uint8_t bits, uint16_t group, uint8_t offset, MinimumKind minimum,
                               CodeKind codes = CodeKind::linear) {
  return {bits, codes, offset, group, ScaleKind::f16, true, minimum};
}

constexpr Encoding floats8(uint16_t group) {
  return {8, CodeKind::e4m3, 0, group, ScaleKind::f32, false, MinimumKind::none};
}

/// The first name of an encoding is its own, others are further names. What `quantize` makes of
/// floats comes first.
static constexpr Row table[] = {
    {"int8", groups(8, 0, ScaleKind::f32)},
    {"int8-g32", groups(8, 32)},
    {"int8-g64", groups(8, 64)},
    {"int8-g128", groups(8, 128)},
    {"int4-g32", groups(4, 32)},
    {"int4-g64", groups(4, 64)},
    {"int4-g128", groups(4, 128)},
    {"int4-g32-asym", groups(4, 32, ScaleKind::f16, MinimumKind::zeroPoint)},
    {"int4-g64-asym", groups(4, 64, ScaleKind::f16, MinimumKind::zeroPoint)},
    {"int4-g128-asym", groups(4, 128, ScaleKind::f16, MinimumKind::zeroPoint)},
    {"int4-g32-bf16", groups(4, 32, ScaleKind::bf16)},
    {"int4-g64-bf16", groups(4, 64, ScaleKind::bf16)},
    {"int4-g128-bf16", groups(4, 128, ScaleKind::bf16)},
    {"int4-g32-asym-bf16", groups(4, 32, ScaleKind::bf16, MinimumKind::zeroPoint)},
    {"int4-g64-asym-bf16", groups(4, 64, ScaleKind::bf16, MinimumKind::zeroPoint)},
    {"int4-g128-asym-bf16", groups(4, 128, ScaleKind::bf16, MinimumKind::zeroPoint)},
    {"fp8-e4m3", floats8(0)},
    {"fp8-e4m3-g128", floats8(128)},
    {"mxfp4", {4, CodeKind::e2m1, 0, 32, ScaleKind::e8m0, false, MinimumKind::none}},
    {"q4_1", groups(4, 32, ScaleKind::f16, MinimumKind::f16)},
    {"q5_0", groups(5, 32)},
    {"q5_1", groups(5, 32, ScaleKind::f16, MinimumKind::f16)},
    {"q2_k", superBlocks(2, 16, 0, MinimumKind::sub8)},
    {"q3_k", superBlocks(3, 16, 4, MinimumKind::none)},
    {"q4_k", superBlocks(4, 32, 0, MinimumKind::sub8)},
    {"q5_k", superBlocks(5, 32, 0, MinimumKind::sub8)},
    {"q6_k", superBlocks(6, 16, 32, MinimumKind::none)},
    {"iq4_nl", {4, CodeKind::iq4_nl, 0, 32, ScaleKind::f16, false, MinimumKind::none}},
    {"iq4_xs", superBlocks(4, 32, 0, MinimumKind::none, CodeKind::iq4_nl)},
    {"q4_0", groups(4, 32)},
    {"q8_0", groups(8, 32)},
};

/// Rows of the table that floats can be quantized to, the first of it.
constexpr size_t quantizable = 19, distinct = std::size(table) - 2;

static auto names(size_t count) {
  llvm::SmallVector<StringRef, 0> result;
  for (const Row &row : llvm::ArrayRef(table).take_front(count))
    result.push_back(row.name);
  return result;
}

llvm::ArrayRef<StringRef> kvasir::encodingNames() {
  static const auto all = names(distinct);
  assert(all[quantizable - 1] == "mxfp4" && "the last that can be made from floats");
  return all;
}

llvm::ArrayRef<StringRef> kvasir::quantizableEncodingNames() {
  return encodingNames().take_front(quantizable);
}

std::optional<Encoding> kvasir::parseEncoding(StringRef name) {
  for (const Row &row : table)
    if (row.name.equals_insensitive(name))
      return row.encoding;
  return std::nullopt;
}

std::string Encoding::name() const {
  const Row *row = llvm::find_if(table, [&](const Row &row) { return row.encoding == *this; });
  assert(row != std::end(table) && "encodings come from the table");
  return row->name.str();
}

int Encoding::codeValue(unsigned code) const {
  static constexpr int8_t iq4nl[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                       1,    13,   25,  38,  53,  69,  89,  113};
  static constexpr int8_t e2m1[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};
  switch (codes) {
  case CodeKind::linear:
    return int(code) - offset;
  case CodeKind::iq4_nl:
    return iq4nl[code & 15];
  case CodeKind::e2m1:
    return e2m1[code & 15];
  case CodeKind::e4m3:
    break;
  }
  llvm_unreachable("floats of 8 bits are not integers");
}

static int64_t scaleBytes(ScaleKind kind) {
  return kind == ScaleKind::f32 ? 4 : kind == ScaleKind::e8m0 ? 1 : 2;
}

static int64_t minimumBytes(MinimumKind kind) {
  return kind == MinimumKind::none ? 0 : kind == MinimumKind::f16 ? 2 : 1;
}

double Encoding::bitsPerValue() const {
  double result = bits;
  if (group)
    result += 8.0 * ((superBlock ? 1 : scaleBytes(scale)) + minimumBytes(minimum)) / group;
  if (superBlock)
    result += 8.0 * (2 + (minimum == MinimumKind::sub8 ? 2 : 0)) / 256;
  return result;
}

llvm::ArrayRef<CodePlane> kvasir::codePlanes(int bits) {
  static constexpr CodePlane two[] = {{2, 0, 2}}, three[] = {{2, 0, 2}, {1, 2, 1}},
                             four[] = {{4, 0, 4}}, five[] = {{4, 0, 4}, {1, 4, 1}},
                             six[] = {{4, 0, 4}, {2, 4, 2}}, eight[] = {{8, 0, 8}};
  switch (bits) {
  case 2:
    return two;
  case 3:
    return three;
  case 4:
    return four;
  case 5:
    return five;
  case 6:
    return six;
  default:
    assert(bits == 8 && "codes have 2, 3, 4, 5, 6 or 8 bits");
    return eight;
  }
}

Panel32::Panel32(const Encoding &encoding, int64_t k)
    : columns(k), paddedColumns(llvm::alignTo(k, pieceColumns)),
      groupColumns(encoding.groupColumns(k)), fieldsInHeader(encoding.group == 0) {
  blockColumns = encoding.superBlock ? 256 : fieldsInHeader ? 128 : encoding.group;
  blocks = llvm::divideCeil(paddedColumns, blockColumns);
  int64_t groupsInBlock = fieldsInHeader ? 1 : blockColumns / groupColumns, place = 0;
  auto add = [&](PanelField &field, int64_t bytes, int64_t count) {
    if (bytes == 0)
      return;
    field = {place, bytes, count};
    place += llvm::alignTo(unitRows * bytes * count, 64);
  };
  if (encoding.superBlock)
    add(superScale, 2, 1);
  if (encoding.minimum == MinimumKind::sub8)
    add(superMinimum, 2, 1);
  add(scale, encoding.superBlock ? 1 : scaleBytes(encoding.scale), groupsInBlock);
  add(minimum, minimumBytes(encoding.minimum), groupsInBlock);
  headerBytes = fieldsInHeader ? place : 0;
  fieldBytes = fieldsInHeader ? 0 : place;
  pieceBytes = 2 * 64 * encoding.bits;
  int64_t lastColumns = paddedColumns - (blocks - 1) * blockColumns;
  blockBytes = fieldBytes + blockColumns / pieceColumns * pieceBytes;
  lastBlockBytes = fieldBytes + lastColumns / pieceColumns * pieceBytes;
  unitBytes = headerBytes + (blocks - 1) * blockBytes + lastBlockBytes;
}
