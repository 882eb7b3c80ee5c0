// ldmatrix, stmatrix and mma.sync: who holds what is from the PTX ISA manual, "Matrix fragments for
// mma" and "ldmatrix".
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "emulator/Machine.h"
#include "emulator/Numbers.h"

#include <cstring>
#include <utility>

namespace kvasir::emulator {

static constexpr uint32_t allLanes = ~0u;

static Thread *warpOf(Thread &thread) { return thread.machine->threads + thread.warp() * warpSize; }

//===----------------------------------------------------------------------===//
// ldmatrix and stmatrix: 8 x 8 elements of 16 bits; lane 8 i + r holds the
// address of row r of matrix i
//===----------------------------------------------------------------------===//

/// Rows, on behalf of the lane that gives the address: bounds and alignment.
static void checkRow(Thread &lane, uint64_t address, const char *where) {
  Machine &machine = *lane.machine;
  if (address > machine.sharedBytes || machine.sharedBytes - address < 16)
    machine.fail(lane, where,
                 "out of bounds: its row of 16 bytes is at offset %lld of the block's "
                 "%u bytes of shared memory",
                 static_cast<long long>(address), machine.sharedBytes);
  if (address % 16)
    machine.fail(lane, where, "misaligned: its row of 16 bytes is at offset %lld",
                 static_cast<long long>(address));
}

/// The element of matrix row and column that half `half` of a lane's register is.
static uint64_t elementAddress(const Thread *warp, uint32_t matrix, uint32_t lane, uint32_t half,
                               bool transposed) {
  uint32_t row = lane / 4, column = lane % 4 * 2 + half;
  if (transposed)
    std::swap(row, column);
  return warp[matrix * 8 + row].exchange.in[0] + column * 2;
}

static void loadMatrices(Thread &thread, uint32_t count, bool transposed, const char *where) {
  Machine &machine = *thread.machine;
  Thread *warp = warpOf(thread);
  for (uint32_t lane = 0; lane < count * 8; ++lane)
    checkRow(warp[lane], warp[lane].exchange.in[0], where);
  for (uint32_t matrix = 0; matrix < count; ++matrix)
    for (uint32_t lane = 0; lane < warpSize; ++lane) {
      uint32_t value = 0;
      for (uint32_t half = 0; half < 2; ++half) {
        uint64_t address = elementAddress(warp, matrix, lane, half, transposed);
        uint16_t element;
        std::memcpy(&element, machine.accessShared(warp[lane], address, 2, read, where), 2);
        value |= uint32_t(element) << (16 * half);
      }
      warp[lane].exchange.out[matrix] = value;
    }
}

static void storeMatrices(Thread &thread, uint32_t count, bool transposed, const char *where) {
  Machine &machine = *thread.machine;
  Thread *warp = warpOf(thread);
  for (uint32_t lane = 0; lane < count * 8; ++lane)
    checkRow(warp[lane], warp[lane].exchange.in[0], where);
  for (uint32_t matrix = 0; matrix < count; ++matrix)
    for (uint32_t lane = 0; lane < warpSize; ++lane)
      for (uint32_t half = 0; half < 2; ++half) {
        uint64_t address = elementAddress(warp, matrix, lane, half, transposed);
        uint16_t element = uint16_t(warp[lane].exchange.in[1 + matrix] >> (16 * half));
        std::memcpy(machine.accessShared(warp[lane], address, 2, write, where), &element, 2);
      }
}

//===----------------------------------------------------------------------===//
// mma.sync
//===----------------------------------------------------------------------===//

/// Element i of a register.
static float floatElement(uint32_t bits, uint32_t i, Element type) {
  switch (type) {
  case Element::f16:
    return fromHalf(uint16_t(bits >> (16 * i)));
  case Element::bf16:
    return asFloat(bits >> (16 * i) << 16);
  case Element::tf32: // the low 13 bits do not take part
    return asFloat(bits & 0xffffe000);
  case Element::e4m3:
    return fromE4M3(uint8_t(bits >> (8 * i)));
  case Element::e5m2:
    return fromE5M2(uint8_t(bits >> (8 * i)));
  default:
    return 0;
  }
}

static uint32_t elementsPerRegister(Element type) {
  switch (type) {
  case Element::tf32:
    return 1;
  case Element::f16:
  case Element::bf16:
    return 2;
  default:
    return 4;
  }
}

static int32_t integerElement(uint32_t bits, uint32_t i, Element type) {
  uint8_t byte = uint8_t(bits >> (8 * i));
  return type == Element::s8 ? int8_t(byte) : byte;
}

namespace {
/// The operands as matrices.
template <class T> struct Operands {
  T a[16][32], b[32][8];

  /// Register r of a lane: for A, row lane/4 + 8 (r%2), for B, column lane/4; along k, its e
  /// elements start at e (lane%4) + 4e times r/2 (A) or r (B).
  template <class Convert>
  Operands(const Thread *warp, const MatrixMultiply &shape, Convert convert) {
    uint32_t e = elementsPerRegister(shape.a), halves = shape.k / (4 * e);
    for (uint32_t lane = 0; lane < warpSize; ++lane)
      for (uint32_t h = 0; h < halves; ++h)
        for (uint32_t i = 0; i < e; ++i) {
          uint32_t k = e * (lane % 4) + 4 * e * h + i, outer = lane / 4;
          const uint64_t *in = warp[lane].exchange.in;
          a[outer][k] = convert(uint32_t(in[2 * h]), i, shape.a);
          a[outer + 8][k] = convert(uint32_t(in[2 * h + 1]), i, shape.a);
          b[k][outer] = convert(uint32_t(in[4 + h]), i, shape.b);
        }
  }
};
} // namespace

/// d = c + a b, k ascending, each step rounded once: this order is ours, the hardware's is not
/// specified. Register i of a lane: row lane/4 + 8 (i/2), column 2 (lane%4) + i%2.
static void multiplyFloats(Thread *warp, const MatrixMultiply &shape) {
  Operands<float> operands(warp, shape, floatElement);
  float d[16][8];
  bool half = shape.accumulator == Element::f16;
  auto each = [&](auto function) {
    for (uint32_t lane = 0; lane < warpSize; ++lane)
      for (uint32_t i = 0; i < 4; ++i)
        function(warp[lane].exchange, i, d[lane / 4 + 8 * (i / 2)][lane % 4 * 2 + i % 2]);
  };
  each([&](const Exchange &exchange, uint32_t i, float &value) {
    value = half ? fromHalf(uint16_t(exchange.in[6 + i / 2] >> (16 * (i % 2))))
                 : asFloat(uint32_t(exchange.in[6 + i]));
  });
  for (uint32_t m = 0; m < 16; ++m)
    for (uint32_t k = 0; k < shape.k; ++k)
      for (uint32_t n = 0; n < 8; ++n)
        d[m][n] = __builtin_fmaf(operands.a[m][k], operands.b[k][n], d[m][n]);
  each([&](Exchange &exchange, uint32_t i, const float &value) {
    if (!half)
      exchange.out[i] = asBits(value);
    else if (i % 2 == 0)
      exchange.out[i / 2] = toHalf(value);
    else
      exchange.out[i / 2] |= uint32_t(toHalf(value)) << 16;
  });
}

static void multiplyIntegers(Thread *warp, const MatrixMultiply &shape) {
  Operands<int32_t> operands(warp, shape, integerElement);
  for (uint32_t lane = 0; lane < warpSize; ++lane)
    for (uint32_t i = 0; i < 4; ++i) {
      uint32_t m = lane / 4 + 8 * (i / 2), n = lane % 4 * 2 + i % 2;
      Exchange &exchange = warp[lane].exchange;
      int64_t sum = int32_t(uint32_t(exchange.in[6 + i]));
      for (uint32_t k = 0; k < shape.k; ++k)
        sum += int64_t(operands.a[m][k]) * operands.b[k][n];
      if (shape.saturate && sum > INT32_MAX)
        sum = INT32_MAX;
      if (shape.saturate && sum < INT32_MIN)
        sum = INT32_MIN;
      exchange.out[i] = uint32_t(sum);
    }
}

/// Brings the whole warp together; the last one performs.
template <class Function>
static void together(Thread *thread, const char *where, Function perform) {
  requireFullWarp(*thread, where);
  if (!gather(*thread, allLanes, where))
    return;
  requireFullWarp(*thread, where);
  perform();
  release(*thread, allLanes);
}

static void takeRegisters(const Thread &thread, uint32_t *registers, uint32_t count) {
  for (uint32_t i = 0; i < count; ++i)
    registers[i] = uint32_t(thread.exchange.out[i]);
}

} // namespace kvasir::emulator

