// What the emitters of all kinds of kernels share: threads, operands, shared memory, reductions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_LIB_TARGET_CUDA_KERNELEMITTER_H
#define KVASIR_LIB_TARGET_CUDA_KERNELEMITTER_H

#include "../Common/Phase.h"

#include "dialects/KV/KV.h"
#include "kvasir/Target/CUDA/Lowering.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"

namespace kvasir::cuda {

using emit::bytesOf;
using emit::featuresOf;
using emit::homeOf;
using mlir::Type;
using mlir::Value;
using mlir::ValueRange;

/// Threads of every block. A constant, since sums over a block's threads depend on it.
constexpr int64_t blockThreads = 256, warpLanes = 32, blockWarps = blockThreads / warpLanes;

/// Blocks for which a kernel has work: constant + token * T + row * L + attention * B, with T
/// tokens, L rows of logits and B attention blocks in the step.
struct Items {
  int64_t constant = 0, token = 0, row = 0, attention = 0;
};

/// Emits one step.phase as a kernel. Integers are i32 unless stated: sizes that can be larger are
/// multiplied in 64 bits (`far`).
class KernelEmitter : public emit::Emitter {
public:
  /// `b` stands in the kernel's body; `kernel` takes the step's arguments and the operands.
  KernelEmitter(mlir::ImplicitLocOpBuilder &b, step::PhaseOp phase, mlir::LLVM::LLVMFuncOp kernel,
                const Architecture &architecture);

  /// Emits the body and says how many blocks have work. Reports what it cannot do.
  mlir::FailureOr<Items> emit();

  //--- threads
  Value thread, lane, warp; // i32
  Value block, grid;        // i32: index of the block, number of blocks
  /// The same numbers, about which LLVM and ptxas know nothing: for a scope whose addresses shall
  /// be computed in it again, where registers are scarce, and not be kept from before.
  class FreshThread {
  public:
    explicit FreshThread(KernelEmitter &e);
    ~FreshThread();

  private:
    KernelEmitter &e;
    Value thread, lane, warp;
  };
  void barrier();
  /// Of the warp; orders its lanes' accesses to shared memory.
  void syncWarp();
  Value shuffleXor(Value value, int64_t mask);
  /// What lane `lane` has.
  Value shuffle(Value value, Value lane);
  /// Sum and maximum over the lanes of a warp, in every lane: a butterfly, whose order of additions
  /// is the same in every lane up to the commutation of two terms.
  Value sumWarp(Value value);
  Value maxWarp(Value value);
  /// Sum over the threads of the block, in every thread: of warps, warps ascending. Has barriers.
  Value sumBlock(Value value);
  /// Runs `body(i)` for i in [0, count), divided among threads (blocks); neighbours are neighbours.
  void forThreads(Value count, Body body);
  void forThreads(int64_t count, Body body) { forThreads(c(count), body); }
  void forItems(Value count, Body body);

  //--- programmatic dependent launch (sm_90 and newer; nothing elsewhere)
  bool isDependent() const { return architecture.number >= 90; }
  /// Waits until the kernels before this one are done. Before it a kernel may read weights and the
  /// step's arguments, and nothing that a kernel writes. Every thread comes by once.
  void awaitKernels();

  //--- the step's arguments
  Value tokens, rows, blocks; // i32
  Value inputArray(step::InputKind kind);
  Value argsField(size_t offset); // a pointer field of kvasir_step_args

  //--- operands
  /// The pointer (to global memory) of a block argument of the phase.
  Value operand(Value blockArgument);
  /// Row `row` of a value that lies in a buffer: in global memory, or in shared memory for a value
  /// that lives in scratch.
  Value rowAddress(Value value, Value row);
  Value bufferRow(Value buffer, Value row);
  /// Number of rows of a value at run time.
  Value extent(Value value) { return emit::isOnRows(value) ? rows : tokens; }
  /// The page that holds position `position` of request `request`.
  Value pageOf(Value cache, Value request, Value position);
  /// The page table of request `request`: one i32 for every 64 positions.
  Value tableOf(Value request);

  //--- memory
  /// base + i * stride, in 64 bits.
  Value far(Value base, Value i, int64_t stride);
  /// `bytes` of shared memory of the block, 16-byte aligned.
  Value shared(int64_t bytes);
  /// Where the block's dynamic shared memory starts, 128-byte aligned: `dynamicBytes` in the end.
  Value dynamicShared();
  /// Copies 16 bytes from global to shared memory, past the first-level cache (8: through it).
  /// Those since the last `commitCopies` are a group; `awaitCopies` lets the `pending` latest
  /// groups go on.
  void copyAsync(Value to, Value from, int64_t bytes = 16);
  void commitCopies();
  void awaitCopies(int64_t pending);
  /// A pointer loaded from memory, as one to global memory.
  Value globalPointer(Value pointer);
  /// A load of what no kernel writes while this one runs.
  Value loadConstant(Type type, Value pointer, int64_t alignment = 0);
  void storeElement(Type element, Value value, Value pointer);

  step::PhaseOp phase;
  mlir::LLVM::LLVMFuncOp kernel;
  const Architecture &architecture;
  int64_t sharedBytes = 0;  ///< of all `shared` so far
  int64_t dynamicBytes = 0; ///< of shared memory that the host gives
  int64_t blocksAtOnce =
      2; ///< of a multiprocessor, which leaves 128 registers for a thread, or 255

private:
  void emitRows();

  Value args;
  llvm::DenseMap<Value, Value> scratch; ///< shared memory of scratch buffers
  Value warpSums;                       ///< of sumBlock
};

/// Emits one row op (or kv.append) for one row, by all threads of the block. There must be a
/// barrier before what it reads of this block's and after what it writes.
void emitRowOp(KernelEmitter &e, mlir::Operation *op, Value row);

/// The greedy choice for one row, by all threads of the block.
void emitArgmax(KernelEmitter &e, llm::ArgmaxOp op, Value row);

/// Emitters of the phases with anchors. They report what they cannot do.
mlir::FailureOr<Items> emitLinear(KernelEmitter &e);
mlir::FailureOr<Items> emitAttend(KernelEmitter &e);

/// `value` of a table in layout mma16 at row `row`, column `column`; f32.
Value loadFromTiles(KernelEmitter &e, llm::WeightType type, Value table, Value row, Value column);

} // namespace kvasir::cuda

#endif // KVASIR_LIB_TARGET_CUDA_KERNELEMITTER_H
