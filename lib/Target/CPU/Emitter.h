// The common vocabulary of kernels with what is x86's own: products of bytes, lanes of a panel.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_LIB_TARGET_CPU_EMITTER_H
#define KVASIR_LIB_TARGET_CPU_EMITTER_H

#include "../Common/Emitter.h"

namespace kvasir::cpu {

using emit::Type;
using emit::Value;
using emit::ValueRange;

/// The widest vector that an emitter uses: one panel of 16 rows.
constexpr int64_t panelRows = 16;

/// Lanes for walking over `n` values without a tail: the largest power of two up to `most` that
/// divides `n`.
int64_t lanesFor(int64_t n, int64_t most = panelRows);

class Emitter : public emit::Emitter {
public:
  using emit::Emitter::Emitter;

  /// a + b.c for groups of 4 bytes: a i32 lanes, b unsigned bytes up to `most`, c signed bytes.
  Value dot(Value a, Value b, Value c, int64_t most, bool dotProducts);
  /// Of unsigned bytes up to 127 and signed bytes: the sums of two products each, 16 bits; and such
  /// sums, two each, added to i32 lanes.
  Value multiplyPairs(Value x, Value y);
  Value addPairs(Value sum, Value words);
};

} // namespace kvasir::cpu

#endif // KVASIR_LIB_TARGET_CPU_EMITTER_H
