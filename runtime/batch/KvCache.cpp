// Pages of the KV cache.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "batch/KvCache.h"

#include "kvasir-c/abi.h"

#include <algorithm>

namespace kvasir::rt {

static constexpr int32_t pageTokens = KVASIR_PAGE_TOKENS;

static int32_t pagesFor(int32_t tokens) {
  return static_cast<int32_t>((int64_t(tokens) + pageTokens - 1) / pageTokens);
}

/// Pages that lie wholly before everything that position `next` sees.
static int32_t passedPages(int32_t next, int32_t window) {
  if (window == 0 || next < window)
    return 0;
  return (next - window + 1) / pageTokens;
}

int32_t mostPages(int32_t total, int32_t chunk, int32_t window) {
  int32_t all = pagesFor(total);
  if (window == 0)
    return all;
  int64_t seen = int64_t(window) - 1 + std::min(chunk, total);
  return static_cast<int32_t>(std::min<int64_t>(all, seen / pageTokens + 2));
}

KvCache::KvCache(const artifact::Module &module, const MemoryPlan &plan, StepExecutor *poisoned)
    : pool(static_cast<int32_t>(plan.pages)), poisoned(poisoned) {
  uint32_t count = module.caches() ? module.caches()->size() : 0;
  bool windowed = count != 0;
  for (uint32_t i = 0; i < count; ++i) {
    int32_t window = static_cast<int32_t>(module.caches()->Get(i)->window());
    windowed &= window != 0;
    widest = std::max(widest, window);
  }
  if (!windowed)
    widest = 0;
}

int32_t KvCache::take() {
  int32_t page = pool.take();
  if (poisoned)
    poisoned->poisonPage(page);
  return page;
}

CachedTokens::CachedTokens(int32_t total, int32_t declared)
    : mostTokens(total), declared(declared ? declared : total) {
  pages.reserve(pagesFor(total));
}

int32_t CachedTokens::missingPages(int32_t length) const {
  return std::max(0, pagesFor(length) - static_cast<int32_t>(pages.size()));
}

bool CachedTokens::grow(KvCache &cache, int32_t length) {
  int32_t missing = missingPages(length);
  if (missing > cache.pages().free())
    return false;
  for (int32_t i = 0; i < missing; ++i)
    pages.push_back(cache.take());
  return true;
}

void CachedTokens::advance(KvCache &cache, int32_t length) {
  tokens = length;
  int32_t passed =
      std::min(passedPages(length, cache.window()), static_cast<int32_t>(pages.size()));
  for (; dropped < passed; ++dropped) {
    cache.pages().release(pages[dropped]);
    pages[dropped] = -1;
  }
}

bool CachedTokens::canTruncate(const KvCache &cache, int32_t length) const {
  return passedPages(length, cache.window()) >= dropped;
}

void CachedTokens::truncate(KvCache &cache, int32_t length) {
  while (static_cast<int32_t>(pages.size()) > pagesFor(length)) {
    if (pages.back() >= 0)
      cache.pages().release(pages.back());
    pages.pop_back();
  }
  tokens = std::min(tokens, length);
}

void CachedTokens::clear(KvCache &cache) {
  truncate(cache, 0);
  dropped = 0;
}

} // namespace kvasir::rt
