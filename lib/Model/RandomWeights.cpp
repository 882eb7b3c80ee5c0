// One generated file of random values and one of ones, tensor after tensor.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "kvasir/Model/RandomWeights.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/Support/CheckedArithmetic.h"

using namespace kvasir;

/// Tensors that norms multiply by.
static llvm::StringSet<> scalesOf(const DecoderDescription &decoder) {
  llvm::StringSet<> scales;
  auto add = [&](const std::optional<NormDescription> &norm) {
    if (norm)
      scales.insert(norm->weight.tensor);
  };
  for (const LayerDescription &layer : decoder.layers)
    for (auto *norm : {&layer.attentionNorm, &layer.queryNorm, &layer.keyNorm,
                       &layer.attentionOutputNorm, &layer.mlpNorm, &layer.mlpOutputNorm})
      add(*norm);
  add(decoder.finalNorm);
  return scales;
}

static const char *safetensorsType(GeneratedFile::Type type) {
  static const char *const names[] = {"F32", "F16", "BF16"};
  return names[size_t(type)];
}

/// Bytes of the shape, or nothing.
static std::optional<uint64_t> bytesOf(const WeightDescription &weight, uint64_t elementBytes) {
  std::optional<uint64_t> bytes = elementBytes;
  for (int64_t dimension : weight.stored)
    bytes = bytes ? llvm::checkedMulUnsigned<uint64_t>(*bytes, uint64_t(dimension)) : std::nullopt;
  return bytes && *bytes < uint64_t(1) << 50 ? bytes : std::nullopt;
}

WeightTable kvasir::makeRandomWeights(const DecoderDescription &decoder, GeneratedFile::Type type,
                                      uint64_t seed, Problems &problems) {
  WeightTable table;
  GeneratedFile normal{GeneratedFile::Kind::normal, type, seed, 0};
  GeneratedFile ones{GeneratedFile::Kind::ones, type, 0, 0};
  llvm::StringSet<> scales = scalesOf(decoder);
  forEachWeight(decoder, [&](const WeightDescription &weight) {
    if (table.count(weight.tensor)) // slices of one tensor
      return;
    std::optional<uint64_t> bytes = bytesOf(weight, normal.elementBytes());
    if (!bytes)
      return problems.add("tensor '" + weight.tensor + "' is too large");
    GeneratedFile &file = scales.contains(weight.tensor) ? ones : normal;
    table[weight.tensor] = {"",
                            file.bytes,
                            *bytes,
                            safetensorsType(type),
                            {weight.stored.begin(), weight.stored.end()}};
    file.bytes += *bytes; // some thousand tensors below 2^50
  });
  // The names are known when the sizes are.
  for (auto &[name, tensor] : table)
    tensor.file = (scales.contains(name) ? ones : normal).name();
  return table;
}
