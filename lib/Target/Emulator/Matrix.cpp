// ldmatrix, stmatrix, mma.sync.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "Emitter.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;

namespace kvasir::emulator {

/// The first registers in scratch as one value: an i32, or a struct of values of 32 bits.
static Value takeResult(Type type, Emitter &e) {
  auto structure = dyn_cast<LLVM::LLVMStructType>(type);
  if (!structure)
    return e.fromBits(e.loadScratch(0), type);
  Value result = LLVM::PoisonOp::create(e.b, type);
  for (auto [index, part] : llvm::enumerate(structure.getBody())) {
    Value value = e.fromBits(e.loadScratch(index), part);
    result = LLVM::InsertValueOp::create(e.b, result, value, ArrayRef<int64_t>{int64_t(index)});
  }
  return result;
}

template <class Op> static LogicalResult checkMatrices(Op op) {
  auto shape = op.getShape();
  if (shape.getM() == 8 && shape.getN() == 8 && op.getEltType() == NVVM::LdStMatrixEltType::B16)
    return success();
  return op.emitOpError("is of a shape that the emulator does not know, expected 8x8 of b16");
}

static Value isTransposed(NVVM::MMALayout layout, Emitter &e) {
  return e.constant(layout == NVVM::MMALayout::col);
}

static LogicalResult lowerLoadMatrix(NVVM::LdMatrixOp op, Emitter &e) {
  if (failed(checkMatrices(op)))
    return failure();
  e.call("kvasir_emu_load_matrix", nullptr,
         {e.thread(), e.address(op.getPtr()), e.constant(op.getNum()),
          isTransposed(op.getLayout(), e), e.scratch(), e.where()});
  return e.replace(takeResult(op.getType(), e));
}

static LogicalResult lowerStoreMatrix(NVVM::StMatrixOp op, Emitter &e) {
  if (failed(checkMatrices(op)) || failed(e.needs(90)))
    return failure();
  for (auto [index, source] : llvm::enumerate(op.getSources()))
    e.storeScratch(index, source);
  e.call("kvasir_emu_store_matrix", nullptr,
         {e.thread(), e.address(op.getPtr()), e.constant(int64_t(op.getSources().size())),
          isTransposed(op.getLayout(), e), e.scratch(), e.where()});
  return e.replace({});
}

//===----------------------------------------------------------------------===//
// mma.sync
//===----------------------------------------------------------------------===//

static std::optional<Element> convert(NVVM::MMATypes type) {
  switch (type) {
  case NVVM::MMATypes::f16:
    return Element::f16;
  case NVVM::MMATypes::bf16:
    return Element::bf16;
  case NVVM::MMATypes::tf32:
    return Element::tf32;
  case NVVM::MMATypes::s8:
    return Element::s8;
  case NVVM::MMATypes::u8:
    return Element::u8;
  case NVVM::MMATypes::e4m3:
    return Element::e4m3;
  case NVVM::MMATypes::e5m2:
    return Element::e5m2;
  case NVVM::MMATypes::f32:
    return Element::f32;
  case NVVM::MMATypes::s32:
    return Element::s32;
  default:
    return std::nullopt;
  }
}

namespace {
/// What the emulator does of the shapes that there are.
struct Kind {
  Element element;
  uint32_t bits;
  int least; // machine
  ArrayRef<uint32_t> k;
};
} // namespace

static const Kind *findKind(Element element) {
  static constexpr uint32_t halves[] = {8, 16}, singles[] = {4, 8}, bytes[] = {16, 32},
                            eights[] = {32};
  static const Kind kinds[] = {{Element::f16, 16, 75, halves},   {Element::bf16, 16, 80, halves},
                               {Element::tf32, 32, 80, singles}, {Element::s8, 8, 80, bytes},
                               {Element::u8, 8, 80, bytes},      {Element::e4m3, 8, 89, eights},
                               {Element::e5m2, 8, 89, eights}};
  const Kind *found =
      llvm::find_if(kinds, [&](const Kind &kind) { return kind.element == element; });
  return found == std::end(kinds) ? nullptr : found;
}

static bool isInteger(Element element) { return element == Element::s8 || element == Element::u8; }

static std::optional<Element> elementOf(std::optional<NVVM::MMATypes> type, ValueRange registers) {
  if (!type && !registers.empty())
    type = NVVM::MmaOp::inferOperandMMAType(registers.front().getType(), /*isAccumulator=*/false);
  return type ? convert(*type) : std::nullopt;
}

/// The product of these types, or nothing if it is none that the emulator does.
static std::optional<MatrixMultiply> describe(std::optional<Element> a, std::optional<Element> b,
                                              std::optional<Element> accumulator, uint32_t k,
                                              bool saturate) {
  if (!a || !b || !accumulator)
    return std::nullopt;
  const Kind *kind = findKind(*a), *other = findKind(*b);
  bool sameKind =
      kind && other &&
      (a == b || (kind->bits == 8 && other->bits == 8 && isInteger(*a) == isInteger(*b)));
  if (!sameKind || !llvm::is_contained(kind->k, k))
    return std::nullopt;
  bool accumulates = isInteger(*a) ? accumulator == Element::s32
                                   : accumulator == Element::f32 ||
                                         (a == Element::f16 && accumulator == Element::f16);
  if (!accumulates)
    return std::nullopt;
  return MatrixMultiply{k, *a, *b, *accumulator, saturate};
}

static std::optional<MatrixMultiply> describe(NVVM::MmaOp op) {
  auto shape = op.getShape();
  if (shape.getM() != 16 || shape.getN() != 8 || op.getB1Op() ||
      op.getLayoutA() != NVVM::MMALayout::row || op.getLayoutB() != NVVM::MMALayout::col ||
      op.accumPtxType() != op.resultPtxType())
    return std::nullopt;
  return describe(elementOf(op.getMultiplicandAPtxType(), op.getOperandA()),
                  elementOf(op.getMultiplicandBPtxType(), op.getOperandB()),
                  convert(op.accumPtxType()), uint32_t(shape.getK()),
                  op.getIntOverflowBehavior() == NVVM::MMAIntOverflow::satfinite);
}

/// `operands`: registers of A, B and C.
static LogicalResult emitMultiply(Operation *op, std::optional<MatrixMultiply> shape,
                                  ArrayRef<ValueRange> operands, Emitter &e) {
  if (!shape)
    return op->emitOpError("is of a shape or type that the emulator does not know, expected m16n8 "
                           "with k8 or k16 of f16 or bf16, k4 or k8 of tf32, k16 or k32 of s8 or "
                           "u8, k32 of e4m3 or e5m2, row by column");
  if (failed(e.needs(findKind(shape->a)->least)))
    return failure();
  static constexpr unsigned starts[] = {0, 4, 6};
  for (auto [start, registers] : llvm::zip(starts, operands))
    for (auto [index, value] : llvm::enumerate(registers))
      e.storeScratch(start + index, e.toBits(value));
  Value table = e.table({int32_t(shape->k), int32_t(shape->a), int32_t(shape->b),
                         int32_t(shape->accumulator), int32_t(shape->saturate)});
  e.call("kvasir_emu_multiply", nullptr, {e.thread(), table, e.scratch(), e.where()});
  return e.replace(takeResult(op->getResult(0).getType(), e));
}

/// FP8 has no nvvm op: "llvm.nvvm.mma.m16n8k32.row.col.f32.e4m3.e4m3.f32".
static LogicalResult lowerIntrinsic(LLVM::CallIntrinsicOp op, Emitter &e, bool &known) {
  StringRef name = op.getIntrin();
  ValueRange arguments = op.getArgs();
  known = name.consume_front("llvm.nvvm.mma.m16n8k32.row.col.f32.") && name.consume_back(".f32") &&
          arguments.size() == 10 && op->getNumResults() == 1;
  if (!known)
    return failure();
  auto [a, b] = name.split('.');
  auto element = [](StringRef type) -> std::optional<Element> {
    auto found = NVVM::symbolizeMMATypes(type);
    return found ? convert(*found) : std::nullopt;
  };
  return emitMultiply(op, describe(element(a), element(b), Element::f32, 32, false),
                      {arguments.take_front(4), arguments.slice(4, 2), arguments.drop_front(6)}, e);
}

LogicalResult lowerMatrix(Operation *op, Emitter &e, bool &known) {
  known = true;
  return llvm::TypeSwitch<Operation *, LogicalResult>(op)
      .Case([&](NVVM::LdMatrixOp op) { return lowerLoadMatrix(op, e); })
      .Case([&](NVVM::StMatrixOp op) { return lowerStoreMatrix(op, e); })
      .Case([&](NVVM::MmaOp op) {
        return emitMultiply(op, describe(op),
                            {op.getOperandA(), op.getOperandB(), op.getOperandC()}, e);
      })
      .Case([&](LLVM::CallIntrinsicOp op) { return lowerIntrinsic(op, e, known); })
      .Default([&](Operation *) {
        known = false;
        return failure();
      });
}

} // namespace kvasir::emulator
