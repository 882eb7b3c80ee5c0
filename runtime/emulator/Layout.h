// Sizes of what a worker maps.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_RUNTIME_EMULATOR_LAYOUT_H
#define KVASIR_RUNTIME_EMULATOR_LAYOUT_H

#include <cstdint>

namespace kvasir::emulator {

/// A thread's stack with the unmapped page below it. Kernels have no local memory, so a stack holds
/// spilled registers; pages that are never touched cost nothing.
inline constexpr uint64_t stackStride = 256 << 10, guardBytes = 4096;
/// Copies that one thread may have in flight.
inline constexpr uint32_t maxCopies = 512;

} // namespace kvasir::emulator

#endif // KVASIR_RUNTIME_EMULATOR_LAYOUT_H
