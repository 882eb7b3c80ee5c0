// Linear layers with encoded weights: both paths against sums in f64, for each encoding, number of
// tokens, ragged sizes and both regimes; bits depend neither on the number of tokens nor on
// workers.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "Kernel.h"

#include "kvasir/Encoding/Rows.h"
#include "llvm/Support/MathExtras.h"
#include "gtest/gtest.h"

#include <cmath>
#include <cstring>
#include <random>

using namespace kvasir;
using namespace kvasir::test;

namespace {

constexpr int mostTokens = 33;

/// How rows are quantized: see #llm.int8_rows. No group: they are not.
struct Rows {
  int64_t group = 0, sums = 0, factor = 0;
};

/// One linear layer with its own weights.
struct Case {
  std::string name;
  Encoding encoding;
  int64_t n, k;
  Rows rows;
};

int64_t strideOf(int64_t columns) { // of !step.buffer
  int64_t padded = llvm::alignTo(columns, 16);
  return padded % 256 == 0 ? padded + 16 : padded;
}

int64_t tileBytes(const Case &c) { // of !step.buffer with quantized rows
  int64_t padded = llvm::alignTo(c.k, 32);
  return 16 * (padded + 4 * llvm::divideCeil(padded, c.rows.group) +
               8 * llvm::divideCeil(padded, c.rows.sums));
}

std::string join(std::initializer_list<std::string> parts) {
  std::string all;
  for (const std::string &part : parts)
    all += part;
  return all;
}

/// A phase of one linear layer, preceded by the quantization of its input.
std::string phaseText(const Case &c, const std::string &kind) {
  std::string k = std::to_string(c.k), n = std::to_string(c.n);
  std::string x = "!step.buffer<tokens, " + k + ">", out = "!step.buffer<tokens, " + n + ">";
  std::string w = "!llm.weight<" + n + "x" + k + "x!llm.encoded<\"" + c.encoding.name() + "\">>";
  std::string floats = "tensor<?x" + k + "xf32>", result = "tensor<?x" + n + "xf32>";
  std::string head = join({"step.phase @", kind, "_", c.name, " kind <", kind, "> {\n^bb0(%x: ", x,
                           ", %w: ", w, ", %out: ", out});
  if (!c.rows.group)
    return join({head, "):\n  %0 = step.read %x : ", x, " -> ", floats,
                 "\n  %1 = llm.linear %0, [%w] : ", floats, ", [", w, "] -> ", result,
                 "\n  step.write %1, %out : ", result, ", ", out, "\n}\n"});
  std::string how =
      join({"<group = ", std::to_string(c.rows.group), ", sums = ", std::to_string(c.rows.sums),
            ", factor = ", std::to_string(c.rows.factor), ">"});
  std::string q = join({"!step.buffer<tokens, ", k, ", ", how, ">"});
  std::string bytes = join({"tensor<?x", k, "xi8, #llm.int8_rows", how, ">"});
  return join({head,   ", %q: ",
               q,      "):\n  %0 = step.read %x : ",
               x,      " -> ",
               floats, "\n  %1 = llm.quantize_rows %0 : ",
               floats, " -> ",
               bytes,  "\n  %2 = llm.linear %1, [%w] : ",
               bytes,  ", [",
               w,      "] -> ",
               result, "\n  step.write %1, %q : ",
               bytes,  ", ",
               q,      "\n  step.write %2, %out : ",
               result, ", ",
               out,    "\n}\n"});
}

//===----------------------------------------------------------------------===//
// Values
//===----------------------------------------------------------------------===//

/// A positive scale of about 1/64 to 1/16, as an encoding stores it.
uint32_t randomScale(std::mt19937 &generator, ScaleKind kind) {
  uint32_t fraction = generator();
  switch (kind) {
  case ScaleKind::f32:
    return (121 + fraction % 2) << 23 | fraction >> 9;
  case ScaleKind::f16:
    return (9 + fraction % 2) << 10 | fraction >> 22;
  case ScaleKind::bf16:
    return (121 + fraction % 2) << 7 | fraction >> 25;
  case ScaleKind::e8m0:
    return 121 + fraction % 2;
  }
  return 0;
}

EncodedRows randomWeights(const Case &c) {
  std::mt19937 generator(c.n * 1000 + c.k);
  EncodedRows rows;
  rows.resize(c.encoding, c.n, c.k);
  for (uint8_t &code : rows.codes) {
    code = generator() >> (32 - c.encoding.bits);
    if (c.encoding.codes == CodeKind::e4m3 && (code & 0x7f) == 0x7f)
      code = 0; // NaN
  }
  for (uint32_t &scale : rows.scale)
    scale = c.encoding.superBlock ? generator() >> 24 : randomScale(generator, c.encoding.scale);
  if (c.encoding.scale == ScaleKind::e8m0 && !c.encoding.superBlock)
    rows.scale.back() = 255; // NaN: a group of the last row
  if (c.encoding.superBlock) // scales of sub-blocks are integers of up to 8 bits
    for (uint16_t &super : rows.superScale)
      super = randomScale(generator, ScaleKind::f16) - (5 << 10);
  for (uint16_t &super : rows.superMinimum)
    super = randomScale(generator, ScaleKind::f16) - (5 << 10);
  for (uint16_t &minimum : rows.minimum)
    minimum = c.encoding.minimum == MinimumKind::f16 ? randomScale(generator, ScaleKind::f16)
              : c.encoding.minimum == MinimumKind::zeroPoint ? generator() >> 28
                                                             : generator() >> 26;
  return rows;
}

/// Inputs with groups of zeros, an outlier, and what rounds to even.
std::vector<float> randomInputs(int64_t k) {
  std::mt19937 generator(k);
  std::vector<float> x(mostTokens * k);
  for (float &value : x)
    value = float(int(generator() >> 8) - (1 << 23)) / (1 << 22);
  for (int64_t i = 0; i < k; ++i) {
    x[2 * k + i] = 0;
    if (i < 64)
      x[3 * k + i] = 0;
    x[5 * k + i] = float(i % 255 - 127) / 2;
  }
  x[4 * k] = 1000;
  return x;
}

/// What quantized rows stand for.
std::vector<float> roundedInputs(const std::vector<float> &x, const Case &c) {
  std::vector<float> result(x.size());
  for (int64_t t = 0; t < mostTokens; ++t)
    for (int64_t first = 0; first < c.k; first += c.rows.group) {
      int64_t last = std::min(first + c.rows.group, c.k);
      float most = 0;
      for (int64_t i = first; i < last; ++i)
        most = std::max(most, std::fabs(x[t * c.k + i]));
      float inverse = most == 0 ? 0 : 127 / most;
      for (int64_t i = first; i < last; ++i)
        result[t * c.k + i] = std::nearbyint(x[t * c.k + i] * inverse) * (most / 127);
    }
  return result;
}

//===----------------------------------------------------------------------===//
// Runs
//===----------------------------------------------------------------------===//

/// A case's weights, inputs and expected sums.
struct Data {
  Case c;
  Guarded panels, plain;
  std::vector<float> x;
  std::vector<double> sums, magnitudes; ///< [tokens][n]

