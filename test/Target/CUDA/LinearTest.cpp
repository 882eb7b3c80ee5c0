// Kernels of linear layers on the emulator against sums in f64, for every kind of weights: right,
// with the same bits for every number of tokens, and accepted by ptxas without spills.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "Emulated.h"
#include "Layer.h"
#include "Pack.h"

#include "dialects/Step/Step.h"
#include "dialects/Step/TokenTile.h"
#include "kvasir/Encoding/Encoding.h"
#include "kvasir/Encoding/Rows.h"
#include "kvasir/Pipeline/Pipeline.h"
#include "kvasir/Pipeline/RegisterAll.h"
#include "kvasir/Target/CUDA/Codegen.h"
#include "mlir/AsmParser/AsmParser.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/Parser/Parser.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/IR/LLVMContext.h"
#include "llvm/IR/Module.h"
#include "llvm/Support/MathExtras.h"
#include "gtest/gtest.h"

#include <cmath>
#include <cstring>
#include <numeric>

using namespace kvasir;
using namespace kvasir::test;

namespace {

/// A phase in text, lowered for some architectures.
struct Lowered {
  Lowered(const std::string &text, const std::string &architectures) {
    mlir::DialectRegistry registry;
    registerAllDialects(registry);
    context.appendDialectRegistry(registry);
    context.disableMultithreading();
    mlir::ScopedDiagnosticHandler handler(
        &context, [&](mlir::Diagnostic &diagnostic) { failure += diagnostic.str() + "\n"; });
    module = mlir::parseSourceString<mlir::ModuleOp>(text, &context);
    PipelineOptions options;
    options.target = "cuda:" + architectures;
    options.from = "schedule";
    options.until = "lower";
    if (module && mlir::failed(runPipeline(*module, options)))
      failure += "cannot be lowered";
  }

  mlir::MLIRContext context{mlir::MLIRContext::Threading::DISABLED};
  std::string failure;
  mlir::OwningOpRef<mlir::ModuleOp> module;
};

/// Plants a fault in a module before it is compiled.
using Plant = void (*)(mlir::ModuleOp);

/// One layer, or two that a gated activation puts together, on the emulator: the kernels for few
/// tokens, for more than 8, and for more than 32. Blocks of the latter two may divide the columns,
/// if there is more than one.
class Kernel {
public:
  Kernel(const std::string &element, int64_t n, int64_t k, int results, const std::string &chip,
         int64_t blocks, uint64_t seed = 0, const std::string &stored = "", Plant plant = nullptr,
         bool interleaved = false)
      : stored(stored), interleaved(interleaved),
        lowered(
            phasesOf(makeLayer(element, n, k, 1), results, /*divided=*/true, stored, interleaved),
            chip) {
    for (int i = 0; i < results; ++i)
      layers.push_back(makeLayer(element, n, k, 1 + i));
    EmulatorOptions options;
    options.blocks = blocks;
    options.seed = seed;
    failure = lowered.failure;
    if (failure.empty() && plant)
      plant(*lowered.module);
    if (failure.empty())
      code = std::make_unique<Emulated>(*lowered.module, chip, options);
    if (code)
      failure = code->failure;
  }

  /// The first `tokens` rows of `x` through the kernel of that form, or of the one that is best:
  /// [tokens][n].
  std::vector<float> run(const std::vector<float> &x, int64_t tokens, const char *form = nullptr) {
    std::vector<float> result = launch(x, tokens, form);
    EXPECT_EQ(finding, "");
    return result;
  }

