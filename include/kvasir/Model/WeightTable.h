// The tensors of a checkpoint: where they lie and what they look like.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_MODEL_WEIGHTTABLE_H
#define KVASIR_MODEL_WEIGHTTABLE_H

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace kvasir {

/// A tensor in a file, rows contiguous.
struct StoredTensor {
  std::string file;    ///< relative to the checkpoint's directory
  uint64_t offset = 0; ///< of the first byte in the file
  uint64_t length = 0; ///< in bytes
  std::string type;    ///< as the container spells it: F32, F16, BF16, I64, ...
  std::vector<int64_t> shape;
  /// Of a quantized matrix whose codes, scales and zero points are tensors of their own: how (see
  /// Encoding/Stored.h). File, offset and length are those of the codes, the type is the name of
  /// the encoding, the shape that of the matrix. Empty for others.
  std::string format = {};
  std::vector<StoredTensor> parts = {}; ///< scales, and zero points if there are any
};

/// Tensors by name. A reader guarantees that each lies inside its file and that
/// its length is that of its shape and type.
using WeightTable = std::map<std::string, StoredTensor, std::less<>>;

} // namespace kvasir

#endif // KVASIR_MODEL_WEIGHTTABLE_H
