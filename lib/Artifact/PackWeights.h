// Streams weights from their files into the artifact, under a bound on memory.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_LIB_ARTIFACT_PACKWEIGHTS_H
#define KVASIR_LIB_ARTIFACT_PACKWEIGHTS_H

#include "OutputFile.h"
#include "SourceFile.h"
#include "WeightPlan.h"

#include "llvm/ADT/ArrayRef.h"

#include <atomic>
#include <functional>
#include <vector>

namespace kvasir {

struct PackSettings {
  uint64_t memoryCap;
  unsigned threads;
  std::function<void(uint64_t, uint64_t)> progress;
  const std::atomic<bool> *cancelled;
};

/// Runs `work(index)` for all indices below `count` on up to `threads` threads,
/// this one among them, and returns an error of one that failed. No new ones
/// start after that.
llvm::Error parallelFor(uint64_t count, unsigned threads,
                        llvm::function_ref<llvm::Error(uint64_t)> work);

/// Checks that every weight lies inside its file; all that do not are named.
llvm::Error checkSources(const WeightsPlan &plan, llvm::ArrayRef<SourceFile> files);

/// Writes the weights section at `offset` of `output` and fills in the hashes
/// of `plan`. `files` are those of the plan, in its order.
llvm::Error packWeights(WeightsPlan &plan, llvm::ArrayRef<SourceFile> files,
                        const OutputFile &output, uint64_t offset, const PackSettings &settings);

} // namespace kvasir

#endif // KVASIR_LIB_ARTIFACT_PACKWEIGHTS_H
