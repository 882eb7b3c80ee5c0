// Names of weights and the layers that have them, as importers write them down.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_MODEL_WEIGHTNAMES_H
#define KVASIR_MODEL_WEIGHTNAMES_H

#include "kvasir/Model/Decoder.h"

#include "llvm/ADT/StringRef.h"

namespace kvasir {

/// `symbol` as the model uses them, `tensor` in the file or checkpoint.
struct WeightNames {
  std::string symbol, tensor; ///< starts of the names, ending in a dot or empty

  WeightDescription vector(llvm::StringRef name, llvm::StringRef stored, int64_t size) const {
    return {symbol + name.str(), tensor + stored.str(), {size}, {size}};
  }
  WeightDescription matrix(llvm::StringRef name, llvm::StringRef stored, int64_t rows,
                           int64_t columns) const {
    return {symbol + name.str(), tensor + stored.str(), {rows, columns}, {rows, columns}};
  }
  NormDescription rms(llvm::StringRef name, llvm::StringRef stored, int64_t size,
                      double epsilon) const {
    return {NormKind::rms, epsilon, size, vector(name, stored.str() + ".weight", size),
            std::nullopt};
  }
  NormDescription layerNorm(llvm::StringRef name, llvm::StringRef stored, int64_t size,
                            double epsilon) const {
    return {NormKind::layer, epsilon, size, vector(name, stored.str() + ".weight", size),
            vector(name.str() + "_bias", stored.str() + ".bias", size)};
  }
};

} // namespace kvasir

#endif // KVASIR_MODEL_WEIGHTNAMES_H
