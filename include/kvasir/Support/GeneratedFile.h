// Files that exist only as a rule: pseudo-random or constant values, for
// models that are compiled without their weights.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_SUPPORT_GENERATEDFILE_H
#define KVASIR_SUPPORT_GENERATEDFILE_H

#include "llvm/ADT/StringRef.h"

#include <cstdint>
#include <optional>
#include <string>

namespace kvasir {

/// Everything that decides the bytes of a generated file is in its name:
/// `generated:normal:bf16:7:4096` has 4096 bytes of bf16 values around 0 with
/// deviation 0.02, by seed 7; `generated:ones:f32:0:512` has 128 ones.
/// A value depends on the seed and its index alone. It is a sum of four uniform
/// numbers: shaped like a normal distribution, and below 0.07 in magnitude.
struct GeneratedFile {
  enum class Kind { normal, ones };
  enum class Type { f32, f16, bf16 };

  Kind kind = Kind::normal;
  Type type = Type::f32;
  uint64_t seed = 0;
  uint64_t bytes = 0;

  std::string name() const;
  /// Nothing unless `name` is that of a generated file, in the form of name().
  static std::optional<GeneratedFile> parse(llvm::StringRef name);

  uint64_t elementBytes() const { return type == Type::f32 ? 4 : 2; }
  /// The `size` bytes at `offset`; both must lie within the file.
  void read(void *buffer, uint64_t size, uint64_t offset) const;
};

} // namespace kvasir

#endif // KVASIR_SUPPORT_GENERATEDFILE_H
