// Stop strings.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "batch/StopMatcher.h"

#include <algorithm>

namespace kvasir::rt {

bool StopMatcher::push(std::string_view piece, std::string &out) {
  if (stops.empty()) {
    out += piece;
    return false;
  }
  pending += piece;
  size_t first = std::string::npos;
  for (const std::string &stop : stops)
    first = std::min(first, pending.find(stop));
  if (first != std::string::npos) {
    out.append(pending, 0, first);
    pending.clear();
    return true;
  }
  size_t settled = pending.size() - heldLength();
  out.append(pending, 0, settled);
  pending.erase(0, settled);
  return false;
}

/// Length of the longest end of the pending text that begins a stop string.
size_t StopMatcher::heldLength() const {
  size_t held = 0;
  for (const std::string &stop : stops)
    for (size_t n = std::min(stop.size() - 1, pending.size()); n > held; --n)
      if (pending.compare(pending.size() - n, n, stop, 0, n) == 0)
        held = n;
  return held;
}

void StopMatcher::flush(std::string &out) {
  out += pending;
  pending.clear();
}

} // namespace kvasir::rt
