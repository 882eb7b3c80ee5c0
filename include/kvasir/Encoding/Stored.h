// How files hold encoded matrices: GGUF's blocks, and the packings of quantized Hugging Face
// checkpoints, which keep codes, scales and zero points in tensors of their own.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_ENCODING_STORED_H
#define KVASIR_ENCODING_STORED_H

#include "kvasir/Encoding/Rows.h"

namespace kvasir {

/// For a matrix of N rows (outputs) and K columns with groups of g columns. Words are i32, little
/// endian, of 32 / bits codes, the first one in the lowest bits. Zero points are packed as codes
/// are.
enum class StoredFormat : uint8_t {
  gguf,   ///< [N][K / values] blocks; no other tensors
  gptq,   ///< codes [K / per word][N] words along K; scales [K / g][N]; zeros [K / g][N / per word]
          ///< words along N, one less than they are
  gptqV2, ///< the same, zeros as they are
  awq, ///< codes [K][N / 8] words along N, columns of a word in the order 0 2 4 6 1 3 5 7; scales
       ///< [K / g][N]; zeros [K / g][N / 8] words in the same order
  packed, ///< compressed-tensors: codes [N][K / per word] words along K; scales [N][K / g]; zeros
          ///< [N / per word][K / g] words along N
  bytes,  ///< codes [N][K] i8 or e4m3; scales [1 or N or N / 128][1 or K / g]
  mxfp4,  ///< gpt-oss: codes [N][K / 32][16], two to a byte, the low one first; scales [N][K / 32]
};

/// "gguf", "gptq", "gptq_v2", "awq", "packed", "bytes", "mxfp4".
llvm::StringRef storedFormatName(StoredFormat format);
std::optional<StoredFormat> parseStoredFormat(llvm::StringRef name);

/// One tensor as lines of bytes.
struct StoredLines {
  int64_t lines = 0, lineBytes = 0;
};

/// Bytes [offset, offset + bytes) of each of some lines.
struct StoredWindow {
  int64_t line = 0, lines = 0, offset = 0, bytes = 0;
};

/// An encoded matrix in a file.
struct StoredMatrix {
  StoredFormat format = StoredFormat::gguf;
  Encoding encoding;
  int64_t rows = 0, columns = 0;
  ScaleKind scaleType = ScaleKind::f16;    ///< of the stored scales: the encoding's, or narrower
  int64_t scaleRows = 0, scaleColumns = 0; ///< shape of their tensor
  bool zeros = false;                      ///< there is a tensor of zero points

  /// Why such a matrix cannot be; empty if it can. Everything else expects an empty answer.
  std::string problem() const;

  /// Whether a row of the matrix is a column of the tensors.
  bool isTransposed() const;

  /// The shapes of the tensors in bytes; no lines for a tensor that the format does not have.
  StoredLines codeLines() const, scaleLines() const, zeroLines() const;

  /// What must be read for some rows of the matrix.
  StoredWindow codeWindow(int64_t row, int64_t rows) const;
  StoredWindow scaleWindow(int64_t row, int64_t rows) const;
  StoredWindow zeroWindow(int64_t row, int64_t rows) const;
};

/// The bytes of the three windows of `rows` rows from `row` on, lines one after the other.
/// Returns the first row (from 0) whose zero points are not what the encoding stands for, or -1.
[[nodiscard]] int64_t readStoredRows(const StoredMatrix &matrix, int64_t row, int64_t rows,
                                     const uint8_t *codes, const uint8_t *scales,
                                     const uint8_t *zeros, EncodedRows &to);

} // namespace kvasir

#endif // KVASIR_ENCODING_STORED_H
