// Phases of linear layers: microkernels over panels of 16 rows, one chain of fma per output with K
// ascending whatever the number of tokens, panels or workers.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "EncodedLinear.h"
#include "PhaseEmitter.h"

#include "kvasir-c/abi.h"
#include "llvm/ADT/Sequence.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace kvasir;
using namespace kvasir::cpu;
using kvasir::emit::LinearGroup;

namespace {

/// A decode step is one tile of up to as many tokens.
constexpr int64_t mostTokens = tileTokens;
/// Most tokens of a microkernel, and of a tile in steps that have more than mostTokens. Wider tiles
/// take two microkernels over weights that are in the first-level cache: with 16 tokens only one
/// panel's sums fit the registers, and then every product waits for its own load of an input.
constexpr int64_t kernelTokens = 12;
/// Panels that are computed side by side: two independent chains for each token.
constexpr int64_t mostPanels = 2;
/// Weights that are kept while many tokens pass by: half of a second-level cache, or less.
constexpr int64_t cacheBytes = 512 << 10;
/// Bytes of weights ahead of the loads that are prefetched.
constexpr int64_t prefetchDistance = 6144;

/// Linear layers of one encoding, K and stride of x share their code.
struct Shape {
  Type element;
  int64_t k;       // inputs
  int64_t xStride; // bytes from one row of x to the next

  int64_t panelBytes() const { return panelRows * k * bytesOf(element); }
  std::string name() const {
    std::string name;
    llvm::raw_string_ostream(name) << "linear_" << element << "_k" << k << "_x" << xStride;
    return name;
  }
};

/// Emits the functions that compute tiles of a linear layer.
class LinearEmitter {
public:
  LinearEmitter(PhaseEmitter &e, Shape shape) : e(e), shape(shape) {}

  /// (x, panels, tile, tokens, number of panels, inputs): adds the products of `inputs` inputs to
  /// tile[panels][tokens][16]. Panels are contiguous.
  func::FuncOp dispatcher();

private:
  func::FuncOp kernel(int64_t tokens, int64_t panels);
  void emitPass(Value x, ValueRange panels, Value tile, Value inputs, Value panelTile,
                int64_t tokens, int64_t lane, int64_t lanes);
  void emitCase(int64_t tokens, int64_t panels, ValueRange arguments);
  /// f32 accumulators of 16 lanes that fit the registers beside weights and inputs.
  int64_t accumulators() const { return e.variant.vectorBits >= 512 ? 24 : 6; }

  PhaseEmitter &e;
  Shape shape;
};

/// Emits a phase of kind panels.
class PanelsEmitter {
public:
  explicit PanelsEmitter(PhaseEmitter &e) : e(e) {
    linear = *e.phase.getBody().front().getOps<llm::LinearOp>().begin();
  }
  void emit();

private:
  void emitPrologue();
  void emitGroup(const LinearGroup &group, Value firstUnit, Value lastUnit);
  void emitNarrow(const LinearGroup &group, Value first, Value end);
  int64_t mostTogether(const LinearGroup &group);
  void emitWide(const LinearGroup &group, Value first, Value end);
  void emitTile(const LinearGroup &group, Value tokens, Value panels, Value panel,
                Value firstToken);
  void emitWideTile(const LinearGroup &group, Value tokens, Value panels, Value panel,
                    Value firstToken);
  int64_t panelsInCache(const LinearGroup &group);
  void emitFloats(const LinearGroup &group, Value tokens, Value panels, Value panel,
                  Value firstToken);
  void emitEncoded(unsigned result, Value tokens, Value panel, Value firstToken, Value sums);
  bool readsQuantized() {
    return cast<step::BufferType>(homeOf(linear.getX()).getType()).getQuantized() != nullptr;
  }
  bool isEncoded(unsigned result) {
    return cast<llm::WeightType>(linear.getWeights()[result].getType()).getEncoding().has_value();
  }
  EncodedLinear encodedLinear(unsigned result) {
    return EncodedLinear(e, cast<llm::WeightType>(linear.getWeights()[result].getType()),
                         cast<step::BufferType>(homeOf(linear.getX()).getType()));
  }
  Value loadBias(Value bias, int64_t outputs, Value column);
  void emitEpilogue(const LinearGroup &group, Value offset, Value token, Value column,
                    Value tileStride);

