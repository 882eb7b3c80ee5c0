// Attention on tensor cores: what is emitted for an item, a pass and a tile. Form and order of
// sums: docs/Rationale/CUDA.md. SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_LIB_TARGET_CUDA_ATTENDTILES_H
#define KVASIR_LIB_TARGET_CUDA_ATTENDTILES_H

#include "Attend.h"
#include "Mma.h"

#include "kvasir-c/abi.h"
#include "llvm/Support/MathExtras.h"

#include <limits>

namespace kvasir::cuda {

constexpr int64_t tileKeys = KVASIR_PAGE_TOKENS;
constexpr double negativeInfinity = -std::numeric_limits<double>::infinity();
/// Query rows (token, head of the group) of a block: the rows of a matrix instruction.
constexpr int64_t blockRows = 16;
/// Tiles of a pass: one for each warp, together a partition.
static_assert(blockWarps * tileKeys == KVASIR_PARTITION_TOKENS);

/// What a warp has of its tile. Rows: lane / 4 and 8 below.
struct Tile {
  Value inside;             ///< i1: whether some row of the chunk sees any of it
  Value page, start;        ///< of the head; the first key
  Value maxima[2], sums[2]; ///< of scores and of weights
  Fragment weights[4];      ///< operands A
  Value bad;                ///< i1: values need care, since 0 times infinity is NaN
};

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
  void storeQueries();
  Fragment queryOf(int64_t dims, int64_t step, bool wide);
  Tile emitTile(Value index);
  void prefetchHead(Value head);
  llvm::SmallVector<Fragment> emitScores(Value keys);
  llvm::SmallVector<Value> emitSoftmax(llvm::SmallVector<Fragment> &scores, const Tile &tile);
  void maskScores(llvm::SmallVector<Fragment> &scores, int64_t row, Value start,
                  llvm::ArrayRef<Value> keyScales, Value &most);
  void scaleWeights(llvm::SmallVector<Fragment> &weights, const Tile &tile);
  Value isSeen(int64_t row, Value start, int64_t n, int64_t j);
  Value valuesOfLane(const Tile &tile, int64_t part);
  llvm::SmallVector<Value> emitOutputs(const Tile &tile, int64_t part);
  llvm::SmallVector<Value> emitOutputsByRow(const Tile &tile, int64_t part);
  llvm::SmallVector<Value> emitPart(const Tile &tile, int64_t part);
  Value isSeenInParts(Value start);
  Value hasNonFinite(const Tile &tile);
  Fragment weightsOf(llvm::ArrayRef<Fragment> weights, int64_t step);
  llvm::SmallVector<Value> masksOf(Value first, Value from, Value to);
  Value keyOfHalf(int64_t half);
  llvm::SmallVector<Value> loadWords(Value address, int64_t words);
  llvm::SmallVector<Value> loadPairs(Value address, int64_t values);
  llvm::SmallVector<Value> loadScales(Value address);
  void emitPass(Value pass, llvm::function_ref<void(int64_t part, int64_t n, Value sum)> take);
  void emitFactors();
  llvm::SmallVector<Value> foldPass(Value pass, ValueRange totals);
  void writePass(Value pass);
  void writeTotals(ValueRange totals);

  Value q() { return e.andBits(e.lane, 3); }
  Value g() { return e.shiftRight(e.lane, 2); }
  Value entry(Value array, Value i) { return e.at(array, e.mul(i, e.c(4))); }
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
  Value partials;                ///< [warp][row][width + 8]

  // Of the item.
  Value cache, table, firstTile, endTile;
  Value beginKey, endKey;          ///< keys that some row sees
  Value beginAll, endAll;          ///< keys in [beginAll, endAll) are seen by all rows
  Value rowTokens[2], rowHeads[2]; ///< of the lane's rows
  Value rowBegins[2], rowEnds[2];  ///< keys that they see
  AttendItem item;
  Value itemRows;
};

} // namespace kvasir::cuda

#endif // KVASIR_LIB_TARGET_CUDA_ATTENDTILES_H
