/* Loads an artifact and prints the greedy answer to a list of token ids.
 *   generate MODEL.kvasir COUNT ID...
 * SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
#include <kvasir-c/kvasir.h>

#include <stdio.h>
#include <stdlib.h>

/* Prints the error, if there is one, and says whether there was. */
static int failed(kvasir_error *error) {
  if (!error)
    return 0;
  fprintf(stderr, "error: %s\n", kvasir_error_message(error));
  kvasir_error_free(error);
  return 1;
}

static int printEvents(kvasir_engine *engine) {
  kvasir_event event;
  event.struct_size = sizeof(event);
  for (;;) {
    if (failed(kvasir_engine_poll(engine, &event)))
      return 1;
    if (event.kind == KVASIR_EVENT_NONE)
      return 0;
    if (event.kind == KVASIR_EVENT_TOKEN)
      printf("%d ", (int)event.id);
    else
      printf("\n");
    if (event.reason == KVASIR_FINISH_ERROR) {
      fprintf(stderr, "error: %s\n", event.error_message);
      return 1;
    }
  }
}

static int generate(kvasir_engine *engine, const int32_t *ids, size_t count, int32_t new_tokens) {
  kvasir_request_options options;
  uint64_t request;
  bool more = true;
  kvasir_request_options_init(&options);
  options.max_new_tokens = new_tokens;
  options.ignore_eos = true;
  if (failed(kvasir_engine_submit(engine, ids, count, &options, &request)))
    return 1;
  while (more)
    if (failed(kvasir_engine_step(engine, &more)) || printEvents(engine))
      return 1;
  return 0;
}

int main(int argc, char **argv) {
  kvasir_model *model = NULL;
  kvasir_engine *engine = NULL;
  int32_t ids[256];
  size_t count = 0;
  int status = 1;
  if (argc < 4) {
    fprintf(stderr, "usage: generate MODEL.kvasir COUNT ID...\n");
    return 2;
  }
  while (count < 256 && (int)count + 3 < argc) {
    ids[count] = (int32_t)atoi(argv[count + 3]);
    ++count;
  }
  if (!failed(kvasir_model_load(argv[1], NULL, &model)) &&
      !failed(kvasir_engine_create(model, NULL, &engine)))
    status = generate(engine, ids, count, (int32_t)atoi(argv[2]));
  kvasir_engine_free(engine);
  kvasir_model_free(model);
  return status;
}
