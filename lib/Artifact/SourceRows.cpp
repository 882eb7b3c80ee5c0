// Reading of rows, whole or in slices, and the encoding of those that are floats.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "SourceRows.h"

#include "Pack.h"

#include <cstring>

namespace kvasir {

uint64_t encodingBytes(const WeightPlan &weight, uint64_t rows) {
  // Stored twice (as read and transposed), as f32, as codes and their fields, and packed as f32.
  uint64_t perColumn = 2 * 4 + 4 + 2 + 4;
  return rows * (weight.columns + 64) * perColumn;
}

/// Lines from `first` on, one after the other in the file unless interleaved.
static llvm::Error readLines(const WeightPlan &weight, const SourceFile &file, uint64_t lineBytes,
                             uint64_t first, uint64_t lines, uint64_t offset, uint64_t bytes,
                             char *to) {
  if (bytes == lineBytes && !weight.interleaved) { // whole lines: one piece
    bytes *= lines;
    lines = 1;
  }
  for (uint64_t i = 0; i < lines; ++i, to += bytes) {
    uint64_t line = weight.transpose ? first + i : weight.sourceRow(first + i);
    if (llvm::Error error = file.read(to, bytes, weight.sourceOffset + line * lineBytes + offset))
      return error;
  }
  return llvm::Error::success();
}

llvm::Error readStored(const WeightPlan &weight, const SourceFile &file, const Window &window,
                       char *to) {
  uint64_t lineBytes = weight.sourceLines().lineBytes;
  if (weight.matrix) // GGUF's blocks
    return readLines(weight, file, lineBytes, window.row, window.rows, 0, lineBytes, to);
  uint64_t element = elementSize(weight.sourceType);
  if (weight.transpose)
    return readLines(weight, file, lineBytes, window.column, window.columns,
                     (weight.row + window.row) * element, window.rows * element, to);
  return readLines(weight, file, lineBytes, window.row, window.rows, window.column * element,
                   window.columns * element, to);
}

/// Exact conversion of the stored floats.
static void widen(float *to, const char *from, uint64_t count, artifact::ElementType type) {
  if (type == artifact::ElementType::f32)
    std::memcpy(to, from, count * sizeof(float));
  else if (type == artifact::ElementType::f16)
    widenF16(to, reinterpret_cast<const uint16_t *>(from), count);
  else
    widenBF16(to, reinterpret_cast<const uint16_t *>(from), count);
}

static llvm::Error quantize(const WeightPlan &weight, uint64_t row, uint64_t rows,
                            RowBuffers &buffers) {
  uint64_t count = rows * weight.columns, element = elementSize(weight.sourceType);
  const char *values = buffers.stored.data();
  if (weight.transpose) {
    char *arranged = atLeast(buffers.arranged, count * element);
    transpose(arranged, values, rows, weight.columns, element);
    values = arranged;
  }
  float *wide = atLeast(buffers.values, count);
  widen(wide, values, count, weight.sourceType);
  int64_t bad = quantizeRows(wide, rows, weight.columns, *weight.encoding, buffers.rows);
  if (bad < 0)
    return llvm::Error::success();
  return llvm::createStringError("row %llu of weight '%s' has a value that is not finite, which %s "
                                 "cannot hold; is the checkpoint damaged?",
                                 (unsigned long long)(row + bad), weight.name.c_str(),
                                 weight.encoding->name().c_str());
}

/// The bytes of a window, lines one after the other.
static llvm::Error readWindow(const SourceFile &file, uint64_t start, const StoredLines &lines,
                              const StoredWindow &window, std::vector<char> &to) {
  char *at = atLeast(to, window.lines * window.bytes);
  uint64_t first = start + window.line * lines.lineBytes + window.offset;
  if (window.bytes == lines.lineBytes)
    return file.read(at, window.lines * window.bytes, first);
  for (int64_t i = 0; i < window.lines; ++i)
    if (llvm::Error error =
            file.read(at + i * window.bytes, window.bytes, first + i * lines.lineBytes))
      return error;
  return llvm::Error::success();
}

static const uint8_t *bytesOf(const std::vector<char> &buffer) {
  return reinterpret_cast<const uint8_t *>(buffer.data());
}

/// Codes, scales and zero points of rows of the stored matrix.
static llvm::Error readParts(const WeightPlan &weight, llvm::ArrayRef<SourceFile> files,
                             uint64_t row, uint64_t rows, RowBuffers &buffers) {
  const StoredMatrix &matrix = *weight.matrix;
  if (llvm::Error error = readWindow(files[weight.file], weight.sourceOffset, matrix.codeLines(),
                                     matrix.codeWindow(row, rows), buffers.stored))
    return error;
  if (llvm::Error error =
          readWindow(files[weight.scales.file], weight.scales.offset, matrix.scaleLines(),
                     matrix.scaleWindow(row, rows), buffers.scales))
    return error;
  if (llvm::Error error =
          readWindow(files[weight.zeros.file], weight.zeros.offset, matrix.zeroLines(),
                     matrix.zeroWindow(row, rows), buffers.zeros))
    return error;
  int64_t bad = readStoredRows(matrix, row, rows, bytesOf(buffers.stored), bytesOf(buffers.scales),
                               bytesOf(buffers.zeros), buffers.rows);
  if (bad < 0)
    return llvm::Error::success();
  return llvm::createStringError(
      "row %llu of weight '%s' has a zero point other than %d, but the checkpoint says that its "
      "quantization is symmetric; is its configuration that of these tensors?",
      (unsigned long long)(row + bad), weight.name.c_str(), int(weight.encoding->offset));
}

llvm::Error readEncoded(const WeightPlan &weight, llvm::ArrayRef<SourceFile> files, uint64_t row,
                        uint64_t rows, RowBuffers &buffers) {
  if (weight.matrix && weight.matrix->format != StoredFormat::gguf)
    return readParts(weight, files, weight.row + row, rows, buffers);
  uint64_t rowBytes = weight.matrix ? uint64_t(weight.matrix->codeLines().lineBytes)
                                    : weight.columns * elementSize(weight.sourceType);
  char *stored = atLeast(buffers.stored, rows * rowBytes);
  Window window{row, rows, 0, weight.columns};
  if (llvm::Error error = readStored(weight, files[weight.file], window, stored))
    return error;
  if (!weight.matrix)
    return quantize(weight, row, rows, buffers);
  readGgufRows(bytesOf(buffers.stored), rows, weight.columns, *weight.encoding, buffers.rows);
  return llvm::Error::success();
}

} // namespace kvasir
