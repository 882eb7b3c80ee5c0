// Arranges a tile of a weight for the artifact: bits stay, places change.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_LIB_ARTIFACT_PACK_H
#define KVASIR_LIB_ARTIFACT_PACK_H

#include <cstddef>
#include <cstdint>

namespace kvasir {

/// [rows][columns] to [ceil(rows / 16)][columns][16]; missing rows are zero.
/// Elements have 2 or 4 bytes.
void packPanels(void *to, const void *from, size_t rows, size_t columns, size_t elementBytes);

/// The same from the transposed [columns][rows].
void packPanelsTransposed(void *to, const void *from, size_t rows, size_t columns,
                          size_t elementBytes);

/// What is packed into tiles for matrix instructions: [rows][columns], or [columns][rows] when
/// `transposed`, of elements of 2 or 4 bytes (f32).
struct TileSource {
  size_t rows, columns, elementBytes;
  bool transposed;
};

/// To [ceil(rows / 16)][ceil(columns / 32)] tiles (kvasir/Encoding/Mma16.h); what is missing is
/// zero.
void packMma16(void *to, const void *from, const TileSource &source);

/// [columns][rows] to [rows][columns].
void transpose(void *to, const void *from, size_t rows, size_t columns, size_t elementBytes);

/// Exact conversion of `count` values to f32.
void widenF16(float *to, const uint16_t *from, size_t count);
void widenBF16(float *to, const uint16_t *from, size_t count);

} // namespace kvasir

#endif // KVASIR_LIB_ARTIFACT_PACK_H
