/* The step ABI: what compiled phase functions get from the runtime. A leaf header, plain C.
 * Changing anything here means a new KVASIR_ABI_VERSION.
 * SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
#ifndef KVASIR_C_ABI_H
#define KVASIR_C_ABI_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define KVASIR_ABI_VERSION 1

/* Tokens in one KV page; also the key tile of attention, at absolute positions. */
#define KVASIR_PAGE_TOKENS 64
/* Keys in one attention partition: the online softmax runs inside a partition,
 * partitions are folded left to right. */
#define KVASIR_PARTITION_TOKENS 512
/* Most tokens in an attention block (tokens of one request, contiguous in the step). */
#define KVASIR_BLOCK_TOKENS 16
/* Alignment in bytes of every weight, buffer and cache that a phase sees. */
#define KVASIR_ALIGNMENT 64

/* One step: T tokens of R requests. Tokens of a request are contiguous and in
 * ascending position. All arrays belong to the runtime and are read-only. */
typedef struct kvasir_step_args {
  uint32_t struct_size;
  int32_t tokens;               /* T >= 1 */
  int32_t requests;             /* R >= 1 */
  int32_t rows;                 /* L >= 0: rows of logits that are wanted */
  int32_t blocks;               /* B: attention blocks */
  int32_t page_stride;          /* entries of page_table per request */
  const int32_t *ids;           /* [T] token ids, each in [0, vocabulary) */
  const int32_t *positions;     /* [T] absolute positions, each in [0, max context) */
  const int32_t *token_request; /* [T] index of the token's request */
  const int32_t *row_token;     /* [L] index of the token whose logits are wanted */
  const int32_t *request_total; /* [R] prompt + maximum of new tokens (rope variants with
                                   two factor sets choose by it, once per request) */
  const int32_t *page_table;    /* [R][page_stride]: position p of request r is in page
                                   page_table[r * page_stride + p / 64]. Entries of pages that
                                   lie wholly before the sliding window of every cache may be -1 */
  const int32_t *block_token;   /* [B] first token of the block */
  const int32_t *block_tokens;  /* [B] tokens in it, 1..KVASIR_BLOCK_TOKENS */
} kvasir_step_args;

/* A phase: worker `worker` of `workers` does its share. `operands` has one pointer for each
 * operand of the row in the phase table (see Module.fbs, table Operand): a buffer of the arena,
 * a weight, the pages of a cache, the worker's own scratch, or the row's work counter
 * (KVASIR_ALIGNMENT bytes that are 0 when the step starts; an int32_t on CPUs). Between two rows
 * all workers meet at a barrier.
 * Phase functions allocate nothing, call nothing and set no state. */
typedef void (*kvasir_phase_fn)(const kvasir_step_args *args, void *const *operands, int32_t worker,
                                int32_t workers);

#ifdef __cplusplus
} /* extern "C" */
static_assert(sizeof(kvasir_step_args) == 24 + 8 * sizeof(void *), "step ABI layout");
static_assert(offsetof(kvasir_step_args, ids) == 24, "step ABI layout");
#endif
#endif /* KVASIR_C_ABI_H */
