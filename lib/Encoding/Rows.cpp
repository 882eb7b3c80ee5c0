// Encoded rows and their values: the decoder that all others are compared with.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "kvasir/Encoding/Rows.h"

#include "Floats.h"

#include "llvm/Support/ErrorHandling.h"

#include <algorithm>

#pragma STDC FP_CONTRACT OFF

using namespace kvasir;

void EncodedRows::resize(const Encoding &newEncoding, int64_t newRows, int64_t newColumns) {
  encoding = newEncoding;
  rows = newRows;
  columns = newColumns;
  int64_t all = rows * groups(), allSuper = rows * superBlocks();
  codes.resize(rows * columns);
  scale.resize(all);
  minimum.resize(encoding.minimum == MinimumKind::none ? 0 : all);
  superScale.resize(encoding.superBlock ? allSuper : 0);
  superMinimum.resize(encoding.minimum == MinimumKind::sub8 ? allSuper : 0);
}

/// The scale of group `g` of row `r`, times the factor that code values have.
static float scaleOf(const EncodedRows &rows, int64_t r, int64_t g) {
  uint32_t bits = rows.scale[r * rows.groups() + g];
  if (rows.encoding.superBlock) {
    int64_t block = g * rows.encoding.group / 256;
    return floatOfF16(rows.superScale[r * rows.superBlocks() + block]) * float(int8_t(bits));
  }
  switch (rows.encoding.scale) {
  case ScaleKind::f32:
    return std::bit_cast<float>(bits);
  case ScaleKind::f16:
    return floatOfF16(bits);
  case ScaleKind::bf16:
    return floatOfBF16(bits);
  case ScaleKind::e8m0:
    return halfOfE8M0(bits);
  }
  llvm_unreachable("kinds of scales");
}

/// What is subtracted from the scaled code.
static float minimumOf(const EncodedRows &rows, int64_t r, int64_t g) {
  if (rows.encoding.minimum == MinimumKind::f16)
    return -floatOfF16(rows.minimum[r * rows.groups() + g]);
  if (rows.encoding.minimum != MinimumKind::sub8)
    return 0.0f;
  int64_t block = g * rows.encoding.group / 256;
  return floatOfF16(rows.superMinimum[r * rows.superBlocks() + block]) *
         float(rows.minimum[r * rows.groups() + g]);
}

void kvasir::decodeRows(const EncodedRows &rows, float *to) {
  const Encoding &encoding = rows.encoding;
  assert((encoding.scale != ScaleKind::e8m0 || encoding.codes == CodeKind::e2m1) &&
         "halves of scales are for codes that are halves");
  for (int64_t r = 0; r < rows.rows; ++r)
    for (int64_t g = 0; g < rows.groups(); ++g) {
      float scale = scaleOf(rows, r, g), minimum = minimumOf(rows, r, g);
      int zero =
          encoding.minimum == MinimumKind::zeroPoint ? rows.minimum[r * rows.groups() + g] : 0;
      int64_t end = std::min(rows.columns, (g + 1) * rows.groupColumns());
      for (int64_t c = g * rows.groupColumns(); c < end; ++c) {
        uint8_t code = rows.codes[r * rows.columns + c];
        float value =
            encoding.isInteger() ? float(encoding.codeValue(code) - zero) : floatOfE4M3(code);
        to[r * rows.columns + c] = scale * value - minimum;
      }
    }
}
