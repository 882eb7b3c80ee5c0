// The greedy choice: the index of a row's largest value, by the threads of a block.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "KernelEmitter.h"

#include <limits>

using namespace mlir;
using namespace kvasir;
using namespace kvasir::cuda;

namespace {

constexpr int64_t chunk = 4; ///< values of a load of 16 bytes
constexpr int64_t ahead = 8; ///< loads of a thread in flight: 32 KB for a block
constexpr int64_t nowhere = std::numeric_limits<int32_t>::max();

/// A candidate is (value, index): of equal values the one with the lowest index wins, so that the
/// order in which candidates meet does not matter. `bad` becomes true (i1) with a value that is not
/// less than infinity.
class ArgmaxEmitter {
public:
  ArgmaxEmitter(KernelEmitter &e, llm::ArgmaxOp op, Value row)
      : e(e), count(op.getCount()), values(e.rowAddress(op.getX(), row)),
        choice(e.rowAddress(op.getResult(), row)),
        infinity(std::numeric_limits<double>::infinity()) {}
  void emit();

private:
  struct Best {
    Value value, index, bad;
  };
  Value compare(arith::CmpFPredicate predicate, Value a, Value b) {
    return arith::CmpFOp::create(e.b, predicate, a, b);
  }
  SmallVector<Value> loadChunk(Value index);
  Best addChunk(Best best, Value index, ArrayRef<Value> four);
  Best largestOfThread();
  Value indexInChunk(Best best);
  Best meet(Best a, Best b);
  void writeBest(Best best);

  KernelEmitter &e;
  int64_t count;
  Value values, choice;
  double infinity;
};

} // namespace

SmallVector<Value> ArgmaxEmitter::loadChunk(Value index) {
  Value loaded = e.load(e.vec(chunk), e.at(values, e.mul(index, e.c(4 * chunk))), 16);
  SmallVector<Value> four;
  for (int64_t i = 0; i < chunk; ++i)
    four.push_back(LLVM::ExtractElementOp::create(e.b, loaded, e.c(i)));
  return four;
}

/// The first chunk with the largest value so far.
ArgmaxEmitter::Best ArgmaxEmitter::addChunk(Best best, Value index, ArrayRef<Value> four) {
  Value most = e.fmax(e.fmax(four[0], four[1]), e.fmax(four[2], four[3]));
  Value more = compare(arith::CmpFPredicate::OGT, most, best.value);
  for (Value value : four)
    best.bad = arith::OrIOp::create(e.b, best.bad,
                                    compare(arith::CmpFPredicate::UGE, value, e.f(infinity)));
  return {e.select(more, most, best.value), e.select(more, index, best.index), best.bad};
}

/// Chunks of the thread, ascending: `index` is a chunk's, or `nowhere`.
ArgmaxEmitter::Best ArgmaxEmitter::largestOfThread() {
  int64_t chunks = count / chunk, rounds = chunks / (blockThreads * ahead);
  SmallVector<Value> best = {e.f(-infinity), e.c(nowhere), e.integer(e.b.getI1Type(), 0)};
  auto asValues = [](Best best) { return SmallVector<Value>{best.value, best.index, best.bad}; };
  best = e.fold(e.c(0), e.c(rounds), 1, best, [&](Value round, ValueRange before) {
    Value first = e.add(e.mul(round, e.c(blockThreads * ahead)), e.thread);
    SmallVector<SmallVector<Value>> loaded;
    for (int64_t i = 0; i < ahead; ++i)
      loaded.push_back(loadChunk(e.add(first, e.c(i * blockThreads))));
    Best next = {before[0], before[1], before[2]};
    for (int64_t i = 0; i < ahead; ++i)
      next = addChunk(next, e.add(first, e.c(i * blockThreads)), loaded[i]);
    return asValues(next);
  });
  Value rest = e.add(e.c(rounds * blockThreads * ahead), e.thread);
  best = e.fold(rest, e.c(chunks), blockThreads, best, [&](Value index, ValueRange before) {
    return asValues(addChunk({before[0], before[1], before[2]}, index, loadChunk(index)));
  });
  return {best[0], best[1], best[2]};
}

/// The lowest index of the value in its chunk.
Value ArgmaxEmitter::indexInChunk(Best best) {
  Value none = e.equal(best.index, e.c(nowhere));
  SmallVector<Value> four = loadChunk(e.select(none, e.c(0), best.index));
  Value place = e.c(chunk - 1);
  for (int64_t i = chunk - 2; i >= 0; --i)
    place = e.select(compare(arith::CmpFPredicate::OEQ, four[i], best.value), e.c(i), place);
  return e.select(none, best.index, e.add(e.mul(best.index, e.c(chunk)), place));
}

ArgmaxEmitter::Best ArgmaxEmitter::meet(Best a, Best b) {
  Value equal = arith::AndIOp::create(e.b, compare(arith::CmpFPredicate::OEQ, b.value, a.value),
                                      e.less(b.index, a.index));
  Value other =
      arith::OrIOp::create(e.b, compare(arith::CmpFPredicate::OGT, b.value, a.value), equal);
  return {e.select(other, b.value, a.value), e.select(other, b.index, a.index),
          e.orBits(a.bad, b.bad)};
}

/// Over the lanes of the warp, then over warps through shared memory.
void ArgmaxEmitter::writeBest(Best best) {
  best.bad = e.zeroExtend(e.i32(), best.bad);
  for (int64_t mask = warpLanes / 2; mask > 0; mask /= 2)
    best = meet(best, {e.shuffleXor(best.value, mask), e.shuffleXor(best.index, mask),
                       e.shuffleXor(best.bad, mask)});
  Value memory = e.shared(blockWarps * 16);
  auto at = [&](Value warp, int64_t field) {
    return e.at(e.at(memory, e.mul(warp, e.c(16))), 4 * field);
  };
  e.when(e.equal(e.lane, e.c(0)), [&] {
    e.store(best.value, at(e.warp, 0));
    e.store(best.index, at(e.warp, 1));
    e.store(best.bad, at(e.warp, 2));
  });
  e.barrier();
  e.when(e.equal(e.thread, e.c(0)), [&] {
    for (int64_t w = 1; w < blockWarps; ++w)
      best = meet(best, {e.load(e.f32(), at(e.c(w), 0)), e.load(e.i32(), at(e.c(w), 1)),
                         e.load(e.i32(), at(e.c(w), 2))});
    Value chosen =
        arith::AndIOp::create(e.b, e.equal(best.bad, e.c(0)), e.less(best.index, e.c(nowhere)));
    e.store(e.select(chosen, best.index, e.c(-1)), choice);
  });
}

void ArgmaxEmitter::emit() {
  Best best = largestOfThread();
  // What is left of a chunk at the end: a value for each of the first threads.
  int64_t whole = count / chunk * chunk;
  if (whole > 0)
    best.index = indexInChunk(best);
  if (whole < count) {
    Value index = e.add(e.c(whole), e.thread), there = e.less(index, e.c(count));
    Value value = e.load(e.f32(), e.at(values, e.mul(e.minimum(index, e.c(count - 1)), e.c(4))));
    Value bad = compare(arith::CmpFPredicate::UGE, value, e.f(infinity));
    Value more =
        arith::AndIOp::create(e.b, there, compare(arith::CmpFPredicate::OGT, value, best.value));
    best = {e.select(more, value, best.value), e.select(more, index, best.index),
            e.orBits(best.bad, bad)};
  }
  writeBest(best);
}

void cuda::emitArgmax(KernelEmitter &e, llm::ArgmaxOp op, Value row) {
  ArgmaxEmitter(e, op, row).emit();
}
