// Compiling and running of attention kernels.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "Attention.h"

#include "dialects/KV/KV.h"
#include "kvasir/Pipeline/RegisterAll.h"
#include "kvasir/Target/CUDA/Lowering.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"

#include "gtest/gtest.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>

using namespace kvasir;
using namespace kvasir::test;

std::unique_ptr<Emulated> test::emulatePhases(const std::string &text, const std::string &chip,
                                              const EmulatorOptions &options) {
  mlir::DialectRegistry registry;
  registerAllDialects(registry);
  mlir::MLIRContext context(registry, mlir::MLIRContext::Threading::DISABLED);
  context.loadAllAvailableDialects();
  auto module = mlir::parseSourceString<mlir::ModuleOp>(text, &context);
  mlir::PassManager manager(&context, mlir::ModuleOp::getOperationName());
  buildCUDAConversion(manager.nest<mlir::gpu::GPUModuleOp>());
  if (!module || mlir::failed(lowerToCUDA(*module, cuda::findArchitecture(chip))) ||
      mlir::failed(manager.run(*module))) {
    ADD_FAILURE() << "cannot be lowered:\n" << text;
    return nullptr;
  }
  auto code = std::make_unique<Emulated>(*module, chip, options);
  EXPECT_EQ(code->failure, "");
  return code;
}

std::string AttentionShape::cache() const {
  return "!kv.paged<" + std::to_string(kvHeads) + "x" + std::to_string(size) + "x" + element +
         (window ? ", window = " + std::to_string(window) : "") + ">";
}

/// What a cache of i8 keeps: codes, and a scale for each token and head.
void Attention::roundToInt8(std::vector<float> &rows) const {
  for (size_t start = 0; start < rows.size(); start += shape.size) {
    float most = 0;
    for (int i = 0; i < shape.size; ++i)
      most = std::max(most, std::fabs(rows[start + i]));
    for (int i = 0; i < shape.size; ++i)
      rows[start + i] = std::nearbyint(rows[start + i] * (127 / most)) * (most / 127);
  }
}

/// Replaces every $NAME.
static std::string fillIn(std::string text, const std::map<std::string, std::string> &names) {
  for (const auto &[name, value] : names)
    for (size_t at; (at = text.find("$" + name)) != std::string::npos;)
      text.replace(at, name.size() + 1, value);
  return text;
}

static const char *const phases = R"(
step.phase @append kind <rows> {
^bb0(%c: $CACHE, %k: !step.buffer<tokens, $KEYS>, %v: !step.buffer<tokens, $KEYS>, %counts: !step.buffer<tokens, $HEADS>):
  %p = step.input <positions> : tensor<?xi32>
  %0 = step.read %k : !step.buffer<tokens, $KEYS> -> tensor<?x$KEYSxf32>
  %1 = step.read %v : !step.buffer<tokens, $KEYS> -> tensor<?x$KEYSxf32>
  kv.append %c, %0, %1, %p : $CACHE, tensor<?x$KEYSxf32>, tensor<?xi32>
}
step.phase @attend kind <attend> {
^bb0(%c: $CACHE, %q: !step.buffer<tokens, $QUERIES>, %out: !step.buffer<tokens, $QUERIES>, %n: !step.counter):
  %0 = step.read %q : !step.buffer<tokens, $QUERIES> -> tensor<?x$QUERIESxf32>
  %1 = kv.attend %c, %0 {heads = $HEADS : i64, scale = 0.125 : f32} : $CACHE, tensor<?x$QUERIESxf32>
  step.write %1, %out : tensor<?x$QUERIESxf32>, !step.buffer<tokens, $QUERIES>
}
step.phase @parts kind <attend> {
^bb0(%c: $CACHE, %q: !step.buffer<tokens, $QUERIES>, %parts: !step.buffer<tokens, $RESULTS>, %out: !step.buffer<tokens, $QUERIES>, %counts: !step.buffer<tokens, $HEADS>, %n: !step.counter):
  %p = step.input <positions> : tensor<?xi32>
  %0 = step.read %q : !step.buffer<tokens, $QUERIES> -> tensor<?x$QUERIESxf32>
  %1 = kv.attend_partitions %c, %0 {heads = $HEADS : i64, partitions = $PARTITIONS : i64, scale = 0.125 : f32} : $CACHE, tensor<?x$QUERIESxf32>, tensor<?x$RESULTSxf32>
  %2 = kv.merge_partitions %1, %p {heads = $HEADS : i64, partitions = $PARTITIONS : i64, window = $WINDOW : i64} : tensor<?x$RESULTSxf32>, tensor<?xi32>, tensor<?x$QUERIESxf32>
  step.write %1, %parts : tensor<?x$RESULTSxf32>, !step.buffer<tokens, $RESULTS>
  step.write %2, %out : tensor<?x$QUERIESxf32>, !step.buffer<tokens, $QUERIES>
}
)";

