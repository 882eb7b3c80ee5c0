// Rows of a weight as its files hold them, and their codes.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_LIB_ARTIFACT_SOURCEROWS_H
#define KVASIR_LIB_ARTIFACT_SOURCEROWS_H

#include "SourceFile.h"
#include "WeightPlan.h"
#include "kvasir/Encoding/Rows.h"

#include "llvm/ADT/ArrayRef.h"

#include <vector>

namespace kvasir {

/// A part of a weight. Encoded values are taken with all their columns.
struct Window {
  uint64_t row, rows, column, columns;
};

/// Buffers that one thread uses again and again.
struct RowBuffers {
  std::vector<char> stored, arranged, scales, zeros;
  std::vector<float> values;
  EncodedRows rows;
};

/// At least so many elements. Buffers only grow: what is there is not cleared again and again.
template <class T> T *atLeast(std::vector<T> &buffer, uint64_t count) {
  if (buffer.size() < count)
    buffer.resize(count);
  return buffer.data();
}

/// Bytes of memory that encoding so many rows of a weight takes, at most.
uint64_t encodingBytes(const WeightPlan &weight, uint64_t rows);

/// Reads the values of a window as they are stored: [rows][columns], or, when
/// the source is transposed, [columns][rows].
llvm::Error readStored(const WeightPlan &weight, const SourceFile &file, const Window &window,
                       char *to);

/// Reads rows of an encoded weight: into `buffers.rows`, floats are quantized.
/// `files` are those of the plan.
llvm::Error readEncoded(const WeightPlan &weight, llvm::ArrayRef<SourceFile> files, uint64_t row,
                        uint64_t rows, RowBuffers &buffers);

} // namespace kvasir

#endif // KVASIR_LIB_ARTIFACT_SOURCEROWS_H