  explicit Data(const Case &c)
      : c(c), panels(Panel32(c.encoding, c.k).bytes(c.n)), plain(llvm::alignTo(c.n * c.k * 4, 64)),
        x(randomInputs(c.k)) {
    EncodedRows rows = randomWeights(c);
    packPanel32(rows, panels.as<uint8_t>());
    decodeRows(rows, plain.as());
    std::vector<float> inputs = c.rows.group ? roundedInputs(x, c) : x;
    for (int64_t t = 0; t < mostTokens; ++t)
      for (int64_t n = 0; n < c.n; ++n) {
        double sum = 0, magnitude = 0;
        for (int64_t i = 0; i < c.k; ++i) {
          double product = double(inputs[t * c.k + i]) * plain.as()[n * c.k + i];
          sum += product;
          magnitude += std::fabs(product);
        }
        sums.push_back(sum);
        magnitudes.push_back(magnitude);
      }
  }

  /// Outputs [tokens][n] of tokens [first, first + tokens).
  std::vector<float> run(const Kernels &kernels, const std::string &kind, int first, int tokens,
                         int workers = 1) const {
    bool naive = kind == "serial";
    Guarded in(tokens * strideOf(c.k) * 4), out(tokens * strideOf(c.n) * 4);
    for (int t = 0; t < tokens; ++t)
      std::memcpy(in.as() + t * strideOf(c.k), x.data() + (first + t) * c.k, c.k * 4);
    std::vector<std::unique_ptr<Guarded>> scratch;
    std::vector<std::vector<void *>> operands;
    for (int worker = 0; worker < workers; ++worker) {
      operands.push_back(
          {in.as<void>(), naive ? plain.as<void>() : panels.as<void>(), out.as<void>()});
      if (!c.rows.group)
        continue;
      scratch.push_back(std::make_unique<Guarded>((tokens + 15) / 16 * tileBytes(c)));
      operands.back().push_back(scratch.back()->as<void>());
    }
    kernels.run(kind + "_" + c.name, tokens, operands);
    std::vector<float> result;
    for (int t = 0; t < tokens; ++t)
      result.insert(result.end(), out.as() + t * strideOf(c.n), out.as() + t * strideOf(c.n) + c.n);
    return result;
  }

