// Compares the weights of a description with those of a table.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "kvasir/Model/CheckWeights.h"
#include "kvasir/Encoding/Encoding.h"
#include "kvasir/Model/TensorProblems.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSet.h"

using namespace kvasir;
using llvm::StringRef;
using llvm::Twine;

static std::string shapeText(llvm::ArrayRef<int64_t> shape) {
  std::string text = "[";
  for (int64_t size : shape)
    text += (text.size() > 1 ? ", " : "") + std::to_string(size);
  return text + "]";
}

/// Whether the type is one of GGUF's that store values in blocks.
static bool isBlockType(StringRef type) {
  return type.starts_with("Q") || type.starts_with("IQ") || type.starts_with("TQ") ||
         type.starts_with("MXFP");
}

static void checkType(const WeightDescription &weight, StringRef type, TensorProblems &problems) {
  if (type == "F32" || type == "F16" || type == "BF16")
    return;
  bool known = isBlockType(type) && parseEncoding(type);
  if (known && weight.stored.size() == 2 && !weight.transpose)
    return;
  if (known)
    return problems.add("tensor ", weight.tensor,
                        ": expected F32, F16 or BF16 as vectors have, but got " + type.str());
  if (isBlockType(type))
    return problems.add("tensor ", weight.tensor,
                        ": type " + type.str() +
                            " is not supported; quantize the model again to F16, BF16, Q8_0, Q4_0, "
                            "Q4_1, Q5_0, Q5_1, Q2_K, Q3_K, Q4_K, Q5_K, Q6_K, IQ4_NL, IQ4_XS or "
                            "MXFP4");
  problems.add("tensor ", weight.tensor,
               ": expected dtype F32, F16 or BF16, but got " + type.str());
}

static void checkWeight(const WeightDescription &weight, const WeightTable &table,
                        TensorProblems &problems) {
  auto found = table.find(weight.tensor);
  if (found == table.end())
    return problems.add("missing tensor ", weight.tensor, " of shape " + shapeText(weight.stored));
  const StoredTensor &tensor = found->second;
  if (llvm::ArrayRef(tensor.shape) != llvm::ArrayRef(weight.stored))
    problems.add("tensor ", weight.tensor,
                 ": expected shape " + shapeText(weight.stored) + ", but got " +
                     shapeText(tensor.shape));
  bool folded = !tensor.format.empty() && weight.stored.size() == 2 && !weight.transpose;
  if (!folded) // checked when its tensors were put together
    checkType(weight, tensor.type, problems);
}

void kvasir::checkWeights(const DecoderDescription &decoder, const WeightTable &table,
                          llvm::ArrayRef<StringRef> ignored, Problems &problems) {
  TensorProblems lines;
  llvm::StringSet<> used;
  forEachWeight(decoder, [&](const WeightDescription &weight) {
    if (used.insert(weight.tensor).second) // slices of one tensor expect the same of it
      checkWeight(weight, table, lines);
  });
  for (auto &[name, tensor] : table) {
    bool neutral =
        llvm::any_of(ignored, [&](StringRef end) { return StringRef(name).ends_with(end); });
    if (!used.contains(name) && !neutral)
      lines.add("left-over tensor ", name,
                " of shape " + shapeText(tensor.shape) + " is not used by the model");
  }
  lines.moveTo(problems);
}
