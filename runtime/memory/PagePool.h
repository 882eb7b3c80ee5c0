// Reference-counted pages of the KV cache. A page number is valid in every
// cache at once.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_RUNTIME_MEMORY_PAGEPOOL_H
#define KVASIR_RUNTIME_MEMORY_PAGEPOOL_H

#include <cassert>
#include <cstdint>
#include <vector>

namespace kvasir::rt {

/// Not thread-safe. Allocates only when it is made.
class PagePool {
public:
  explicit PagePool(int32_t pages) : references(pages, 0) {
    freePages.reserve(pages);
    for (int32_t page = pages; page-- > 0;)
      freePages.push_back(page);
  }

  int32_t size() const { return static_cast<int32_t>(references.size()); }
  int32_t free() const { return static_cast<int32_t>(freePages.size()); }
  int32_t used() const { return size() - free(); }
  int32_t peak() const { return mostUsed; }

  /// A page with one reference; there must be a free one.
  int32_t take() {
    assert(!freePages.empty() && "no free page");
    int32_t page = freePages.back();
    freePages.pop_back();
    references[page] = 1;
    if (used() > mostUsed)
      mostUsed = used();
    return page;
  }

  void retain(int32_t page) {
    assert(references[page] > 0 && "page is free");
    ++references[page];
  }

  void release(int32_t page) {
    assert(references[page] > 0 && "page is free");
    if (--references[page] == 0)
      freePages.push_back(page);
  }

private:
  std::vector<int32_t> references;
  std::vector<int32_t> freePages; // last freed is first taken: likely in cache
  int32_t mostUsed = 0;
};

} // namespace kvasir::rt

#endif // KVASIR_RUNTIME_MEMORY_PAGEPOOL_H
