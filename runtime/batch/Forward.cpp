// The step itself, for callers that manage their own sequences.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "batch/Engine.h"

#include <algorithm>

namespace kvasir::rt {

Result<std::unique_ptr<Sequence>> Engine::createSequence(int32_t total) {
  if (total < 1 || total > plan().maxContext)
    return error(Code::outOfRange, format("a sequence of %d tokens, expected 1 to %d (the "
                                          "engine's max_context)",
                                          total, plan().maxContext));
  return std::make_unique<Sequence>(Sequence{shared_from_this(), CachedTokens(total)});
}

void Engine::freeSequence(Sequence &sequence) {
  std::lock_guard lock(stepping);
  sequence.cached.clear(runner->cache());
  publish();
}

Status Engine::truncate(Sequence &sequence, int32_t length) {
  std::lock_guard lock(stepping);
  if (length < 0 || length > sequence.cached.length())
    return error(Code::outOfRange, format("length %d, but the sequence has %d tokens", length,
                                          sequence.cached.length()));
  if (!sequence.cached.canTruncate(runner->cache(), length))
    return error(Code::unsupported, format("position %d needs keys that the sliding window has "
                                           "dropped already; start the sequence again",
                                           length));
  sequence.cached.truncate(runner->cache(), length);
  publish();
  return Status::ok();
}

static Status checkItem(const kvasir_forward_item &item, const CachedTokens &cached,
                        int32_t vocabulary) {
  if (item.count < 1 || !item.ids)
    return error(Code::invalidArgument, format("count is %d, expected at least 1 id", item.count));
  if (item.rows < KVASIR_ROWS_NONE || item.rows > KVASIR_ROWS_ALL)
    return error(Code::invalidArgument,
                 format("rows is %d, expected a kvasir_rows", int(item.rows)));
  if (item.count > cached.total() - cached.length())
    return error(Code::outOfRange, format("%d tokens after %d, but the sequence was made for %d",
                                          item.count, cached.length(), cached.total()));
  for (int32_t i = 0; i < item.count; ++i)
    if (item.ids[i] < 0 || item.ids[i] >= vocabulary)
      return error(Code::outOfRange,
                   format("id %d at index %d, but ids are in [0, %d)", item.ids[i], i, vocabulary));
  return Status::ok();
}

static int64_t rowsWanted(const kvasir_forward_item &item) {
  return item.rows == KVASIR_ROWS_ALL ? item.count : item.rows == KVASIR_ROWS_LAST;
}

Status Engine::checkForward(std::span<const kvasir_forward_item> items,
                            std::span<Sequence *const> sequences) {
  const MemoryPlan &limits = plan();
  int64_t tokens = 0, rows = 0, pages = 0;
  ++forwards;
  for (size_t i = 0; i < items.size(); ++i) {
    Sequence &sequence = *sequences[i];
    Status status = checkItem(items[i], sequence.cached, source->vocabSize());
    if (status && sequence.lastForward == forwards)
      status = error(Code::invalidArgument, "its sequence is in this forward already");
    if (!status)
      return error(status.code(), format("item %zu: %s", i, status.message().c_str()));
    sequence.lastForward = forwards;
    tokens += items[i].count;
    rows += rowsWanted(items[i]);
    pages += sequence.cached.missingPages(sequence.cached.length() + items[i].count);
  }
  auto over = [](const char *what, int64_t wanted, int64_t most) {
    return error(Code::outOfRange,
                 format("%lld %s in one forward, but the engine takes at most "
                        "%lld",
                        static_cast<long long>(wanted), what, static_cast<long long>(most)));
  };
  if (tokens > limits.maxStepTokens)
    return over("tokens", tokens, limits.maxStepTokens);
  if (rows > limits.maxLogitRows)
    return over("rows of logits", rows, limits.maxLogitRows);
  int32_t free = runner->cache().pages().free();
  if (pages > free)
    return error(Code::resourceExhausted,
                 format("the forward needs %lld KV pages of 64 tokens, but %d "
                        "of %d are free",
                        static_cast<long long>(pages), free, runner->cache().pages().size()));
  return Status::ok();
}

Status Engine::forward(std::span<const kvasir_forward_item> items,
                       std::span<Sequence *const> sequences, kvasir_logits *logits) {
  std::lock_guard lock(stepping);
  if (items.empty() || items.size() > static_cast<size_t>(plan().maxRequests))
    return error(Code::outOfRange,
                 format("%zu items, expected 1 to %d", items.size(), plan().maxRequests));
  if (Status s = checkForward(items, sequences); !s)
    return s;
  StepBuilder &builder = runner->builder();
  builder.clear();
  size_t rows = 0;
  int32_t longest = 0;
  for (size_t i = 0; i < items.size(); ++i) {
    CachedTokens &cached = sequences[i]->cached;
    cached.grow(runner->cache(), cached.length() + items[i].count);
    builder.add(cached, {items[i].ids, size_t(items[i].count)}, items[i].rows,
                /*readsLogits=*/logits != nullptr);
    rows += static_cast<size_t>(rowsWanted(items[i]));
    longest = std::max(longest, items[i].count);
    (items[i].count == 1 ? totals.decode_tokens : totals.prompt_tokens) += items[i].count;
  }
  Result<StepResult> result = runStep(/*decodeOnly=*/longest == 1);
  if (!result)
    return result.status();
  for (size_t i = 0; i < items.size(); ++i) {
    CachedTokens &cached = sequences[i]->cached;
    cached.advance(runner->cache(), cached.length() + items[i].count);
  }
  if (logits) {
    logits->data = result->logits;
    logits->rows = rows;
    logits->stride = result->stride;
  }
  publish();
  return Status::ok();
}

Status Engine::copyProfile(int32_t program, kvasir_profile_row *rows, size_t capacity,
                           size_t &count) {
  std::lock_guard lock(stepping);
  const auto &timings = runner->executor().timings();
  if (timings.empty())
    return error(Code::invalidArgument,
                 "the engine does not measure phases; create it with profile "
                 "set");
  if (program < 0 || static_cast<size_t>(program) >= timings.size())
    return error(Code::outOfRange,
                 format("program %d, but there are %zu", program, timings.size()));
  const auto &source = timings[program].rows;
  if (rows)
    std::copy_n(source.begin(), std::min(capacity, source.size()), rows);
  count = source.size();
  return Status::ok();
}

void Engine::resetProfile() {
  std::lock_guard lock(stepping);
  runner->executor().resetTimings();
}

} // namespace kvasir::rt
