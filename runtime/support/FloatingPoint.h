// The floating-point state in which results are computed, whatever the caller's is.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_RUNTIME_SUPPORT_FLOATINGPOINT_H
#define KVASIR_RUNTIME_SUPPORT_FLOATINGPOINT_H

#include <cstdint>

#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

namespace kvasir::rt {

/// Round to nearest, denormals kept, exceptions masked; the old state comes
/// back at the end.
class FloatingPointScope {
public:
#if defined(__x86_64__)
  FloatingPointScope() : saved(_mm_getcsr()) { _mm_setcsr(0x1f80); }
  ~FloatingPointScope() { _mm_setcsr(saved); }

private:
  unsigned saved;
#elif defined(__aarch64__)
  FloatingPointScope() {
    __asm__ volatile("mrs %0, fpcr" : "=r"(saved));
    __asm__ volatile("msr fpcr, %0" ::"r"(uint64_t(0)));
  }
  ~FloatingPointScope() { __asm__ volatile("msr fpcr, %0" ::"r"(saved)); }

private:
  uint64_t saved;
#endif
};

} // namespace kvasir::rt

#endif // KVASIR_RUNTIME_SUPPORT_FLOATINGPOINT_H
