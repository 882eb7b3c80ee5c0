// Loops of the widest 8-bit dot product that the processor has.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "IntegerPeak.h"

#include "Common.h"

#include <algorithm>
#include <barrier>
#include <thread>
#include <vector>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace kvasir::cli {

namespace {
/// Runs `count` rounds of independent dot products; returns operations done.
using Loop = double (*)(size_t count);

struct Method {
  const char *instruction;
  Loop loop; ///< null: nothing is known for this machine
};
} // namespace

#if defined(__x86_64__)
// The empty assembly makes values that the compiler knows nothing of, so that
// no product can be moved out of the loop, and uses the sums.
__attribute__((target("avx512f,avx512vnni"))) static double loopAVX512(size_t count) {
  __m512i sums[16] = {}, left = _mm512_set1_epi8(3), right = _mm512_set1_epi8(5);
  for (size_t i = 0; i < count; ++i)
    for (int j = 0; j < 16; ++j) {
      __asm__ volatile("" : "+v"(left), "+v"(right));
      sums[j] = _mm512_dpbusd_epi32(sums[j], left, right);
    }
  for (__m512i &sum : sums)
    __asm__ volatile("" : "+v"(sum));
  return double(count) * 16 * 64 * 2;
}

__attribute__((target("avx2,avxvnni"))) static double loopAVXVNNI(size_t count) {
  __m256i sums[12] = {}, left = _mm256_set1_epi8(3), right = _mm256_set1_epi8(5);
  for (size_t i = 0; i < count; ++i)
    for (int j = 0; j < 12; ++j) {
      __asm__ volatile("" : "+x"(left), "+x"(right));
      sums[j] = _mm256_dpbusd_avx_epi32(sums[j], left, right);
    }
  for (__m256i &sum : sums)
    __asm__ volatile("" : "+x"(sum));
  return double(count) * 12 * 32 * 2;
}

__attribute__((target("avx2"))) static double loopAVX2(size_t count) {
  __m256i sums[8] = {}, left = _mm256_set1_epi8(3), right = _mm256_set1_epi8(5);
  __m256i ones = _mm256_set1_epi16(1);
  for (size_t i = 0; i < count; ++i)
    for (int j = 0; j < 8; ++j) {
      __asm__ volatile("" : "+x"(left), "+x"(right));
      __m256i pairs = _mm256_maddubs_epi16(left, right);
      sums[j] = _mm256_add_epi32(sums[j], _mm256_madd_epi16(pairs, ones));
    }
  for (__m256i &sum : sums)
    __asm__ volatile("" : "+x"(sum));
  return double(count) * 8 * 32 * 2;
}
#endif

static Method bestMethod() {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512vnni"))
    return {"vpdpbusd, 512 bits", loopAVX512};
  if (__builtin_cpu_supports("avxvnni"))
    return {"vpdpbusd, 256 bits", loopAVXVNNI};
  if (__builtin_cpu_supports("avx2"))
    return {"vpmaddubsw + vpmaddwd, 256 bits", loopAVX2};
#endif
  return {"", nullptr};
}

/// Operations per second of one thread, the best of a few tries.
static double speedOf(Loop loop) {
  constexpr size_t rounds = 500000;
  loop(rounds); // wide units take a moment to wake up
  double best = 0, begin = now();
  while (now() - begin < 0.1) {
    double start = now();
    double done = loop(rounds);
    best = std::max(best, done / (now() - start));
  }
  return best;
}

IntegerPeak measureIntegerPeak(int threads) {
  Method method = bestMethod();
  IntegerPeak peak;
  if (!method.loop)
    return peak;
  peak.instruction = method.instruction;
  int count = std::min(threads > 0 ? threads : kvasir_cpu_count(), kvasir_cpu_count());
  std::vector<double> speeds(size_t(count), 0.0);
  std::barrier together(count);
  std::vector<std::thread> others;
  for (int i = 0; i < count; ++i)
    others.emplace_back([&, i] {
      together.arrive_and_wait(); // cores that share units share them here too
      speeds[size_t(i)] = speedOf(method.loop);
    });
  for (std::thread &thread : others)
    thread.join();
  for (double speed : speeds)
    peak.operations += speed;
  return peak;
}

} // namespace kvasir::cli
