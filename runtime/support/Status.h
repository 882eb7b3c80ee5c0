// Errors of the runtime are values: a Status, or a Result that holds a value or
// a Status. Nothing here prints, aborts or throws.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_RUNTIME_SUPPORT_STATUS_H
#define KVASIR_RUNTIME_SUPPORT_STATUS_H

#include <cassert>
#include <cstdarg>
#include <cstdio>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>

namespace kvasir::rt {

enum class Code {
  ok,
  invalidArgument,   ///< the caller asked for something that makes no sense
  notFound,          ///< a file, name or handle that does not exist
  outOfRange,        ///< an index or id beyond what the model has
  resourceExhausted, ///< memory, pages, requests or time are used up
  dataLoss,          ///< a file is truncated or corrupt
  unsupported,       ///< valid, but this build or version cannot do it
  unavailable,       ///< cannot be had now (device, feature of the machine)
  cancelled,         ///< stopped because someone asked for it
  internal           ///< a broken promise of our own
};

/// True in a condition when there was no error.
class [[nodiscard]] Status {
public:
  Status() = default;
  Status(Code code, std::string message) : errorCode(code), text(std::move(message)) {}

  static Status ok() { return Status(); }

  Code code() const { return errorCode; }
  const std::string &message() const { return text; }
  explicit operator bool() const { return errorCode == Code::ok; }

private:
  Code errorCode = Code::ok;
  std::string text;
};

inline Status error(Code code, std::string message) {
  assert(code != Code::ok && "an error needs a code that says so");
  return Status(code, std::move(message));
}

/// A value of type T, or the Status that says why there is none. True in a
/// condition when it holds a value.
template <class T> class [[nodiscard]] Result {
  static_assert(!std::is_same_v<std::decay_t<T>, Status>, "a result of a status is a status");

public:
  Result(T value) : held(std::move(value)) {}
  Result(Status failure) : failure(std::move(failure)) {
    assert(!this->failure && "a result without a value needs an error");
  }

  explicit operator bool() const { return held.has_value(); }

  T &operator*() & { return *held; }
  const T &operator*() const & { return *held; }
  T &&operator*() && { return std::move(*held); }
  T *operator->() { return &*held; }
  const T *operator->() const { return &*held; }

  /// The error; ok when there is a value.
  const Status &status() const { return failure; }

private:
  std::optional<T> held;
  Status failure;
};

/// printf into a string.
[[gnu::format(printf, 1, 2)]] inline std::string format(const char *pattern, ...) {
  va_list arguments, again;
  va_start(arguments, pattern);
  va_copy(again, arguments);
  int length = std::vsnprintf(nullptr, 0, pattern, arguments);
  va_end(arguments);
  std::string text;
  if (length > 0) {
    text.resize(static_cast<size_t>(length));
    std::vsnprintf(text.data(), text.size() + 1, pattern, again);
  }
  va_end(again);
  return text;
}

} // namespace kvasir::rt

#endif // KVASIR_RUNTIME_SUPPORT_STATUS_H
