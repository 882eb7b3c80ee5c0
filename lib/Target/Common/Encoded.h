// Decoding of weights in layout panel32, for all targets: scales, minima and single values.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_LIB_TARGET_COMMON_ENCODED_H
#define KVASIR_LIB_TARGET_COMMON_ENCODED_H

#include "Emitter.h"

#include "kvasir/Encoding/Encoding.h"

namespace kvasir::emit {

/// Bytes of a line of codes: 16 rows of 4.
constexpr int64_t lineBytes = 64;

/// What belongs to a group of columns, of one row or of some rows; f32.
struct GroupScales {
  Value scale;      ///< of the code's integer, `scaleFactor` included
  Value minimum;    ///< subtracted from the scaled code; null if there is none
  Value zeroPoints; ///< i32, instead of an offset; null if there are none
};

/// `at` gives the address of a field's element (of the group, or of the super-block) for the first
/// of `count` rows (0: a scalar).
GroupScales loadScales(Emitter &e, const Encoding &encoding, const Panel32 &panel, int64_t count,
                       llvm::function_ref<Value(const PanelField &, bool ofGroup)> at);

/// The value of an e4m3 code (i32).
Value fromE4M3(Emitter &e, Value code);

/// The codebook's integer of a code (i32), i32.
Value lookUp(Emitter &e, const Encoding &encoding, Value code);

/// One decoded value, f32: column `column` (i64) of row `row` (i64) of the matrix at `base`. The
/// emitter's `index` has to be i64.
Value loadEncoded(Emitter &e, const Encoding &encoding, const Panel32 &panel, Value base, Value row,
                  Value column);

} // namespace kvasir::emit

#endif // KVASIR_LIB_TARGET_COMMON_ENCODED_H
