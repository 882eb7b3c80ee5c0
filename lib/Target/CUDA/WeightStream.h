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
/// slot to read next, which is copied to after that; where items have slices of their own, also the
/// band and the end of the slice to copy.
class WeightStream {
public:
  using State = llvm::SmallVector<Value>;
  using Weights = llvm::ArrayRef<std::unique_ptr<TileWeights>>;
  /// What the warp multiplies in an item: 16 outputs, tiles of K.
  struct Slice {
    Value band, begin, end;
  };
  using SliceOf = std::function<Slice(Value item)>;
  struct Ring {
    Value memory;
    int64_t bytes; ///< for this warp
  };

  /// `items` is one past the last item. Item i is band i, with the tiles from `begin` to `end`.
  WeightStream(KernelEmitter &e, Weights weights, Ring ring, int64_t stageTiles, Value begin,
               Value end, Value items);
  /// No slice may be empty.
  WeightStream(KernelEmitter &e, Weights weights, Ring ring, int64_t stageTiles, Value items,
               SliceOf sliceOf);

  /// Copies as many stages as the ring has, if `condition` holds (null: yes): a loop of its own.
  /// Returns the state after that, whatever the condition is.
  State start(Value firstItem, Value condition = {});
  /// Waits until the next stage has arrived. Has a barrier of the warp.
  void open(const State &state);
  /// The lane's words of each result in a tile of the open stage.
  llvm::SmallVector<llvm::SmallVector<Value>> load(const State &state, int64_t tile);
  /// Copies to the stage's place in the ring. Has a barrier of the warp.
  void close(State &state);

  /// From now on addresses are computed anew for each stage: for loops that lack registers.
  void saveRegisters() { lacksRegisters = true; }

  size_t stateSize() const { return sliceOf ? 5 : 3; }
  static int64_t stageBytes(Weights weights);

private:
  void copyNext(State &state, Value condition);
  void advance(State &state);
  Slice sliceAt(const State &state) const;
  Value slotAddress(Value slot) { return e.at(ring, e.mul(slot, e.c(slotBytes))); }
  Value nextSlot(Value slot);

  KernelEmitter &e;
  Weights weights;
  Value ring;
  int64_t slotBytes, slots, stageTiles;
  Value begin, end, items;
  SliceOf sliceOf; ///< null: all items have the same tiles
  bool lacksRegisters = false;
};

} // namespace kvasir::cuda

#endif // KVASIR_LIB_TARGET_CUDA_WEIGHTSTREAM_H