  /// The same; what is wrong is in `finding`.
  std::vector<float> launch(const std::vector<float> &x, int64_t tokens,
                            const char *form = nullptr) {
    int64_t n = layers[0].n, k = layers[0].k, from = strideOf(k), to = strideOf(n);
    // What lies between rows is unspecified, and must not matter.
    std::vector<float> in(tokens * from, NAN), out(tokens * to, NAN), result;
    for (int64_t t = 0; t < tokens; ++t)
      putRow(&in[t * from], &x[t * k], k);
    kvasir_step_args args = {};
    args.struct_size = sizeof(args);
    args.tokens = int32_t(tokens);
    std::vector<Operand> operands = {{in, false}};
    for (Layer &layer : layers)
      operands.push_back({layer.packed, false});
    operands.push_back({out});
    std::vector<int32_t> counter(16);
    operands.push_back({sums});
    operands.push_back({counter});
    bool hasPrompt = layers[0].element == "bf16" || layers[0].element == "f16";
    if (!form)
      form = tokens <= step::fewTokens ? "p" : "many";
    if (tokens > step::manyTokens && hasPrompt)
      form = "prompt";
    finding = code->run(form, operands, &args, 2);
    countedShares = 0;
    for (int32_t word : counter)
      for (int bit = 0; bit < 32; bit += 4)
        countedShares += word >> bit & 15;
    for (int64_t t = 0; t < tokens; ++t)
      result.insert(result.end(), &out[t * to], &out[t * to] + n);
    return result;
  }

  /// One output of one token, with all sums in f64, and the sum of the magnitudes.
  std::pair<double, double> expected(const float *x, int64_t output) const {
    double sums[2] = {}, magnitudes[2] = {};
    for (size_t i = 0; i < layers.size(); ++i) {
      const Layer &layer = layers[i];
      for (int64_t k = 0; k < layer.k; ++k) {
        double product = roundTo(x[k], layer.inputBits) * layer.values[output * layer.k + k];
        sums[i] += product;
        magnitudes[i] += std::abs(product);
      }
    }
    if (layers.size() == 1)
      return {sums[0], magnitudes[0]};
    double silu = sums[0] / (1 + std::exp(-sums[0]));
    return {silu * sums[1], 2 * magnitudes[0] * magnitudes[1]};
  }

  std::vector<Layer> layers;
  std::string failure, finding;
  int64_t countedShares = 0; ///< that blocks handed on in the latest run

private:
  void putRow(float *to, const float *x, int64_t k) const {
    if (stored.empty())
      std::copy_n(x, k, to);
    for (int64_t i = 0; i < k && !stored.empty(); ++i) {
      uint32_t word;
      std::memcpy(&word, &x[i], 4);
      auto half = _Float16(x[i]);
      uint16_t bits = word >> 16;
      if (stored == "f16")
        std::memcpy(&bits, &half, 2);
      int64_t place = interleaved && i % 4 % 3 != 0 ? i ^ 3 : i;
      std::memcpy(reinterpret_cast<char *>(to) + 2 * place, &bits, 2);
    }
  }
  int64_t strideOf(int64_t columns) {
    std::string text = "!step.buffer<tokens, " + std::to_string(columns) + ">";
    return llvm::cast<step::BufferType>(mlir::parseType(text, &lowered.context)).getRowBytes() / 4;
  }

