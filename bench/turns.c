/* Two artifacts of one model, step by step in turns, so that a noisy neighbour hits both alike.
 *
 *   cc -O2 -Iinclude bench/turns.c -o turns -Lbuild/lib -lkvasir -Wl,-rpath,build/lib
 *   ./turns BEFORE.kvasir AFTER.kvasir TOKENS SECONDS [THREADS]
 *
 * TOKENS: that many requests with a token each (up to the artifact's requests), or one prompt of
 * minus TOKENS. Prints quartiles of milliseconds per step and of the ratio of neighbouring steps.
 * SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
#include "kvasir-c/kvasir.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { mostTokens = 4096, mostSteps = 100000 };

typedef struct side {
  kvasir_model *model;
  kvasir_engine *engine;
  kvasir_forward_item items[mostTokens];
  size_t count;
  double times[mostSteps];
} side;

static side sides[2];
static double ratios[mostSteps];
static int32_t ids[mostTokens];

static void check(kvasir_error *error) {
  if (!error)
    return;
  fprintf(stderr, "%s\n", kvasir_error_message(error));
  exit(1);
}

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

static void open(side *s, const char *path, int tokens, int threads) {
  int requests = tokens > 0 ? tokens : 1, length = tokens > 0 ? 1 : -tokens;
  kvasir_engine_options options;
  kvasir_engine_options_init(&options);
  options.threads = threads;
  options.max_requests = requests;
  options.max_step_tokens = requests * length;
  options.max_context = length + 1;
  check(kvasir_model_load(path, NULL, &s->model));
  check(kvasir_engine_create(s->model, &options, &s->engine));
  s->count = (size_t)requests;
  for (int i = 0; i < requests; ++i) {
    kvasir_forward_item item = {NULL, ids, length, KVASIR_ROWS_LAST};
    check(kvasir_sequence_create(s->engine, length + 1, &item.sequence));
    s->items[i] = item;
  }
}

static double step(side *s) {
  for (size_t i = 0; i < s->count; ++i)
    check(kvasir_sequence_truncate(s->items[i].sequence, 0));
  double begin = now();
  check(kvasir_engine_forward(s->engine, s->items, s->count, NULL));
  return 1e3 * (now() - begin);
}

static int ascending(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static void print(const char *name, double *values, int count) {
  qsort(values, (size_t)count, sizeof(*values), ascending);
  printf("%-8s %8.3f %8.3f %8.3f\n", name, values[count / 4], values[count / 2],
         values[count * 3 / 4]);
}

int main(int argc, char **argv) {
  if (argc < 5) {
    fprintf(stderr, "turns BEFORE AFTER TOKENS SECONDS [THREADS]\n");
    return 2;
  }
  int tokens = atoi(argv[3]), threads = argc > 5 ? atoi(argv[5]) : 0, count = 0;
  for (int i = 0; i < mostTokens; ++i)
    ids[i] = 1 + i % 50;
  for (int i = 0; i < 2; ++i) {
    open(&sides[i], argv[1 + i], tokens, threads);
    step(&sides[i]);
  }
  for (double end = now() + atof(argv[4]); count < mostSteps && now() < end; ++count) {
    int first = count % 2; /* who goes first changes, too */
    sides[first].times[count] = step(&sides[first]);
    sides[!first].times[count] = step(&sides[!first]);
    ratios[count] = sides[0].times[count] / sides[1].times[count];
  }
  printf("%d pairs of steps  quarter   median  3 quarters\n", count);
  print("before", sides[0].times, count);
  print("after", sides[1].times, count);
  print("ratio", ratios, count);
  return 0;
}
