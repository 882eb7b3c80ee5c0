// Conformance of mma.sync, ldmatrix and stmatrix: fragments are laid out here as the PTX ISA manual
// writes them ("Matrix fragments for mma.m16n8k16" and so on), one formula per shape.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "Emulated.h"

#include "gtest/gtest.h"

#include <cmath>
#include <cstring>
#include <functional>

using namespace kvasir::test;

namespace {

/// Where element i of a lane's fragment lies; g is the group, lane / 4, and t the thread in it.
struct Fragments {
  int k;
  int countA, countB; // elements
  int (*rowA)(int g, int t, int i), (*columnA)(int g, int t, int i);
  int (*rowB)(int g, int t, int i); // its column is g
};

// clang-format off
const Fragments halves16 = {16, 8, 4,
  [](int g, int, int i) { return i < 2 || (4 <= i && i < 6) ? g : g + 8; },
  [](int, int t, int i) { return i < 4 ? t * 2 + (i & 1) : t * 2 + (i & 1) + 8; },
  [](int, int t, int i) { return i < 2 ? t * 2 + (i & 1) : t * 2 + (i & 1) + 8; }};
const Fragments halves8 = {8, 4, 2,
  [](int g, int, int i) { return i < 2 ? g : g + 8; },
  [](int, int t, int i) { return t * 2 + (i & 1); },
  [](int, int t, int i) { return t * 2 + i; }};
const Fragments words8 = {8, 4, 2,
  [](int g, int, int i) { return i == 0 || i == 2 ? g : g + 8; },
  [](int, int t, int i) { return i == 0 || i == 1 ? t : t + 4; },
  [](int, int t, int i) { return i == 0 ? t : t + 4; }};
const Fragments words4 = {4, 2, 1,
  [](int g, int, int i) { return i == 0 ? g : g + 8; },
  [](int, int t, int) { return t; },
  [](int, int t, int) { return t; }};
const Fragments bytes16 = {16, 8, 4,
  [](int g, int, int i) { return i < 4 ? g : g + 8; },
  [](int, int t, int i) { return t * 4 + (i & 3); },
  [](int, int t, int i) { return t * 4 + (i & 3); }};
const Fragments bytes32 = {32, 16, 8,
  [](int g, int, int i) { return i < 4 || (8 <= i && i < 12) ? g : g + 8; },
  [](int, int t, int i) { return i < 8 ? t * 4 + (i & 3) : t * 4 + (i & 3) + 16; },
  [](int, int t, int i) { return i < 4 ? t * 4 + (i & 3) : t * 4 + (i & 3) + 16; }};
// clang-format on

using Encode = std::function<uint32_t(float)>;

uint32_t asBits(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, 4);
  return bits;
}

/// Codes of small integers and halves, by the definitions of the formats.
uint32_t f32Of(float value) { return asBits(value); }
uint32_t bf16Of(float value) { return asBits(value) >> 16; }
uint32_t byteOf(float value) { return uint8_t(int(value)); }
/// Any format of the kind sign, exponent, mantissa, for values that it holds exactly.
uint32_t floatCode(float value, int exponentBits, int mantissaBits) {
  if (value == 0)
    return 0;
  int exponent;
  float mantissa = std::frexp(std::fabs(value), &exponent) * 2; // in [1, 2)
  int bias = (1 << (exponentBits - 1)) - 1;
  uint32_t code = uint32_t(exponent - 1 + bias) << mantissaBits |
                  uint32_t((mantissa - 1) * float(1 << mantissaBits));
  return code | uint32_t(value < 0) << (exponentBits + mantissaBits);
}
uint32_t f16Of(float value) { return floatCode(value, 5, 10); }
uint32_t e4m3Of(float value) { return floatCode(value, 4, 3); }
uint32_t e5m2Of(float value) { return floatCode(value, 5, 2); }

struct Multiply {
  const char *name;
  const char *type, *typeB; // PTX types of A and B
  const Fragments &fragments;
  int bits; // of an element
  Encode encodeA, encodeB;
  const char *operand, *accumulator; // types in the IR
  const char *extra = "";
};

std::string list(const std::string &prefix, int from, int count) {
  std::string text;
  for (int i = 0; i < count; ++i)
    text += (i ? ", " : "") + ("%" + prefix + std::to_string(from + i));
  return text;
}

