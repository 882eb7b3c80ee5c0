// What the machine offers this process: cores and memory, with the limits of
// its control group.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_RUNTIME_MEMORY_MACHINE_H
#define KVASIR_RUNTIME_MEMORY_MACHINE_H

#include <cstdint>
#include <vector>

namespace kvasir::rt {

/// Bytes that can be allocated without swapping; UINT64_MAX when unknown.
uint64_t availableMemory();

/// Logical cores in the affinity mask of this process; one of each physical
/// core first, their siblings after them.
std::vector<int> usableCores();

/// Threads worth running: usable cores, but not above the control group's CPU
/// quota. At least 1.
int usableThreads();

} // namespace kvasir::rt

#endif // KVASIR_RUNTIME_MEMORY_MACHINE_H
