// Random weights in every form that kernels read.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "Layer.h"

#include "Pack.h"

#include "dialects/Step/TokenTile.h"
#include "kvasir/Encoding/Mma16.h"
#include "kvasir/Encoding/Rows.h"
#include "llvm/Support/MathExtras.h"

#include <cmath>
#include <cstring>
#include <random>

using namespace kvasir;
using namespace kvasir::test;

float test::roundTo(float value, int bits) {
  if (value == 0)
    return value;
  int exponent = std::ilogb(value) - bits + 1;
  return std::ldexp(std::nearbyint(std::ldexp(value, -exponent)), exponent);
}

std::vector<float> test::randomFloats(size_t count, unsigned seed) {
  std::mt19937 generator(seed);
  std::vector<float> values(count);
  for (float &value : values)
    value = float(int(generator() >> 8) - (1 << 23)) / (1 << 22);
  return values;
}

/// Bits of f16; values below its normal range are zero.
static uint16_t toF16(float value) {
  uint32_t word;
  std::memcpy(&word, &value, 4);
  if (std::abs(value) < 0x1p-14f)
    return 0;
  return (word >> 16 & 0x8000) | (((word >> 13) - (112 << 10)) & 0x7fff);
}

static Layer plainLayer(const std::string &element, int64_t n, int64_t k, unsigned seed) {
  bool wide = element == "f32";
  int bits = wide ? 16 : element == "f16" ? 11 : 8;
  Layer layer{element, n, k, {}, {}, bits};
  size_t bytes = wide ? 4 : 2;
  std::vector<uint8_t> stored(n * k * bytes);
  std::vector<float> weights = randomFloats(n * k, seed);
  for (int64_t i = 0; i < n * k; ++i) {
    float value = wide ? weights[i] : roundTo(weights[i], bits);
    if (element == "f16" && toF16(value) == 0)
      value = 0;
    layer.values.push_back(value);
    uint32_t word;
    std::memcpy(&word, &value, 4);
    uint16_t half = element == "f16" ? toF16(value) : word >> 16;
    if (wide)
      std::memcpy(&stored[4 * i], &word, 4);
    else
      std::memcpy(&stored[2 * i], &half, 2);
  }
  int64_t tiles = llvm::divideCeil(n, Mma16::rows) * llvm::divideCeil(k, Mma16::columns);
  layer.packed.resize(tiles * Mma16::tileBytes * (wide ? 2 : 1));
  packMma16(layer.packed.data(), stored.data(), {size_t(n), size_t(k), bytes, false});
  return layer;
}

/// Every code is possible; scales lie within a power of two.
static EncodedRows randomRows(const Encoding &encoding, int64_t n, int64_t k, unsigned seed) {
  std::mt19937 generator(seed);
  EncodedRows rows;
  rows.resize(encoding, n, k);
  for (uint8_t &code : rows.codes) {
    code = generator() >> (32 - encoding.bits);
    if (encoding.codes == CodeKind::e4m3 && (code & 0x7f) == 0x7f)
      code = 0; // NaN
  }
  auto half = [&] { return 9u << 10 | generator() >> 22; };
  for (uint32_t &scale : rows.scale)
    scale = encoding.superBlock                 ? generator() >> 24
            : encoding.scale == ScaleKind::f32  ? 121u << 23 | generator() >> 9
            : encoding.scale == ScaleKind::f16  ? half()
            : encoding.scale == ScaleKind::bf16 ? 121u << 7 | generator() >> 25
                                                : 121 + generator() % 2;
  for (uint16_t &super : rows.superScale)
    super = half() - (5 << 10);
  for (uint16_t &super : rows.superMinimum)
    super = half() - (5 << 10);
  for (uint16_t &minimum : rows.minimum)
    minimum = encoding.minimum == MinimumKind::f16         ? half()
              : encoding.minimum == MinimumKind::zeroPoint ? generator() >> 28
                                                           : generator() >> 26;
  return rows;
}

Layer test::makeLayer(const std::string &element, int64_t n, int64_t k, unsigned seed) {
  std::optional<Encoding> encoding = parseEncoding(element);
  if (!encoding)
    return plainLayer(element, n, k, seed);
  Layer layer{"!llm.encoded<\"" + encoding->name() + "\">", n, k, {}, {}, 8};
  EncodedRows rows = randomRows(*encoding, n, k, seed);
  std::vector<float> decoded(n * k);
  decodeRows(rows, decoded.data());
  layer.values.assign(decoded.begin(), decoded.end());
  layer.packed.resize(Panel32(*encoding, k).bytes(n));
  packPanel32(rows, layer.packed.data());
  return layer;
}

static std::string phaseOf(const Layer &layer, int results, bool divided, const std::string &read,
                           const std::string &name, int tokenTile) {
  std::string n = std::to_string(layer.n), k = std::to_string(layer.k);
  std::string x = "!step.buffer<tokens, " + k + ">", out = "!step.buffer<tokens, " + n + ">";
  std::string w = "!llm.weight<" + n + "x" + k + "x" + layer.element + ">";
  std::string from = "tensor<?x" + k + "xf32>", to = "tensor<?x" + n + "xf32>";
  std::string form = " {step.token_tile = " + std::to_string(tokenTile) + "} : " + from + ", [" + w;
  std::string text = "step.phase @" + name + " kind <panels> {\n^bb0(%x: " + x + ", %w: " + w;
  if (results > 1)
    text += ", %v: " + w;
  text += ", %out: " + out;
  if (divided)
    text += ", %sums: !step.buffer<one, 4194304>, %count: !step.counter";
  text += "):\n %0 = step.read %x" + read + " : " + x + " -> " + from + "\n";
  if (results == 1)
    text += " %r = llm.linear %0, [%w]" + form + "] -> " + to + "\n";
  else
    text += " %g, %u = llm.linear %0, [%w, %v]" + form + ", " + w + "] -> " + to + ", " + to +
            "\n %r = llm.gated_act <silu> %g, %u : " + to + "\n";
  return text + " step.write %r, %out : " + to + ", " + out + "\n}\n";
}

std::string test::phasesOf(const Layer &layer, int results, bool divided, const std::string &stored,
                           bool interleaved) {
  std::string read;
  if (!stored.empty())
    read = " {step.stored = " + stored + (interleaved ? ", step.interleaved}" : "}");
  std::string text = phaseOf(layer, results, divided, read, "p", step::fewTokens) +
                     phaseOf(layer, results, divided, read, "many", step::manyTokens);
  if (layer.element == "bf16" || layer.element == "f16")
    text += phaseOf(layer, results, divided, read, "prompt", step::promptTokens);
  return text;
}
