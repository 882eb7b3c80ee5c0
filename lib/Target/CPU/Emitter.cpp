// Lanes of panels, and products of bytes with and without instructions for them.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "Emitter.h"

using namespace mlir;
using namespace kvasir::cpu;

int64_t kvasir::cpu::lanesFor(int64_t n, int64_t most) {
  int64_t lanes = most;
  while (n % lanes != 0)
    lanes /= 2;
  return lanes;
}

Value Emitter::multiplyPairs(Value x, Value y) {
  int64_t bytes = cast<VectorType>(x.getType()).getDimSize(0);
  StringRef multiply = bytes == 64 ? "llvm.x86.avx512.pmaddubs.w.512" : "llvm.x86.avx2.pmadd.ub.sw";
  return call(multiply, vec(bytes / 2, b.getI16Type()), {x, y});
}

static Value sumPairs(Emitter &e, Value x, Value y) {
  int64_t lanes = cast<VectorType>(x.getType()).getDimSize(0) / 2;
  StringRef name = lanes == 16 ? "llvm.x86.avx512.pmaddw.d.512" : "llvm.x86.avx2.pmadd.wd";
  return e.call(name, e.vec(lanes, e.i32()), {x, y});
}

Value Emitter::addPairs(Value sum, Value words) {
  return add(sum, sumPairs(*this, words, integer(words.getType(), 1)));
}

/// Without vpdpbusd: products of bytes are added in pairs of 16 bits, where bytes of up to 127
/// cannot overflow; others are widened first, odd and even bytes by themselves.
Value Emitter::dot(Value sum, Value x, Value y, int64_t most, bool dotProducts) {
  auto type = cast<VectorType>(sum.getType());
  int64_t lanes = type.getDimSize(0);
  if (dotProducts)
    return call(lanes == 16 ? "llvm.x86.avx512.vpdpbusd.512" : "llvm.x86.avx512.vpdpbusd.256", type,
                {sum, x, y});
  if (most <= 127)
    return addPairs(sum, multiplyPairs(x, y));
  Type pairs = vec(2 * lanes, b.getI16Type());
  Value xs = bitcast(pairs, x), ys = bitcast(pairs, y);
  auto high = [&](Value v) -> Value { return arith::ShRSIOp::create(b, v, integer(pairs, 8)); };
  Value even = sumPairs(*this, andBits(xs, 0xff), high(shiftLeft(ys, 8)));
  Value odd = sumPairs(*this, shiftRight(xs, 8), high(ys));
  return add(sum, add(even, odd));
}
