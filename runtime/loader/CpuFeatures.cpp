// Detection of CPU features with cpuid and xgetbv.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "loader/CpuFeatures.h"

#include <cstdint>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace kvasir::rt {

#if defined(__x86_64__)

/// State that the system must save (bits of XCR0) before a feature may be used.
enum State : uint64_t {
  none = 0,
  ymm = 0x6,  // xmm, ymm
  zmm = 0xe6, // and opmask, upper halves, zmm16-31
};

enum Register { eax, ebx, ecx, edx };

struct Feature {
  const char *name;
  uint32_t leaf, subleaf;
  Register reg;
  uint32_t bit;
  State state;
};

static constexpr Feature features[] = {
    {"cx8", 1, 0, edx, 8, none},           {"cmov", 1, 0, edx, 15, none},
    {"mmx", 1, 0, edx, 23, none},          {"fxsr", 1, 0, edx, 24, none},
    {"sse", 1, 0, edx, 25, none},          {"sse2", 1, 0, edx, 26, none},
    {"sse3", 1, 0, ecx, 0, none},          {"pclmul", 1, 0, ecx, 1, none},
    {"ssse3", 1, 0, ecx, 9, none},         {"fma", 1, 0, ecx, 12, ymm},
    {"cx16", 1, 0, ecx, 13, none},         {"sse4.1", 1, 0, ecx, 19, none},
    {"sse4.2", 1, 0, ecx, 20, none},       {"crc32", 1, 0, ecx, 20, none},
    {"movbe", 1, 0, ecx, 22, none},        {"popcnt", 1, 0, ecx, 23, none},
    {"aes", 1, 0, ecx, 25, none},          {"xsave", 1, 0, ecx, 27, none},
    {"avx", 1, 0, ecx, 28, ymm},           {"f16c", 1, 0, ecx, 29, ymm},
    {"bmi", 7, 0, ebx, 3, none},           {"bmi1", 7, 0, ebx, 3, none},
    {"avx2", 7, 0, ebx, 5, ymm},           {"bmi2", 7, 0, ebx, 8, none},
    {"avx512f", 7, 0, ebx, 16, zmm},       {"avx512dq", 7, 0, ebx, 17, zmm},
    {"avx512ifma", 7, 0, ebx, 21, zmm},    {"avx512cd", 7, 0, ebx, 28, zmm},
    {"avx512bw", 7, 0, ebx, 30, zmm},      {"avx512vl", 7, 0, ebx, 31, zmm},
    {"avx512vbmi", 7, 0, ecx, 1, zmm},     {"avx512vbmi2", 7, 0, ecx, 6, zmm},
    {"gfni", 7, 0, ecx, 8, none},          {"vaes", 7, 0, ecx, 9, ymm},
    {"vpclmulqdq", 7, 0, ecx, 10, ymm},    {"avx512vnni", 7, 0, ecx, 11, zmm},
    {"avx512bitalg", 7, 0, ecx, 12, zmm},  {"avx512vpopcntdq", 7, 0, ecx, 14, zmm},
    {"avx512fp16", 7, 0, edx, 23, zmm},    {"avxvnni", 7, 1, eax, 4, ymm},
    {"avx512bf16", 7, 1, eax, 5, zmm},     {"lahf", 0x80000001, 0, ecx, 0, none},
    {"sahf", 0x80000001, 0, ecx, 0, none}, {"lzcnt", 0x80000001, 0, ecx, 5, none},
};

/// XCR0, or 0 when the system does not use xsave.
static uint64_t savedState() {
  unsigned a, b, c, d;
  if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & (1u << 27)))
    return 0;
  uint32_t low, high;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (uint64_t(high) << 32) | low;
}

static bool has(const Feature &feature, uint64_t saved) {
  unsigned regs[4];
  if (!__get_cpuid_count(feature.leaf, feature.subleaf, &regs[eax], &regs[ebx], &regs[ecx],
                         &regs[edx]))
    return false;
  return (regs[feature.reg] >> feature.bit & 1) && (saved & feature.state) == feature.state;
}

std::vector<std::string_view> cpuFeatures() {
  std::vector<std::string_view> names = {"x87", "64bit"};
  uint64_t saved = savedState();
  for (const Feature &feature : features)
    if (has(feature, saved))
      names.push_back(feature.name);
  return names;
}

#elif defined(__aarch64__)

std::vector<std::string_view> cpuFeatures() { return {"fp-armv8", "neon"}; }

#else

std::vector<std::string_view> cpuFeatures() { return {}; }

#endif

} // namespace kvasir::rt