  PhaseEmitter &e;
  llm::LinearOp linear;
  Value tile; // scratch of the microkernels: [results of the group][panels][tokens][16] f32, or
              // [results][wideTokens][wideRows]
};

} // namespace

//===----------------------------------------------------------------------===//
// Microkernels
//===----------------------------------------------------------------------===//

/// One pass over K for `lanes` of the panels' 16 rows, starting at `lane`: an accumulator for each
/// panel and token.
void LinearEmitter::emitPass(Value x, ValueRange panels, Value tile, Value inputs, Value panelTile,
                             int64_t tokens, int64_t lane, int64_t lanes) {
  int64_t bytes = bytesOf(shape.element), row = panelRows * bytes;
  int64_t unroll = shape.k % 4 == 0 ? 4 : shape.k % 2 == 0 ? 2 : 1;
  auto body = [&](Value k, ValueRange before) {
    SmallVector<Value> sums(before), lines;
    for (Value panel : panels)
      lines.push_back(e.at(panel, e.mul(k, e.c(row))));
    for (Value line : lines)
      for (int64_t ahead = 0; lane == 0 && ahead < unroll * row; ahead += 64)
        e.prefetch(e.at(line, ahead + prefetchDistance));
    Value from = e.at(x, e.mul(k, e.c(4)));
    for (int64_t u = 0; u < unroll; ++u) {
      SmallVector<Value> weights;
      for (Value line : lines)
        weights.push_back(e.loadAs(shape.element, e.at(line, u * row + lane * bytes), lanes));
      for (int64_t t = 0; t < tokens; ++t) {
        Value input = e.load(e.f32(), e.at(from, t * shape.xStride + u * 4));
        for (auto [p, weight] : llvm::enumerate(weights)) {
          Value &sum = sums[p * tokens + t];
          sum = e.fma(weight, e.splat(input, lanes), sum);
        }
      }
    }
    return sums;
  };
  SmallVector<Value> addresses, sums;
  for (int64_t p = 0; p < static_cast<int64_t>(panels.size()); ++p)
    for (int64_t t = 0; t < tokens; ++t)
      addresses.push_back(e.at(e.at(tile, e.mul(panelTile, e.c(p))), (t * panelRows + lane) * 4));
  for (Value address : addresses)
    sums.push_back(e.load(e.vec(lanes), address, lanes * 4));
  sums = e.fold(e.c(0), inputs, unroll, sums, body);
  for (auto [sum, address] : llvm::zip(sums, addresses))
    e.store(sum, address, lanes * 4);
}

func::FuncOp LinearEmitter::kernel(int64_t tokens, int64_t panels) {
  std::string name = shape.name() + "_m" + std::to_string(tokens) + "_p" + std::to_string(panels);
  return e.declareOnce(name, {e.ptr(), e.ptr(), e.ptr(), e.i64(), e.i64()},
                       [&](ValueRange arguments) {
                         SmallVector<Value> streams;
                         for (int64_t p = 0; p < panels; ++p)
                           streams.push_back(e.at(arguments[1], e.c(p * shape.panelBytes())));
                         // With few registers, many tokens take a panel in two halves: every chain
                         // stays what it is.
                         bool halves = panels * tokens > accumulators();
                         int64_t lanes = halves ? panelRows / 2 : panelRows;
                         for (int64_t lane = 0; lane < panelRows; lane += lanes)
                           emitPass(arguments[0], streams, arguments[2], arguments[3], arguments[4],
                                    tokens, lane, lanes);
                       });
}

/// A kernel for all panels and tokens, or one after the other where sums would not fit.
void LinearEmitter::emitCase(int64_t tokens, int64_t panels, ValueRange arguments) {
  Value panelTile = e.c(tokens * panelRows * 4);
  int64_t parts = tokens > kernelTokens ? 2 : 1;
  for (int64_t part = 0, first = 0; part < parts; ++part) {
    int64_t some = (tokens - first + parts - part - 1) / (parts - part);
    int64_t together = panels * some <= accumulators() ? panels : 1;
    for (int64_t p = 0; p < panels; p += together)
      func::CallOp::create(e.b, kernel(some, together),
                           ValueRange{e.at(arguments[0], first * shape.xStride),
                                      e.at(arguments[1], e.c(p * shape.panelBytes())),
                                      e.at(arguments[2], (p * tokens + first) * panelRows * 4),
                                      arguments[5], panelTile});
    first += some;
  }
}

