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
};

/// Tensors by name. A reader guarantees that each lies inside its file and that
/// its length is that of its shape and type.
using WeightTable = std::map<std::string, StoredTensor, std::less<>>;

} // namespace kvasir

#endif // KVASIR_MODEL_WEIGHTTABLE_H
