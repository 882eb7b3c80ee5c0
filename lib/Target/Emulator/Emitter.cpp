// Calls, constants and conversions that all lowerings use.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "Emitter.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/Twine.h"
#include "llvm/Support/Path.h"

using namespace mlir;

namespace kvasir::emulator {

void Emitter::startFunction(LLVM::LLVMFuncOp lowered, const SharedLayout *layout) {
  function = lowered;
  shared = layout;
  scratchSpace = nullptr;
  ordinal = 0;
  waitsForGrid = false;
}

void Emitter::startOp(Operation *next) {
  op = next;
  ++ordinal;
  b.setLoc(op->getLoc());
  b.setInsertionPoint(op);
}

/// File without directory, line and column: the same wherever the compiler runs.
static std::string describe(Location location) {
  if (auto place = location->findInstanceOf<FileLineColLoc>())
    return (" (" + llvm::sys::path::filename(place.getFilename()) + ":" +
            llvm::Twine(place.getLine()) + ":" + llvm::Twine(place.getColumn()) + ")")
        .str();
  if (auto name = location->findInstanceOf<NameLoc>())
    return (" (" + name.getName().getValue() + ")").str();
  return "";
}

Value Emitter::where() {
  std::string name = (op->getName().getStringRef() + " #" + llvm::Twine(ordinal)).str();
  return text("where", name + describe(op->getLoc()));
}

Value Emitter::text(StringRef prefix, StringRef value) {
  std::string bytes = value.str() + '\0', name = (prefix + "." + llvm::Twine(texts++)).str();
  auto type = LLVM::LLVMArrayType::get(b.getI8Type(), bytes.size());
  auto atStart = ImplicitLocOpBuilder::atBlockBegin(b.getLoc(), into.getBody());
  auto global = LLVM::GlobalOp::create(atStart, type, /*isConstant=*/true, LLVM::Linkage::Private,
                                       name, b.getStringAttr(bytes));
  return LLVM::AddressOfOp::create(b, global);
}

Value Emitter::call(StringRef name, Type result, ValueRange arguments) {
  LLVM::LLVMFuncOp &callee = callees[name];
  if (!callee) {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(into.getBody());
    Type type = result ? result : Type(LLVM::LLVMVoidType::get(b.getContext()));
    callee = LLVM::LLVMFuncOp::create(
        b, name, LLVM::LLVMFunctionType::get(type, llvm::to_vector(arguments.getTypes())));
  }
  auto made = LLVM::CallOp::create(b, callee, arguments);
  return result ? made.getResult() : Value();
}

Value Emitter::address(Value value) { return LLVM::PtrToIntOp::create(b, i64(), value); }

Value Emitter::toBits(Value value) {
  return value.getType() == i32() ? value : LLVM::BitcastOp::create(b, i32(), value).getResult();
}

Value Emitter::fromBits(Value bits, Type type) {
  return type == i32() ? bits : LLVM::BitcastOp::create(b, type, bits).getResult();
}

Value Emitter::scratch() {
  if (!scratchSpace) {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(&function.getBody().front());
    scratchSpace = LLVM::AllocaOp::create(b, pointer(), i32(), constant(10));
  }
  return scratchSpace;
}

static Value element(Emitter &e, unsigned index) {
  return LLVM::GEPOp::create(e.b, e.pointer(), e.i32(), e.scratch(),
                             ArrayRef<LLVM::GEPArg>{int32_t(index)});
}

void Emitter::storeScratch(unsigned index, Value bits) {
  LLVM::StoreOp::create(b, bits, element(*this, index));
}

Value Emitter::loadScratch(unsigned index) {
  return LLVM::LoadOp::create(b, i32(), element(*this, index));
}

Value Emitter::table(ArrayRef<int32_t> values) {
  std::string name = "table";
  for (int32_t value : values)
    name += "." + std::to_string(value);
  auto global = into.lookupSymbol<LLVM::GlobalOp>(name);
  if (!global) {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(into.getBody());
    auto type = LLVM::LLVMArrayType::get(i32(), values.size());
    auto shaped = RankedTensorType::get({int64_t(values.size())}, i32());
    global = LLVM::GlobalOp::create(b, type, /*isConstant=*/true, LLVM::Linkage::Private, name,
                                    DenseElementsAttr::get(shaped, values));
  }
  return LLVM::AddressOfOp::create(b, global);
}

LLVM::GlobalOp Emitter::findGlobal(StringRef name) {
  return dyn_cast_or_null<LLVM::GlobalOp>(SymbolTable::lookupSymbolIn(source, name));
}

LLVM::GlobalOp Emitter::constantGlobal(LLVM::GlobalOp source) {
  std::string name = ("constant." + source.getSymName()).str();
  if (auto made = into.lookupSymbol<LLVM::GlobalOp>(name))
    return made;
  auto atStart = ImplicitLocOpBuilder::atBlockBegin(source.getLoc(), into.getBody());
  auto made = LLVM::GlobalOp::create(atStart, source.getGlobalType(), /*isConstant=*/true,
                                     LLVM::Linkage::Internal, name, source.getValueAttr(),
                                     source.getAlignment().value_or(0));
  constants.push_back(made);
  return made;
}

void Emitter::writeConstantRanges() {
  Type range = LLVM::LLVMStructType::getLiteral(b.getContext(), {pointer(), i64()});
  Type table = LLVM::LLVMArrayType::get(range, constants.size() + 1);
  b.setInsertionPointToEnd(into.getBody());
  auto global = LLVM::GlobalOp::create(b, table, /*isConstant=*/true, LLVM::Linkage::External,
                                       "kvasir_emu_constants", Attribute());
  global.setVisibility_(LLVM::Visibility::Hidden);
  b.setInsertionPointToStart(b.createBlock(&global.getInitializerRegion()));
  Value value = LLVM::ZeroOp::create(b, table);
  for (auto [index, constant] : llvm::enumerate(constants)) {
    int64_t at = int64_t(index);
    value = LLVM::InsertValueOp::create(b, value, LLVM::AddressOfOp::create(b, constant),
                                        ArrayRef<int64_t>{at, 0});
    Value bytes = LLVM::ConstantOp::create(
        b, i64(), b.getI64IntegerAttr(int64_t(sizeOf(constant.getGlobalType()))));
    value = LLVM::InsertValueOp::create(b, value, bytes, ArrayRef<int64_t>{at, 1});
  }
  LLVM::ReturnOp::create(b, value);
}

LogicalResult Emitter::replace(ValueRange values) {
  op->replaceAllUsesWith(values);
  op->erase();
  return success();
}

LogicalResult Emitter::needs(int least) {
  if (chip >= least)
    return success();
  return op->emitOpError() << "needs sm_" << least << ", but the target is sm_" << chip;
}

} // namespace kvasir::emulator
