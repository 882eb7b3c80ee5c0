// Conversions, permutations of bytes and approximations.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "Emulated.h"

#include "gtest/gtest.h"

#include <cmath>
#include <cstring>
#include <functional>
#include <random>

using namespace kvasir::test;

namespace {

float asFloat(uint32_t bits) {
  float value;
  std::memcpy(&value, &bits, 4);
  return value;
}
uint32_t asBits(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, 4);
  return bits;
}

/// Runs `op`, which makes an i32 %r of %v, on each input.
std::vector<uint32_t> map(const std::string &op, std::vector<uint32_t> in,
                          const std::string &type = "f32", const Nearness &nearness = {}) {
  in.resize((in.size() + 31) / 32 * 32);
  std::vector<uint32_t> out(in.size());
  KernelText text{R"(
%block = nvvm.read.ptx.sreg.ctaid.x : i32
%c32 = llvm.mlir.constant(32 : i32) : i32
%start = llvm.mul %block, %c32 : i32
%from = llvm.getelementptr %in_at[%start] : (!llvm.ptr, i32) -> !llvm.ptr, i32
%to = llvm.getelementptr %out_at[%start] : (!llvm.ptr, i32) -> !llvm.ptr, i32
%v = llvm.load %from : !llvm.ptr -> )" +
                  type + "\n" + op + "\nllvm.store %r, %to : i32, !llvm.ptr"};
  text.blocks = int(in.size() / 32);
  Emulated code(text.str());
  EXPECT_EQ(code.failure, "");
  code.nearness = nearness;
  EXPECT_EQ(code.run("k", {in, out}), "");
  return out;
}

std::vector<uint32_t> bitsOf(std::vector<float> values) {
  std::vector<uint32_t> bits;
  for (float value : values)
    bits.push_back(asBits(value));
  return bits;
}

/// Value of an 8-bit code with that many exponent bits, from the definition.
double eightBits(int code, int exponentBits) {
  int mantissaBits = 7 - exponentBits, bias = (1 << (exponentBits - 1)) - 1;
  int exponent = code >> mantissaBits & ((1 << exponentBits) - 1);
  int mantissa = code & ((1 << mantissaBits) - 1);
  double value = exponent ? std::ldexp(1 + std::ldexp(mantissa, -mantissaBits), exponent - bias)
                          : std::ldexp(mantissa, 1 - bias - mantissaBits);
  return code & 0x80 ? -value : value;
}

const char *const e4m3 = "f8E4M3FN", *const e5m2 = "f8E5M2";

/// Largest finite code.
int largest(const char *format) { return format == e4m3 ? 0x7e : 0x7b; }

TEST(Numbers, EightBitFloatsToHalf) {
  for (const char *format : {e4m3, e5m2}) {
    std::vector<uint32_t> codes(256);
    for (uint32_t i = 0; i < 256; ++i)
      codes[i] = i | 0x38 << 8; // the second is 1 in E4M3
    auto out = map(std::string("%b = llvm.bitcast %v : i32 to vector<4xi8>\n%p = "
                               "llvm.shufflevector %b, %b [0, 1] : vector<4xi8>\n%h = "
                               "nvvm.convert.f8x2.to.f16x2 %p : vector<2xi8> (") +
                       format + ") -> vector<2xf16>\n%r = llvm.bitcast %h : vector<2xf16> to i32",
                   codes, "i32");
    for (int code = 0; code < 256; ++code) {
      if ((code & 0x7f) > largest(format))
        continue; // NaN, infinity
      _Float16 half;
      uint16_t bits = uint16_t(out[code]);
      std::memcpy(&half, &bits, 2);
      EXPECT_EQ(double(half), eightBits(code, format == e4m3 ? 4 : 5)) << code;
    }
    if (format == e4m3) {
      EXPECT_EQ(out[0] >> 16, 0x3c00u);
    }
  }
}

/// The nearest finite code; ties to the even one; beyond the last, the last.
int nearest(float value, const char *format) {
  int exponentBits = format == e4m3 ? 4 : 5, best = 0;
  if (std::isinf(value))
    return largest(format) | (std::signbit(value) ? 0x80 : 0);
  for (int code = 0; code <= largest(format); ++code) {
    double error = std::fabs(std::fabs(value) - eightBits(code, exponentBits));
    double least = std::fabs(std::fabs(value) - eightBits(best, exponentBits));
    if (error < least || (error == least && code % 2 == 0))
      best = code;
  }
  return best | (std::signbit(value) ? 0x80 : 0);
}