  std::string stored; ///< of inputs
  bool interleaved;
  Lowered lowered;
  std::unique_ptr<Emulated> code;
  std::vector<float> sums = std::vector<float>(size_t(2) << 20 >> 2, NAN); // of 8 or 4 units
};

/// Of 40 tokens all numbers, and the bits of fewer: of both forms, at their bounds.
void check(const std::string &element, int64_t n, int64_t k, int results = 1,
           const std::string &chip = "sm_90", int64_t blocks = 2) {
  SCOPED_TRACE(element + " " + std::to_string(n) + "x" + std::to_string(k) + " on " + chip);
  Kernel kernel(element, n, k, results, chip, blocks);
  ASSERT_EQ(kernel.failure, "");
  constexpr int64_t most = 40;
  std::vector<float> x = randomFloats(most * k, 7);
  std::vector<float> many = kernel.run(x, most);
  double worst = 0;
  for (int64_t t = 0; t < most; ++t)
    for (int64_t i = 0; i < n; ++i) {
      auto [sum, magnitude] = kernel.expected(&x[t * k], i);
      double error = std::abs(many[t * n + i] - sum) / magnitude;
      worst = std::max(worst, std::isfinite(error) ? error : INFINITY);
    }
  EXPECT_LE(worst, element == "f32" ? 2e-5 : 1e-6);
  for (int64_t tokens : {1, 8, 9}) {
    std::vector<float> few = kernel.run(x, tokens);
    EXPECT_EQ(std::memcmp(few.data(), many.data(), few.size() * 4), 0) << tokens << " tokens";
  }
  std::vector<float> few = kernel.run(x, 5, "many");
  EXPECT_EQ(std::memcmp(few.data(), many.data(), few.size() * 4), 0);
}

class CudaLinear : public testing::TestWithParam<std::string> {};

TEST_P(CudaLinear, IsRight) { check(GetParam(), 40, 512); }

TEST_P(CudaLinear, Gated) { check(GetParam(), 24, 256, 2, "sm_80"); }

std::vector<std::string> allKinds() {
  std::vector<std::string> kinds = {"bf16", "f16", "f32"};
  for (llvm::StringRef name : encodingNames())
    kinds.push_back(name.str());
  return kinds;
}

std::string nameOf(const testing::TestParamInfo<std::string> &info) {
  std::string name = info.param;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}

INSTANTIATE_TEST_SUITE_P(All, CudaLinear, testing::ValuesIn(allKinds()), nameOf);

TEST(CudaLinearShapes, Ragged) {
  for (const char *element : {"bf16", "f16", "f32"}) {
    check(element, 40, 172);
    check(element, 16, 6);
  }
  check("int4-g32", 40, 416);       // 13 tiles: shares of one and two
  check("int4-g128", 40, 1088);     // a last block of two tiles
  check("int4-g128-asym", 56, 576); // the same, and fewer blocks than shares
  check("int8", 40, 288);
}

TEST(CudaLinearShapes, ManyStages) {
  check("bf16", 144, 4096, 1, "sm_90", 3);
  check("int4-g128", 144, 4096, 1, "sm_90", 3);
  check("q4_k", 32, 8192, 2, "sm_80", 1);
  check("q6_k", 32, 8192, 1, "sm_80", 1);
}

/// The same bits for any number of tokens, and of blocks in any order, whether a block has all of K
/// or a share of it: `bands` times tiles of `tile` tokens are divided if that fills the blocks.
void checkDivided(const std::string &element, int64_t n, int64_t k, int results, int64_t bands) {
  SCOPED_TRACE(element);
  constexpr int64_t most = 70;
  std::vector<float> x = randomFloats(most * k, 7), whole;
  for (int64_t blocks : {1, 4, 19}) {
    Kernel kernel(element, n, k, results, blocks == 4 ? "sm_80" : "sm_90", blocks, blocks, "bf16");
    ASSERT_EQ(kernel.failure, "");
    int64_t grid = std::min<int64_t>(blocks, 8 * bands), divided = 0;
    for (int64_t tokens : {most, int64_t(3), int64_t(8), int64_t(17), int64_t(33)}) {
      std::vector<float> y = kernel.run(x, tokens);
      if (whole.empty())
        whole = y;
      EXPECT_EQ(std::memcmp(y.data(), whole.data(), y.size() * 4), 0)
          << tokens << " tokens, " << blocks << " blocks";
      bool prompt = tokens > step::manyTokens && element == "bf16" && blocks != 4;
      int64_t units =
          bands * llvm::divideCeil(tokens, prompt ? step::promptTokens : step::manyTokens);
      bool shorter = llvm::divideCeil(8 * units, grid) < 8 * llvm::divideCeil(units, grid);
      EXPECT_EQ(kernel.countedShares, tokens > 8 && shorter ? 8 * units : 0);
      divided += kernel.countedShares;
    }
    EXPECT_EQ(divided > 0, blocks > 1);
  }
}

TEST(CudaLinearShapes, DividedColumns) {
  checkDivided("bf16", 264, 288, 1, 2); // shares of one tile and two
  checkDivided("bf16", 136, 256, 2, 2); // gate and up
  checkDivided("int4-g128", 136, 1024, 2, 2);
  checkDivided("q4_k", 104, 2048, 1, 1);
}

enum class Piece { barrier, release, acquire };

/// Takes a piece away from the handshake between the blocks that share a unit of many tokens: the
/// barrier before it, or a fence before or after the count.
template <Piece piece> void takeAway(mlir::ModuleOp module) {
  mlir::Operation *barrier = nullptr, *fences[2] = {};
  bool counted = false;
  mlir::Operation *kernel = nullptr;
  module.walk([&](mlir::LLVM::LLVMFuncOp function) {
    if (function.getSymName() == "many")
      kernel = function;
  });
  ASSERT_TRUE(kernel);
  kernel->walk<mlir::WalkOrder::PreOrder>([&](mlir::Operation *op) {
    counted |= llvm::isa<mlir::LLVM::AtomicRMWOp>(op);
    if (llvm::isa<mlir::NVVM::Barrier0Op, mlir::NVVM::BarrierOp>(op) && !counted)
      barrier = op;
    if (llvm::isa<mlir::LLVM::FenceOp>(op))
      fences[counted] = op;
  });
  ASSERT_TRUE(barrier && fences[0] && fences[1]);
  (piece == Piece::barrier ? barrier : fences[piece == Piece::acquire])->erase();
}

TEST(CudaLinearShapes, EachPieceOfTheHandshakeIsMissed) {
  auto finding = [](Plant plant) {
    Kernel kernel("bf16", 264, 288, 1, "sm_80", 16, 0, "", plant); // a block has one share
    EXPECT_EQ(kernel.failure, "");
    kernel.launch(randomFloats(9 * 288, 7), 9);
    EXPECT_GT(kernel.countedShares, 0);
    return kernel.finding;
  };
  EXPECT_EQ(finding(nullptr), "");
  auto isRace = [](const std::string &text, const char *memory) {
    return text.find(std::string("race on ") + memory) != std::string::npos;
  };
  std::string barrier = finding(takeAway<Piece::barrier>);
  EXPECT_TRUE(isRace(barrier, "")) << barrier;
  std::string release = finding(takeAway<Piece::release>);
  EXPECT_TRUE(isRace(release, "global memory: it reads")) << release;
  std::string acquire = finding(takeAway<Piece::acquire>);
  EXPECT_TRUE(isRace(acquire, "global memory: it reads")) << acquire;
}

/// Inputs that are stored as they are rounded: the same bits.
TEST(CudaLinearShapes, StoredInputs) {
  constexpr int64_t n = 24, k = 512, most = 40;
  for (const char *element : {"bf16", "f16", "int8", "q6_k"}) {
    SCOPED_TRACE(element);
    bool isHalf = element == std::string("f16");
    std::vector<float> x = randomFloats(most * k, 7), results[3];
    for (float &value : x)
      value = roundTo(value, isHalf ? 11 : 8);
    for (int form : {0, 1, 2}) { // of f32, as they are, interleaved
      const char *stored = form == 0 ? "" : isHalf ? "f16" : "bf16";
      Kernel kernel(element, n, k, 1, "sm_90", 2, 0, stored, nullptr, form == 2);
      ASSERT_EQ(kernel.failure, "");
      for (int64_t tokens : {int64_t(3), most})
        llvm::append_range(results[form], kernel.run(x, tokens));
    }
    EXPECT_EQ(results[0], results[1]);
    EXPECT_EQ(results[0], results[2]);
  }
}

TEST(CudaLinearShapes, StoredInputsThatAreNone) {
  auto failureOf = [](const Layer &layer) {
    std::string failure = Lowered(phasesOf(layer, 1, false, "bf16"), "sm_90").failure;
    return failure.substr(0, failure.find('\n'));
  };
  EXPECT_EQ(failureOf(makeLayer("bf16", 16, 48, 1)),
            "expected a multiple of 32 inputs that are stored as 'bf16', but got 48");
  EXPECT_EQ(failureOf(makeLayer("f16", 16, 64, 1)),
            "expected inputs that are stored as 'f16' or f32, but got 'bf16'");
}

/// A NaN among weights makes its row NaN, and no other.
TEST(CudaLinearShapes, NaN) {
  Kernel kernel("fp8-e4m3-g128", 32, 256, 1, "sm_90", 1);
  ASSERT_EQ(kernel.failure, "");
  Layer &layer = kernel.layers[0];
  Panel32 panel(*parseEncoding("fp8-e4m3-g128"), layer.k);
  // Row 17 of the unit, column 5: byte 1 of step 1.
  int64_t piece = panel.headerBytes + panel.fieldBytes;
  layer.packed[piece + panel.pieceBytes / 2 + 64 + 4 * 1 + 1] = 0xff;
  for (int64_t tokens : {3, 40}) {
    std::vector<float> y = kernel.run(randomFloats(tokens * layer.k, 7), tokens);
    for (int64_t i = 0; i < tokens * layer.n; ++i)
      EXPECT_EQ(std::isnan(y[i]), i % layer.n == 17) << i;
  }
}

/// All scales of mxfp4, one for each row and group: the smallest has no exponent in f32, the
/// largest is NaN.
TEST(CudaLinearShapes, PowersOfTwo) {
  Kernel kernel("mxfp4", 32, 256, 1, "sm_90", 1);
  ASSERT_EQ(kernel.failure, "");
  Layer &layer = kernel.layers[0];
  EncodedRows rows;
  rows.resize(*parseEncoding("mxfp4"), layer.n, layer.k);
  for (size_t i = 0; i < rows.codes.size(); ++i)
    rows.codes[i] = 1 + i % 7;
  std::iota(rows.scale.begin(), rows.scale.end(), 0);
  packPanel32(rows, layer.packed.data());
  std::vector<float> decoded(layer.n * layer.k), x(9 * layer.k);
  decodeRows(rows, decoded.data());
  for (int64_t t = 0; t < 8; ++t)
    x[t * layer.k + 32 * t] = 1;
  for (int64_t tokens : {8, 9}) {
    std::vector<float> y = kernel.run(x, tokens);
    for (int64_t i = 0; i < 8 * layer.n; ++i) {
      int64_t t = i / layer.n, row = i % layer.n;
      if (row == 31)
        EXPECT_TRUE(std::isnan(y[i])) << t;
      else
        EXPECT_EQ(y[i], decoded[row * layer.k + 32 * t]) << "row " << row << " of token " << t;
    }
  }
}

bool isUsual(const std::string &kind) {
  return kind == "bf16" || kind == "int8" || kind == "int4-g128" || kind == "q4_k";
}

/// Kernels of real shapes fit the registers of every architecture.
class CudaPtxas : public testing::TestWithParam<std::string> {};

TEST_P(CudaPtxas, Accepts) {
  auto ptxas = cuda::findPtxas("");
  if (!ptxas) {
    llvm::consumeError(ptxas.takeError());
    GTEST_SKIP() << "there is no ptxas";
  }
  for (int results : {1, 2}) {
    Layer shape = {GetParam(), 2048, 2048, {}, {}, 8};
    if (parseEncoding(GetParam()))
      shape.element = "!llm.encoded<\"" + GetParam() + "\">";
    for (const cuda::Architecture &architecture : cuda::architectures()) {
      Lowered lowered(phasesOf(shape, results, /*divided=*/true), architecture.name);
      ASSERT_EQ(lowered.failure, "");
      auto kernels = *lowered.module->getOps<mlir::gpu::GPUModuleOp>().begin();
      llvm::LLVMContext context;
      auto translated = cuda::translateKernels(kernels, context, architecture);
      ASSERT_TRUE(bool(translated)) << llvm::toString(translated.takeError());
      auto ptx = cuda::emitPTX(**translated, architecture);
      ASSERT_TRUE(bool(ptx)) << llvm::toString(ptx.takeError());
      auto cubin = cuda::assemble(*ptx, architecture, *ptxas);
      ASSERT_TRUE(bool(cubin)) << llvm::toString(cubin.takeError());
      if (results == 1 && isUsual(GetParam())) // two blocks to a multiprocessor
        for (const cuda::KernelResources &kernel : cubin->kernels)
          EXPECT_LE(kernel.registers, kernel.name == "p" ? 128 : 255) << architecture.name;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, CudaPtxas,
                         testing::Values("bf16", "f32", "int4-g128", "int4-g32-asym", "int8",
                                         "q2_k", "q3_k", "q4_k", "q5_k", "q6_k", "mxfp4", "iq4_nl",
                                         "fp8-e4m3"),
                         nameOf);

} // namespace