  /// Every output is near its sum in f64, and NaN where that is.
  void expectNear(const std::vector<float> &outputs, int first) const {
    for (size_t i = 0; i < outputs.size(); ++i) {
      size_t at = first * c.n + i;
      if (std::isnan(sums[at]) && std::isnan(outputs[i]))
        continue;
      ASSERT_NEAR(outputs[i], sums[at], 1e-5 * magnitudes[at])
          << "token " << first + i / c.n << ", output " << i % c.n;
    }
  }
};

/// What all layers of this encoding need of their input, and what they get where others need finer
/// groups.
std::vector<Rows> rowsOf(const Encoding &encoding) {
  std::vector<Rows> all = {Rows()};
  if (!encoding.isInteger())
    return all;
  int64_t sums = encoding.group ? encoding.group : 128;
  int64_t factor = encoding.byteOffset() ? encoding.byteOffset() : 1;
  all.push_back({std::max<int64_t>(sums, 32), sums, factor});
  if (sums > 32)
    all.push_back({32, 16, 1});
  return all;
}

/// Both regimes for one ragged shape, or everything for several. Compiling is what takes time: a
/// layer has a kernel for each number of tokens.
std::vector<Case> casesOf(const Encoding &encoding, bool thorough) {
  std::vector<std::pair<int64_t, int64_t>> shapes = {{50, 172}, {8, 12}, {33, 352}};
  if (encoding.superBlock)
    shapes = {{50, 512}};
  if (!thorough)
    shapes.resize(1);
  std::vector<Case> cases;
  for (auto [n, k] : shapes)
    for (Rows rows : rowsOf(encoding))
      if (thorough || cases.size() < 2)
        cases.push_back({"c" + std::to_string(cases.size()), encoding, n, k, rows});
  return cases;
}

/// Fast and naive path against the sums, and the bits of 1 to 17 tokens against those of 33.
void expectRight(const Case &c, const Kernels &kernels) {
  SCOPED_TRACE(testing::Message() << c.n << " x " << c.k << ", rows in groups of " << c.rows.group);
  Data data(c);
  std::vector<float> naive = data.run(kernels, "serial", 0, mostTokens);
  ASSERT_NO_FATAL_FAILURE(data.expectNear(naive, 0)) << "naive path";
  std::vector<float> all = data.run(kernels, "panels", 0, mostTokens);
  ASSERT_NO_FATAL_FAILURE(data.expectNear(all, 0));
  for (int tokens = 1; tokens <= 17; ++tokens) {
    int first = 2 * tokens < mostTokens ? tokens : 0, workers = 1 + tokens % 3;
    std::vector<float> some = data.run(kernels, "panels", first, tokens, workers);
    ASSERT_EQ(std::memcmp(some.data(), all.data() + first * c.n, some.size() * 4), 0)
        << tokens << " tokens, " << workers << " workers: other bits";
  }
}

/// The variant, or one that this machine runs with the same code before LLVM makes instructions of
/// it: vpdpbusd of 256 bits has two encodings, and few processors have both.
target::CPUVariant standIn(const target::CPUVariant &variant) {
  target::CPUVariant other = variant;
  for (std::string &feature : other.requiredFeatures)
    if (feature == "avxvnni")
      feature = "avx512vnni";
  other.requiredFeatures.push_back("avx512vl");
  other.llvmFeatures.clear();
  for (const std::string &feature : other.requiredFeatures)
    other.llvmFeatures += (other.llvmFeatures.empty() ? "+" : ",+") + feature;
  bool hasTwo = llvm::is_contained(variant.requiredFeatures, "avxvnni");
  return hasTwo && !target::runsHere(variant) ? other : variant;
}

/// (variant, encoding)
class EncodedLinear : public testing::TestWithParam<std::tuple<const char *, llvm::StringRef>> {
protected:
  void check(bool thorough) {
    auto [variantName, encodingName] = GetParam();
    target::CPUVariant variant = standIn(*target::findCPUVariant(variantName));
    if (!target::runsHere(variant))
      GTEST_SKIP() << "this machine cannot run " << variantName;
    std::vector<Case> cases = casesOf(*parseEncoding(encodingName), thorough);
    std::string text;
    for (const Case &c : cases)
      text += phaseText(c, "panels") + phaseText(c, "serial");
    Kernels kernels(text, variant, /*optimized=*/thorough);
    ASSERT_EQ(kernels.failure, "");
    if (kernels.empty())
      GTEST_SKIP() << variantName << " has no code of its own where no bytes are multiplied";
    for (const Case &c : cases)
      ASSERT_NO_FATAL_FAILURE(expectRight(c, kernels));
  }
};

TEST_P(EncodedLinear, FastIsNaive) { check(/*thorough=*/false); }

/// Minutes: `ctest -C Thorough -R EncodedLinearThorough`.
class EncodedLinearThorough : public EncodedLinear {};
TEST_P(EncodedLinearThorough, DISABLED_FastIsNaive) { check(/*thorough=*/true); }

//===----------------------------------------------------------------------===//
// Layers that share an input
//===----------------------------------------------------------------------===//

constexpr int64_t outputs = 50, inputs = 256;

/// Two layers with an activation of both, and one by itself, all with a bias. `first`: type of the
/// elements of the first layer's weight.
std::string sharedPhase(const std::string &name, const std::string &first, bool quantized) {
  auto weight = [](std::string element) { return "!llm.weight<50x256x" + element + ">"; };
  auto encoded = [&](const char *name) { return weight(join({"!llm.encoded<\"", name, "\">"})); };
  std::string w0 = weight(first), w1 = encoded("q6_k"), w2 = encoded("int4-g128-asym");
  std::string how = "<group = 32, sums = 16, factor = 1>", bias = "!llm.weight<50xf32>";
  std::string x = "!step.buffer<tokens, 256>", y = "!step.buffer<tokens, 50>";
  std::string q = "!step.buffer<tokens, 256, " + how + ">", floats = "tensor<?x256xf32>";
  std::string type = quantized ? "tensor<?x256xi8, #llm.int8_rows" + how + ">" : floats;
  return join({"step.phase @",
               name,
               " kind <panels> {\n^bb0(%x: ",
               x,
               ", %w0: ",
               w0,
               ", %w1: ",
               w1,
               ", %w2: ",
               w2,
               ", %b0: ",
               bias,
               ", %b1: ",
               bias,
               ", %b2: ",
               bias,
               ", %y0: ",
               y,
               ", %y1: ",
               y,
               quantized ? ", %q: " + q : "",
               "):\n  %0 = step.read %x : ",
               x,
               " -> ",
               floats,
               "\n",
               quantized ? "  %in = llm.quantize_rows %0 : " + floats + " -> " + type + "\n" : "",
               "  %1:3 = llm.linear ",
               quantized ? "%in" : "%0",
               ", [%w0, %w1, %w2] bias [%b0, %b1, %b2] : ",
               type,
               ", [",
               w0,
               ", ",
               w1,
               ", ",
               w2,
               "] bias [",
               bias,
               ", ",
               bias,
               ", ",
               bias,
               "] -> tensor<?x50xf32>, tensor<?x50xf32>, tensor<?x50xf32>\n",
               "  %2 = llm.gated_act <silu> %1#0, %1#1 : tensor<?x50xf32>\n",
               quantized ? "  step.write %in, %q : " + type + ", " + q + "\n" : "",
               "  step.write %2, %y0 : tensor<?x50xf32>, ",
               y,
               "\n  step.write %1#2, %y1 : tensor<?x50xf32>, ",
               y,
               "\n}\n"});
}

/// Panels of 16 rows, as floats lie.
void packFloats(const Data &data, float *to) {
  for (int64_t n = 0; n < outputs; ++n)
    for (int64_t k = 0; k < inputs; ++k)
      to[(n / 16 * inputs + k) * 16 + n % 16] = data.plain.as()[n * inputs + k];
}

void checkShared(const Kernels &kernels, const std::string &phase, Rows rows, bool floats) {
  Data first({"", *parseEncoding(floats ? "int8-g32" : "int8"), outputs, inputs, rows});
  Data second({"", *parseEncoding("q6_k"), outputs, inputs, rows});
  Data third({"", *parseEncoding("int4-g128-asym"), outputs, inputs, rows});
  Guarded packed(64 * inputs * 4), bias(outputs * 4);
  std::memset(packed.as(), 0, packed.size());
  packFloats(first, packed.as());
  for (int64_t n = 0; n < outputs; ++n)
    bias.as()[n] = n - 20;
  for (int tokens : {1, 5, 12, 13, 17}) {
    Guarded x(tokens * strideOf(inputs) * 4), gated(tokens * 64 * 4), own(tokens * 64 * 4);
    Guarded scratch(rows.group ? (tokens + 15) / 16 * tileBytes(first.c) : 64);
    for (int t = 0; t < tokens; ++t)
      std::memcpy(x.as() + t * strideOf(inputs), first.x.data() + t * inputs, inputs * 4);
    kernels.run(
        phase, tokens,
        {{x.as<void>(), floats ? packed.as<void>() : first.panels.as<void>(),
          second.panels.as<void>(), third.panels.as<void>(), bias.as<void>(), bias.as<void>(),
          bias.as<void>(), gated.as<void>(), own.as<void>(), scratch.as<void>()}});
    for (int64_t i = 0; i < tokens * outputs; ++i) {
      int64_t t = i / outputs, n = i % outputs;
      double a = first.sums[i] + bias.as()[n], b = second.sums[i] + bias.as()[n];
      double offset = 1 + std::fabs(bias.as()[n]);
      double error = 1e-5 * (offset + first.magnitudes[i]) * (offset + second.magnitudes[i]);
      ASSERT_NEAR(gated.as()[t * 64 + n], a / (1 + std::exp(-a)) * b, error) << t << ", " << n;
      ASSERT_NEAR(own.as()[t * 64 + n], third.sums[i] + bias.as()[n],
                  1e-5 * (1 + third.magnitudes[i]))
          << t << ", " << n;
    }
  }
}

TEST(SharedInput, EncodingsAndFloatsTogether) {
  for (const char *name : {"x86-64-v4-vnni", "x86-64-v3"}) {
    SCOPED_TRACE(name);
    const target::CPUVariant &variant = *target::findCPUVariant(name);
    if (!target::runsHere(variant))
      continue;
    std::string int8 = "!llm.encoded<\"int8\">";
    Kernels kernels(sharedPhase("integers", int8, true) + sharedPhase("decoded", int8, false) +
                        sharedPhase("floats", "f32", false),
                    variant, /*optimized=*/false);
    ASSERT_EQ(kernels.failure, "");
    ASSERT_NO_FATAL_FAILURE(checkShared(kernels, "integers", {32, 16, 1}, false));
    ASSERT_NO_FATAL_FAILURE(checkShared(kernels, "decoded", {}, false));
    ASSERT_NO_FATAL_FAILURE(checkShared(kernels, "floats", {}, true));
  }
}

std::string testName(const testing::TestParamInfo<EncodedLinear::ParamType> &info) {
  std::string name = std::get<0>(info.param);
  name += "_" + std::get<1>(info.param).str();
  for (char &c : name)
    c = std::isalnum(c) ? c : '_';
  return name;
}

/// Every kind of codes, planes, scales and minima.
constexpr llvm::StringRef kinds[] = {"int8", "int4-g128-asym", "mxfp4", "fp8-e4m3-g128", "q5_1",
                                     "q2_k", "q3_k",           "q6_k",  "iq4_xs"};
/// Every kind of products, for variants without dot products.
constexpr llvm::StringRef products[] = {"int8", "int4-g32", "iq4_xs"};

INSTANTIATE_TEST_SUITE_P(Kinds, EncodedLinear,
                         testing::Combine(testing::Values("x86-64-v4-vnni", "x86-64-v3-vnni",
                                                          "x86-64-v3"),
                                          testing::ValuesIn(kinds)),
                         testName);
INSTANTIATE_TEST_SUITE_P(Products, EncodedLinear,
                         testing::Combine(testing::Values("x86-64-v4"),
                                          testing::ValuesIn(products)),
                         testName);
INSTANTIATE_TEST_SUITE_P(All, EncodedLinearThorough,
                         testing::Combine(testing::Values("x86-64-v4-vnni", "x86-64-v4",
                                                          "x86-64-v3-vnni", "x86-64-v3"),
                                          testing::ValuesIn(encodingNames())),
                         testName);

} // namespace
