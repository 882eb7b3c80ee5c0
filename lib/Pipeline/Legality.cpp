// What may exist after each phase of compilation, as a table, and the check of it.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "StepFunction.h"
#include "kvasir/Pipeline/Pipeline.h"

#include "mlir/IR/AttrTypeSubElements.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/SetVector.h"

using namespace mlir;

namespace kvasir {
namespace {

/// An op may exist if its dialect or its name is in `allowed` and its name is not in `forbidden`.
/// Ops of nested modules (code for a target) are held against `nested` instead.
struct Legality {
  StringRef phase;
  ArrayRef<StringRef> allowed;
  ArrayRef<StringRef> forbidden;
  ArrayRef<StringRef> forbiddenTypes; // anywhere in the types and attributes of any op
  ArrayRef<StringRef> nested;
  bool hasStep; // the model is a function @step, which is checked too
};

constexpr StringRef onTensors[] = {"builtin.module", "func.func", "func.return", "llm"};
constexpr StringRef onCaches[] = {"builtin.module", "func.func", "func.return", "llm", "kv"};
constexpr StringRef asProgram[] = {"builtin.module", "llm", "kv", "step"};
constexpr StringRef attention[] = {"llm.attention"};
constexpr StringRef unplacedCache[] = {"kv.cache"};
constexpr StringRef machineCode[] = {"builtin.module", "gpu.module", "llvm", "nvvm"};

constexpr Legality rules[] = {
    {"import", onTensors, {}, {}, {}, true},
    {"quantize", onTensors, {}, {}, {}, true},
    {"fuse-attention", onCaches, attention, {}, {}, true},
    {"kv-layout", onCaches, attention, unplacedCache, {}, true},
    {"schedule", asProgram, attention, unplacedCache, {}, false},
    {"lower", asProgram, attention, unplacedCache, machineCode, false},
};

bool isAmong(Operation *op, ArrayRef<StringRef> names) {
  return llvm::is_contained(names, op->getName().getStringRef()) ||
         llvm::is_contained(names, op->getName().getDialectNamespace());
}

class Checker {
public:
  explicit Checker(const Legality &rule) : rule(rule) {
    walker.addWalk([this](Type type) {
      if (llvm::is_contained(this->rule.forbiddenTypes, type.getAbstractType().getName()))
        found.insert(type);
    });
  }

  bool check(ModuleOp root) {
    root->walk<WalkOrder::PreOrder>([&](Operation *op) { checkOp(op, root); });
    return problems == 0;
  }

private:
  void checkOp(Operation *op, ModuleOp root) {
    bool inNested = op != root && (op->hasTrait<OpTrait::SymbolTable>() ||
                                   SymbolTable::getNearestSymbolTable(op) != root);
    ArrayRef<StringRef> allowed = inNested ? rule.nested : rule.allowed;
    if (!isAmong(op, allowed) || llvm::is_contained(rule.forbidden, op->getName().getStringRef())) {
      op->emitError() << "unexpected '" << op->getName() << "' after phase '" << rule.phase << "'"
                      << (inNested ? " in a nested module" : "");
      ++problems;
      return;
    }
    checkTypes(op);
  }

  void checkTypes(Operation *op) {
    found.clear();
    walker.walk(op->getAttrDictionary());
    for (Type type : op->getResultTypes())
      walker.walk(type);
    for (Region &region : op->getRegions())
      for (Block &block : region)
        for (Type type : block.getArgumentTypes())
          walker.walk(type);
    for (Type type : found) {
      op->emitError() << "unexpected type " << type << " after phase '" << rule.phase << "'";
      ++problems;
    }
  }

  const Legality &rule;
  AttrTypeWalker walker;
  llvm::SetVector<Type> found; // in the op at hand
  int problems = 0;
};

} // namespace

LogicalResult verifyPhase(ModuleOp module, StringRef phase) {
  const Legality *rule =
      llvm::find_if(rules, [&](const Legality &rule) { return rule.phase == phase; });
  if (rule == std::end(rules))
    return module.emitError("no module exists after phase '")
           << phase << "': expected one of " << phaseNames() << " other than package";
  // Ops that should not be there first: the rules of @step are about those that may be.
  if (!Checker(*rule).check(module))
    return failure();
  return rule->hasStep ? verifyStepFunction(module) : success();
}

} // namespace kvasir