func::FuncOp LinearEmitter::dispatcher() {
  Type p = e.ptr(), i = e.i64();
  return e.declareOnce(shape.name(), {p, p, p, i, i, i}, [&](ValueRange arguments) {
    Value which = e.add(e.mul(e.sub(arguments[4], e.c(1)), e.c(mostTokens)), arguments[3]);
    e.switchOn(
        which, mostPanels * mostTokens,
        [&](int64_t n) {
          int64_t tokens = (n - 1) % mostTokens + 1, panels = (n - 1) / mostTokens + 1;
          emitCase(tokens, panels, arguments);
        },
        [] {});
  });
}

//===----------------------------------------------------------------------===//
// The phase
//===----------------------------------------------------------------------===//

void PanelsEmitter::emitPrologue() {
  Block &body = e.phase.getBody().front();
  for (Operation &op : body) {
    if (&op == linear.getOperation())
      break;
    if (isa<step::ReadOp, step::InputOp>(op))
      continue;
    e.loop(e.c(0), e.extent(op.getResult(0)), 1, [&](Value row) { e.emitRow(&op, row); });
  }
  // What later phases read of it is written once, row by row in turn.
  for (auto write : body.getOps<step::WriteOp>()) {
    Value home = homeOf(write.getValue());
    if (home == write.getBuffer() || !isa<step::BufferType>(home.getType()))
      continue;
    auto [first, last] = e.ownRange(e.extent(write.getValue()));
    e.loop(first, last, 1, [&](Value row) { e.copyBufferRow(home, write.getBuffer(), row); });
  }
}

/// What workers share out: two panels.
static int64_t unitsOf(const LinearGroup &group) {
  return llvm::divideCeil(group.outputs, mostPanels * panelRows);
}

namespace {
/// Units [first, last) of `units`, and whether there may be more of them.
struct Piece {
  Value first, last, isLeft;
};
} // namespace

/// The piece of `units` that belongs to a ticket (i64): every round of as many tickets as there are
/// workers hands out half of what is left in equal pieces, the last round all of it. Pieces of
/// later tickets are empty. (Factoring: Hummel, Schonberg, Flynn, Communications of the ACM 35(8),
/// 1992.)
static Piece pieceOf(PhaseEmitter &e, Value ticket, int64_t units) {
  // Two units at once are faster for many tokens; few units are divided as they are.
  Value grain = e.select(e.less(e.mul(e.workers, e.c(8)), e.c(units)), e.c(2), e.c(1));
  Value total = e.div(e.add(e.c(units), e.sub(grain, e.c(1))), grain);
  Value round = e.div(ticket, e.workers), place = e.rem(ticket, e.workers);
  auto leftAfter = [&](Value rounds) -> Value {
    return arith::ShRUIOp::create(e.b, total, e.minimum(rounds, e.c(62)));
  };
  Value before = leftAfter(e.maximum(e.sub(round, e.c(1)), e.c(0))), left = leftAfter(round);
  // The round before did not take all of it, if there was one.
  Value isLeft = e.less(e.select(e.equal(round, e.c(0)), e.c(0), e.workers), before);
  Value isLast = e.less(left, e.add(e.workers, e.c(1)));
  Value first = e.sub(total, left);
  Value end = e.select(isLast, total, e.sub(total, leftAfter(e.add(round, e.c(1)))));
  Value some = e.select(isLeft, e.sub(end, first), e.c(0));
  auto bound = [&](Value index) {
    Value at = e.add(first, e.div(e.mul(some, index), e.workers));
    return e.minimum(e.mul(at, grain), e.c(units));
  };
  return {bound(place), bound(e.add(place, e.c(1))), isLeft};
}

