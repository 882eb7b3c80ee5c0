// Monotonic time in seconds.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_RUNTIME_SUPPORT_CLOCK_H
#define KVASIR_RUNTIME_SUPPORT_CLOCK_H

#include <chrono>

namespace kvasir::rt {

inline double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

} // namespace kvasir::rt

#endif // KVASIR_RUNTIME_SUPPORT_CLOCK_H
