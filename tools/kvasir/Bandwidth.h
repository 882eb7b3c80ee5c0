// How fast this machine reads memory and multiplies: the two limits of a step.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_TOOLS_KVASIR_BANDWIDTH_H
#define KVASIR_TOOLS_KVASIR_BANDWIDTH_H

#include <cstddef>

namespace kvasir::cli {

struct MachineSpeed {
  double bandwidth = 0; ///< bytes read per second by all threads together
  double flops = 0;     ///< f32 operations per second; 0 when not measured
  int threads = 0;
  size_t bytes = 0; ///< size of the buffer that was read
};

struct MeasureOptions {
  int threads = 0;                ///< 0: every core that may be used
  size_t bytes = size_t(1) << 30; ///< less when memory is short
  double seconds = 0.6;           ///< for reading, after the buffer is made
  bool flops = true;
};

/// Best of plain and software-prefetched wide reads, each thread streaming its
/// own part of a buffer that no cache holds. Fails only when memory is out:
/// then the bandwidth is 0.
MachineSpeed measureMachine(const MeasureOptions &options);

} // namespace kvasir::cli

#endif // KVASIR_TOOLS_KVASIR_BANDWIDTH_H
