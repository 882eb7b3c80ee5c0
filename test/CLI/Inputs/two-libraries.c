/* Two libraries, each with a model, in one process: one linked, one loaded from a directory that is
 * left before the model is. Prints what each continues the ids 5 6 7 with.   two-libraries
 * DIRECTORY SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
#include "chat.h"
#include "other-2.h"

#include <dlfcn.h>
#include <stdio.h>
#include <unistd.h>

/* The same program for both interfaces. */
#define GENERATE(prefix, PREFIX, call)                                                             \
  static int generate_##prefix(void *library) {                                                    \
    static const int32_t ids[] = {5, 6, 7};                                                        \
    prefix##_model *model = NULL;                                                                  \
    prefix##_engine *engine = NULL;                                                                \
    prefix##_request_options options;                                                              \
    prefix##_event event;                                                                          \
    uint64_t request;                                                                              \
    bool more = true;                                                                              \
    (void)library;                                                                                 \
    call(prefix##_request_options_init)(&options);                                                 \
    options.max_new_tokens = 8;                                                                    \
    options.ignore_eos = true;                                                                     \
    event.struct_size = sizeof(event);                                                             \
    if (call(prefix##_load)(NULL, &model) || call(prefix##_engine_create)(model, NULL, &engine) || \
        call(prefix##_engine_submit)(engine, ids, 3, &options, &request))                          \
      return 1;                                                                                    \
    printf(#prefix);                                                                               \
    while (more) {                                                                                 \
      if (call(prefix##_engine_step)(engine, &more))                                               \
        return 1;                                                                                  \
      while (!call(prefix##_engine_poll)(engine, &event) && event.kind != PREFIX##_EVENT_NONE)     \
        if (event.kind == PREFIX##_EVENT_TOKEN)                                                    \
          printf(" %d", (int)event.id);                                                            \
    }                                                                                              \
    printf("\n");                                                                                  \
    call(prefix##_engine_free)(engine);                                                            \
    call(prefix##_model_free)(model);                                                              \
    return 0;                                                                                      \
  }

#define LINKED(name) name
#define LOADED(name) ((__typeof__(&name))dlsym(library, #name))
GENERATE(chat, CHAT, LINKED)
GENERATE(other_2, OTHER_2, LOADED)

int main(int argc, char **argv) {
  void *library;
  if (argc != 2 || chdir(argv[1]) || !(library = dlopen("./libother-2.so", RTLD_NOW | RTLD_LOCAL)))
    return 1;
  if (chdir("/") || generate_other_2(library) || generate_chat(NULL) || generate_other_2(library))
    return 1;
  return dlclose(library);
}
