// The vocabulary of kernels in terms of arith, scf, vector and llvm ops.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "Emitter.h"

#include "kvasir-c/abi.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/Interfaces/FunctionInterfaces.h"

using namespace mlir;
using namespace kvasir::emit;

Value Emitter::c(int64_t value) {
  return arith::ConstantOp::create(b, b.getIntegerAttr(index, value));
}

Value Emitter::f(double value) { return constant(f32(), value); }

Value Emitter::constant(Type type, double value) {
  if (auto vector = dyn_cast<VectorType>(type)) {
    auto element = b.getFloatAttr(vector.getElementType(), value);
    return arith::ConstantOp::create(b, DenseElementsAttr::get(vector, Attribute(element)));
  }
  return arith::ConstantOp::create(b, b.getFloatAttr(type, value));
}

//===----------------------------------------------------------------------===//
// Arithmetic
//===----------------------------------------------------------------------===//

Value Emitter::add(Value x, Value y) { return arith::AddIOp::create(b, x, y); }
Value Emitter::sub(Value x, Value y) { return arith::SubIOp::create(b, x, y); }
Value Emitter::mul(Value x, Value y) { return arith::MulIOp::create(b, x, y); }
Value Emitter::div(Value x, Value y) { return arith::DivUIOp::create(b, x, y); }
Value Emitter::rem(Value x, Value y) { return arith::RemUIOp::create(b, x, y); }
Value Emitter::minimum(Value x, Value y) { return arith::MinSIOp::create(b, x, y); }
Value Emitter::maximum(Value x, Value y) { return arith::MaxSIOp::create(b, x, y); }

Value Emitter::less(Value x, Value y) {
  return arith::CmpIOp::create(b, arith::CmpIPredicate::slt, x, y);
}

Value Emitter::equal(Value x, Value y) {
  return arith::CmpIOp::create(b, arith::CmpIPredicate::eq, x, y);
}

//===----------------------------------------------------------------------===//
// Integers of any width
//===----------------------------------------------------------------------===//

Value Emitter::integer(Type type, int64_t value) {
  auto element = b.getIntegerAttr(getElementTypeOrSelf(type), value);
  if (auto vector = dyn_cast<VectorType>(type))
    return arith::ConstantOp::create(b, DenseElementsAttr::get(vector, Attribute(element)));
  return arith::ConstantOp::create(b, element);
}

Value Emitter::andBits(Value x, int64_t mask) {
  return arith::AndIOp::create(b, x, integer(x.getType(), mask));
}

Value Emitter::orBits(Value x, Value y) { return arith::OrIOp::create(b, x, y); }

Value Emitter::shiftLeft(Value x, int64_t bits) {
  return bits ? arith::ShLIOp::create(b, x, integer(x.getType(), bits)).getResult() : x;
}

Value Emitter::shiftRight(Value x, int64_t bits) {
  return bits ? arith::ShRUIOp::create(b, x, integer(x.getType(), bits)).getResult() : x;
}

Value Emitter::signExtend(Type to, Value x) { return arith::ExtSIOp::create(b, to, x); }
Value Emitter::zeroExtend(Type to, Value x) { return arith::ExtUIOp::create(b, to, x); }
Value Emitter::truncate(Type to, Value x) { return arith::TruncIOp::create(b, to, x); }
Value Emitter::bitcast(Type to, Value x) { return LLVM::BitcastOp::create(b, to, x); }

Value Emitter::toFloat(Value x) {
  Type to = f32();
  if (auto vector = dyn_cast<VectorType>(x.getType()))
    to = vec(vector.getDimSize(0));
  return arith::SIToFPOp::create(b, to, x);
}

Value Emitter::call(StringRef intrinsic, Type result, ValueRange arguments) {
  return LLVM::CallIntrinsicOp::create(b, result, b.getStringAttr(intrinsic), arguments)
      .getResult(0);
}

//===----------------------------------------------------------------------===//
// Floats
//===----------------------------------------------------------------------===//

Value Emitter::fmin(Value x, Value y) { return arith::MinNumFOp::create(b, x, y); }
Value Emitter::fabs(Value x) { return LLVM::FAbsOp::create(b, x.getType(), x); }
Value Emitter::round(Value x) { return LLVM::RoundEvenOp::create(b, x.getType(), x); }

Value Emitter::fadd(Value x, Value y) { return arith::AddFOp::create(b, x, y); }
Value Emitter::fsub(Value x, Value y) { return arith::SubFOp::create(b, x, y); }
Value Emitter::fmul(Value x, Value y) { return arith::MulFOp::create(b, x, y); }
Value Emitter::fdiv(Value x, Value y) { return arith::DivFOp::create(b, x, y); }
Value Emitter::fneg(Value x) { return arith::NegFOp::create(b, x); }
Value Emitter::fmax(Value x, Value y) { return arith::MaxNumFOp::create(b, x, y); }