/// Calls `body` with tickets until nothing is left of `mostUnits`. Workers take pieces while they
/// work, since they are not equally fast: cores differ, and other programs run on them. The first
/// piece of a worker is always the same one, the others are counted.
static void emitTickets(PhaseEmitter &e, int64_t mostUnits, Value counter,
                        llvm::function_ref<void(Value)> body) {
  scf::WhileOp::create(
      e.b, TypeRange{e.i64()}, ValueRange{e.worker},
      [&](OpBuilder &inner, Location, ValueRange ticket) {
        OpBuilder::InsertionGuard guard(e.b);
        e.b.restoreInsertionPoint(inner.saveInsertionPoint());
        scf::ConditionOp::create(e.b, pieceOf(e, ticket[0], mostUnits).isLeft, ticket[0]);
      },
      [&](OpBuilder &inner, Location, ValueRange ticket) {
        OpBuilder::InsertionGuard guard(e.b);
        e.b.restoreInsertionPoint(inner.saveInsertionPoint());
        body(ticket[0]);
        Value one = arith::ConstantOp::create(e.b, e.b.getI32IntegerAttr(1));
        Value taken = LLVM::AtomicRMWOp::create(e.b, LLVM::AtomicBinOp::add, counter, one,
                                                LLVM::AtomicOrdering::monotonic);
        Value next = e.add(arith::ExtSIOp::create(e.b, e.i64(), taken), e.workers);
        scf::YieldOp::create(e.b, next);
      });
}

void PanelsEmitter::emit() {
  emitPrologue();
  auto all = emit::linearGroups(linear);
  size_t results = 0;
  for (const LinearGroup &group : all)
    results = std::max(results, group.results.size());
  tile = e.stack(results * (readsQuantized() ? wideTokens * wideRows * 4
                                             : mostPanels * mostTokens * panelRows * 4));
  Value counter;
  for (BlockArgument argument : e.phase.getBody().front().getArguments())
    if (isa<step::CounterType>(argument.getType()))
      counter = e.operand(argument);
  if (!counter) {
    for (const LinearGroup &group : all) {
      auto [first, last] = e.ownRange(e.c(unitsOf(group)));
      emitGroup(group, first, last);
    }
    return;
  }
  int64_t mostUnits = 0;
  for (const LinearGroup &group : all)
    mostUnits = std::max(mostUnits, unitsOf(group));
  emitTickets(e, mostUnits, counter, [&](Value ticket) {
    for (const LinearGroup &group : all) {
      Piece piece = pieceOf(e, ticket, unitsOf(group));
      emitGroup(group, piece.first, piece.last);
    }
  });
}

void PanelsEmitter::emitGroup(const LinearGroup &group, Value firstUnit, Value lastUnit) {
  Value first = e.mul(firstUnit, e.c(mostPanels));
  Value end =
      e.minimum(e.mul(lastUnit, e.c(mostPanels)), e.c(llvm::divideCeil(group.outputs, panelRows)));
  // Without dot products of bytes, products take so long that decoding again costs less.
  if (!readsQuantized() || !e.variant.dotProducts)
    return emitNarrow(group, first, end);
  e.either(
      e.less(e.c(mostTogether(group)), e.extent(linear.getResult(0))),
      [&] { emitWide(group, first, end); }, [&] { emitNarrow(group, first, end); });
}

/// Most tokens of one narrow tile.
int64_t PanelsEmitter::mostTogether(const LinearGroup &group) {
  int64_t most = mostTokens;
  for (unsigned result : group.results)
    if (isEncoded(result))
      most = std::min(most, encodedLinear(result).mostTokens());
  return most;
}

/// 64 rows at a time, for tiles of many tokens.
void PanelsEmitter::emitWide(const LinearGroup &group, Value first, Value end) {
  Value count = e.extent(linear.getResult(0)), atOnce = e.c(wideTokens);
  int64_t panels = wideRows / panelRows;
  e.loop(first, end, panels, [&](Value panel) {
    e.loopBy(e.c(0), count, atOnce, [&](Value token) {
      emitWideTile(group, e.minimum(atOnce, e.sub(count, token)),
                   e.minimum(e.c(panels), e.sub(end, panel)), panel, token);
    });
  });
}

