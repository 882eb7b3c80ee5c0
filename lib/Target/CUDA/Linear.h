// Emitters of linear layers: weights are the 16-row operand of matrix instructions, tokens stand on
// the 8-column side.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_LIB_TARGET_CUDA_LINEAR_H
#define KVASIR_LIB_TARGET_CUDA_LINEAR_H

#include "StoredRows.h"
#include "WeightStream.h"

#include "dialects/Step/TokenTile.h"
#include "kvasir/Encoding/Mma16.h"
#include "llvm/Support/MathExtras.h"

namespace kvasir::cuda {

using emit::LinearGroup;
using llvm::ArrayRef;
using llvm::MutableArrayRef;
using llvm::SmallVector;
using mlir::FailureOr;
using mlir::LogicalResult;

/// Columns of a matrix instruction's result: tokens.
constexpr int64_t mmaTokens = 8;
/// Floats from one token to the next in the partial sums: 16 rows, and 4 more so that the lanes
/// of a warp write to different banks.
constexpr int64_t tokenStride = Mma16::rows + 4;
/// Most tiles of a stage: 8 registers of a lane for inputs in flight, each.
constexpr int64_t mostStageTiles = 4;
/// Tile rows of a warp in steps of many tokens, and floats from one token to the next in their
/// sums.
constexpr int64_t wideRows = 2, wideStride = wideRows * Mma16::rows + 4;
/// Bytes of 8 tokens' inputs of a tile, in the order in which lanes multiply them.
constexpr int64_t columnBytes = warpLanes * 16;

/// Emits the phase.
class LinearEmitter {
public:
  explicit LinearEmitter(KernelEmitter &e)
      : e(e), linear(*e.phase.getBody().front().getOps<llm::LinearOp>().begin()),
        stored(storedAtHome(e, linear.getX())) {}
  FailureOr<Items> emit();

private:
  using Weights = SmallVector<std::unique_ptr<TileWeights>>;
  /// A group and how its weights are streamed.
  struct Plan {
    LinearGroup group;
    Weights weights;
    int64_t alignment;  ///< tiles that shares of K begin at multiples of
    int64_t stageTiles; ///< multiplied together; for few tokens also copied together
    bool wide;          ///< has a form for many tokens
    Value first;        ///< item of this block, for few tokens
    Value started;      ///< whether copies run already; null: no
  };

  LogicalResult check();
  llm::WeightType weightType(unsigned result) {
    return llvm::cast<llm::WeightType>(linear.getWeights()[result].getType());
  }
  int64_t outputTiles(const LinearGroup &group) {
    return llvm::divideCeil(group.outputs, Mma16::rows);
  }
  int64_t tiles() { return llvm::divideCeil(emit::featuresOf(linear.getX()), Mma16::columns); }
  SmallVector<Plan> makePlans();
  int64_t stageTilesOf(const Plan &plan);
  int64_t ringBytes(int64_t others) const;
  WeightStream::Ring ringAfter(int64_t others);
  Value shareBound(const Plan &plan, Value share);
  int64_t shareBound(const Plan &plan, int64_t share);
  Value firstItem(Value before);

  //--- few tokens: a block has 16 outputs, warps divide K
  WeightStream streamOf(const Plan &plan);
  int64_t emitFewTokens();
  void startCopies();
  void emitNarrow(const Plan &plan);
  void emitItems(const Plan &plan, Value firstToken, Value copyFirst);
  SmallVector<Value> emitShare(const Plan &plan, WeightStream &stream, Value x,
                               SmallVector<Value> &inputs, WeightStream::State &state);
  void multiplyTile(const Plan &plan, ArrayRef<DecodedTile> tiles, ArrayRef<Value> rounded, Value x,
                    Value step, int64_t index, MutableArrayRef<Chains> chains);
  SmallVector<Value> roundStage(const Plan &plan, ArrayRef<Value> inputs);
  SmallVector<Value> loadStage(const Plan &plan, Value x, Value first);
  void storeSums(const Plan &plan, ArrayRef<Value> sums);
  void emitEpilogue(const Plan &plan, Value tile, Value firstToken);

  //--- what both forms share
  std::vector<DecodedTile> decode(const Weights &weights, WeightStream &stream,
                                  const WeightStream::State &state, int64_t tile);
  SmallVector<Value> loadInputs(Value x, Value tile, int64_t ahead, LaneColumns which);
  SmallVector<Value> loadFloats(Value x, Value tile, int64_t ahead, LaneColumns which);
  SmallVector<Value> loadRounded(Value x, Value tile, int64_t ahead, LaneColumns which);
  RoundedInputs round(TileWeights &weights, ArrayRef<Value> inputs) {
    return weights.round(inputs, stored.interleaved);
  }
  /// That `loadInputs` makes: 8 of f32, or 4 words of two that are stored rounded.
  int64_t inputValues() const { return stored.type.isF32() ? 8 : 4; }
  SmallVector<RowPair> rowScales(const Plan &plan, Value band);
  void scaleRows(MutableArrayRef<Value> sums, ArrayRef<RowPair> scales);
  void emitOutput(const LinearGroup &group, ArrayRef<Value> sums, Value output, Value token);