// Not vector.fma: that becomes llvm.fmuladd, which may or may not round in between.
Value Emitter::fma(Value x, Value y, Value z) { return LLVM::FMAOp::create(b, x, y, z); }

Value Emitter::sqrt(Value x) { return LLVM::SqrtOp::create(b, x.getType(), x); }

Value Emitter::select(Value condition, Value x, Value y) {
  return arith::SelectOp::create(b, condition, x, y);
}

Value Emitter::splat(Value scalar, int64_t lanes) {
  return vector::BroadcastOp::create(b, VectorType::get({lanes}, scalar.getType()), scalar);
}

Value Emitter::foldLanes(Value v, llvm::function_ref<Value(Value, Value)> combine) {
  int64_t lanes = cast<VectorType>(v.getType()).getDimSize(0);
  for (; lanes > 1; lanes /= 2) {
    SmallVector<int64_t> low, high;
    for (int64_t i = 0; i < lanes / 2; ++i) {
      low.push_back(i);
      high.push_back(i + lanes / 2);
    }
    v = combine(vector::ShuffleOp::create(b, v, v, low), vector::ShuffleOp::create(b, v, v, high));
  }
  return vector::ExtractOp::create(b, v, ArrayRef<int64_t>{0});
}

Value Emitter::sumLanes(Value v) {
  return foldLanes(v, [&](Value x, Value y) { return fadd(x, y); });
}

Value Emitter::maxLanes(Value v) {
  return foldLanes(v, [&](Value x, Value y) { return fmax(x, y); });
}

//===----------------------------------------------------------------------===//
// Memory
//===----------------------------------------------------------------------===//

Value Emitter::at(Value pointer, Value bytes) {
  return LLVM::GEPOp::create(b, pointer.getType(), b.getI8Type(), pointer, ValueRange{bytes});
}

Value Emitter::at(Value pointer, int64_t bytes) {
  if (bytes == 0)
    return pointer;
  if (!llvm::isInt<32>(bytes)) // more than a constant index of the op can say
    return at(pointer, c(bytes));
  return LLVM::GEPOp::create(b, pointer.getType(), b.getI8Type(), pointer,
                             ArrayRef<LLVM::GEPArg>{static_cast<int32_t>(bytes)});
}

/// Alignment of a value in an array of its elements, unless more is known.
static int64_t elementBytes(Type type) {
  if (isa<LLVM::LLVMPointerType>(type))
    return 8;
  return getElementTypeOrSelf(type).getIntOrFloatBitWidth() / 8;
}

Value Emitter::load(Type type, Value pointer, int64_t alignment) {
  return LLVM::LoadOp::create(b, type, pointer, alignment ? alignment : elementBytes(type));
}

void Emitter::store(Value value, Value pointer, int64_t alignment) {
  LLVM::StoreOp::create(b, value, pointer, alignment ? alignment : elementBytes(value.getType()));
}

Value Emitter::loadInt(Value pointer, Value i) {
  Value element = load(i32(), at(pointer, mul(i, c(4))));
  return index == i32() ? element : arith::ExtSIOp::create(b, index, element).getResult();
}

Value Emitter::loadAs(Type element, Value pointer, int64_t lanes) {
  if (element.isBF16()) {
    // As bits: of an extension LLVM may make a choice between bf16 values, and then call a library
    // to round the other one.
    auto like = [&](Type scalar) { return lanes ? Type(vec(lanes, scalar)) : scalar; };
    Value bits = arith::ExtUIOp::create(b, like(i32()), load(like(b.getI16Type()), pointer));
    Value high = arith::ShLIOp::create(b, bits, integer(like(i32()), 16));
    return bitcast(like(f32()), high);
  }
  Type type = lanes ? Type(VectorType::get({lanes}, element)) : element;
  Value value = load(type, pointer);
  if (element.isF32())
    return value;
  if (element.isInteger())
    return toFloat(signExtend(lanes ? Type(vec(lanes, i32())) : i32(), value));
  return arith::ExtFOp::create(b, lanes ? Type(vec(lanes)) : f32(), value);
}

/// The bits of bf16 values: to nearest, ties to even, NaN stays NaN. Written out, since a machine
/// without bf16 instructions would call a library.
static Value toBF16Bits(Emitter &e, Value value) {
  ImplicitLocOpBuilder &b = e.b;
  auto like = [&](Type element) -> Type {
    if (auto vector = dyn_cast<VectorType>(value.getType()))
      return VectorType::get(vector.getShape(), element);
    return element;
  };
  Type wide = like(b.getI32Type());
  auto k = [&](int64_t constant) -> Value {
    auto attr = b.getI32IntegerAttr(constant);
    if (auto vector = dyn_cast<VectorType>(wide))
      return arith::ConstantOp::create(b, DenseElementsAttr::get(vector, Attribute(attr)));
    return arith::ConstantOp::create(b, attr);
  };
  Value bits = arith::BitcastOp::create(b, wide, value);
  Value high = arith::ShRUIOp::create(b, bits, k(16));
  Value odd = arith::AndIOp::create(b, high, k(1));
  Value rounded = arith::ShRUIOp::create(b, e.add(bits, e.add(odd, k(0x7fff))), k(16));
  Value nan = arith::CmpFOp::create(b, arith::CmpFPredicate::UNO, value, value);
  Value result = e.select(nan, arith::OrIOp::create(b, high, k(0x40)), rounded);
  return arith::TruncIOp::create(b, like(b.getI16Type()), result);
}

