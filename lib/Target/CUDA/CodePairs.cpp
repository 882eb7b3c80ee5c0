// Codes to bf16, two at a time, by their bits.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "CodePairs.h"

using namespace mlir;
using namespace kvasir;
using namespace kvasir::cuda;

Value cuda::permuteBytes(KernelEmitter &e, Value low, Value high, Value selector) {
  return NVVM::PermuteOp::create(e.b, e.i32(), low, high, selector, NVVM::PermuteMode::DEFAULT);
}

Value cuda::permuteBytes(KernelEmitter &e, Value low, Value high, uint32_t selector) {
  return permuteBytes(e, low, high, e.integer(e.i32(), selector));
}

static Value floats(KernelEmitter &e, Value pair) {
  return e.bitcast(e.vec(2, e.b.getBF16Type()), pair);
}

Value cuda::addPairs(KernelEmitter &e, Value first, Value second) {
  return e.bitcast(e.i32(), arith::AddFOp::create(e.b, floats(e, first), floats(e, second)));
}

static Value subtractPairs(KernelEmitter &e, Value first, Value second) {
  return e.bitcast(e.i32(), arith::SubFOp::create(e.b, floats(e, first), floats(e, second)));
}

Value cuda::multiplyPairs(KernelEmitter &e, Value first, Value second) {
  return e.bitcast(e.i32(), arith::MulFOp::create(e.b, floats(e, first), floats(e, second)));
}

Value cuda::twice(KernelEmitter &e, uint32_t half) { return e.integer(e.i32(), half * 0x10001); }

/// Bits that the compiler does not know, so that they stay in a register: an instruction takes one
/// constant and no two. (No step has 2^31 blocks.)
static Value inRegister(KernelEmitter &e, uint32_t half) {
  return e.sub(twice(e, half), e.shiftRight(e.blocks, 31));
}

/// What a selector takes of a word for columns 0 and 2, 1 and 3, with byte 4 above each.
constexpr uint32_t spread[2] = {0x4240, 0x4341};

Value cuda::raised(KernelEmitter &e, Value bytes, uint32_t selector) {
  return permuteBytes(e, bytes, inRegister(e, 0x4343), selector);
}

CodePairs cuda::pairsOfBytes(KernelEmitter &e, Value word, Value offset) {
  CodePairs pairs;
  for (int64_t i = 0; i < 2; ++i)
    pairs[i] = addPairs(e, raised(e, word, spread[i]), offset);
  return pairs;
}

/// bf16 has room for 7 bits beside its leading one: 128 + the lower ones, less 128, or 256 where
/// the highest bit is missing.
CodePairs cuda::pairsOfWholeBytes(KernelEmitter &e, Value word) {
  CodePairs pairs;
  for (int64_t i = 0; i < 2; ++i) {
    Value codes = e.shiftRight(word, 8 * i);
    Value low = e.orBits(e.andBits(codes, 0x007f007f), inRegister(e, 0x4300));
    Value less = arith::XOrIOp::create(e.b, e.andBits(codes, 0x00800080), inRegister(e, 0xc380));
    pairs[i] = addPairs(e, low, less);
  }
  return pairs;
}

/// Sign, 4 bits of exponent, 3 of mantissa: moved to where bf16 has them, the exponent lacks 120.
CodePairs cuda::pairsOfE4M3(KernelEmitter &e, Value word) {
  CodePairs pairs;
  for (int64_t i = 0; i < 2; ++i) {
    Value codes = i ? word : e.shiftLeft(word, 8); // the sign in its place
    Value magnitude = e.andBits(e.shiftRight(codes, 4), 0x07f007f0);
    Value sign = e.andBits(codes, int32_t(0x80008000));
    pairs[i] = multiplyPairs(e, e.orBits(magnitude, sign), twice(e, 0x7b80)); // 2^120
  }
  return pairs;
}

/// Sign, 2 bits of exponent, 1 of mantissa. A product brings two copies of a code to where bf16 has
/// the sign and the lowest bits of exponent and mantissa; the rest of them is masked. The exponent
/// lacks 126.
CodePairs cuda::pairsOfE2M1(KernelEmitter &e, Value word, bool high) {
  CodePairs pairs;
  for (int64_t i = 0; i < 2; ++i) {
    Value codes = e.andBits(e.shiftRight(word, 8 * i), high ? 0x00f000f0 : 0x000f000f);
    codes = e.mul(codes, e.c(high ? 0x104 : 0x1040));
    pairs[i] = multiplyPairs(e, e.andBits(codes, int32_t(0x81c081c0)), twice(e, 0x7f00)); // 2^127
  }
  return pairs;
}

/// Magnitudes of the codes 8 `half` .. 8 `half` + 7 by one permutation for four codes: 0 for codes
/// of the other half, whose highest bit asks for the highest bit of a byte below 128.
static Value lookUp(KernelEmitter &e, const Encoding &encoding, int64_t half, Value codes) {
  uint32_t words[2] = {};
  for (int64_t i = 0; i < 8; ++i)
    words[i / 4] |= uint32_t(std::abs(encoding.codeValue(8 * half + i))) << (i % 4 * 8);
  Value selector = half ? Value(arith::XOrIOp::create(e.b, codes, twice(e, 0x8888))) : codes;
  return permuteBytes(e, e.integer(e.i32(), words[0]), e.integer(e.i32(), words[1]), selector);
}

/// Codebooks whose two halves have different signs: 128 + the magnitude of one half, less
/// 128 + that of the other, one of which is 0.
CodePairs cuda::pairsOfCodebook(KernelEmitter &e, const Encoding &encoding, Value word, bool high) {
  CodePairs pairs;
  assert(encoding.codeValue(7) <= 0 && encoding.codeValue(8) >= 0 && "as in iq4_nl");
  for (int64_t i = 0; i < 2; ++i) {
    // A permutation reads 16 bits: here those of columns i, 4 + i, 2 + i, 6 + i.
    Value codes = permuteBytes(e, word, word, i ? 0x3131 : 0x2020);
    uint32_t selector = spread[high];
    pairs[i] = subtractPairs(e, raised(e, lookUp(e, encoding, 1, codes), selector),
                             raised(e, lookUp(e, encoding, 0, codes), selector));
  }
  return pairs;
}