std::string kernelText(const Multiply &m) {
  bool half = std::string(m.accumulator) == "vector<2xf16>";
  int a = m.fragments.countA * m.bits / 32, b = m.fragments.countB * m.bits / 32, c = half ? 2 : 4;
  std::string body =
      "%ten = llvm.mlir.constant(10 : i32) : i32\n%four = llvm.mlir.constant(4 : "
      "i32) : i32\n%ai = llvm.mul %tid, %ten : i32\n%oi = llvm.mul %tid, %four : i32\n"
      "%ap = llvm.getelementptr %in[%ai] : (!llvm.ptr, i32) -> !llvm.ptr, i32\n"
      "%op = llvm.getelementptr %out[%oi] : (!llvm.ptr, i32) -> !llvm.ptr, i32\n";
  auto load = [&](int from, int count, const std::string &type) {
    for (int i = from; i < from + count; ++i) {
      std::string n = std::to_string(i);
      body += "%p" + n + " = llvm.getelementptr %ap[" + n +
              "] : (!llvm.ptr) -> !llvm.ptr, i32\n%r" + n + " = llvm.load %p" + n +
              " : !llvm.ptr -> " + type + "\n";
    }
  };
  load(0, a, m.operand);
  load(4, b, m.operand);
  load(6, c, m.accumulator);
  std::string result = "!llvm.struct<(";
  for (int i = 0; i < c; ++i)
    result += (i ? ", " : "") + std::string(m.accumulator);
  result += ")>";
  if (*m.type == 'e') // the dialect's op knows no FP8
    body += "%d = llvm.call_intrinsic \"llvm.nvvm.mma.m16n8k32.row.col.f32." + std::string(m.type) +
            "." + m.typeB + ".f32\"(" + list("r", 0, 10) +
            ") : (i32, i32, i32, i32, i32, i32, f32, f32, f32, f32) -> " + result + "\n";
  else
    body += "%d = nvvm.mma.sync A[" + list("r", 0, a) + "] B[" + list("r", 4, b) + "] C[" +
            list("r", 6, c) +
            "] {layoutA = #nvvm.mma_layout<row>, layoutB = #nvvm.mma_layout<col>, "
            "multiplicandAPtxType = #nvvm.mma_type<" +
            m.type + ">, multiplicandBPtxType = #nvvm.mma_type<" + m.typeB + ">, " + m.extra +
            "shape = #nvvm.shape<m = 16, n = 8, k = " + std::to_string(m.fragments.k) + ">} : (" +
            m.operand + ", " + m.operand + ", " + m.accumulator + ") -> " + result + "\n";
  for (int i = 0; i < c; ++i) {
    std::string n = std::to_string(i);
    body += "%d" + n + " = llvm.extractvalue %d[" + n + "] : " + result + "\n%o" + n +
            " = llvm.getelementptr %op[" + n + "] : (!llvm.ptr) -> !llvm.ptr, i32\nllvm.store %d" +
            n + ", %o" + n + " : " + m.accumulator + ", !llvm.ptr\n";
  }
  return KernelText{body}.str();
}

/// Values that every format holds, and whose sums are exact.
struct Matrices {
  float a[16][32], b[32][8], c[16][8];
  Matrices(int k, bool isUnsignedA, bool isUnsignedB) {
    auto value = [](int i, int most, bool isUnsigned) {
      return float(isUnsigned ? i % (most + 1) : i % (2 * most + 1) - most);
    };
    for (int i = 0; i < 16; ++i)
      for (int j = 0; j < k; ++j)
        a[i][j] = value(7 * i + 3 * j + i * j, 4, isUnsignedA);
    for (int i = 0; i < k; ++i)
      for (int j = 0; j < 8; ++j)
        b[i][j] = value(5 * i + 11 * j + i * j, 3, isUnsignedB);
    for (int i = 0; i < 16; ++i)
      for (int j = 0; j < 8; ++j)
        c[i][j] = float((i * 13 + j * 5) % 31 - 15);
  }
  float product(int k, int row, int column) const {
    float sum = c[row][column];
    for (int i = 0; i < k; ++i)
      sum += a[row][i] * b[i][column];
    return sum;
  }
};

class MmaTest : public testing::TestWithParam<Multiply> {};