using namespace kvasir::emulator;

extern "C" {

void kvasir_emu_load_matrix(Thread *thread, uint64_t address, uint32_t count, uint32_t transposed,
                            uint32_t *registers, const char *where) {
  thread->exchange.in[0] = address;
  together(thread, where, [&] { loadMatrices(*thread, count, transposed, where); });
  takeRegisters(*thread, registers, count);
}

void kvasir_emu_store_matrix(Thread *thread, uint64_t address, uint32_t count, uint32_t transposed,
                             const uint32_t *registers, const char *where) {
  thread->exchange.in[0] = address;
  for (uint32_t i = 0; i < count; ++i)
    thread->exchange.in[1 + i] = registers[i];
  together(thread, where, [&] { storeMatrices(*thread, count, transposed, where); });
}

/// `registers`: 4 of A, 2 of B, 4 of C, unused ones left out of the computation; the result goes
/// to the first 4.
void kvasir_emu_multiply(Thread *thread, const MatrixMultiply *shape, uint32_t *registers,
                         const char *where) {
  for (uint32_t i = 0; i < 10; ++i)
    thread->exchange.in[i] = registers[i];
  together(thread, where, [&] {
    if (shape->accumulator == Element::s32)
      multiplyIntegers(warpOf(*thread), *shape);
    else
      multiplyFloats(warpOf(*thread), *shape);
  });
  takeRegisters(*thread, registers, 4);
}

} // extern "C"