TEST(Numbers, FloatsToEightBits) {
  for (const char *format : {e4m3, e5m2}) {
    std::vector<float> values = {0, -0.0f, 1e-9f, 1e9f, -1e9f, INFINITY, 448, 464, 465};
    for (int code = 0; code < largest(format); ++code) { // each number, and around each tie
      double a = eightBits(code, format == e4m3 ? 4 : 5);
      double b = eightBits(code + 1, format == e4m3 ? 4 : 5);
      float middle = float((a + b) / 2);
      for (float value :
           {float(a), middle, std::nextafterf(middle, 0), std::nextafterf(middle, 1e9f)})
        values.push_back(-value);
    }
    auto out = map(std::string("%one = llvm.mlir.constant(1.0 : f32) : f32\n%c = "
                               "nvvm.convert.f32x2.to.f8x2 %one, %v {rnd = #nvvm.fp_rnd_mode<rn>, "
                               "sat = #nvvm.sat_mode<satfinite>} : i16 (") +
                       format + ")\n%r = llvm.zext %c : i16 to i32",
                   bitsOf(values));
    for (size_t i = 0; i < values.size(); ++i) {
      EXPECT_EQ(int(out[i] & 0xff), nearest(values[i], format)) << values[i] << " to " << format;
      EXPECT_EQ(out[i] >> 8, format == e4m3 ? 0x38u : 0x3cu); // the first operand, upper byte
    }
  }
}

TEST(Numbers, FloatsToBrainFloats) {
  // Ties to even, towards zero, carries into the exponent, the first operand above the second.
  std::vector<uint32_t> in = {0x3f808000, 0x3f818000, 0x3f808001, 0x3f807fff, 0x7f7fffff,
                              0xbf808001, 0x00008001, 0x7f800000, 0x3fffffff};
  std::vector<uint32_t> rounded = {0x3f80, 0x3f82, 0x3f81, 0x3f80, 0x7f80,
                                   0xbf81, 0x0001, 0x7f80, 0x4000};
  auto convert = [&](const char *mode) {
    return map(std::string("%one = llvm.mlir.constant(1.0 : f32) : f32\n%b = "
                           "nvvm.convert.f32x2.to.bf16x2 %one, %v {rnd = #nvvm.fp_rnd_mode<") +
                   mode + ">} : vector<2xbf16>\n%r = llvm.bitcast %b : vector<2xbf16> to i32",
               in);
  };
  auto nearest = convert("rn"), zero = convert("rz");
  auto truncated = map("%b = llvm.fptrunc %v : f32 to bf16\n%i = llvm.bitcast %b : bf16 to i16\n"
                       "%r = llvm.zext %i : i16 to i32",
                       in);
  for (size_t i = 0; i < in.size(); ++i) {
    EXPECT_EQ(nearest[i], 0x3f800000u | rounded[i]) << i;
    EXPECT_EQ(truncated[i], rounded[i]) << i;
    EXPECT_EQ(zero[i], 0x3f800000u | in[i] >> 16) << i;
  }
}

TEST(Numbers, FloatsToHalves) {
  // 1 + 2^-11 is between two halves: to even. The largest half is 65504.
  auto out = map("%one = llvm.mlir.constant(1.0 : f32) : f32\n%b = nvvm.convert.f32x2.to.f16x2 "
                 "%one, %v {rnd = #nvvm.fp_rnd_mode<rn>} : vector<2xf16>\n"
                 "%r = llvm.bitcast %b : vector<2xf16> to i32",
                 bitsOf({1, 1 + 0x1p-11f, 1 + 0x3p-11f, 65504, 65520, 0x1p-24f, 0x1p-25f}));
  const uint32_t expected[] = {0x3c00, 0x3c00, 0x3c02, 0x7bff, 0x7c00, 1, 0};
  for (size_t i = 0; i < std::size(expected); ++i)
    EXPECT_EQ(out[i], 0x3c000000u | expected[i]) << i;
}

TEST(Numbers, FloatsToTF32) {
  // 10 bits of mantissa, ties away from zero.
  auto out = map("%r = nvvm.convert.float.to.tf32 %v {rnd = #nvvm.fp_rnd_mode<rna>}",
                 bitsOf({1, 1 + 0x1p-11f, -1 - 0x1p-11f, 1 + 0x1p-11f - 0x1p-23f, 2 - 0x1p-23f}));
  const float expected[] = {1, 1 + 0x1p-10f, -1 - 0x1p-10f, 1, 2};
  for (size_t i = 0; i < std::size(expected); ++i)
    EXPECT_EQ(asFloat(out[i]), expected[i]) << i;
}

TEST(Numbers, PermutedBytes) {
  // Bytes 0 to 7 are 10 32 54 76 98 ba dc fe; the manual's table for each mode and selector.
  struct Case {
    const char *mode;
    uint32_t selector, expected;
  };
  const Case cases[] = {
      {"default", 0x3210, 0x76543210}, {"default", 0x7654, 0xfedcba98},
      {"default", 0x0123, 0x10325476}, {"default", 0x8f30, 0x00ff7610}, // signs of bytes 0, 7
      {"f4e", 0, 0x76543210},          {"f4e", 1, 0x98765432},
      {"f4e", 3, 0xdcba9876},          {"b4e", 0, 0xbadcfe10},
      {"b4e", 1, 0xdcfe1032},          {"b4e", 3, 0x10325476},
      {"rc8", 2, 0x54545454},          {"ecl", 0, 0x76543210},
      {"ecl", 2, 0x76545454},          {"ecr", 0, 0x10101010},
      {"ecr", 2, 0x54543210},          {"ecr", 3, 0x76543210},
      {"rc16", 0, 0x32103210},         {"rc16", 1, 0x76547654},
      {"rc16", 2, 0x32103210}};
  for (const Case &c : cases) {
    std::string mode = c.mode;
    bool two = mode == "default" || mode == "f4e" || mode == "b4e";
    auto out =
        map("%hi = llvm.mlir.constant(-19088744 : i32) : i32\n%s = llvm.mlir.constant(" +
                std::to_string(c.selector) + " : i32) : i32\n%r = nvvm.prmt #nvvm.permute_mode<" +
                mode + "> %s, %v" + (two ? ", %hi" : "") + " : i32",
            {0x76543210}, "i32");
    EXPECT_EQ(out[0], c.expected) << c.mode << " " << c.selector;
  }
}