TEST_P(MmaTest, IsAMatrixProduct) {
  const Multiply &m = GetParam();
  const Fragments &f = m.fragments;
  bool half = std::string(m.accumulator) == "vector<2xf16>";
  bool integer = std::string(m.accumulator) == "i32";
  Matrices matrices(f.k, *m.type == 'u', *m.typeB == 'u');
  std::vector<uint32_t> in(32 * 10), out(32 * 4);
  auto put = [&](int lane, int first, int i, int bits, uint32_t code) {
    in[lane * 10 + first + i * bits / 32] |= code << (i * bits % 32);
  };
  auto rowC = [](int g, int i) { return i < 2 ? g : g + 8; };
  auto columnC = [](int t, int i) { return t * 2 + (i & 1); };
  for (int lane = 0; lane < 32; ++lane) {
    int g = lane >> 2, t = lane % 4;
    for (int i = 0; i < f.countA; ++i)
      put(lane, 0, i, m.bits, m.encodeA(matrices.a[f.rowA(g, t, i)][f.columnA(g, t, i)]));
    for (int i = 0; i < f.countB; ++i)
      put(lane, 4, i, m.bits, m.encodeB(matrices.b[f.rowB(g, t, i)][g]));
    for (int i = 0; i < 4; ++i) {
      float value = matrices.c[rowC(g, i)][columnC(t, i)];
      put(lane, 6, i, half ? 16 : 32,
          half      ? f16Of(value)
          : integer ? uint32_t(int(value))
                    : asBits(value));
    }
  }
  Emulated code(kernelText(m));
  ASSERT_EQ(code.failure, "");
  ASSERT_EQ(code.run("k", {in, out}), "");
  for (int lane = 0; lane < 32; ++lane)
    for (int i = 0; i < 4; ++i) {
      int row = rowC(lane >> 2, i), column = columnC(lane % 4, i);
      float value = matrices.product(f.k, row, column);
      uint32_t expected = half ? f16Of(value) : integer ? uint32_t(int(value)) : asBits(value);
      uint32_t word = out[lane * 4 + (half ? i / 2 : i)];
      uint32_t got = half ? word >> (i % 2 * 16) & 0xffff : word;
      EXPECT_EQ(got, expected) << "row " << row << ", column " << column;
    }
}

const char *wrapped = "intOverflowBehavior = #nvvm.mma_int_overflow<wrapped>, ";
const char *satfinite = "intOverflowBehavior = #nvvm.mma_int_overflow<satfinite>, ";
const Multiply multiplies[] = {
    {"f16k16", "f16", "f16", halves16, 16, f16Of, f16Of, "vector<2xf16>", "f32"},
    {"f16k8", "f16", "f16", halves8, 16, f16Of, f16Of, "vector<2xf16>", "f32"},
    {"f16k16toF16", "f16", "f16", halves16, 16, f16Of, f16Of, "vector<2xf16>", "vector<2xf16>"},
    {"f16k8toF16", "f16", "f16", halves8, 16, f16Of, f16Of, "vector<2xf16>", "vector<2xf16>"},
    {"bf16k16", "bf16", "bf16", halves16, 16, bf16Of, bf16Of, "i32", "f32"},
    {"bf16k8", "bf16", "bf16", halves8, 16, bf16Of, bf16Of, "i32", "f32"},
    {"tf32k8", "tf32", "tf32", words8, 32, f32Of, f32Of, "i32", "f32"},
    {"tf32k4", "tf32", "tf32", words4, 32, f32Of, f32Of, "i32", "f32"},
    {"s8k32", "s8", "s8", bytes32, 8, byteOf, byteOf, "i32", "i32", wrapped},
    {"s8k16", "s8", "s8", bytes16, 8, byteOf, byteOf, "i32", "i32", satfinite},
    {"u8s8k32", "u8", "s8", bytes32, 8, byteOf, byteOf, "i32", "i32", satfinite},
    {"s8u8k16", "s8", "u8", bytes16, 8, byteOf, byteOf, "i32", "i32", wrapped},
    {"e4m3k32", "e4m3", "e4m3", bytes32, 8, e4m3Of, e4m3Of, "i32", "f32"},
    {"e5m2k32", "e5m2", "e5m2", bytes32, 8, e5m2Of, e5m2Of, "i32", "f32"},
    {"e4m3e5m2k32", "e4m3", "e5m2", bytes32, 8, e4m3Of, e5m2Of, "i32", "f32"},
};
INSTANTIATE_TEST_SUITE_P(All, MmaTest, testing::ValuesIn(multiplies),
                         [](const auto &info) { return info.param.name; });

