// Attention on tensor cores: what is emitted for an item, a pass and a tile. Form and order of
// sums: docs/Rationale/CUDA.md.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_LIB_TARGET_CUDA_ATTENDTILES_H
#define KVASIR_LIB_TARGET_CUDA_ATTENDTILES_H

#include "Attend.h"
#include "Mma.h"

#include "kvasir-c/abi.h"
#include "llvm/Support/MathExtras.h"

#include <array>
#include <limits>

namespace kvasir::cuda {

constexpr int64_t tileKeys = KVASIR_PAGE_TOKENS;
constexpr double negativeInfinity = -std::numeric_limits<double>::infinity();
/// Query rows (token, head of the group) of a block: the rows of a matrix instruction.
constexpr int64_t blockRows = 16;
/// A line of the second-level cache.
constexpr int64_t lineBytes = 128;
/// Tiles of a pass: one for each warp, together a partition.
static_assert(blockWarps * tileKeys == KVASIR_PARTITION_TOKENS);

/// Of a lane in a tile: two rows, and 16 keys for each.
constexpr int64_t scoreCount = 32;

/// What a warp has of its tile. Rows: lane / 4 and 8 below.
struct Tile {
  Value inside;             ///< i1: whether some row of the chunk sees any of it
  Value page, start;        ///< of the head; the first key
  Value maxima[2], sums[2]; ///< of scores and of weights
  Fragment weights[4];      ///< operands A
  Value bad;                ///< i1: values need care, since 0 times infinity is NaN
};

/// Keys [from, to) of a tile, counted from its first.
struct KeyRange {
  Value from, to;
};

/// Some row of a chunk sees the keys in [beginKey, endKey), all rows those in [beginAll, endAll).
/// With contexts that are split, the item's number of partitions stands behind these.
enum Bound { beginKey, endKey, beginAll, endAll, boundCount };

/// Emits the phase. An item is (attention block, kv head, chunk of 16 query rows).
class TilesEmitter {
public:
  explicit TilesEmitter(KernelEmitter &e)
      : e(e), op(attentionOf(e.phase)), type(op.type),
        element(type.isQuantized() ? e.b.getBF16Type() : type.getElementType()),
        bytes(bytesOf(type.getElementType())), size(type.getHeadSize()), group(op.group()),
        parts(llvm::divideCeil(size, 64)), width(size / parts) {}
  mlir::FailureOr<Items> emit();

private:
  void emitItem(const AttendItem &item);
  void setRows(const AttendItem &item);
  Value endOf(Value row);
  void storeRows();
  void storeQueries();
  Fragment queryOf(Value index, bool wide);
  Tile emitTile(Value index);
  void prefetch(Value address);
  void prefetchKeys(Value keys, Value unit);
  void prefetchValues(Value page, int64_t part);
  llvm::SmallVector<Value> loadKey(Value keys, int64_t n, int64_t columns);
  llvm::SmallVector<Value> loadKeys(Value keys, int64_t columns);
  llvm::SmallVector<Value> multiplyKeys(Value from, int64_t columns, ValueRange state, Value next);
  llvm::SmallVector<Fragment> emitScores(Value keys);
  llvm::SmallVector<Value> emitSoftmax(llvm::SmallVector<Fragment> &scores, const Tile &tile);
  void maskScores(llvm::SmallVector<Fragment> &scores, int64_t row, Value start,
                  llvm::ArrayRef<Value> keyScales, Value &most);
  void scaleWeights(llvm::SmallVector<Fragment> &weights, const Tile &tile);
  KeyRange keysOf(Value row, Value start);
  Value isSeen(const KeyRange &keys, int64_t n, int64_t j);
  llvm::SmallVector<Value> masksOf(Value first, const KeyRange &keys);
  KeyRange keysOfAny(Value start);
  Value valuesOfLane(const Tile &tile, int64_t part);
  Fragment emitColumns(const Tile &tile, Value values,
                       llvm::ArrayRef<llvm::SmallVector<Value>> masks);
  void emitOutputs(const Tile &tile, int64_t part);
  void emitOutputsByRow(const Tile &tile, int64_t part);
  void emitPart(const Tile &tile, int64_t part);
  Value partialsOfLane();
  void storePair(Value left, Value right, Value to);
  Value isSeenInParts(Value start);
  Value hasNonFinite(const Tile &tile);
  Fragment weightsOf(llvm::ArrayRef<Fragment> weights, int64_t step);
  Value keyOfHalf(int64_t half);
  llvm::SmallVector<Value> loadWords(Value address, int64_t words);
  llvm::SmallVector<Value> pairsOf(llvm::ArrayRef<Value> words);
  std::array<Value, 2> roundFour(llvm::ArrayRef<Value> values);
  llvm::SmallVector<Value> loadScales(Value address);
  void emitPass(Value pass, llvm::function_ref<void(int64_t part, ValueRange sums)> take);
  void emitFactors();
  llvm::SmallVector<Value> foldPass(Value pass, ValueRange totals);
  PartitionFold foldOfPass(Value row);
  void writePass(Value pass);
  void leaveSum(int64_t part, int64_t n, Value sum);
  void leavePair();
  void writeTotals(ValueRange totals);
  void writeTotal(int64_t part, int64_t n, Value total);

  Value bound(Bound which) { return e.load(e.i32(), e.at(seen, which * 4)); }
  Value firstRow() { return e.mul(item.chunk, e.c(blockRows)); }
  Value itemPartitions() { return e.load(e.i32(), e.at(seen, boundCount * 4)); }
  Value q() { return e.andBits(e.lane, 3); }
  Value g() { return e.shiftRight(e.lane, 2); }
  Value entry(Value array, Value i) { return e.at(array, e.mul(i, e.c(4))); }
  /// Floats from one row of partial sums to the next: rows in other banks.
  int64_t stride() const { return width + 8; }
  /// Outputs of a part that a thread sums, and the row and column of the n-th.
  int64_t outputsOfThread() { return llvm::divideCeil(blockRows * width, blockThreads); }
  Value outputOf(int64_t n) { return e.add(e.thread, e.c(n * blockThreads)); }
  Value rowOf(Value output) { return e.minimum(e.div(output, e.c(width)), e.c(blockRows - 1)); }

  KernelEmitter &e;
  Attention op;
  kv::PagedType type;
  Type element;  ///< of operands: codes are decoded to bf16, exactly
  int64_t bytes; ///< of an entry of the cache
  int64_t size, group;
  int64_t parts, width; ///< columns of the output are summed over warps in parts of so many

  // In shared memory.
  Value queries;                 ///< [size / 16][lane] operands A of 16 bytes
  Value tileMaxima, tileSums;    ///< [warp][row]
  Value tileFactors;             ///< [warp][row]
  Value passMaxima, passSums;    ///< [row], of the pass
  Value maxima, sums;            ///< [row], of all passes so far
  Value oldFactors, passFactors; ///< [row], with which totals and the pass enter the next totals
  Value partials;                ///< [warp][row][stride]

  Value rowBegins, rowEnds; ///< [row]: keys that it sees; `rowBegins` only with a window
  Value seen;               ///< `Bound`s
  Value meeting;            ///< a word, where contexts are split

  // Of the item. What is not used at once is in shared memory: registers are what the kernel lacks.
  Value cache, table, firstTile, endTile;
  Value rowTokens[2], rowHeads[2]; ///< of the lane's rows
  Value bounds[boundCount];
  AttendItem item;
  Value itemRows;
};

} // namespace kvasir::cuda

#endif // KVASIR_LIB_TARGET_CUDA_ATTENDTILES_H
