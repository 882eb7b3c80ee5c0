/* The arithmetic of the toy model, shared by its phase functions and by the
 * reference in the tests. Every token's state is a hash of all that it sees, so
 * one wrong key or value changes everything. SPDX-License-Identifier:
 * Apache-2.0 WITH LLVM-exception */
#ifndef KVASIR_TEST_RUNTIME_TOYMATH_H
#define KVASIR_TEST_RUNTIME_TOYMATH_H

#include <stdint.h>

#define TOY_HEAD 16 /* head size; one KV head */
#define TOY_PAGE 64 /* tokens per page */
#define TOY_PAGE_FLOATS (2 * TOY_HEAD * TOY_PAGE)

static inline uint32_t toyMix(uint32_t hash, uint32_t value) {
  hash = (hash ^ value) * 0x9E3779B1u;
  return hash ^ (hash >> 15);
}

/* In [0, 1), exact. */
static inline float toyFloat(uint32_t hash) { return (float)(hash >> 8) * (1.0f / 16777216.0f); }

static inline uint32_t toyBits(float value) {
  union {
    float value;
    uint32_t bits;
  } pun = {value};
  return pun.bits;
}

static inline uint32_t toyEmbed(uint32_t weight, int32_t total) {
  return toyMix(weight, (uint32_t)total);
}
static inline float toyKey(uint32_t state, int32_t layer, int32_t dimension) {
  return toyFloat(toyMix(toyMix(state, (uint32_t)layer), (uint32_t)dimension));
}
static inline float toyValue(uint32_t state, int32_t layer, int32_t dimension) {
  return toyKey(state, layer + 1000, dimension);
}
/* The first position that position p sees; window 0: all. */
static inline int32_t toyFirst(int32_t position, int32_t window) {
  return window && position >= window ? position - window + 1 : 0;
}
static inline float toyLogit(uint32_t state, uint32_t weight) {
  return toyFloat(toyMix(state, weight)) * 8.0f - 4.0f;
}

#endif
