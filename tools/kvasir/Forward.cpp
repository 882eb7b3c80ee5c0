// Ragged steps over many prompts, chunked to what the engine takes.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "Forward.h"

#include <algorithm>

namespace kvasir::cli {

namespace {

/// One prompt on its way through the model.
struct Track {
  size_t index; ///< of the prompt
  const std::vector<int32_t> *ids;
  Sequence sequence;
  size_t done = 0; ///< prompt tokens in the cache
};

/// What one track does in one step.
struct Share {
  Track *track;
  int32_t count;
};

class Forwarder {
public:
  Forwarder(kvasir_model *model, const std::vector<std::vector<int32_t>> &prompts,
            const ForwardOptions &options, const RowSink &sink);
  std::vector<std::vector<int32_t>> run();

private:
  void runGroup(size_t first, size_t count);
  bool promptStep(std::vector<Track> &tracks);
  void takeRows(const std::vector<Share> &shares, const kvasir_logits &logits);
  void greedyStep(std::vector<Track> &tracks);
  kvasir_logits forward(const std::vector<kvasir_forward_item> &items);

  const std::vector<std::vector<int32_t>> &prompts;
  const ForwardOptions &options;
  const RowSink &sink;
  kvasir_model_info info;
  int32_t stepTokens = 0;
  size_t groupSize = 1;
  Engine engine;
  std::vector<std::vector<int32_t>> chosen;
  Progress progress{"computing", "tokens"};
  uint64_t tokensDone = 0, tokensInAll = 0;
};

} // namespace

/// The largest logit, the lowest id among equals.
static int32_t argmax(const float *row, int32_t count) {
  int32_t best = 0;
  for (int32_t i = 1; i < count; ++i)
    if (row[i] > row[best])
      best = i;
  return best;
}

Forwarder::Forwarder(kvasir_model *model, const std::vector<std::vector<int32_t>> &prompts,
                     const ForwardOptions &options, const RowSink &sink)
    : prompts(prompts), options(options), sink(sink), info(infoOf(model)), chosen(prompts.size()) {
  // Every position wants its logits: keep their rows below 256 MB.
  int64_t mostRows = (int64_t(256) << 20) / (int64_t(info.vocab_size) * 4);
  mostRows = std::clamp<int64_t>(mostRows, 16, 512);
  stepTokens = int32_t(std::min<int64_t>(mostRows, info.max_step_tokens));
  int64_t length = 0, longest = 0, pages = 0;
  for (const auto &ids : prompts) {
    length += int64_t(ids.size());
    int64_t total = int64_t(ids.size()) + options.greedy;
    longest = std::max(longest, total);
  }
  groupSize = options.oneByOne ? 1 : std::min(prompts.size(), size_t(info.max_requests));
  for (size_t first = 0; first < prompts.size(); first += groupSize) {
    int64_t ofGroup = 0;
    for (size_t i = first; i < std::min(first + groupSize, prompts.size()); ++i)
      ofGroup += (int64_t(prompts[i].size()) + options.greedy + 63) / 64;
    pages = std::max(pages, ofGroup);
  }
  // A greedy step has a token of every prompt.
  stepTokens = std::max(int32_t(std::min<int64_t>(stepTokens, length)), int32_t(groupSize));
  stepTokens = std::min(stepTokens, info.max_step_tokens);
  groupSize = std::min(groupSize, size_t(stepTokens));
  tokensInAll = uint64_t(length) + uint64_t(options.greedy) * prompts.size();

  kvasir_engine_options engineOptions;
  kvasir_engine_options_init(&engineOptions);
  engineOptions.threads = options.threads;
  engineOptions.poison_pages = options.poison;
  engineOptions.max_requests = int32_t(groupSize);
  engineOptions.max_step_tokens = stepTokens;
  engineOptions.max_logit_rows = stepTokens;
  engineOptions.max_context = int32_t(longest);
  engineOptions.kv_tokens = uint64_t(pages) * 64;
  engine = createEngine(model, engineOptions);
}

kvasir_logits Forwarder::forward(const std::vector<kvasir_forward_item> &items) {
  checkInterrupt();
  kvasir_logits logits = {};
  logits.struct_size = sizeof(logits);
  check(kvasir_engine_forward(engine.get(), items.data(), items.size(), &logits));
  for (const kvasir_forward_item &item : items)
    tokensDone += uint64_t(item.count);
  if (options.progress)
    progress.update(tokensDone, tokensInAll);
  return logits;
}

/// Hands rows on, and keeps the first greedy id of prompts that are complete.
void Forwarder::takeRows(const std::vector<Share> &shares, const kvasir_logits &logits) {
  const float *row = logits.data;
  for (const Share &share : shares) {
    Track &track = *share.track;
    sink(track.index, track.done, size_t(share.count), row, logits.stride);
    track.done += size_t(share.count);
    row += size_t(share.count) * logits.stride;
    if (track.done == track.ids->size() && options.greedy > 0)
      chosen[track.index].push_back(argmax(row - logits.stride, info.vocab_size));
  }
}

/// Fills one step with prompt tokens, track after track. False: none is left.
bool Forwarder::promptStep(std::vector<Track> &tracks) {
  std::vector<Share> shares;
  std::vector<kvasir_forward_item> items;
  size_t room = size_t(stepTokens);
  for (Track &track : tracks) {
    size_t count = std::min(track.ids->size() - track.done, room);
    if (options.chunk > 0)
      count = std::min(count, size_t(options.chunk));
    if (count == 0)
      continue;
    room -= count;
    shares.push_back({&track, int32_t(count)});
    items.push_back(
        {track.sequence.get(), track.ids->data() + track.done, int32_t(count), KVASIR_ROWS_ALL});
  }
  if (shares.empty())
    return false;
  takeRows(shares, forward(items));
  return true;
}

void Forwarder::greedyStep(std::vector<Track> &tracks) {
  std::vector<kvasir_forward_item> items;
  for (Track &track : tracks)
    items.push_back({track.sequence.get(), &chosen[track.index].back(), 1, KVASIR_ROWS_LAST});
  kvasir_logits logits = forward(items);
  for (size_t i = 0; i < tracks.size(); ++i)
    chosen[tracks[i].index].push_back(argmax(logits.data + i * logits.stride, info.vocab_size));
}

void Forwarder::runGroup(size_t first, size_t count) {
  std::vector<Track> tracks;
  for (size_t i = first; i < first + count; ++i) {
    kvasir_sequence *sequence = nullptr;
    check(kvasir_sequence_create(engine.get(), int32_t(prompts[i].size()) + options.greedy,
                                 &sequence),
          format("prompt %zu", i));
    tracks.push_back({i, &prompts[i], Sequence(sequence), 0});
    chosen[i].reserve(size_t(options.greedy)); // items point into it
  }
  while (promptStep(tracks)) {
  }
  for (int i = 1; i < options.greedy; ++i)
    greedyStep(tracks);
}

std::vector<std::vector<int32_t>> Forwarder::run() {
  for (size_t first = 0; first < prompts.size(); first += groupSize)
    runGroup(first, std::min(groupSize, prompts.size() - first));
  return std::move(chosen);
}

std::vector<std::vector<int32_t>> forwardAll(kvasir_model *model,
                                             const std::vector<std::vector<int32_t>> &prompts,
                                             const ForwardOptions &options, const RowSink &sink) {
  return Forwarder(model, prompts, options, sink).run();
}

} // namespace kvasir::cli
