// The pages of all caches and those that sequences hold. Their memory is the executor's.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_RUNTIME_BATCH_KVCACHE_H
#define KVASIR_RUNTIME_BATCH_KVCACHE_H

#include "device/StepExecutor.h"
#include "memory/PagePool.h"
#include "memory/Plan.h"

#include <vector>

namespace kvasir::rt {

class KvCache {
public:
  /// `poisoned`: whose pages are filled with NaN when they are taken; null: nobody's.
  KvCache(const artifact::Module &module, const MemoryPlan &plan, StepExecutor *poisoned);

  const PagePool &pages() const { return pool; }
  PagePool &pages() { return pool; }

  /// A page with one reference; with poisoning, full of NaN in every type.
  int32_t take();

  /// Tokens that any layer still sees, its own included; 0: all of them.
  int32_t window() const { return widest; }

private:
  PagePool pool;
  StepExecutor *poisoned;
  int32_t widest = 0;
};

/// The cached tokens of one text: a growing list of pages. Page i holds
/// positions [64 i, 64 i + 64); pages that all windows have passed are given
/// back and leave -1.
class CachedTokens {
public:
  /// Reserves for `total` tokens, so that growing allocates nothing. `declared` is the length that
  /// compiled code is told (longrope chooses its factors by it); 0: `total`.
  explicit CachedTokens(int32_t total, int32_t declared = 0);

  int32_t length() const { return tokens; }
  int32_t total() const { return mostTokens; }
  int32_t declaredTotal() const { return declared; }
  const std::vector<int32_t> &pageList() const { return pages; }

  /// Pages that are missing before `length` tokens fit.
  int32_t missingPages(int32_t length) const;
  int32_t heldPages() const { return static_cast<int32_t>(pages.size()) - dropped; }
  /// Takes what is missing, or nothing and returns false.
  bool grow(KvCache &cache, int32_t length);
  /// After a step: these tokens are in the cache now. Gives back what no window
  /// reaches.
  void advance(KvCache &cache, int32_t length);
  /// Whether everything that position `length` sees is still there.
  bool canTruncate(const KvCache &cache, int32_t length) const;
  void truncate(KvCache &cache, int32_t length);
  /// Gives everything back.
  void clear(KvCache &cache);

private:
  std::vector<int32_t> pages;
  int32_t dropped = 0; // leading pages that have been given back
  int32_t tokens = 0;
  int32_t mostTokens;
  int32_t declared;
};

/// The most pages that a text of `total` tokens holds at once, when it grows by
/// at most `chunk`.
int32_t mostPages(int32_t total, int32_t chunk, int32_t window);

} // namespace kvasir::rt

#endif // KVASIR_RUNTIME_BATCH_KVCACHE_H
