// What emulated kernels and the emulator (runtime/emulator) have in common: the calls that a kernel
// makes, their constants, and the tables that the compiler writes. A leaf header.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_TARGET_EMULATOR_CALLS_H
#define KVASIR_TARGET_EMULATOR_CALLS_H

#include "kvasir-c/abi.h"

#include <cstddef>
#include <cstdint>

namespace kvasir::emulator {

class Thread;

/// Address spaces, with NVPTX's numbers. Addresses of shared memory are offsets in the block's.
enum Space : uint32_t { generic = 0, global = 1, shared = 3 };

/// Fourth argument of kvasir_emu_access: a space, these, and the alignment that the access claims
/// (its base-2 logarithm) from bit 8, of five bits.
enum Access : uint32_t {
  read = 0,
  write = 16,
  atomic = 32,
  acquires = 64, // order of an atomic access
  releases = 128,
  device = 1 << 13, // scope of an atomic access or a fence: all blocks; else only its own
  fetch = 1 << 14,  // an atomic access that reads and writes
  spaceMask = 15
};
inline constexpr uint32_t alignmentShift = 8;

/// Special registers.
enum class Register : uint32_t {
  threadX,
  threadY,
  threadZ,
  blockDimX,
  blockDimY,
  blockDimZ,
  blockX,
  blockY,
  blockZ,
  gridDimX,
  gridDimY,
  gridDimZ,
  lane,
  warp,
  warps,
  warpSize,
  maskEqual,
  maskLess,
  maskLessEqual,
  maskGreater,
  maskGreaterEqual,
  dynamicShared,
  staticAndDynamicShared
};

enum class Shuffle : uint32_t { indexed, up, down, butterfly };
enum class Vote : uint32_t { any, all, uniform, ballot };
enum class Reduction : uint32_t { add, min, max, umin, umax, bitAnd, bitOr, bitXor, fmin, fmax };
enum class BarrierReduction : uint32_t { none, count, all, any };

/// Elements of matrices.
enum class Element : uint32_t { f16, bf16, tf32, s8, u8, e4m3, e5m2, f32, s32 };

/// mma.sync of 16 x 8 x k. Registers of 32 bits, as in the PTX manual.
struct MatrixMultiply {
  uint32_t k;
  Element a, b, accumulator;
  uint32_t saturate; // integers: clamp instead of wrapping
};

/// One kernel.
struct Kernel {
  const char *name;
  void (*entry)(Thread *thread, const kvasir_step_args *args, void *const *operands);
  uint32_t block[3];
  uint32_t grid[3];       // with items[0] < 0; else the number of blocks follows from the step
  uint32_t staticShared;  // bytes, with the alignment of the dynamic part
  uint32_t dynamicShared; // bytes
  uint32_t operands;
  uint32_t waitsForGrid; // has a griddepcontrol.wait
  uint64_t seed;         // 0: blocks in ascending order
  int64_t
      items[4]; // blocks that have work: of any step, of each token, logits row, attention block
  int64_t mostBlocks; // blocks that run then, which share the items among them
};

/// The largest that any kernel of the code object needs; the compiler writes one.
struct Limits {
  uint32_t threads;
  uint32_t shared;
  uint32_t partialBarriers; // some kernel has barriers of less than a block
};

/// Constant data of the code object, which kernels may read; the last has no bytes.
struct ConstantRange {
  const void *start;
  uint64_t bytes;
};

} // namespace kvasir::emulator

extern "C" {
extern const kvasir::emulator::ConstantRange kvasir_emu_constants[];
extern const kvasir::emulator::Limits kvasir_emu_limits;
}

#endif // KVASIR_TARGET_EMULATOR_CALLS_H
