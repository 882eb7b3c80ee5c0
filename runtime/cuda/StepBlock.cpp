// Packing arrays one after the other.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "cuda/StepBlock.h"

#include <algorithm>
#include <cassert>
#include <cstring>

namespace kvasir::rt::cuda {

Bucket::Bucket(const MemoryPlan &plan, int32_t tokens)
    : tokens(tokens), requests(std::min(tokens, plan.maxRequests)),
      rows(std::min(tokens, plan.maxLogitRows)),
      // Each request ends in at most one block that is not full.
      blocks(std::min(tokens, tokens / KVASIR_BLOCK_TOKENS + std::min(tokens, plan.maxRequests))) {}

static uint64_t aligned(uint64_t bytes) {
  return (bytes + KVASIR_ALIGNMENT - 1) / KVASIR_ALIGNMENT * KVASIR_ALIGNMENT;
}

/// Calls `place(member of the struct, entries)` for each array, always in this order.
template <class Place>
static void eachArray(const Bucket &counts, int32_t pageStride, Place place) {
  auto tokens = static_cast<uint64_t>(counts.tokens), blocks = static_cast<uint64_t>(counts.blocks);
  auto requests = static_cast<uint64_t>(counts.requests);
  place(&kvasir_step_args::ids, tokens);
  place(&kvasir_step_args::positions, tokens);
  place(&kvasir_step_args::token_request, tokens);
  place(&kvasir_step_args::row_token, static_cast<uint64_t>(counts.rows));
  place(&kvasir_step_args::request_total, requests);
  place(&kvasir_step_args::block_token, blocks);
  place(&kvasir_step_args::block_tokens, blocks);
  place(&kvasir_step_args::page_table, requests * static_cast<uint64_t>(pageStride));
}

uint64_t StepBlock::bytes(const MemoryPlan &plan, const Bucket &bucket) {
  uint64_t size = plan.counterBytes + aligned(sizeof(kvasir_step_args));
  eachArray(bucket, plan.pageStride,
            [&](auto, uint64_t count) { size += aligned(count * sizeof(int32_t)); });
  return size;
}

void StepBlock::fill(const kvasir_step_args &args) {
  kvasir_step_args copy = args;
  Bucket counts(plan, args.tokens);
  counts.requests = args.requests;
  counts.rows = args.rows;
  counts.blocks = args.blocks;
  uint64_t at = plan.counterBytes + aligned(sizeof(copy));
  eachArray(counts, args.page_stride, [&](auto member, uint64_t count) {
    uint64_t size = count * sizeof(int32_t);
    assert(at + size <= plan.stepBytes && "the plan has room for every step");
    if (size)
      std::memcpy(host + at, args.*member, size);
    copy.*member = reinterpret_cast<const int32_t *>(device + at);
    at += aligned(size);
  });
  std::memcpy(host + plan.counterBytes, &copy, sizeof(copy));
}

} // namespace kvasir::rt::cuda
