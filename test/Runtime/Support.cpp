// Driving an engine to its end.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "Support.h"

namespace kvasir::test {

void collect(kvasir_engine *engine, std::map<uint64_t, Answer> &answers) {
  while (true) {
    kvasir_event event;
    event.struct_size = sizeof(event);
    ASSERT_OK(kvasir_engine_poll(engine, &event));
    if (event.kind == KVASIR_EVENT_NONE)
      return;
    Answer &answer = answers[event.request];
    EXPECT_EQ(answer.reason, KVASIR_FINISH_NONE) << "event after the last";
    answer.text.append(event.text, event.text_length);
    if (event.kind == KVASIR_EVENT_TOKEN) {
      EXPECT_EQ(event.index, int32_t(answer.ids.size()));
      answer.ids.push_back(event.id);
      answer.logprobs.push_back(event.logprob);
      answer.top.emplace_back(event.top, event.top + event.top_count);
      continue;
    }
    answer.reason = event.reason;
    answer.error = event.error_code;
    answer.message = event.error_message;
    answer.preemptions = event.preemptions;
    answer.promptTokens = event.prompt_tokens;
    EXPECT_EQ(event.new_tokens, int32_t(answer.ids.size()));
  }
}

void drain(kvasir_engine *engine, std::map<uint64_t, Answer> &answers) {
  bool more = true;
  while (more) {
    ASSERT_OK(kvasir_engine_step(engine, &more));
    collect(engine, answers);
  }
}

} // namespace kvasir::test
