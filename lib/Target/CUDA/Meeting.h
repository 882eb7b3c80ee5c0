// Memory in which blocks meet that have parts of one result: each leaves its part and counts
// itself, and whoever finds itself the last has them all. Nobody waits for another block.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_LIB_TARGET_CUDA_MEETING_H
#define KVASIR_LIB_TARGET_CUDA_MEETING_H

#include "KernelEmitter.h"

namespace kvasir::cuda {

/// The phase's buffers that no op reads or writes: what blocks meet in. A phase of rows clears
/// them, attention counts in them.
inline llvm::SmallVector<Value> meetingBuffers(step::PhaseOp phase) {
  llvm::SmallVector<Value> buffers;
  for (mlir::BlockArgument argument : phase.getBody().front().getArguments())
    if (llvm::isa<step::BufferType>(argument.getType()) && argument.use_empty())
      buffers.push_back(argument);
  return buffers;
}

/// Adds `one` to the word of counts at `word` when all threads have come by, and hands every thread
/// what was there before, by way of `shared`. What blocks have stored that counted before this one
/// is seen by all threads of this one: by PTX's memory model, fences of thread 0 with the block's
/// barriers around them.
inline Value countBlock(KernelEmitter &e, Value word, Value one, Value shared) {
  constexpr llvm::StringLiteral device("device");
  constexpr auto order = mlir::LLVM::AtomicOrdering::acq_rel;
  e.barrier();
  e.when(e.equal(e.thread, e.c(0)), [&] {
    mlir::LLVM::FenceOp::create(e.b, order, device);
    Value before = mlir::LLVM::AtomicRMWOp::create(e.b, mlir::LLVM::AtomicBinOp::add, word, one,
                                                   mlir::LLVM::AtomicOrdering::monotonic, device);
    mlir::LLVM::FenceOp::create(e.b, order, device);
    e.store(before, shared);
  });
  e.barrier();
  return e.load(e.i32(), shared);
}

} // namespace kvasir::cuda

#endif // KVASIR_LIB_TARGET_CUDA_MEETING_H
