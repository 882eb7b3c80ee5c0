// Step arguments.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "batch/StepBuilder.h"

#include <algorithm>
#include <cassert>

namespace kvasir::rt {

StepBuilder::StepBuilder(const MemoryPlan &plan) : pageStride(plan.pageStride) {
  for (std::vector<int32_t> *perToken :
       {&ids, &positions, &tokenRequest, &blockToken, &blockTokens})
    perToken->reserve(plan.maxStepTokens);
  rowToken.reserve(plan.maxLogitRows);
  readRows.reserve(plan.maxLogitRows);
  requestTotal.reserve(plan.maxRequests);
  pageTable.reserve(size_t(plan.maxRequests) * pageStride);
}

void StepBuilder::clear() {
  for (std::vector<int32_t> *array : {&ids, &positions, &tokenRequest, &rowToken, &requestTotal,
                                      &pageTable, &blockToken, &blockTokens, &readRows})
    array->clear();
}

void StepBuilder::add(const CachedTokens &cached, std::span<const int32_t> add, kvasir_rows rows,
                      bool readsLogits) {
  int32_t count = static_cast<int32_t>(add.size());
  int32_t first = static_cast<int32_t>(ids.size());
  int32_t request = static_cast<int32_t>(requestTotal.size());
  assert(ids.size() + add.size() <= ids.capacity() && "too many tokens");
  for (int32_t i = 0; i < count; ++i) {
    ids.push_back(add[i]);
    positions.push_back(cached.length() + i);
    tokenRequest.push_back(request);
    if (rows == KVASIR_ROWS_NONE || (rows == KVASIR_ROWS_LAST && i + 1 != count))
      continue;
    if (readsLogits)
      readRows.push_back(static_cast<int32_t>(rowToken.size()));
    rowToken.push_back(first + i);
  }
  for (int32_t i = 0; i < count; i += KVASIR_BLOCK_TOKENS) {
    blockToken.push_back(first + i);
    blockTokens.push_back(std::min(count - i, KVASIR_BLOCK_TOKENS));
  }
  requestTotal.push_back(cached.declaredTotal());
  const std::vector<int32_t> &pages = cached.pageList();
  pageTable.insert(pageTable.end(), pages.begin(), pages.end());
  pageTable.resize(size_t(request + 1) * pageStride, -1);
}

const kvasir_step_args &StepBuilder::arguments() {
  args.struct_size = sizeof(args);
  args.tokens = static_cast<int32_t>(ids.size());
  args.requests = static_cast<int32_t>(requestTotal.size());
  args.rows = static_cast<int32_t>(rowToken.size());
  args.blocks = static_cast<int32_t>(blockToken.size());
  args.page_stride = pageStride;
  args.ids = ids.data();
  args.positions = positions.data();
  args.token_request = tokenRequest.data();
  args.row_token = rowToken.data();
  args.request_total = requestTotal.data();
  args.page_table = pageTable.data();
  args.block_token = blockToken.data();
  args.block_tokens = blockTokens.data();
  return args;
}

} // namespace kvasir::rt
