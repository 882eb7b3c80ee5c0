// A small vocabulary for writing kernels: values are SSA values, addresses are bytes.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_LIB_TARGET_COMMON_EMITTER_H
#define KVASIR_LIB_TARGET_COMMON_EMITTER_H

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"

namespace kvasir::emit {

using mlir::Type;
using mlir::Value;
using mlir::ValueRange;

/// Builds arith, scf, vector and llvm ops. Integers are of type `index` (i64 unless a target says
/// otherwise), floats are f32 unless stated, vectors are vector<lanes x f32>. No op here contracts,
/// reassociates or calls a library: what is written is what runs (docs/Rationale/Bits.md).
class Emitter {
public:
  explicit Emitter(mlir::ImplicitLocOpBuilder &b) : b(b), index(b.getI64Type()) {}

  mlir::ImplicitLocOpBuilder &b;
  Type index; ///< of constants, loop counters and loaded integers

  //--- types
  Type i32() { return b.getI32Type(); }
  Type i64() { return b.getI64Type(); }
  Type f32() { return b.getF32Type(); }
  Type ptr() { return mlir::LLVM::LLVMPointerType::get(b.getContext()); }
  Type i8() { return b.getI8Type(); }
  mlir::VectorType vec(int64_t lanes) { return mlir::VectorType::get({lanes}, f32()); }
  mlir::VectorType vec(int64_t lanes, Type element) {
    return mlir::VectorType::get({lanes}, element);
  }

  //--- constants
  Value c(int64_t value);
  Value f(double value);
  /// `value` in every lane of a vector (or a scalar, if `type` is one).
  Value constant(Type type, double value);

  //--- integers
  Value add(Value a, Value b);
  Value sub(Value a, Value b);
  Value mul(Value a, Value b);
  Value div(Value a, Value b); // of non-negative numbers
  Value rem(Value a, Value b); // of non-negative numbers
  Value minimum(Value a, Value b);
  Value maximum(Value a, Value b);
  Value less(Value a, Value b);
  Value equal(Value a, Value b);

  //--- integers of any width, scalar or vector, with constants in every lane
  Value integer(Type type, int64_t value);
  Value andBits(Value a, int64_t mask);
  Value orBits(Value a, Value b);
  Value shiftLeft(Value a, int64_t bits);
  Value shiftRight(Value a, int64_t bits); // zeros come in
  Value signExtend(Type to, Value a);
  Value zeroExtend(Type to, Value a);
  Value truncate(Type to, Value a);
  Value toFloat(Value a); // of i32, signed
  Value bitcast(Type to, Value a);

  //--- floats, scalar or vector
  Value fadd(Value a, Value b);
  Value fsub(Value a, Value b);
  Value fmul(Value a, Value b);
  Value fdiv(Value a, Value b);
  Value fma(Value a, Value b, Value c); // a * b + c, rounded once
  Value fmax(Value a, Value b);         // NaN only if both are
  Value fmin(Value a, Value b);
  Value fneg(Value a);
  Value fabs(Value a);
  Value round(Value a); // to the nearest integer, ties to even
  Value sqrt(Value a);
  Value select(Value condition, Value a, Value b);
  Value splat(Value scalar, int64_t lanes);
  Value call(llvm::StringRef intrinsic, Type result, ValueRange arguments);
  /// Sum and maximum of the lanes: halves are folded until one lane is left.
  Value sumLanes(Value vector);
  Value maxLanes(Value vector);

  //--- memory
  Value at(Value pointer, Value bytes);
  Value at(Value pointer, int64_t bytes);
  Value load(Type type, Value pointer, int64_t alignment = 0);
  void store(Value value, Value pointer, int64_t alignment = 0);
  Value loadInt(Value pointer, Value i); // i32 array element, as `index`
  /// `lanes` values of `element` (f32, f16, bf16, i8) as f32; a scalar when lanes is 0.
  Value loadAs(Type element, Value pointer, int64_t lanes);
  void storeAs(Type element, Value value, Value pointer);
  void prefetch(Value pointer);
  /// `bytes` of the stack, 64-byte aligned; at the start of the function.
  Value stack(int64_t bytes);

  //--- control
  using Body = llvm::function_ref<void(Value)>;
  using Fold = llvm::function_ref<llvm::SmallVector<Value>(Value, ValueRange)>;
  void loop(Value from, Value to, int64_t step, Body body);
  void loopBy(Value from, Value to, Value step, Body body);
  llvm::SmallVector<Value> fold(Value from, Value to, int64_t step, ValueRange init, Fold body);
  void when(Value condition, llvm::function_ref<void()> body);
  void either(Value condition, llvm::function_ref<void()> yes, llvm::function_ref<void()> no);
  /// What one of them makes; both make values of the same types.
  using Make = llvm::function_ref<llvm::SmallVector<Value>()>;
  llvm::SmallVector<Value> choose(Value condition, Make yes, Make no);
  /// Runs `body(i)` for the one i in [1, most] that equals `value`, else `otherwise`.
  void switchOn(Value value, int64_t most, llvm::function_ref<void(int64_t)> body,
                llvm::function_ref<void()> otherwise);

private:
  Value foldLanes(Value vector, llvm::function_ref<Value(Value, Value)> combine);
};

//===----------------------------------------------------------------------===//
// Functions of real numbers (Math.cpp). Vector or scalar; accuracy in ulp or absolute as stated.
//===----------------------------------------------------------------------===//

/// e^x, about 1 ulp; 0 below -87.3, infinity above 88.4, NaN for NaN.
Value emitExp(Emitter &e, Value x);
/// tanh, absolute error below 2e-7.
Value emitTanh(Emitter &e, Value x);
/// The error function, absolute error below 3e-7 (Abramowitz and Stegun 7.1.26).
Value emitErf(Emitter &e, Value x);
/// Cosine and sine of f32 angles up to 2^26, computed in f64, rounded to f32.
std::pair<Value, Value> emitCosSin(Emitter &e, Value angle);

} // namespace kvasir::emit

#endif // KVASIR_LIB_TARGET_COMMON_EMITTER_H
