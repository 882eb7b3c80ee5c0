/* Code that checks itself while it runs: what a code object may export besides its phases, and
 * what it gets more than others. A leaf header, plain C.
 * SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
#ifndef KVASIR_C_CHECKED_H
#define KVASIR_C_CHECKED_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What one operand of a row may reach. */
typedef struct kvasir_operand_extent {
  uint64_t bytes;    /* from the operand's pointer */
  uint32_t writable; /* 0: weights. 2: and what it held before this row is of no use */
  uint32_t memory; /* in the step's memories, counted from 1; 0: it has values before kernels run */
} kvasir_operand_extent;

/* Memory without values until a kernel writes them: a place of the workspace, where one buffer of
 * the step lies after the other, or a cache's pages. */
typedef struct kvasir_checked_memory {
  uint64_t page_bytes; /* of a cache; 0: a place of buffers */
  uint32_t *written;   /* the checker's notes, 0 at first: of a buffer one, of a cache one for
                          each page, 0 again when the page gets a new owner */
} kvasir_checked_memory;

/* With checked code, `operands` of a phase function has one entry more than the row has
 * operands: a pointer to this. */
typedef struct kvasir_checked_row {
  void *checker;                        /* of the engine, from `create` */
  const kvasir_operand_extent *extents; /* one for each operand */
} kvasir_checked_row;

/* The constant that such a code object exports under KVASIR_CHECKER_SYMBOL. */
typedef struct kvasir_checker {
  uint32_t struct_size;
  /* Takes all memory that checking needs, for phases of `workers` workers at a time. Null: there
   * is not enough. */
  void *(*create)(int32_t workers);
  void (*destroy)(void *checker);
  /* The first thing found wrong, or null. Phases do nothing once something was found. To be
   * called when no phase runs; the text lives as long as the checker. */
  const char *(*finding)(const void *checker);
  /* Before each step: the memories that its operands name. They stay until the next call. */
  void (*start_step)(void *checker, const kvasir_checked_memory *memories);
} kvasir_checker;

#define KVASIR_CHECKER_SYMBOL "kvasir_checker"

#ifdef __cplusplus
} /* extern "C" */
#endif
#endif /* KVASIR_C_CHECKED_H */
