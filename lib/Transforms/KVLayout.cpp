// kvasir-kv-layout: every cache gets its pages and number format.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "kvasir/Transforms/Passes.h"

#include "mlir/IR/AttrTypeSubElements.h"
#include "mlir/IR/Builders.h"
#include "llvm/ADT/StringSwitch.h"
#include "llvm/Support/CheckedArithmetic.h"

using namespace mlir;

namespace kvasir {
#define GEN_PASS_DEF_KVLAYOUTPASS
#include "kvasir/Transforms/Passes.h.inc"

namespace {
struct KVLayout : impl::KVLayoutPassBase<KVLayout> {
  using KVLayoutPassBase::KVLayoutPassBase;

  void runOnOperation() override {
    ModuleOp module = getOperation();
    FailureOr<Type> element = parseElementType(module);
    if (failed(element))
      return signalPassFailure();
    AttrTypeReplacer replacer;
    replacer.addReplacement([&](kv::CacheType type) -> Type {
      return kv::PagedType::get(type.getContext(), type.getHeads(), type.getHeadSize(), *element,
                                type.getWindow());
    });
    replacer.recursivelyReplaceElementsIn(module, /*replaceAttrs=*/true, /*replaceLocs=*/false,
                                          /*replaceTypes=*/true);
    if (failed(countBytes(module)))
      signalPassFailure();
  }

private:
  FailureOr<Type> parseElementType(ModuleOp module) {
    Builder builder(module.getContext());
    Type type = llvm::StringSwitch<Type>(elementType.getValue())
                    .Case("f32", builder.getF32Type())
                    .Case("f16", builder.getF16Type())
                    .Case("bf16", builder.getBF16Type())
                    .Case("i8", builder.getI8Type())
                    .Default(nullptr);
    if (type)
      return type;
    return module.emitError("expected a cache of f32, f16, bf16 or i8, but got '")
           << elementType << "'";
  }

  LogicalResult countBytes(ModuleOp module) {
    std::optional<int64_t> sum = 0;
    for (auto cache : module.getOps<kv::CacheOp>()) {
      sum = llvm::checkedAdd(*sum, cast<kv::PagedType>(cache.getType()).getTokenBytes());
      if (!sum)
        return cache.emitOpError("expected caches of less than 2^63 bytes per token in all");
    }
    module->setAttr("kv.bytes_per_token", Builder(module.getContext()).getI64IntegerAttr(*sum));
    return success();
  }
};
} // namespace
} // namespace kvasir
