// Reads of whole cache lines by the widest registers, all threads at once.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "Bandwidth.h"

#include "Common.h"

#include <algorithm>
#include <atomic>
#include <barrier>
#include <cstdint>
#include <cstring>
#include <sched.h>
#include <sys/mman.h>
#include <thread>
#include <unistd.h>
#include <vector>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace kvasir::cli {

/// Reads `bytes` (a multiple of 512) and returns something that depends on all
/// of them. `ahead`: distance of the software prefetch in bytes; 0: none.
using ReadFunction = uint64_t (*)(const char *data, size_t bytes, size_t ahead);
/// Runs `count` rounds of 16 independent vector FMAs; returns FLOPs done.
using FlopFunction = double (*)(size_t count, float *sink);

#if defined(__x86_64__)
__attribute__((target("avx512f"))) static uint64_t readAVX512(const char *data, size_t bytes,
                                                              size_t ahead) {
  __m512i sums[8] = {};
  for (size_t i = 0; i < bytes; i += 512) {
    for (int j = 0; j < 8; ++j) {
      if (ahead)
        _mm_prefetch(data + i + ahead + 64 * j, _MM_HINT_T0);
      sums[j] = _mm512_xor_si512(sums[j], _mm512_load_si512(data + i + 64 * j));
    }
  }
  for (int j = 1; j < 8; ++j)
    sums[0] = _mm512_xor_si512(sums[0], sums[j]);
  return static_cast<uint64_t>(_mm512_reduce_add_epi64(sums[0]));
}

__attribute__((target("avx2"))) static uint64_t readAVX2(const char *data, size_t bytes,
                                                         size_t ahead) {
  __m256i sums[8] = {};
  for (size_t i = 0; i < bytes; i += 256) {
    for (int j = 0; j < 8; ++j) {
      if (ahead && j % 2 == 0)
        _mm_prefetch(data + i + ahead + 32 * j, _MM_HINT_T0);
      sums[j] = _mm256_xor_si256(
          sums[j], _mm256_load_si256(reinterpret_cast<const __m256i *>(data + i + 32 * j)));
    }
  }
  for (int j = 1; j < 8; ++j)
    sums[0] = _mm256_xor_si256(sums[0], sums[j]);
  return static_cast<uint64_t>(_mm256_extract_epi64(sums[0], 0) ^ _mm256_extract_epi64(sums[0], 2));
}

__attribute__((target("avx512f"))) static double flopsAVX512(size_t count, float *sink) {
  __m512 sums[16];
  for (int j = 0; j < 16; ++j)
    sums[j] = _mm512_set1_ps(*sink + float(j));
  __m512 factor = _mm512_set1_ps(0.999f), term = _mm512_set1_ps(0.25f);
  for (size_t i = 0; i < count; ++i)
    for (int j = 0; j < 16; ++j)
      sums[j] = _mm512_fmadd_ps(sums[j], factor, term);
  for (int j = 0; j < 16; ++j)
    *sink += _mm512_reduce_add_ps(sums[j]);
  return double(count) * 16 * 16 * 2;
}

__attribute__((target("avx2,fma"))) static double flopsAVX2(size_t count, float *sink) {
  __m256 sums[12];
  for (int j = 0; j < 12; ++j)
    sums[j] = _mm256_set1_ps(*sink + float(j));
  __m256 factor = _mm256_set1_ps(0.999f), term = _mm256_set1_ps(0.25f);
  for (size_t i = 0; i < count; ++i)
    for (int j = 0; j < 12; ++j)
      sums[j] = _mm256_fmadd_ps(sums[j], factor, term);
  for (int j = 0; j < 12; ++j)
    *sink += sums[j][0];
  return double(count) * 12 * 8 * 2;
}
#endif

static uint64_t readPlain(const char *data, size_t bytes, size_t ahead) {
  uint64_t sums[8] = {};
  for (size_t i = 0; i < bytes; i += 64) {
    if (ahead)
      __builtin_prefetch(data + i + ahead);
    uint64_t words[8];
    std::memcpy(words, data + i, 64);
    for (int j = 0; j < 8; ++j)
      sums[j] ^= words[j];
  }
  for (int j = 1; j < 8; ++j)
    sums[0] ^= sums[j];
  return sums[0];
}

