// A warp's ring of stages in shared memory, through which its weights come.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_LIB_TARGET_CUDA_WEIGHTSTREAM_H
#define KVASIR_LIB_TARGET_CUDA_WEIGHTSTREAM_H

#include "TileWeights.h"

namespace kvasir::cuda {

/// The weights that one warp multiplies in one kernel: of items first, first + grid, ... < end, the
/// tiles from `begin` to `end` of K, of all results together, stage after stage. Copies run ahead
/// by the whole ring, from one item into the next, so that the memory system has work at all times.
///
/// What changes is a state that loops carry (`State`): the item and the tile to copy next, and the
/// slot to read next, which is copied to after that.
class WeightStream {
public:
  using State = llvm::SmallVector<Value>;
  using Weights = llvm::ArrayRef<std::unique_ptr<TileWeights>>;
  struct Ring {
    Value memory;
    int64_t bytes; ///< for this warp
  };

  /// `items` is one past the last item. Item i is band i, with the tiles from `begin` to `end`.
  WeightStream(KernelEmitter &e, Weights weights, Ring ring, int64_t stageTiles, Value begin,
               Value end, Value items);

  /// Copies as many stages as the ring has, if `condition` holds (null: yes): a loop of its own.
  /// Returns the state after that, whatever the condition is.
  State start(Value firstItem, Value condition = {});
  /// Waits until the next stage has arrived. Has a barrier of the warp.
  void open(const State &state);
  /// The lane's words of each result in a tile of the open stage.
  llvm::SmallVector<llvm::SmallVector<Value>> load(const State &state, int64_t tile);
  /// Copies to the stage's place in the ring. Has a barrier of the warp.
  void close(State &state);

  static constexpr size_t stateSize = 3;
  static int64_t stageBytes(Weights weights);

private:
  void copyNext(State &state, Value condition);
  void advance(State &state);
  Value slotAddress(Value slot) { return e.at(ring, e.mul(slot, e.c(slotBytes))); }
  Value nextSlot(Value slot);

  KernelEmitter &e;
  Weights weights;
  Value ring;
  int64_t slotBytes, slots, stageTiles;
  Value begin, end, items;
};

} // namespace kvasir::cuda

#endif // KVASIR_LIB_TARGET_CUDA_WEIGHTSTREAM_H