Attention::Attention(AttentionShape shape, std::vector<int> lengths, const EmulatorOptions &options)
    : shape(shape), lengths(lengths) {
  std::mt19937 random(1);
  std::normal_distribution<float> normal;
  auto make = [&](int rows, int columns) {
    std::vector<float> values(size_t(rows) * columns);
    for (float &value : values)
      value = normal(random);
    return values;
  };
  int pages = 0;
  for (int length : lengths) {
    keys.push_back(make(length, shape.keyColumns()));
    values.push_back(make(length, shape.keyColumns()));
    if (shape.element == "i8") {
      roundToInt8(keys.back());
      roundToInt8(values.back());
    }
    queries.push_back(make(length, shape.queryColumns()));
    stride = std::max(stride, (length + KVASIR_PAGE_TOKENS - 1) / KVASIR_PAGE_TOKENS);
    pages += (length + KVASIR_PAGE_TOKENS - 1) / KVASIR_PAGE_TOKENS;
  }
  int longest = *std::max_element(lengths.begin(), lengths.end());
  partitions = (longest + KVASIR_PARTITION_TOKENS - 1) / KVASIR_PARTITION_TOKENS;
  if (shape.window) // as many as a window can touch
    partitions = std::min(
        partitions, (shape.window + KVASIR_PARTITION_TOKENS - 2) / KVASIR_PARTITION_TOKENS + 1);
  std::vector<int32_t> free(pages);
  for (int i = 0; i < pages; ++i)
    free[i] = i;
  std::shuffle(free.begin(), free.end(), random);
  table.assign(lengths.size() * stride, -1);
  for (size_t r = 0; r < lengths.size(); ++r)
    for (int p = 0; p * KVASIR_PAGE_TOKENS < lengths[r]; ++p, free.pop_back())
      table[r * stride + p] = free.back();
  int bytes = shape.element == "f32" ? 4 : shape.element == "i8" ? 1 : 2;
  int scales = shape.element == "i8" ? 4 : 0;
  // What recycled pages hold: NaN.
  cache.assign(size_t(pages) * KVASIR_PAGE_TOKENS * shape.kvHeads * 2 *
                   (shape.size * bytes + scales),
               char(0xff));
  kernels = emulatePhases(fillIn(phases, {{"CACHE", shape.cache()},
                                          {"KEYS", std::to_string(shape.keyColumns())},
                                          {"QUERIES", std::to_string(shape.queryColumns())},
                                          {"HEADS", std::to_string(shape.heads)},
                                          {"PARTITIONS", std::to_string(partitions)},
                                          {"RESULTS", std::to_string(resultColumns())},
                                          {"WINDOW", std::to_string(shape.window)}}),
                          "sm_80", options);
}

/// A step's arguments, and the memory that they point to.
struct Attention::Arguments {
  std::vector<int32_t> positions, request, blockToken, blockTokens;
  kvasir_step_args args = {};
};

Attention::Arguments Attention::arguments(const std::vector<Span> &spans) const {
  Arguments a;
  for (const Span &span : spans)
    for (int p = span.from; p < span.to; ++p) {
      if ((p - span.from) % KVASIR_BLOCK_TOKENS == 0) {
        a.blockToken.push_back(int32_t(a.positions.size()));
        a.blockTokens.push_back(std::min(KVASIR_BLOCK_TOKENS, span.to - p));
      }
      a.positions.push_back(p);
      a.request.push_back(span.request);
    }
  a.args.struct_size = sizeof(kvasir_step_args);
  a.args.tokens = int32_t(a.positions.size());
  a.args.requests = int32_t(lengths.size());
  a.args.blocks = int32_t(a.blockToken.size());
  a.args.page_stride = stride;
  a.args.positions = a.positions.data();
  a.args.token_request = a.request.data();
  a.args.page_table = table.data();
  a.args.block_token = a.blockToken.data();
  a.args.block_tokens = a.blockTokens.data();
  return a;
}

