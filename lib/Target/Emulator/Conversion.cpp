// Conversions between number formats, approximations of functions, and other arithmetic of the
// device that LLVM has no operation for.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "Emitter.h"

#include "llvm/ADT/StringSwitch.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;

namespace kvasir::emulator {

static Value insert(Value vector, Value element, int64_t at, Emitter &e) {
  return LLVM::InsertElementOp::create(e.b, vector, element, e.constant(at));
}

/// A vector of two, from the element of low index.
static Value makePair(Type type, Value first, Value second, Emitter &e) {
  Value result = LLVM::PoisonOp::create(e.b, type);
  return insert(insert(result, first, 0, e), second, 1, e);
}

static Value element(Value vector, int64_t at, Emitter &e) {
  return LLVM::ExtractElementOp::create(e.b, vector, e.constant(at));
}

static Value truncate(Value value, unsigned bits, Emitter &e) {
  return LLVM::TruncOp::create(e.b, e.b.getIntegerType(bits), value);
}

static LogicalResult unknownKind(Operation *op, const Twine &expected) {
  return op->emitOpError() << "is of a kind that the emulator does not know, expected " << expected;
}

/// f32 to bf16, as a bf16.
static Value toBF16(Value value, bool towardsZero, Emitter &e) {
  Value bits = e.call("kvasir_emu_to_bf16", e.i32(), {value, e.constant(towardsZero)});
  return LLVM::BitcastOp::create(e.b, e.b.getBF16Type(), truncate(bits, 16, e));
}

template <class Op> static bool isPlain(Op op) {
  return !op.getRelu() && op.getSat() == NVVM::SaturationMode::NONE && !op.getRandomBits();
}

static LogicalResult lowerToBF16x2(NVVM::ConvertF32x2ToBF16x2Op op, Emitter &e) {
  bool towardsZero = op.getRnd() == NVVM::FPRoundingMode::RZ;
  if (!isPlain(op) || (!towardsZero && op.getRnd() != NVVM::FPRoundingMode::RN))
    return unknownKind(op, "rounding rn or rz without relu and saturation");
  if (failed(e.needs(80)))
    return failure();
  return e.replace(makePair(op.getType(), toBF16(op.getSrcLo(), towardsZero, e),
                            toBF16(op.getSrcHi(), towardsZero, e), e));
}

static LogicalResult lowerToF16x2(NVVM::ConvertF32x2ToF16x2Op op, Emitter &e) {
  if (!isPlain(op) || op.getRnd() != NVVM::FPRoundingMode::RN)
    return unknownKind(op, "rounding rn without relu and saturation");
  if (failed(e.needs(80)))
    return failure();
  Type f16 = e.b.getF16Type();
  return e.replace(makePair(op.getType(), LLVM::FPTruncOp::create(e.b, f16, op.getSrcLo()),
                            LLVM::FPTruncOp::create(e.b, f16, op.getSrcHi()), e));
}

static LogicalResult lowerToTF32(NVVM::ConvertFloatToTF32Op op, Emitter &e) {
  if (op.getRnd() != NVVM::FPRoundingMode::RNA || op.getRelu() ||
      op.getSat() != NVVM::SaturationMode::NONE)
    return unknownKind(op, "rounding rna without relu and saturation");
  return e.replace(e.call("kvasir_emu_to_tf32", e.i32(), op.getSrc()));
}

static LogicalResult lowerToF8x2(NVVM::ConvertF32x2ToF8x2Op op, Emitter &e) {
  bool isE4M3 = isa<Float8E4M3FNType>(op.getDstTy());
  if (op.getRelu() || op.getRnd() != NVVM::FPRoundingMode::RN ||
      op.getSat() != NVVM::SaturationMode::SATFINITE ||
      !(isE4M3 || isa<Float8E5M2Type>(op.getDstTy())))
    return unknownKind(op, "f8E4M3FN or f8E5M2, rounding rn, satfinite, without relu");
  if (failed(e.needs(89)))
    return failure();
  StringRef callee = isE4M3 ? "kvasir_emu_to_e4m3" : "kvasir_emu_to_e5m2";
  Value high = truncate(e.call(callee, e.i32(), op.getA()), 8, e);
  Value low = truncate(e.call(callee, e.i32(), op.getB()), 8, e);
  Value both = makePair(VectorType::get(2, e.b.getI8Type()), low, high, e);
  if (op.getType() != both.getType())
    both = LLVM::BitcastOp::create(e.b, op.getType(), both);
  return e.replace(both);
}

static LogicalResult lowerFromF8x2(NVVM::ConvertF8x2ToF16x2Op op, Emitter &e) {
  bool isE4M3 = isa<Float8E4M3FNType>(op.getSrcType());
  if (op.getRelu() || !(isE4M3 || isa<Float8E5M2Type>(op.getSrcType())))
    return unknownKind(op, "f8E4M3FN or f8E5M2 without relu");
  if (failed(e.needs(89)))
    return failure();
  StringRef callee = isE4M3 ? "kvasir_emu_from_e4m3" : "kvasir_emu_from_e5m2";
  auto convert = [&](int64_t at) -> Value {
    Value code = LLVM::ZExtOp::create(e.b, e.i32(), element(op.getSrc(), at, e));
    Value number = e.call(callee, e.b.getF32Type(), code);
    return LLVM::FPTruncOp::create(e.b, e.b.getF16Type(), number); // exact
  };
  Value first = convert(0);
  return e.replace(makePair(op.getType(), first, convert(1), e));
}

static LogicalResult lowerPermute(NVVM::PermuteOp op, Emitter &e) {
  Value high = op.getHi() ? op.getHi() : e.constant(0);
  return e.replace(e.call("kvasir_emu_permute", e.i32(),
                          {e.constant(int64_t(op.getMode())), op.getLo(), high, op.getSelector()}));
}

static LogicalResult lowerDot(NVVM::DotAccumulate4WayOp op, Emitter &e) {
  Value sum = op.getC();
  Type wide = VectorType::get(4, e.i32());
  auto extend = [&](Value vector, NVVM::DotAccumulateType type) -> Value {
    if (type == NVVM::DotAccumulateType::SIGNED)
      return LLVM::SExtOp::create(e.b, wide, vector);
    return LLVM::ZExtOp::create(e.b, wide, vector);
  };
  Value products =
      LLVM::MulOp::create(e.b, extend(op.getA(), op.getAType()), extend(op.getB(), op.getBType()));
  for (int64_t i = 0; i < 4; ++i)
    sum = LLVM::AddOp::create(e.b, sum, element(products, i, e));
  return e.replace(sum);
}

//===----------------------------------------------------------------------===//
// Functions
//===----------------------------------------------------------------------===//

/// The emulator's function for an intrinsic of one f32.
static StringRef findFunction(StringRef intrinsic) {
  return llvm::StringSwitch<StringRef>(intrinsic)
      .Cases({"llvm.nvvm.ex2.approx.f", "llvm.nvvm.ex2.approx.f32", "llvm.nvvm.ex2.approx"},
             "kvasir_emu_ex2")
      .Cases({"llvm.nvvm.ex2.approx.ftz.f", "llvm.nvvm.ex2.approx.ftz.f32",
              "llvm.nvvm.ex2.approx.ftz"},
             "kvasir_emu_ex2_ftz")
      .Case("llvm.nvvm.lg2.approx.f", "kvasir_emu_lg2")
      .Case("llvm.nvvm.lg2.approx.ftz.f", "kvasir_emu_lg2_ftz")
      .Case("llvm.nvvm.sin.approx.f", "kvasir_emu_sin")
      .Case("llvm.nvvm.sin.approx.ftz.f", "kvasir_emu_sin_ftz")
      .Case("llvm.nvvm.cos.approx.f", "kvasir_emu_cos")
      .Case("llvm.nvvm.cos.approx.ftz.f", "kvasir_emu_cos_ftz")
      .Case("llvm.nvvm.rcp.approx.ftz.f", "kvasir_emu_rcp_ftz")
      .Case("llvm.nvvm.rcp.rn.f", "kvasir_emu_rcp")
      .Case("llvm.nvvm.sqrt.approx.f", "kvasir_emu_sqrt")
      .Case("llvm.nvvm.sqrt.approx.ftz.f", "kvasir_emu_sqrt_ftz")
      .Case("llvm.nvvm.sqrt.rn.f", "kvasir_emu_sqrt")
      .Case("llvm.nvvm.rsqrt.approx.f", "kvasir_emu_rsqrt")
      .Case("llvm.nvvm.rsqrt.approx.ftz.f", "kvasir_emu_rsqrt_ftz")
      .Default("");
}

static LogicalResult lowerIntrinsic(LLVM::CallIntrinsicOp op, Emitter &e, bool &known) {
  StringRef name = op.getIntrin();
  ValueRange arguments = op.getArgs();
  StringRef function = findFunction(name);
  Type f32 = e.b.getF32Type();
  if (!function.empty() && arguments.size() == 1 && arguments[0].getType() == f32)
    return e.replace(e.call(function, f32, arguments));
  if (name == "llvm.nvvm.ff2bf16x2.rn" || name == "llvm.nvvm.ff2bf16x2.rz")
    return e.replace(makePair(op->getResult(0).getType(),
                              toBF16(arguments[1], name.ends_with("rz"), e),
                              toBF16(arguments[0], name.ends_with("rz"), e), e));
  if (name == "llvm.nvvm.f2bf16.rn" || name == "llvm.nvvm.f2bf16.rz")
    return e.replace(toBF16(arguments[0], name.ends_with("rz"), e));
  if (name == "llvm.nvvm.fma.rn.f")
    return e.replace(
        LLVM::FMAOp::create(e.b, arguments[0], arguments[1], arguments[2]).getResult());
  known = false;
  return failure();
}

/// LLVM's functions for which NVPTX has an instruction of f32: llvm.intr.log2 has none.
static LogicalResult lowerFunction(Operation *op, StringRef function, Emitter &e, bool &known) {
  known = op->getResult(0).getType().isF32();
  if (!known)
    return failure();
  return e.replace(e.call(function, e.b.getF32Type(), op->getOperands()));
}

LogicalResult lowerConversion(Operation *op, Emitter &e, bool &known) {
  known = true;
  return llvm::TypeSwitch<Operation *, LogicalResult>(op)
      .Case([&](NVVM::ConvertF32x2ToBF16x2Op op) { return lowerToBF16x2(op, e); })
      .Case([&](NVVM::ConvertF32x2ToF16x2Op op) { return lowerToF16x2(op, e); })
      .Case([&](NVVM::ConvertF32x2ToF8x2Op op) { return lowerToF8x2(op, e); })
      .Case([&](NVVM::ConvertF8x2ToF16x2Op op) { return lowerFromF8x2(op, e); })
      .Case([&](NVVM::ConvertFloatToTF32Op op) { return lowerToTF32(op, e); })
      .Case([&](NVVM::PermuteOp op) { return lowerPermute(op, e); })
      .Case([&](NVVM::DotAccumulate4WayOp op) { return lowerDot(op, e); })
      .Case([&](NVVM::RcpApproxFtzF32Op op) {
        return e.replace(e.call("kvasir_emu_rcp_ftz", op.getType(), op->getOperands()));
      })
      .Case([&](LLVM::CallIntrinsicOp op) { return lowerIntrinsic(op, e, known); })
      .Case([&](LLVM::Exp2Op op) { return lowerFunction(op, "kvasir_emu_ex2", e, known); })
      .Default([&](Operation *) {
        known = false;
        return failure();
      });
}

} // namespace kvasir::emulator