static ReadFunction bestRead() {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f"))
    return readAVX512;
  if (__builtin_cpu_supports("avx2"))
    return readAVX2;
#endif
  return readPlain;
}

static FlopFunction bestFlops() {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f"))
    return flopsAVX512;
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
    return flopsAVX2;
#endif
  return nullptr;
}

/// One core for each thread, in the order of the affinity mask.
static void pinTo(int index) {
  cpu_set_t allowed, one;
  if (sched_getaffinity(0, sizeof(allowed), &allowed) != 0)
    return;
  for (int core = 0; core < CPU_SETSIZE; ++core) {
    if (!CPU_ISSET(core, &allowed) || index-- > 0)
      continue;
    CPU_ZERO(&one);
    CPU_SET(core, &one);
    sched_setaffinity(0, sizeof(one), &one);
    return;
  }
}

/// What all threads of one measurement share.
struct Measurement {
  Measurement(const MeasureOptions &options, int threads, char *data, size_t bytesEach)
      : options(options), data(data), bytesEach(bytesEach), barrier(threads),
        flops(size_t(threads)) {}

  const MeasureOptions &options;
  char *data;
  size_t bytesEach;
  std::barrier<> barrier;
  std::atomic<bool> stop{false};
  std::atomic<uint64_t> sink{0};
  double bestPass = 0; ///< seconds; written by thread 0
  std::vector<double> flops;

  void run(int index);

private:
  void readPasses(int index, const char *mine);
  void measureFlops(int index);
};

void Measurement::readPasses(int index, const char *mine) {
  static constexpr size_t distances[] = {0, 4096, 8192, 2048};
  ReadFunction read = bestRead();
  double begin = now();
  for (size_t pass = 0;; ++pass) {
    barrier.arrive_and_wait();
    if (stop)
      return;
    double start = now();
    // The last stretch prefetches beyond the part: harmless, never a fault.
    sink ^= read(mine, bytesEach, distances[pass % std::size(distances)]);
    barrier.arrive_and_wait();
    double time = now();
    if (index != 0)
      continue;
    if (bestPass == 0 || time - start < bestPass)
      bestPass = time - start;
    stop = time - begin > options.seconds && pass + 1 >= 2;
  }
}

void Measurement::measureFlops(int index) {
  FlopFunction function = bestFlops();
  if (!function)
    return;
  float value = 1;
  function(200000, &value); // wide units take a moment to wake up
  barrier.arrive_and_wait();
  for (int repeat = 0; repeat < 3; ++repeat) {
    double start = now();
    double done = function(1000000, &value);
    flops[size_t(index)] = std::max(flops[size_t(index)], done / (now() - start));
  }
  sink ^= uint64_t(value != value);
}

void Measurement::run(int index) {
  pinTo(index);
  char *mine = data + size_t(index) * bytesEach;
  std::memset(mine, index + 1, bytesEach); // untouched pages would all be one
  readPasses(index, mine);
  if (options.flops)
    measureFlops(index);
}

MachineSpeed measureMachine(const MeasureOptions &options) {
  MachineSpeed speed;
  speed.threads = kvasir_cpu_count();
  if (options.threads > 0)
    speed.threads = std::min(speed.threads, options.threads);
  size_t pages = static_cast<size_t>(std::max(0L, sysconf(_SC_AVPHYS_PAGES)));
  size_t available = pages * size_t(sysconf(_SC_PAGESIZE));
  size_t bytes = std::min(options.bytes, available / 2);
  size_t each = bytes / size_t(speed.threads) / 4096 * 4096;
  if (each == 0)
    return speed;
  size_t total = each * size_t(speed.threads);
  void *memory = mmap(nullptr, total, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED)
    return speed;
  madvise(memory, total, MADV_HUGEPAGE);
  Measurement measurement(options, speed.threads, static_cast<char *>(memory), each);
  std::vector<std::thread> threads;
  for (int i = 0; i < speed.threads; ++i)
    threads.emplace_back([&, i] { measurement.run(i); });
  for (std::thread &thread : threads)
    thread.join();
  munmap(memory, total);
  speed.bytes = total;
  speed.bandwidth = double(total) / measurement.bestPass;
  for (double flops : measurement.flops)
    speed.flops += flops;
  return speed;
}

} // namespace kvasir::cli