/// One product of A's first row and B's first column: element 0 of lane 0.
uint32_t firstElement(const Multiply &m, std::vector<uint32_t> in, bool onDevice = true) {
  std::vector<uint32_t> out(32 * 4);
  in.resize(32 * 10);
  Emulated code(kernelText(m));
  code.nearness.compared = onDevice;
  EXPECT_EQ(code.run("k", {in, out}), "");
  return out[0];
}

TEST(Mma, IntegersSaturateOrWrap) {
  // 127 * 127 four times on top of the largest integer.
  std::vector<uint32_t> in = {0x7f7f7f7f, 0, 0, 0, 0x7f7f7f7f, 0, 0x7fffffff};
  EXPECT_EQ(firstElement({"", "s8", "s8", bytes32, 8, byteOf, byteOf, "i32", "i32", satfinite}, in),
            0x7fffffffu);
  EXPECT_EQ(firstElement({"", "s8", "s8", bytes32, 8, byteOf, byteOf, "i32", "i32", wrapped}, in),
            0x7fffffffu + 4u * 127 * 127);
}

TEST(Mma, AddsInAscendingOrderWithOneRoundingEach) {
  // Row 0 of A: 1, 1, ...; column 0 of B: 2^24, 1, 1, -2^24. From the left in f32, each 1 added to
  // 2^24 is lost to rounding (ties to even).
  std::vector<uint32_t> in(32 * 10);
  in[0] = in[10] = 0x3f803f80;                  // A: k = 0, 1 in lane 0; k = 2, 3 in lane 1
  in[4] = 0x3f800000 | 0x4b80;                  // B: k = 0: 2^24, k = 1: 1
  in[10 + 4] = uint32_t(0xcb80) << 16 | 0x3f80; // k = 2: 1, k = 3: -2^24
  Multiply m = {"", "bf16", "bf16", halves8, 16, bf16Of, bf16Of, "i32", "f32"};
  EXPECT_EQ(firstElement(m, in, /*onDevice=*/false), asBits(0.0f)); // its order is not specified
}

//===----------------------------------------------------------------------===//
// ldmatrix and stmatrix
//===----------------------------------------------------------------------===//

/// Shared memory of 32 rows of 48 bytes, of which 16 are used: row r of matrix m is row 8 m + r.
/// %row is the place of the row that the lane names.
const char *rows = "llvm.mlir.global internal @s() {addr_space = 3 : i32, alignment = 16 : i64} : "
                   "!llvm.array<1536 x i8>\n";
const char *rowPlace = R"(
%s = llvm.mlir.addressof @s : !llvm.ptr<3>
%pitch = llvm.mlir.constant(48 : i32) : i32
%offset = llvm.mul %tid, %pitch : i32
%row = llvm.getelementptr %s[%offset] : (!llvm.ptr<3>, i32) -> !llvm.ptr<3>, i8
%four = llvm.mlir.constant(4 : i32) : i32
%mine = llvm.mul %tid, %four : i32
%in4 = llvm.getelementptr %in[%mine] : (!llvm.ptr, i32) -> !llvm.ptr, i32
%out4 = llvm.getelementptr %out[%mine] : (!llvm.ptr, i32) -> !llvm.ptr, i32
)";

/// Element (row, column) of matrix m as a 16-bit code.
uint32_t code(int m, int row, int column) { return uint32_t(1 + m * 64 + row * 8 + column); }

/// The register that lane gets of matrix m.
uint32_t registerOf(int lane, int m, bool transposed) {
  int r = lane / 4, c = lane % 4 * 2;
  return transposed ? code(m, c, r) | code(m, c + 1, r) << 16
                    : code(m, r, c) | code(m, r, c + 1) << 16;
}

std::string structOf(int count) {
  return count == 1   ? "i32"
         : count == 2 ? "!llvm.struct<(i32, i32)>"
                      : "!llvm.struct<(i32, i32, i32, i32)>";
}

