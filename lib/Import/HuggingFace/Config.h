// A JSON object that is read key by key, so that what nobody read is noticed.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_IMPORT_HUGGINGFACE_CONFIG_H
#define KVASIR_IMPORT_HUGGINGFACE_CONFIG_H

#include "kvasir/Support/Json.h"
#include "kvasir/Support/Problems.h"
#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringSet.h"
#include <optional>

namespace kvasir::hf {

/// Reads values by key. A key that is absent or null gives no value; a value of
/// the wrong type or range gives none either, and a problem. Every key that was
/// asked for counts as handled.
class Config {
public:
  /// `object` must be a JSON object and outlive this. `place` starts each message.
  Config(const nlohmann::json &object, std::string place, Problems &problems)
      : object(object), place(std::move(place)), problems(problems) {}

  /// True if the key is there, even if it is null.
  bool contains(llvm::StringRef key) const { return object.contains(key.str()); }

  /// The value, if the key is there and not null.
  const nlohmann::json *value(llvm::StringRef key);

  std::optional<int64_t> integer(llvm::StringRef key, int64_t min, int64_t max);
  /// As `integer`, but absence is a problem; gives `min` then.
  int64_t requiredInteger(llvm::StringRef key, int64_t min, int64_t max);
  /// A number that f32 can hold.
  std::optional<double> number(llvm::StringRef key);
  /// A number greater than `low`.
  std::optional<double> numberAbove(llvm::StringRef key, double low);
  std::optional<double> requiredNumberAbove(llvm::StringRef key, double low);
  std::optional<bool> boolean(llvm::StringRef key);
  std::optional<std::string> text(llvm::StringRef key);
  /// A list of positive numbers.
  std::optional<std::vector<double>> numbers(llvm::StringRef key);

  /// A reader of the object that `key` holds; its problems come to the same list.
  Config inner(const nlohmann::json &value, llvm::StringRef key) const {
    return Config(value, place + ": " + key.str(), problems);
  }

  void problem(llvm::StringRef key, const llvm::Twine &what);

  /// Adds a problem for each key that nobody asked for, unless `neutral` says
  /// that it cannot change the result or its value is null, false or empty.
  void
  refuseUnknown(llvm::function_ref<bool(llvm::StringRef key, const nlohmann::json &value)> neutral);

private:
  const nlohmann::json &object;
  std::string place;
  Problems &problems;
  llvm::StringSet<> handled;
};

} // namespace kvasir::hf

#endif // KVASIR_IMPORT_HUGGINGFACE_CONFIG_H
