// exp, tanh, erf, cos and sin written out in operations that round the same everywhere.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "Emitter.h"

using namespace mlir;
using namespace kvasir::emit;

/// ((c[n] * x + c[n-1]) * x + ...) + c[0], with fma.
static Value horner(Emitter &e, Value x, ArrayRef<double> coefficients) {
  Type type = x.getType();
  Value sum = e.constant(type, coefficients.back());
  for (double coefficient : llvm::reverse(coefficients.drop_back()))
    sum = e.fma(sum, x, e.constant(type, coefficient));
  return sum;
}

static Type integersLike(Type type, Type integer) {
  if (auto vector = dyn_cast<VectorType>(type))
    return VectorType::get(vector.getShape(), integer);
  return integer;
}

static Value integerConstant(Emitter &e, Type type, int64_t value) {
  auto attr = e.b.getIntegerAttr(getElementTypeOrSelf(type), value);
  if (auto vector = dyn_cast<VectorType>(type))
    return arith::ConstantOp::create(e.b, DenseElementsAttr::get(vector, Attribute(attr)));
  return arith::ConstantOp::create(e.b, attr);
}

static Value compare(Emitter &e, arith::CmpFPredicate predicate, Value x, Value y) {
  return arith::CmpFOp::create(e.b, predicate, x, y);
}

// x = n ln2 + r with |r| <= ln2 / 2; e^r by its series to r^7 (relative error below 6e-9); n is
// rounded by adding 1.5 * 2^23, which leaves it in the low bits, from where it is added to the
// exponent.
Value kvasir::emit::emitExp(Emitter &e, Value x) {
  Type type = x.getType(), bits = integersLike(type, e.i32());
  auto k = [&](double value) { return e.constant(type, value); };
  const double lowest = -87.33654, highest = 88.722839;
  Value clamped = arith::MinNumFOp::create(e.b, e.fmax(x, k(lowest)), k(highest));
  Value shifted = e.fma(clamped, k(1.44269504088896341), k(12582912.0));
  Value n = e.fsub(shifted, k(12582912.0));
  Value r = e.fma(n, k(-0.693145751953125), clamped);
  r = e.fma(n, k(-1.42860682030941723212e-6), r);
  Value p = horner(e, r, {1.0, 1.0, 0.5, 1.0 / 6, 1.0 / 24, 1.0 / 120, 1.0 / 720, 1.0 / 5040});
  Value exponent = arith::ShLIOp::create(e.b, arith::BitcastOp::create(e.b, bits, shifted),
                                         integerConstant(e, bits, 23));
  Value scaled = e.add(arith::BitcastOp::create(e.b, bits, p), exponent);
  Value result = arith::BitcastOp::create(e.b, type, scaled);
  // n = 128 leaves the exponent field in the sign bit's way: everything from there is infinite.
  result = e.select(compare(e, arith::CmpFPredicate::OGE, x, k(88.37626)),
                    k(std::numeric_limits<float>::infinity()), result);
  result = e.select(compare(e, arith::CmpFPredicate::OLT, x, k(lowest)), k(0.0), result);
  return e.select(compare(e, arith::CmpFPredicate::UNO, x, x), x, result);
}

Value kvasir::emit::emitTanh(Emitter &e, Value x) {
  Type type = x.getType();
  Value one = e.constant(type, 1.0), two = e.constant(type, 2.0);
  Value t = emitExp(e, e.fmul(x, two));
  return e.fsub(one, e.fdiv(two, e.fadd(t, one)));
}

Value kvasir::emit::emitErf(Emitter &e, Value x) {
  Type type = x.getType();
  Value zero = e.constant(type, 0.0), one = e.constant(type, 1.0);
  Value negative = compare(e, arith::CmpFPredicate::OLT, x, zero);
  Value a = e.select(negative, e.fneg(x), x);
  Value t = e.fdiv(one, e.fma(a, e.constant(type, 0.3275911), one));
  Value p = horner(e, t, {0.0, 0.254829592, -0.284496736, 1.421413741, -1.453152027, 1.061405429});
  Value y = e.fsub(one, e.fmul(p, emitExp(e, e.fneg(e.fmul(a, a)))));
  return e.select(negative, e.fneg(y), y);
}

// angle = n pi/2 + r with |r| <= pi/4, pi/2 in two parts; series to r^16 and r^17 in f64.
std::pair<Value, Value> kvasir::emit::emitCosSin(Emitter &e, Value angle) {
  Type single = angle.getType(), type = integersLike(single, e.b.getF64Type());
  Type bits = integersLike(single, e.i64());
  auto k = [&](double value) { return e.constant(type, value); };
  Value a = arith::ExtFOp::create(e.b, type, angle);
  const double shift = 6755399441055744.0; // 1.5 * 2^52 rounds to an integer in the low bits
  Value shifted = e.fma(a, k(0.63661977236758134308), k(shift));
  Value n = e.fsub(shifted, k(shift));
  Value r = e.fma(n, k(-1.57079632679489655800e+00), a);
  r = e.fma(n, k(-6.12323399573676603587e-17), r);
  Value r2 = e.fmul(r, r);
  SmallVector<double> sine, cosine;
  double factorial = 1;
  for (int i = 0; i <= 16; i += 2) {
    double sign = i % 4 ? -1 : 1;
    cosine.push_back(sign / factorial);
    sine.push_back(sign / (factorial * (i + 1)));
    factorial *= (i + 1) * (i + 2);
  }
  Value s = e.fmul(horner(e, r2, sine), r), c = horner(e, r2, cosine);
  Value quadrant = arith::BitcastOp::create(e.b, bits, shifted);
  auto bit = [&](Value q, int64_t mask) {
    Value masked = arith::AndIOp::create(e.b, q, integerConstant(e, bits, mask));
    return arith::CmpIOp::create(e.b, arith::CmpIPredicate::ne, masked,
                                 integerConstant(e, bits, 0));
  };
  Value odd = bit(quadrant, 1);
  Value next = e.add(quadrant, integerConstant(e, bits, 1));
  Value sin = e.select(odd, c, s), cos = e.select(odd, s, c);
  sin = e.select(bit(quadrant, 2), e.fneg(sin), sin);
  cos = e.select(bit(next, 2), e.fneg(cos), cos);
  return {arith::TruncFOp::create(e.b, single, cos), arith::TruncFOp::create(e.b, single, sin)};
}