TEST(LoadMatrix, OfOneTwoAndFour) {
  for (int count : {1, 2, 4})
    for (bool transposed : {false, true}) {
      std::string body = rowPlace + std::string(R"(
%v = llvm.load %in4 : !llvm.ptr -> vector<4xi32>
llvm.store %v, %row : vector<4xi32>, !llvm.ptr<3>
nvvm.barrier0
%m = nvvm.ldmatrix %row {num = )") +
                         std::to_string(count) + " : i32, layout = #nvvm.mma_layout<" +
                         (transposed ? "col" : "row") +
                         ">, shape = #nvvm.ld_st_matrix_shape<m = 8, n = 8>, eltType = "
                         "#nvvm.ld_st_matrix_elt_type<b16>} : (!llvm.ptr<3>) -> " +
                         structOf(count) + "\n";
      for (int i = 0; i < count; ++i) {
        std::string n = std::to_string(i);
        if (count > 1)
          body += "%m" + n + " = llvm.extractvalue %m[" + n + "] : " + structOf(count) + "\n";
        body += "%p" + n + " = llvm.getelementptr %out4[" + n +
                "] : (!llvm.ptr) -> !llvm.ptr, i32\nllvm.store " +
                (count > 1 ? "%m" + n : std::string("%m")) + ", %p" + n + " : i32, !llvm.ptr\n";
      }
      std::vector<uint32_t> in(128), out(128);
      for (int lane = 0; lane < 32; ++lane)
        for (int i = 0; i < 4; ++i)
          in[lane * 4 + i] = code(lane / 8, lane % 8, 2 * i) | code(lane / 8, lane % 8, 2 * i + 1)
                                                                   << 16;
      Emulated code(KernelText{body, rows}.str());
      ASSERT_EQ(code.failure, "");
      ASSERT_EQ(code.run("k", {in, out}), "");
      for (int lane = 0; lane < 32; ++lane)
        for (int m = 0; m < count; ++m)
          EXPECT_EQ(out[lane * 4 + m], registerOf(lane, m, transposed))
              << "lane " << lane << ", matrix " << m << " of " << count;
    }
}

TEST(StoreMatrix, OfOneTwoAndFour) {
  for (int count : {1, 2, 4})
    for (bool transposed : {false, true}) {
      std::string body = rowPlace;
      std::string sources, types;
      for (int i = 0; i < count; ++i) {
        std::string n = std::to_string(i);
        body += "%p" + n + " = llvm.getelementptr %in4[" + n +
                "] : (!llvm.ptr) -> !llvm.ptr, i32\n%v" + n + " = llvm.load %p" + n +
                " : !llvm.ptr -> i32\n";
        sources += ", %v" + n;
        types += ", i32";
      }
      body += "nvvm.stmatrix %row" + sources + " {layout = #nvvm.mma_layout<" +
              (transposed ? "col" : "row") +
              ">, shape = #nvvm.ld_st_matrix_shape<m = 8, n = 8>, eltType = "
              "#nvvm.ld_st_matrix_elt_type<b16>} : !llvm.ptr<3>" +
              types + "\nnvvm.barrier0\n";
      // Only the rows that were written have values.
      body += "%n = llvm.mlir.constant(" + std::to_string(8 * count) +
              " : i32) : i32\n%has = llvm.icmp \"ult\" %tid, %n : i32\n"
              "llvm.cond_br %has, ^read, ^end\n^read:\n"
              "%v = llvm.load %row : !llvm.ptr<3> -> vector<4xi32>\n"
              "llvm.store %v, %out4 : vector<4xi32>, !llvm.ptr\nllvm.br ^end\n^end:\n";
      std::vector<uint32_t> in(128), out(128);
      for (int lane = 0; lane < 32; ++lane)
        for (int m = 0; m < 4; ++m)
          in[lane * 4 + m] = registerOf(lane, m, transposed);
      Emulated emulated(KernelText{body, rows}.str());
      ASSERT_EQ(emulated.failure, "");
      ASSERT_EQ(emulated.run("k", {in, out}), "");
      for (int lane = 0; lane < 8 * count; ++lane)
        for (int i = 0; i < 4; ++i)
          EXPECT_EQ(out[lane * 4 + i],
                    code(lane / 8, lane % 8, 2 * i) | code(lane / 8, lane % 8, 2 * i + 1) << 16);
    }
}

} // namespace