void Emitter::storeAs(Type element, Value value, Value pointer) {
  if (element.isBF16())
    return store(toBF16Bits(*this, value), pointer);
  if (!element.isF32()) {
    Type type = element;
    if (auto vector = dyn_cast<VectorType>(value.getType()))
      type = VectorType::get(vector.getShape(), element);
    value = arith::TruncFOp::create(b, type, value);
  }
  store(value, pointer);
}

void Emitter::prefetch(Value pointer) {
  LLVM::Prefetch::create(b, pointer, /*rw=*/0, /*hint=*/3, /*cache=*/1);
}

Value Emitter::stack(int64_t bytes) {
  OpBuilder::InsertionGuard guard(b);
  auto function = b.getInsertionBlock()->getParentOp();
  while (!isa<FunctionOpInterface>(function))
    function = function->getParentOp();
  b.setInsertionPointToStart(&cast<FunctionOpInterface>(function).getFunctionBody().front());
  Value size = arith::ConstantOp::create(b, b.getI32IntegerAttr(bytes));
  return LLVM::AllocaOp::create(b, ptr(), b.getI8Type(), size, KVASIR_ALIGNMENT);
}

//===----------------------------------------------------------------------===//
// Control
//===----------------------------------------------------------------------===//

void Emitter::loop(Value from, Value to, int64_t step, Body body) {
  loopBy(from, to, c(step), body);
}

void Emitter::loopBy(Value from, Value to, Value step, Body body) {
  scf::ForOp::create(b, from, to, step, ValueRange{},
                     [&](OpBuilder &, Location, Value i, ValueRange) {
                       OpBuilder::InsertionGuard guard(b);
                       Block *block = i.getParentBlock();
                       b.setInsertionPointToEnd(block);
                       body(i);
                       b.setInsertionPointToEnd(block);
                       scf::YieldOp::create(b);
                     });
}

SmallVector<Value> Emitter::fold(Value from, Value to, int64_t step, ValueRange init, Fold body) {
  auto loop = scf::ForOp::create(b, from, to, c(step), init,
                                 [&](OpBuilder &, Location, Value i, ValueRange values) {
                                   OpBuilder::InsertionGuard guard(b);
                                   Block *block = i.getParentBlock();
                                   b.setInsertionPointToEnd(block);
                                   SmallVector<Value> next = body(i, values);
                                   b.setInsertionPointToEnd(block);
                                   scf::YieldOp::create(b, next);
                                 });
  return SmallVector<Value>(loop.getResults());
}

void Emitter::when(Value condition, llvm::function_ref<void()> body) {
  auto op = scf::IfOp::create(b, condition, /*withElseRegion=*/false);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPoint(op.thenBlock()->getTerminator());
  body();
}

void Emitter::either(Value condition, llvm::function_ref<void()> yes,
                     llvm::function_ref<void()> no) {
  auto op = scf::IfOp::create(b, condition, /*withElseRegion=*/true);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPoint(op.thenBlock()->getTerminator());
  yes();
  b.setInsertionPoint(op.elseBlock()->getTerminator());
  no();
}

SmallVector<Value> Emitter::choose(Value condition, Make yes, Make no) {
  auto branch = [](Make make) {
    return [make](OpBuilder &builder, Location loc) { // the builder is `b`
      scf::YieldOp::create(builder, loc, make());
    };
  };
  return scf::IfOp::create(b, condition, branch(yes), branch(no)).getResults();
}

void Emitter::switchOn(Value value, int64_t most, llvm::function_ref<void(int64_t)> body,
                       llvm::function_ref<void()> otherwise) {
  SmallVector<int64_t> cases;
  for (int64_t i = 1; i <= most; ++i)
    cases.push_back(i);
  Value index = arith::IndexCastOp::create(b, b.getIndexType(), value);
  auto op = scf::IndexSwitchOp::create(b, TypeRange{}, index, cases, most);
  OpBuilder::InsertionGuard guard(b);
  auto fill = [&](Region &region, llvm::function_ref<void()> emit) {
    Block *block = &region.emplaceBlock();
    b.setInsertionPointToEnd(block);
    emit();
    b.setInsertionPointToEnd(block);
    scf::YieldOp::create(b);
  };
  for (int64_t i = 1; i <= most; ++i)
    fill(op.getCaseRegions()[i - 1], [&] { body(i); });
  fill(op.getDefaultRegion(), otherwise);
}
