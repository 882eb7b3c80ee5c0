// K divided among blocks, for steps of more than 8 tokens in which a layer has too few items for a
// large GPU: each block has one of the 8 shares, and the last one to be done adds all 8.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "Linear.h"
#include "Meeting.h"

#include "dialects/Step/Sums.h"

using namespace mlir;
using namespace kvasir;
using namespace kvasir::cuda;

/// Words of a work counter, and units that are counted in bits of one word: 4 bits each.
constexpr int64_t counterWords = 16;
static_assert(step::SharedSums::units(step::manyTokens) <= counterWords * 8);

static Value sumsOf(step::PhaseOp phase) {
  SmallVector<Value> buffers = meetingBuffers(phase);
  return buffers.empty() ? Value() : buffers.front();
}

static Value counterOf(step::PhaseOp phase) {
  for (BlockArgument argument : phase.getBody().front().getArguments())
    if (isa<step::CounterType>(argument.getType()))
      return argument;
  return {};
}

/// No share may be empty.
bool LinearEmitter::canDivide() {
  return sumsOf(e.phase) && counterOf(e.phase) && llvm::all_of(plans, [&](const Plan &plan) {
           return !plan.wide || llvm::divideCeil(tiles(), plan.alignment) >= blockWarps;
         });
}

/// Whether K is divided in this step: if the blocks are done earlier so, counted in whole items.
Value LinearEmitter::dividesK() {
  Value units = e.c(0);
  for (const Plan &plan : plans)
    if (plan.wide)
      units = e.add(units, e.mul(e.c(bandsOf(plan)), tokenTilesOf()));
  auto rounds = [&](Value items) { return e.div(e.add(items, e.sub(e.grid, e.c(1))), e.grid); };
  Value shorter = e.less(rounds(e.shiftLeft(units, 3)), e.shiftLeft(rounds(units), 3));
  Value counted = e.less(units, e.c(step::SharedSums::units(tokenTile) + 1));
  return arith::AndIOp::create(e.b, counted, shorter);
}

/// Runs `body(place, offset)` for each 4 neighbouring rows of the warp's totals of `tokens` tokens:
/// where they lie in shared memory, and in the sums of a share. A lane has the same ones each time.
void LinearEmitter::eachQuad(const Wide &wide, Value tokens,
                             llvm::function_ref<void(Value, Value)> body) {
  constexpr int64_t quads = wideRows * Mma16::rows / 4;
  Value before = e.mul(e.warp, e.c(wide.tokens() * quads * 16));
  e.loop(e.lane, e.mul(tokens, e.c(quads)), warpLanes, [&](Value i) {
    Value token = e.div(i, e.c(quads)), quad = e.andBits(i, quads - 1);
    Value place = e.add(e.mul(token, e.c(wideStride * 4)), e.shiftLeft(quad, 4));
    body(e.at(wide.totals, place), e.add(before, e.shiftLeft(i, 4)));
  });
}

void LinearEmitter::storeShare(const Wide &wide, Value tokens, Value sums, Value share) {
  Value own = e.at(sums, e.mul(share, e.c(step::SharedSums::shareBytes(tokenTile))));
  eachQuad(wide, tokens, [&](Value place, Value offset) {
    e.store(e.load(e.vec(4), place, 16), e.at(own, offset), 16);
  });
}

/// Totals become the sums of all shares, in the order of shares.
void LinearEmitter::loadShares(const Wide &wide, Value tokens, Value sums) {
  eachQuad(wide, tokens, [&](Value place, Value offset) {
    SmallVector<Value> loaded;
    for (int64_t share = 0; share < blockWarps; ++share)
      loaded.push_back(e.load(
          e.vec(4), e.at(e.at(sums, share * step::SharedSums::shareBytes(tokenTile)), offset), 16));
    Value total = LLVM::PoisonOp::create(e.b, e.vec(4));
    for (int64_t i = 0; i < 4; ++i) {
      auto part = [&](Value of) { return LLVM::ExtractElementOp::create(e.b, of, e.c(i)); };
      Value sum = part(loaded[0]);
      for (Value next : ArrayRef(loaded).drop_front())
        sum = e.fadd(sum, part(next));
      total = LLVM::InsertElementOp::create(e.b, total, sum, e.c(i));
    }
    e.store(total, place, 16);
  });
}

/// Counts this block's share; whether it was the last of its unit.
Value LinearEmitter::isLast(const Wide &wide, Value unit) {
  Value word = e.mul(e.andBits(unit, counterWords - 1), e.c(4));
  Value shift = e.shiftLeft(e.div(unit, e.c(counterWords)), 2);
  Value one = arith::ShLIOp::create(e.b, e.c(1), shift);
  Value before = countBlock(e, e.at(e.operand(counterOf(e.phase)), word), one, wide.flag);
  return e.equal(e.andBits(arith::ShRUIOp::create(e.b, before, shift), 15), e.c(blockWarps - 1));
}

/// Hands on the sums of the item's share, which are the block's totals. Where all shares of the
/// unit are there, totals become their sums. Whether that is so: the same for all threads.
Value LinearEmitter::addShares(const Wide &wide, const WideItem &item) {
  Value sums = e.far(e.operand(sumsOf(e.phase)), item.unit,
                     step::SharedSums::shares * step::SharedSums::shareBytes(tokenTile));
  Value tokens = tokensOf(wide, item.tokenTile);
  storeShare(wide, tokens, sums, item.share);
  Value last = isLast(wide, item.unit);
  e.when(last, [&] {
    loadShares(wide, tokens, sums);
    e.syncWarp();
  });
  return last;
}
