// Collects the tokens of one step and lays them out as the step ABI wants them.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_RUNTIME_BATCH_STEPBUILDER_H
#define KVASIR_RUNTIME_BATCH_STEPBUILDER_H

#include "batch/KvCache.h"
#include "kvasir-c/abi.h"
#include "kvasir-c/kvasir.h"

#include <span>

namespace kvasir::rt {

/// All arrays are reserved when it is made. The caller keeps within the plan's
/// limits.
class StepBuilder {
public:
  explicit StepBuilder(const MemoryPlan &plan);

  void clear();
  /// `ids` follow what `cached` holds; it has pages for them already.
  /// `readsLogits`: the host wants its rows, not only the ids that the device chooses.
  void add(const CachedTokens &cached, std::span<const int32_t> ids, kvasir_rows rows,
           bool readsLogits);
  /// Valid until the next clear.
  const kvasir_step_args &arguments();
  std::span<const int32_t> hostRows() const { return readRows; }

private:
  int32_t pageStride;
  std::vector<int32_t> ids, positions, tokenRequest, rowToken, requestTotal, pageTable, blockToken,
      blockTokens, readRows;
  kvasir_step_args args = {};
};

} // namespace kvasir::rt

#endif // KVASIR_RUNTIME_BATCH_STEPBUILDER_H
