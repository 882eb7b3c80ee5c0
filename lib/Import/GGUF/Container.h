// Reads the header of a GGUF file: metadata, and where the tensors lie. No MLIR, and the weights
// are never touched.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_IMPORT_GGUF_CONTAINER_H
#define KVASIR_IMPORT_GGUF_CONTAINER_H

#include "kvasir/Model/WeightTable.h"
#include "kvasir/Support/Problems.h"
#include "llvm/ADT/StringRef.h"
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace kvasir::gguf {

/// Types of metadata, with the numbers of the format.
enum class ValueType : uint32_t {
  uint8,
  int8,
  uint16,
  int16,
  uint32,
  int32,
  float32,
  boolean,
  string,
  array,
  uint64,
  int64,
  float64
};

/// A metadata value. Texts and elements point into the file's bytes.
struct Value {
  ValueType type = ValueType::uint8;
  llvm::StringRef bytes; ///< of a number or string; of all elements of an array of numbers
  ValueType elementType = ValueType::uint8; ///< of an array
  uint64_t count = 0;                       ///< elements of an array
  std::vector<llvm::StringRef> strings;     ///< of an array of strings

  /// The value as what is asked for, if it is that and representable; of an array, the element.
  std::optional<int64_t> integer(uint64_t index = 0) const;
  std::optional<double> number(uint64_t index = 0) const; ///< any number but a boolean
  std::optional<bool> boolean() const;
  std::optional<llvm::StringRef> text() const;
  bool isArrayOf(ValueType element) const {
    return type == ValueType::array && elementType == element;
  }
};

/// The value for a message: printed, and cut when it is long.
std::string describeValue(const Value &value);

/// Text from a file as it may stand in a message: cut when it is long, without control characters.
std::string printable(llvm::StringRef text);

using Metadata = std::map<std::string, Value, std::less<>>;

/// What one file holds, or all the parts of a split one.
struct Container {
  Metadata metadata;
  WeightTable tensors;
  /// The bytes of each file that tensors are in.
  std::map<std::string, llvm::StringRef, std::less<>> files;
};

/// The type that the format numbers so: its name ("Q4_K"), the values of a block and its bytes.
/// Types that are not stored, or no longer, have no bytes.
struct TensorType {
  llvm::StringRef name;
  uint32_t blockValues, blockBytes;
};
const TensorType *findTensorType(uint32_t number);

/// Adds the tensors that `bytes`, the whole of a GGUF file, declares, and returns its metadata.
/// Tensors lie inside the file, aligned, and do not overlap. Everything that is wrong goes to
/// `problems`, under `file`. No memory is taken for what the file only claims to hold.
Metadata parseFile(llvm::StringRef bytes, llvm::StringRef file, Container &container,
                   Problems &problems);

/// The values of a small tensor of F32, F16 or BF16 that is in the container.
std::optional<std::vector<float>> readFloats(const Container &container,
                                             const StoredTensor &tensor);

} // namespace kvasir::gguf

#endif // KVASIR_IMPORT_GGUF_CONTAINER_H
