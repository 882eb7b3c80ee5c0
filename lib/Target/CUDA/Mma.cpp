// Building mma.m16n8k16 and its operands.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "Mma.h"

using namespace mlir;
using namespace kvasir;
using namespace kvasir::cuda;

Fragment cuda::emitMma(KernelEmitter &e, Type element, const Fragment &a, const Fragment &b,
                       const Fragment &sums) {
  bool half = element.isF16();
  auto operands = [&](const Fragment &registers) {
    SmallVector<Value> list;
    for (Value value : registers)
      list.push_back(half ? e.bitcast(e.vec(2, element), value) : value);
    return list;
  };
  SmallVector<Type> floats(4, e.f32());
  auto result = LLVM::LLVMStructType::getLiteral(e.b.getContext(), floats);
  NVVM::MMATypes kind = half ? NVVM::MMATypes::f16 : NVVM::MMATypes::bf16;
  Value products = NVVM::MmaOp::create(
      e.b, result, operands(a), operands(b), sums, ArrayRef<int64_t>{16, 8, 16}, std::nullopt,
      std::nullopt, std::array<NVVM::MMATypes, 2>{kind, kind},
      std::array<NVVM::MMALayout, 2>{NVVM::MMALayout::row, NVVM::MMALayout::col});
  Fragment next;
  for (int64_t i = 0; i < 4; ++i)
    next.push_back(LLVM::ExtractValueOp::create(e.b, products, i));
  return next;
}

Value cuda::roundPair(KernelEmitter &e, Type element, Value low, Value high) {
  Value pair = LLVM::PoisonOp::create(e.b, e.vec(2));
  pair = LLVM::InsertElementOp::create(e.b, pair, low, e.c(0));
  pair = LLVM::InsertElementOp::create(e.b, pair, high, e.c(1));
  return e.bitcast(e.i32(), arith::TruncFOp::create(e.b, e.vec(2, element), pair));
}