void PanelsEmitter::emitWideTile(const LinearGroup &group, Value tokens, Value panels, Value panel,
                                 Value firstToken) {
  Value x = e.rowAddress(linear.getX(), firstToken);
  for (auto [index, result] : llvm::enumerate(group.results)) {
    EncodedLinear function = encodedLinear(result);
    int64_t bytes = function.unitBytes();
    Value unit = e.at(e.operand(linear.getWeights()[result]),
                      e.mul(e.div(panel, e.c(mostPanels)), e.c(bytes)));
    Value toSecond = e.select(e.less(e.c(mostPanels), panels), e.c(bytes), e.c(0));
    function.emitWide(x, unit, toSecond, e.at(tile, index * wideTokens * wideRows * 4), tokens);
  }
  e.loop(e.c(0), tokens, 1, [&](Value t) {
    e.loop(e.c(0), panels, 1, [&](Value p) {
      Value column = e.mul(e.add(panel, p), e.c(panelRows * 4));
      Value offset = e.add(e.mul(t, e.c(wideRows * 4)), e.mul(p, e.c(panelRows * 4)));
      emitEpilogue(group, offset, e.add(firstToken, t), column, e.c(wideTokens * wideRows * 4));
    });
  });
}

/// A decode step is one tile of tokens; in a longer step, the panels stay in the cache while
/// all tokens pass by.
void PanelsEmitter::emitNarrow(const LinearGroup &group, Value first, Value end) {
  Value count = e.extent(linear.getResult(0));
  int64_t most = mostTogether(group);
  Value atOnce = e.select(e.less(e.c(most), count), e.c(std::min(kernelTokens, most)), e.c(most));
  int64_t stretch = panelsInCache(group);
  e.loop(first, end, stretch, [&](Value start) {
    Value stop = e.minimum(e.add(start, e.c(stretch)), end);
    e.loopBy(e.c(0), count, atOnce, [&](Value token) {
      Value tokens = e.minimum(atOnce, e.sub(count, token));
      e.loop(start, stop, mostPanels, [&](Value panel) {
        emitTile(group, tokens, e.minimum(e.c(mostPanels), e.sub(stop, panel)), panel, token);
      });
    });
  });
}

/// Panels whose weights stay in the second-level cache while all tokens pass by. The more they are,
/// the fewer times the inputs come from farther away.
int64_t PanelsEmitter::panelsInCache(const LinearGroup &group) {
  int64_t bytes = 0; // of mostPanels panels
  for (unsigned result : group.results) {
    auto type = cast<llm::WeightType>(linear.getWeights()[result].getType());
    bytes += isEncoded(result)
                 ? encodedLinear(result).unitBytes()
                 : mostPanels * panelRows * type.getColumns() * bytesOf(type.getElementType());
  }
  return mostPanels * std::clamp<int64_t>(cacheBytes / bytes, 1, 8);
}

/// Inputs of a block: all of them, unless two microkernels share the weights of the tile; those of
/// the second come from the first-level cache then.
static Value inputsAtOnce(Emitter &e, Value tokens, int64_t k) {
  return e.select(e.less(e.c(kernelTokens), tokens), e.c(256), e.c(k));
}

/// Results whose weights are floats: the microkernels of all of them, block by block of the inputs
/// (a chain goes on where the block before left its sum). Sums are [result][panel][token][16],
/// results `mostPanels` panels apart.
void PanelsEmitter::emitFloats(const LinearGroup &group, Value tokens, Value panels, Value panel,
                               Value firstToken) {
  if (llvm::all_of(group.results, [&](unsigned r) { return isEncoded(r); }))
    return;
  auto input = cast<step::BufferType>(homeOf(linear.getX()).getType());
  int64_t inputs = input.getColumns();
  Value x = e.rowAddress(linear.getX(), firstToken);
  Value panelTile = e.mul(tokens, e.c(panelRows * 4)); // bytes of one panel's sums
  Value resultTile = e.mul(panelTile, e.c(mostPanels));
  e.loop(e.c(0), e.mul(resultTile, e.c(group.results.size())), panelRows * 4, [&](Value i) {
    e.store(e.constant(e.vec(panelRows), 0), e.at(tile, i), KVASIR_ALIGNMENT);
  });
  Value atOnce = inputsAtOnce(e, tokens, inputs);
  e.loopBy(e.c(0), e.c(inputs), atOnce, [&](Value k) {
    Value some = e.minimum(atOnce, e.sub(e.c(inputs), k));
    for (auto [index, result] : llvm::enumerate(group.results)) {
      if (isEncoded(result))
        continue;
      Value weight = linear.getWeights()[result];
      Type element = cast<llm::WeightType>(weight.getType()).getElementType();
      Shape shape{element, inputs, input.getRowBytes()};
      Value base = e.at(e.operand(weight), e.mul(panel, e.c(shape.panelBytes())));
      base = e.at(base, e.mul(k, e.c(panelRows * bytesOf(element))));
      Value sums = e.at(tile, e.mul(resultTile, e.c(index)));
      func::CallOp::create(e.b, LinearEmitter(e, shape).dispatcher(),
                           ValueRange{e.at(x, e.mul(k, e.c(4))), base, sums, tokens, panels, some});
    }
  });
}

