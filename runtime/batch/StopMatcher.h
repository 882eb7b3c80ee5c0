// Looks for stop strings in text that arrives in pieces, and holds back what
// may become one.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_RUNTIME_BATCH_STOPMATCHER_H
#define KVASIR_RUNTIME_BATCH_STOPMATCHER_H

#include <string>
#include <string_view>
#include <vector>

namespace kvasir::rt {

class StopMatcher {
public:
  /// Strings are not empty and are UTF-8, so that text is never cut inside a
  /// character.
  explicit StopMatcher(std::vector<std::string> stops) : stops(std::move(stops)) {}

  /// Appends to `out` what can no longer belong to a stop string. True when one
  /// is complete: then `out` has got everything before the first, and the rest
  /// is dropped.
  bool push(std::string_view piece, std::string &out);
  /// Appends what is held back.
  void flush(std::string &out);

private:
  size_t heldLength() const;

  std::vector<std::string> stops;
  std::string pending;
};

} // namespace kvasir::rt

#endif // KVASIR_RUNTIME_BATCH_STOPMATCHER_H
