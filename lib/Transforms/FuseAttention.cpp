// kvasir-fuse-attention: attention over a cache, and linears that share an input as one op.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "kvasir/Transforms/Passes.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Builders.h"
#include "llvm/ADT/MapVector.h"

using namespace mlir;

namespace kvasir {
#define GEN_PASS_DEF_FUSEATTENTIONPASS
#include "kvasir/Transforms/Passes.h.inc"

namespace {
/// Arguments of `@step`: ids, positions, totals, rows.
constexpr unsigned positionsArgument = 1;

/// The positions of the step's tokens, or null after a diagnostic.
Value findPositions(llm::AttentionOp attention) {
  auto function = attention->getParentOfType<FunctionOpInterface>();
  if (function && function.getNumArguments() > positionsArgument) {
    Value positions = function.getArgument(positionsArgument);
    auto type = dyn_cast<RankedTensorType>(positions.getType());
    if (type && type.getRank() == 1 && type.getElementType().isInteger(32))
      return positions;
  }
  InFlightDiagnostic diag = attention.emitOpError(
      "expected the positions of the tokens as the second argument of the function, "
      "a tensor<?xi32>");
  if (function)
    diag.attachNote(function.getLoc()) << "the function is declared here";
  return nullptr;
}

/// Turns attention ops into caches, declared in the order of the ops.
class CacheBuilder {
public:
  explicit CacheBuilder(ModuleOp module) : symbols(module), declare(module.getBodyRegion()) {}

  LogicalResult replace(llm::AttentionOp attention) {
    Value positions = findPositions(attention);
    if (!positions)
      return failure();
    FailureOr<kv::CacheOp> cache = declareCache(attention);
    if (failed(cache))
      return failure();
    OpBuilder builder(attention);
    Location loc = attention.getLoc();
    Value value = kv::GetCacheOp::create(builder, loc, cache->getType(),
                                         FlatSymbolRefAttr::get(cache->getSymNameAttr()));
    kv::AppendOp::create(builder, loc, value, attention.getK(), attention.getV(), positions);
    auto attend = kv::AttendOp::create(builder, loc, attention.getType(), value, attention.getQ(),
                                       attention.getHeadsAttr(), attention.getScaleAttr());
    attention.replaceAllUsesWith(attend.getResult());
    attention.erase();
    return success();
  }

private:
  FailureOr<kv::CacheOp> declareCache(llm::AttentionOp attention) {
    std::string name = ("layer" + Twine(attention.getLayer())).str();
    if (Operation *other = symbols.lookup(name)) {
      InFlightDiagnostic diag = attention.emitOpError("expected one attention for each layer, "
                                                      "but @")
                                << name << " exists already";
      diag.attachNote(other->getLoc()) << "it was declared here";
      return failure();
    }
    auto type = kv::CacheType::get(attention.getContext(), attention.getKvHeads(),
                                   attention.getHeadSize(), attention.getWindow().value_or(0));
    auto cache = kv::CacheOp::create(declare, attention.getLoc(), name, attention.getLayer(), type);
    symbols.insert(cache);
    return cache;
  }

  SymbolTable symbols;
  OpBuilder declare; // at the start of the module: caches stand in the order of their ops
};

//===----------------------------------------------------------------------===//
// Linears that share an input
//===----------------------------------------------------------------------===//

/// Whether `value` can be made to stand before `point`: it does already, or an `llm.get_weight`
/// makes it (which has no operands, so it can be anywhere in the block).
bool canHoist(Value value, Operation *point) {
  Operation *def = value.getDefiningOp();
  if (!def || def->getBlock() != point->getBlock() || def->isBeforeInBlock(point))
    return true;
  return isa<llm::GetWeightOp>(def);
}

void hoist(Value value, Operation *point) {
  Operation *def = value.getDefiningOp();
  if (def && def->getBlock() == point->getBlock() && point->isBeforeInBlock(def))
    def->moveBefore(point);
}

/// Linears of one block that can stand where the first of them stands.
using Group = SmallVector<llm::LinearOp>;

/// All share their input, which stands before the first of them: so none can need the result of
/// another, other than through operands that cannot be hoisted.
void merge(Group &group) {
  llm::LinearOp first = group.front();
  SmallVector<Value> weights, biases, results;
  SmallVector<Type> types;
  SmallVector<Location> locations;
  for (llm::LinearOp linear : group) {
    for (Value operand : linear->getOperands())
      hoist(operand, first);
    llvm::append_range(weights, linear.getWeights());
    llvm::append_range(biases, linear.getBiases());
    llvm::append_range(results, linear.getResults());
    llvm::append_range(types, linear.getResultTypes());
    locations.push_back(linear.getLoc());
  }
  OpBuilder builder(first);
  auto merged = llm::LinearOp::create(builder, FusedLoc::get(first.getContext(), locations), types,
                                      first.getX(), weights, biases);
  for (auto [before, after] : llvm::zip_equal(results, merged.getResults()))
    before.replaceAllUsesWith(after);
  for (llm::LinearOp linear : group)
    linear.erase();
}

void mergeLinears(Block &block) {
  // Keyed by input and by whether there are biases: one op has them all or none.
  llvm::MapVector<std::pair<Value, unsigned>, Group> groups;
  for (auto linear : block.getOps<llm::LinearOp>()) {
    Group &group = groups[{linear.getX(), linear.getBiases().empty()}];
    if (group.empty() || llvm::all_of(linear->getOperands(), [&](Value operand) {
          return canHoist(operand, group.front());
        }))
      group.push_back(linear);
  }
  for (auto &[key, group] : groups)
    if (group.size() > 1)
      merge(group);
}

struct FuseAttention : impl::FuseAttentionPassBase<FuseAttention> {
  void runOnOperation() override {
    SmallVector<llm::AttentionOp> attentions;
    getOperation().walk([&](llm::AttentionOp op) { attentions.push_back(op); });
    CacheBuilder caches(getOperation());
    bool failedAny = false; // all of them are reported, not only the first
    for (llm::AttentionOp attention : attentions)
      failedAny |= failed(caches.replace(attention));
    if (failedAny)
      return signalPassFailure();
    getOperation().walk([](func::FuncOp function) {
      for (Block &block : function.getBody())
        mergeLinears(block);
    });
  }
};
} // namespace
} // namespace kvasir