void PanelsEmitter::emitEncoded(unsigned result, Value tokens, Value panel, Value firstToken,
                                Value sums) {
  EncodedLinear function = encodedLinear(result);
  Value unit = e.at(e.operand(linear.getWeights()[result]),
                    e.mul(e.div(panel, e.c(mostPanels)), e.c(function.unitBytes())));
  function.emit(e.rowAddress(linear.getX(), firstToken), firstToken, unit, sums, tokens);
}

/// The sums of all results of the group, then the epilogue.
void PanelsEmitter::emitTile(const LinearGroup &group, Value tokens, Value panels, Value panel,
                             Value firstToken) {
  Value resultTile = e.mul(tokens, e.c(mostPanels * panelRows * 4));
  emitFloats(group, tokens, panels, panel, firstToken);
  for (auto [index, result] : llvm::enumerate(group.results))
    if (isEncoded(result))
      emitEncoded(result, tokens, panel, firstToken, e.at(tile, e.mul(resultTile, e.c(index))));
  e.loop(e.c(0), panels, 1, [&](Value p) {
    Value column = e.mul(e.add(panel, p), e.c(panelRows * 4));
    e.loop(e.c(0), tokens, 1, [&](Value t) {
      Value offset = e.mul(e.add(e.mul(p, tokens), t), e.c(panelRows * 4));
      emitEpilogue(group, offset, e.add(firstToken, t), column, resultTile);
    });
  });
}

/// 16 values from byte `column`; the last panel of a ragged vector does not read past its end.
Value PanelsEmitter::loadBias(Value bias, int64_t outputs, Value column) {
  VectorType vector = e.vec(panelRows);
  Value address = e.at(e.operand(bias), column);
  if (outputs % panelRows == 0)
    return e.load(vector, address);
  auto index = llvm::to_vector(llvm::seq<int64_t>(0, panelRows));
  auto type = VectorType::get({panelRows}, e.i64());
  Value lanes =
      arith::ConstantOp::create(e.b, DenseElementsAttr::get(type, ArrayRef<int64_t>(index)));
  Value left = e.splat(e.sub(e.c(outputs), e.div(column, e.c(4))), panelRows);
  return LLVM::MaskedLoadOp::create(e.b, vector, address, e.less(lanes, left),
                                    e.constant(vector, 0), e.b.getI32IntegerAttr(4));
}

/// 16 outputs of one token: bias, epilogue ops, writes.
void PanelsEmitter::emitEpilogue(const LinearGroup &group, Value offset, Value token, Value column,
                                 Value tileStride) {
  Type vector = e.vec(panelRows);
  DenseMap<Value, Value> known;
  for (auto [index, result] : llvm::enumerate(group.results)) {
    Value sums = e.at(tile, e.mul(tileStride, e.c(index)));
    Value sum = e.load(vector, e.at(sums, offset));
    if (!linear.getBiases().empty())
      sum = e.fadd(sum, loadBias(linear.getBiases()[result], group.outputs, column));
    known[linear.getResult(result)] = sum;
  }
  for (Operation *op : group.epilogue) {
    SmallVector<Value> operands;
    for (Value operand : op->getOperands()) {
      Value &value = known[operand];
      if (!value)
        value = e.load(vector, e.at(e.rowAddress(operand, token), column));
      operands.push_back(value);
    }
    known[op->getResult(0)] = e.emitElementwise(op, operands);
  }
  for (auto write : e.phase.getBody().front().getOps<step::WriteOp>())
    if (Operation *op = write.getValue().getDefiningOp())
      if (op == linear.getOperation()
              ? llvm::any_of(group.results,
                             [&](unsigned r) { return linear.getResult(r) == write.getValue(); })
              : llvm::is_contained(group.epilogue, op))
        e.store(known.lookup(write.getValue()),
                e.at(e.bufferRow(write.getBuffer(), token), column));
}

void cpu::emitPanels(PhaseEmitter &e) { PanelsEmitter(e).emit(); }
