/* An application with a language model inside: libchat.so, made by
 *   kvasir compile MODEL --emit lib -o libchat.so
 * Continues each argument, all of them as one batch, and prints the answers in their order.
 *   embed 'sort: v q x c =>' 'tomorrow: 2039-10-14 =>'
 * SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
#include "chat.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
  char *text; /* zero-terminated */
  size_t length;
} answer;

/* Prints the error, if there is one, and says whether there was. */
static int failed(chat_error *error) {
  if (!error)
    return 0;
  fprintf(stderr, "error: %s\n", chat_error_message(error));
  chat_error_free(error);
  return 1;
}

static int append(answer *to, const char *text, size_t length) {
  char *longer = realloc(to->text, to->length + length + 1);
  if (!longer)
    return 1;
  memcpy(longer + to->length, text, length);
  to->text = longer;
  to->length += length;
  longer[to->length] = '\0';
  return 0;
}

static int submit(chat_engine *engine, const char *prompt, answer *to) {
  chat_request_options options;
  uint64_t request;
  chat_request_options_init(&options);
  options.max_new_tokens = 24;
  options.user = to; /* comes back in every event */
  return failed(chat_engine_submit_text(engine, prompt, strlen(prompt), &options, &request));
}

/* Takes what the last step made. */
static int collect(chat_engine *engine) {
  chat_event event;
  event.struct_size = sizeof(event);
  for (;;) {
    if (failed(chat_engine_poll(engine, &event)))
      return 1;
    if (event.kind == CHAT_EVENT_NONE)
      return 0;
    if (append(event.user, event.text, event.text_length))
      return 1;
    if (event.reason == CHAT_FINISH_ERROR) {
      fprintf(stderr, "error: %s\n", event.error_message);
      return 1;
    }
  }
}

static int run(chat_engine *engine, char **prompts, int count, answer *answers) {
  bool more = true;
  int i;
  for (i = 0; i < count; ++i)
    if (submit(engine, prompts[i], &answers[i]))
      return 1;
  while (more)
    if (failed(chat_engine_step(engine, &more)) || collect(engine))
      return 1;
  for (i = 0; i < count; ++i)
    printf("%s%s\n", prompts[i], answers[i].text ? answers[i].text : "");
  return 0;
}

int main(int argc, char **argv) {
  chat_model *model = NULL;
  chat_engine *engine = NULL;
  answer *answers = calloc((size_t)argc, sizeof(*answers));
  int status = 1, i;
  if (answers && !failed(chat_load(NULL, &model)) &&
      !failed(chat_engine_create(model, NULL, &engine)))
    status = run(engine, argv + 1, argc - 1, answers);
  chat_engine_free(engine);
  chat_model_free(model);
  for (i = 0; answers && i < argc; ++i)
    free(answers[i].text);
  free(answers);
  return status;
}
