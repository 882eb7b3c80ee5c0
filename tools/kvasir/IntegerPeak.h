// How fast this machine multiplies 8-bit integers: the limit of a long prefill.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_TOOLS_KVASIR_INTEGERPEAK_H
#define KVASIR_TOOLS_KVASIR_INTEGERPEAK_H

#include <string>

namespace kvasir::cli {

struct IntegerPeak {
  double operations = 0;   ///< per second, all threads together; a multiply-add is two; 0: unknown
  std::string instruction; ///< what was measured, "vpdpbusd, 512 bits"
};

/// Independent 8-bit multiply-adds into 32-bit sums, in registers alone, on
/// `threads` threads (0: all cores), for a tenth of a second.
IntegerPeak measureIntegerPeak(int threads);

} // namespace kvasir::cli

#endif // KVASIR_TOOLS_KVASIR_INTEGERPEAK_H
