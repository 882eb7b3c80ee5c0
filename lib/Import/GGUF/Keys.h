// Metadata that is read key by key, so that what nobody read is noticed.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_IMPORT_GGUF_KEYS_H
#define KVASIR_IMPORT_GGUF_KEYS_H

#include "Container.h"
#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringSet.h"

namespace kvasir::gguf {

/// Reads values by key. A key that is absent gives no value; a value of the wrong type or range
/// gives none either, and a problem. Every key that was asked for counts as handled.
class Keys {
public:
  /// Keys start with `prefix`, "llama." or "". `metadata` outlives this.
  Keys(const Metadata &metadata, llvm::StringRef prefix, Problems &problems)
      : metadata(metadata), prefix(prefix.str()), problems(problems) {}

  const Value *value(llvm::StringRef key);

  /// A whole number of any width; of an array, what all its elements are.
  std::optional<int64_t> integer(llvm::StringRef key, int64_t min, int64_t max);
  /// As `integer`, but absence is a problem; gives `min` then.
  int64_t requiredInteger(llvm::StringRef key, int64_t min, int64_t max);
  /// A number that f32 can hold.
  std::optional<double> number(llvm::StringRef key);
  std::optional<double> numberAbove(llvm::StringRef key, double low);
  std::optional<bool> boolean(llvm::StringRef key);
  std::optional<std::string> text(llvm::StringRef key);

  void problem(llvm::StringRef key, const llvm::Twine &what);

  /// Adds a problem for each key with the prefix that nobody asked for, unless it is `neutral`.
  void refuseUnknown(llvm::ArrayRef<llvm::StringRef> neutral);

private:
  const Metadata &metadata;
  std::string prefix;
  Problems &problems;
  llvm::StringSet<> handled;
};

} // namespace kvasir::gguf

#endif // KVASIR_IMPORT_GGUF_KEYS_H
