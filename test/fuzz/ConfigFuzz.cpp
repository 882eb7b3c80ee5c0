// Any text as config.json (and, after a zero byte, generation_config.json): no
// crash, and what is accepted becomes a module that verifies.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "kvasir/Model/Builder.h"
#include "lib/Import/HuggingFace/Model.h"
#include "lib/Import/HuggingFace/Quantization.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/IR/Verifier.h"
#include <cstdlib>

using namespace kvasir;

/// The tensors that a decoder asks for, as if a checkpoint had them.
static WeightTable tableFor(const DecoderDescription &decoder) {
  WeightTable table;
  forEachWeight(decoder, [&](const WeightDescription &weight) {
    StoredTensor &tensor = table[weight.tensor];
    tensor.file = "model.safetensors";
    tensor.type = "F32";
    tensor.shape.assign(weight.stored.begin(), weight.stored.end());
  });
  return table;
}

/// Tensors of quantized matrices, whatever the configuration makes of them.
static void foldSome(llvm::StringRef config) {
  WeightTable table;
  auto add = [&](const char *name, const char *type, std::vector<int64_t> shape, uint64_t length) {
    table[name] = {"model.safetensors", 0, length, type, std::move(shape)};
  };
  add("a.qweight", "I32", {16, 64}, 4096);
  add("a.qzeros", "I32", {4, 8}, 128);
  add("a.scales", "F16", {4, 64}, 512);
  add("b.weight", "F8_E4M3", {256, 200}, 51200);
  add("b.weight_scale_inv", "F32", {2, 2}, 16);
  add("c.weight", "I8", {30, 200}, 6000);
  add("c.weight_scale", "BF16", {30, 1}, 60);
  Problems problems;
  hf::foldQuantized(config, "/", table, problems);
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  llvm::StringRef text(reinterpret_cast<const char *>(data), size);
  auto [config, generation] = text.split('\0');
  foldSome(config);
  Problems problems;
  DecoderDescription decoder = hf::describeModel(config, generation, {}, problems);
  // Enough to see every op; more layers or features only take time.
  if (decoder.layers.empty() || decoder.layers.size() > 4 || decoder.hiddenSize > 4096)
    return 0;
  WeightTable table = tableFor(decoder);
  Problems none;
  decoder = hf::describeModel(config, generation, table, none);
  if (!none.empty())
    return 0;
  mlir::MLIRContext context(mlir::MLIRContext::Threading::DISABLED);
  auto module = buildDecoder(decoder, table, "/", context);
  if (mlir::failed(mlir::verify(*module)))
    abort();
  return 0;
}