  //--- steps of many tokens (LinearWide.cpp): a warp has two tile rows, a block 256 rows of weights
  struct Wide {
    const Plan &plan;
    int64_t columns;    ///< 8 tokens each
    int64_t stageTiles; ///< copied together: plan.stageTiles or a part of them
    int64_t slots;      ///< stages of the ring
    Value flag;         ///< a word of shared memory
    Value totals;       ///< of the warp: [token][wideStride] f32 in shared memory
    Value ring;         ///< [slot][inputs, weights of each warp] there
    Value tokenTiles;   ///< of the step
    Value before;       ///< units of the groups before
    Value divided;      ///< i1: whether items have a share of K each; null: no
    int64_t tokens() const { return columns * mmaTokens; }
    int64_t results() const { return plan.weights.size(); }
    /// Tile row `row` of a warp is of this result; so many of one result are a warp's.
    TileWeights &weights(int64_t row) const { return *plan.weights[row % results()]; }
    int64_t rowsOfResult() const { return wideRows / results(); }
    int64_t bandTiles() const { return blockWarps * rowsOfResult(); } ///< of a result, of one item
    int64_t inputBytes() const { return stageTiles * columns * columnBytes; }
    int64_t warpBytes() const { return WeightStream::stageBytes(plan.weights) * rowsOfResult(); }
    int64_t slotBytes() const { return inputBytes() + blockWarps * warpBytes(); }
  };
  /// What an item is about.
  struct Slice {
    Value band;       ///< of bandTiles of each result
    Value firstToken; ///< of the tile of tokens
    Value begin, end; ///< tiles of K
  };
  struct WideItem {
    Value band, tokenTile; ///< as above
    Value share, shareEnd; ///< of K
    Value unit;            ///< number of (band, tile of tokens), over all groups
  };
  /// What there is of an item.
  struct Present {
    Value warp;   ///< whether the warp has outputs; null: yes
    Value tokens; ///< of the tile
  };
  /// Of copies: the item and what is copied next of it, and the slot that it is copied to, which is
  /// the one before the slot to read.
  struct Ahead {
    Value item, slot;
    Slice slice; ///< `begin` is the tile to copy
    SmallVector<Value> values() const;
    static Ahead of(ValueRange values);
    static constexpr size_t count = 6;
  };
  bool canBeWide(const Plan &plan);
  bool fitsPrompts();
  int64_t bandsOf(const Plan &plan);
  Value tokenTilesOf();
  Wide wideOf(const Plan &plan);
  Value itemsOf(const Wide &wide);
  Value firstItem(const Wide &wide);
  WideItem itemAt(const Wide &wide, Value item);
  Slice sliceOf(const Wide &wide, Value item);
  Value bandOf(const Wide &wide, Value band, int64_t row);
  Value isPresent(const Wide &wide, Value band);
  Value tokensOf(const Wide &wide, Value tokenTile);
  Items emitManyTokens();
  void emitWide(const Wide &wide, Value started);
  void emitWideItem(const Wide &wide, Value index, Ahead &ahead);
  SmallVector<Value> emitWideStages(const Wide &wide, Present present, ValueRange values);
  using Products = llvm::function_ref<void(MutableArrayRef<Chains>)>;
  void chooseProducts(Value condition, MutableArrayRef<Chains> chains, Products yes, Products no);
  void multiplyStage(const Wide &wide, Present present, Value slot, int64_t first,
                     MutableArrayRef<Chains> chains);
  void multiply(const Wide &wide, Value slot, int64_t first, int64_t tile,
                MutableArrayRef<Chains> chains);
  void multiplyColumn(const Wide &wide, ArrayRef<DecodedTile> tiles, Value place,
                      MutableArrayRef<Chains> chains);
  void eachTotal(const Wide &wide, llvm::function_ref<Value(size_t, Value)> body);
  void emitWideEpilogue(const Wide &wide, const WideItem &item);

  //--- their stages (LinearStages.cpp)
  Value slotAddress(const Wide &wide, Value slot);
  Value nextSlot(const Wide &wide, Value slot);
  Ahead startAhead(const Wide &wide, Value first);
  void advance(const Wide &wide, Ahead &ahead);
  void copyWeights(const Wide &wide, const Ahead &ahead);
  void copyInputs(const Wide &wide, const Ahead &ahead);
  void copyInput(const Wide &wide, Value row, Value tile, Value to);
  void startWeights(const Wide &wide, Value first, Value condition);
  Ahead startInputs(const Wide &wide, Value first);
  Value openStage(const Wide &wide, Ahead &ahead);

  //--- K divided among blocks (LinearSplit.cpp)
  bool canDivide();
  Value dividesK();
  Value addShares(const Wide &wide, const WideItem &item);
  void eachQuad(const Wide &wide, Value tokens, llvm::function_ref<void(Value, Value)> body);
  void storeShare(const Wide &wide, Value tokens, Value sums, Value share);
  void loadShares(const Wide &wide, Value tokens, Value sums);
  Value isLast(const Wide &wide, Value unit);

  int64_t resultBytes() const { return blockWarps * mmaTokens * tokenStride * 4; }

  KernelEmitter &e;
  llm::LinearOp linear;
  SmallVector<Plan> plans;
  Stored stored; ///< how inputs are stored
  int64_t tokenTile = step::fewTokens;
  Value count;    ///< tokens (rows) of the linear layer
  Value memory;   ///< shared: sums, then the warps' rings
  Value partials; ///< [result of the group][warp][token][tokenStride] f32 in shared memory
};

} // namespace kvasir::cuda

#endif // KVASIR_LIB_TARGET_CUDA_LINEAR_H
