// One request on its way: tokens, cached pages, text so far, and what is
// reported about it.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_RUNTIME_BATCH_REQUEST_H
#define KVASIR_RUNTIME_BATCH_REQUEST_H

#include "batch/KvCache.h"
#include "batch/StopMatcher.h"
#include "sampling/Sampler.h"
#include "tokenizer/Tokenizer.h"

#include <memory>
#include <optional>
#include <string>

namespace kvasir::rt {

/// What a caller asks for, already copied. The meaning of each field is in
/// kvasir.h.
struct RequestSpec {
  std::vector<int32_t> prompt;
  int32_t maxNewTokens = 0;  // 0: as many as context and pages leave
  int32_t declaredTotal = 0; // length that compiled code is told; 0: prompt + maxNewTokens
  SamplingOptions sampling;
  std::vector<std::string> stops;
  std::vector<int32_t> stopIds;
  bool ignoreEos = false;
  bool keepSpecialTokens = false;
  bool text = false; // text pieces are wanted; there is a tokenizer
  void *user = nullptr;
};

/// What the caller gets from poll.
struct Event {
  kvasir_event_kind kind = KVASIR_EVENT_NONE;
  uint64_t request = 0;
  void *user = nullptr;
  std::string text;
  int32_t id = -1;
  int32_t index = 0;
  float logprob = 0;
  std::vector<kvasir_logprob> top;
  kvasir_finish_reason reason = KVASIR_FINISH_NONE;
  Status failure;
  int32_t promptTokens = 0;
  int32_t newTokens = 0;
  int32_t preemptions = 0;
  double queuedSeconds = 0;
  double firstTokenSeconds = 0;
  double totalSeconds = 0;
};

class Request {
public:
  /// `spec.maxNewTokens` >= 1. Memory for all tokens is reserved here.
  Request(uint64_t id, RequestSpec spec, std::vector<int32_t> eos, const Tokenizer *tokenizer);

  const uint64_t id;
  const RequestSpec spec;      // its prompt has moved to `tokens`
  std::vector<int32_t> tokens; // prompt, then answer
  CachedTokens cached;
  int32_t scheduled = 0; // tokens in the step that is being built
  int32_t preemptions = 0;
  Status failure;

  /// Tokens that are known but not in the cache yet.
  int32_t pending() const { return static_cast<int32_t>(tokens.size()) - cached.length(); }
  int32_t newTokens() const { return static_cast<int32_t>(tokens.size()) - promptLength; }
  std::span<const int32_t> nextTokens() const {
    return {tokens.data() + cached.length(), size_t(scheduled)};
  }

  void noteStarted(double time);
  /// Appends a chosen token. Text that is settled by it goes to `text`.
  kvasir_finish_reason accept(int32_t token, double time, std::string &text);
  Event finished(kvasir_finish_reason reason, double time);

private:
  const int32_t promptLength;
  const std::vector<int32_t> eos;
  std::optional<StreamDecoder> decoder;
  StopMatcher matcher;
  bool textEnded = false; // by a stop string
  const double submitted;
  double started = -1;
  double firstToken = -1;
};

} // namespace kvasir::rt

#endif // KVASIR_RUNTIME_BATCH_REQUEST_H