TEST(Numbers, DotProductsOfBytes) {
  auto out = map("%b = llvm.bitcast %v : i32 to vector<4xi8>\n%c = llvm.mlir.constant(1000 : i32) "
                 ": i32\n%r = nvvm.dot.accumulate.4way %b <signed>, %b <unsigned>, %c : "
                 "vector<4xi8>, vector<4xi8>",
                 {0x0201ff80}, "i32");
  EXPECT_EQ(out[0], uint32_t(1000 + -128 * 128 + -1 * 255 + 1 * 1 + 2 * 2));
}

//===----------------------------------------------------------------------===//
// Approximations: the manual's error bounds are looser than ours
//===----------------------------------------------------------------------===//

/// Errors of the hardware's approximations that the manual admits, and half a unit of ours.
constexpr Nearness near = {true, 0x1p-21, 0};
constexpr Nearness nearInRange = {true, 0, 0x1p-20}; // lg2; sin and cos within [-pi, pi]
constexpr Nearness notCompared = {false, 0, 0};

/// Greatest error in units of the last place against `exact` on random inputs in [low, high].
double worst(const std::string &op, double (*exact)(double), float low, float high,
             const Nearness &nearness = near) {
  std::mt19937 random(7);
  std::uniform_real_distribution<float> between(low, high);
  std::vector<float> values(1024);
  for (float &value : values)
    value = between(random);
  auto out =
      map("%f = " + op + "\n%r = llvm.bitcast %f : f32 to i32", bitsOf(values), "f32", nearness);
  double worst = 0;
  for (size_t i = 0; i < values.size(); ++i) {
    double expected = exact(double(values[i])), got = asFloat(out[i]);
    float near = float(std::fabs(expected));
    double unit = double(std::nextafterf(near, INFINITY)) - near;
    worst = std::max(worst, std::fabs(got - expected) / unit);
  }
  return worst;
}

std::string intrinsic(const char *name) {
  return std::string("llvm.call_intrinsic \"llvm.nvvm.") + name + "\"(%v) : (f32) -> f32";
}

TEST(Numbers, Approximations) {
  // Half a unit is correctly rounded; the rest is the reference's own error.
  double most = 0.5001;
  EXPECT_LE(worst("llvm.intr.exp2(%v) : (f32) -> f32", std::exp2, -120, 120), most);
  EXPECT_LE(worst(intrinsic("ex2.approx.ftz.f"), std::exp2, -120, 120), most);
  EXPECT_LE(worst(intrinsic("lg2.approx.f"), std::log2, 0.5f, 2, nearInRange), most);
  EXPECT_LE(worst(intrinsic("sin.approx.f"), std::sin, -10000, 10000, notCompared), most);
  EXPECT_LE(worst(intrinsic("sin.approx.f"), std::sin, -3, 3, nearInRange), most);
  EXPECT_LE(worst(intrinsic("cos.approx.f"), std::cos, -10000, 10000, notCompared), most);
  EXPECT_LE(worst(intrinsic("cos.approx.f"), std::cos, -3, 3, nearInRange), most);
  EXPECT_LE(worst(
                intrinsic("rsqrt.approx.f"), [](double x) { return 1 / std::sqrt(x); }, 0.1f, 90),
            most);
  EXPECT_LE(worst(intrinsic("sqrt.approx.f"), std::sqrt, 0, 90), most);
  EXPECT_LE(
      worst("nvvm.rcp.approx.ftz.f %v : f32", [](double x) { return 1 / x; }, 0.1f, 90), most);
}

TEST(Numbers, Exp2OfSpecialValues) {
  auto out = map("%f = llvm.intr.exp2(%v) : (f32) -> f32\n%r = llvm.bitcast %f : f32 to i32",
                 bitsOf({0, -INFINITY, INFINITY, 128, -149, -151, 10, -1}), "f32", near);
  const float expected[] = {1, 0, INFINITY, INFINITY, 0x1p-149f, 0, 1024, 0.5f};
  for (size_t i = 0; i < std::size(expected); ++i)
    EXPECT_EQ(asFloat(out[i]), expected[i]) << i;
}

} // namespace