static int strideOf(int columns) { // as !step.buffer has it
  int padded = (columns + 15) / 16 * 16;
  return padded % 256 == 0 ? padded + 16 : padded;
}

std::vector<float> Attention::gather(const std::vector<Span> &spans,
                                     const std::vector<std::vector<float>> &rows,
                                     int columns) const {
  std::vector<float> buffer;
  for (const Span &span : spans)
    for (int p = span.from; p < span.to; ++p) {
      auto row = rows[span.request].begin() + size_t(p) * columns;
      buffer.insert(buffer.end(), row, row + columns);
      buffer.resize(buffer.size() + strideOf(columns) - columns, NAN);
    }
  return buffer;
}

void Attention::fill() {
  filled = true;
  std::vector<Span> all;
  for (size_t r = 0; r < lengths.size(); ++r)
    all.push_back({int(r), 0, lengths[r]});
  Arguments a = arguments(all);
  auto k = gather(all, keys, shape.keyColumns()), v = gather(all, values, shape.keyColumns());
  std::vector<float> counts(size_t(a.args.tokens) * strideOf(shape.heads), NAN);
  EXPECT_EQ(kernels->run("append", {{cache}, {k, false}, {v, false}, {counts}}, &a.args), "");
  for (size_t i = 0; i < counts.size(); ++i)
    if (int(i) % strideOf(shape.heads) < shape.heads)
      EXPECT_EQ(counts[i], 0) << "what attention counts in is cleared";
}

std::vector<float> Attention::step(std::vector<Span> spans, bool split) {
  if (!kernels)
    return {};
  if (!filled)
    fill();
  Arguments a = arguments(spans);
  int columns = shape.queryColumns(), tokens = a.args.tokens;
  auto q = gather(spans, queries, columns);
  std::vector<float> out(size_t(tokens) * strideOf(columns), NAN);
  std::vector<int32_t> counter(1);
  if (split) {
    std::vector<float> parts(size_t(tokens) * strideOf(resultColumns()), NAN);
    std::vector<int32_t> counts(size_t(tokens) * strideOf(shape.heads));
    EXPECT_EQ(
        kernels->run("parts", {{cache}, {q, false}, {parts}, {out}, {counts}, {counter}}, &a.args),
        "");
  } else {
    EXPECT_EQ(kernels->run("attend", {{cache}, {q, false}, {out}, {counter}}, &a.args), "");
  }
  std::vector<float> dense;
  for (int t = 0; t < tokens; ++t)
    dense.insert(dense.end(), out.begin() + size_t(t) * strideOf(columns),
                 out.begin() + size_t(t) * strideOf(columns) + columns);
  return dense;
}

std::vector<double> Attention::expected(Span span) const {
  std::vector<double> out;
  int size = shape.size, kv = shape.keyColumns();
  for (int p = span.from; p < span.to; ++p)
    for (int h = 0; h < shape.heads; ++h) {
      int from = shape.window ? std::max(0, p - shape.window + 1) : 0;
      int column = h / (shape.heads / shape.kvHeads) * size;
      std::vector<double> sums(size);
      double total = 0, most = -std::numeric_limits<double>::infinity();
      std::vector<double> scores;
      for (int k = from; k <= p; ++k) {
        double score = 0;
        for (int i = 0; i < size; ++i)
          score += double(queries[span.request][size_t(p) * shape.queryColumns() + h * size + i]) *
                   keys[span.request][size_t(k) * kv + column + i];
        scores.push_back(score * 0.125);
        most = std::max(most, scores.back());
      }
      for (int k = from; k <= p; ++k) {
        double weight = std::exp(scores[k - from] - most);
        total += weight;
        for (int i = 0; i < size; ++i)
          sums[i] += weight * values[span.request][size_t(k) * kv + column + i];
      }
      for (double sum : sums)
        out.push_back(sum / total);
    }
  return out;
}
