// The life of a request apart from scheduling.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "batch/Request.h"

#include "support/Clock.h"

#include <algorithm>

namespace kvasir::rt {

static int32_t totalTokens(const RequestSpec &spec) {
  return static_cast<int32_t>(spec.prompt.size()) + spec.maxNewTokens;
}

static RequestSpec withoutPrompt(RequestSpec spec) {
  spec.prompt = {};
  return spec;
}

Request::Request(uint64_t id, RequestSpec given, std::vector<int32_t> eosIds,
                 const Tokenizer *tokenizer)
    : id(id), spec(withoutPrompt(given)), tokens(given.prompt),
      cached(totalTokens(given), given.declaredTotal),
      promptLength(static_cast<int32_t>(given.prompt.size())), eos(std::move(eosIds)),
      matcher(spec.stops), submitted(now()) {
  tokens.reserve(totalTokens(given));
  if (!spec.text)
    return;
  decoder.emplace(*tokenizer, !spec.keepSpecialTokens);
  // The prompt goes through the decoder unheard: the space before the first
  // new word shows only in what follows something.
  for (int32_t token : tokens)
    (void)decoder->push(token);
}

static bool contains(const std::vector<int32_t> &ids, int32_t id) {
  return std::find(ids.begin(), ids.end(), id) != ids.end();
}

void Request::noteStarted(double time) {
  if (started < 0)
    started = time;
}

kvasir_finish_reason Request::accept(int32_t token, double time, std::string &text) {
  tokens.push_back(token);
  if (firstToken < 0)
    firstToken = time;
  if (!spec.ignoreEos && contains(eos, token))
    return KVASIR_FINISH_EOS;
  if (contains(spec.stopIds, token))
    return KVASIR_FINISH_STOP;
  if (decoder && matcher.push(decoder->push(token), text)) {
    textEnded = true;
    return KVASIR_FINISH_STOP;
  }
  return newTokens() == spec.maxNewTokens ? KVASIR_FINISH_LENGTH : KVASIR_FINISH_NONE;
}

Event Request::finished(kvasir_finish_reason reason, double time) {
  Event event;
  event.kind = KVASIR_EVENT_FINISHED;
  event.request = id;
  event.user = spec.user;
  event.reason = reason;
  event.failure = failure;
  if (decoder && !textEnded && !matcher.push(decoder->flush(), event.text))
    matcher.flush(event.text);
  event.promptTokens = promptLength;
  event.newTokens = newTokens();
  event.preemptions = preemptions;
  event.queuedSeconds = (started < 0 ? time : started) - submitted;
  event.firstTokenSeconds = firstToken < 0 ? 0 : firstToken - submitted;
  event.totalSeconds = time - submitted;
  return event;
}

} // namespace kvasir::rt
