/* Phase functions of the toy model, compiled into the code object of the tests'
 * artifacts. SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
#include "ToyMath.h"
#include "kvasir-c/abi.h"

static float *pageOf(const kvasir_step_args *args, void *cache, int32_t request, int32_t position) {
  int32_t page = args->page_table[request * args->page_stride + position / TOY_PAGE];
  return (float *)cache + (int64_t)page * TOY_PAGE_FLOATS;
}

/* operands: embedding weights u32[vocab], states u32[T] */
void toy_embed(const kvasir_step_args *args, void *const *operands, int32_t worker,
               int32_t workers) {
  const uint32_t *weights = operands[0];
  uint32_t *states = operands[1];
  for (int32_t t = worker; t < args->tokens; t += workers)
    states[t] = toyEmbed(weights[args->ids[t]], args->request_total[args->token_request[t]]);
}

/* operands: states, cache, parameters {layer, window} */
void toy_append(const kvasir_step_args *args, void *const *operands, int32_t worker,
                int32_t workers) {
  const uint32_t *states = operands[0];
  const int32_t *parameters = operands[2];
  for (int32_t t = worker; t < args->tokens; t += workers) {
    int32_t position = args->positions[t], in = position % TOY_PAGE;
    float *page = pageOf(args, operands[1], args->token_request[t], position);
    for (int32_t d = 0; d < TOY_HEAD; ++d) {
      page[d * TOY_PAGE + in] = toyKey(states[t], parameters[0], d);
      page[TOY_HEAD * TOY_PAGE + in * TOY_HEAD + d] = toyValue(states[t], parameters[0], d);
    }
  }
}

/* operands: states, cache, parameters, counter, own scratch u32[16] */
void toy_attend(const kvasir_step_args *args, void *const *operands, int32_t worker,
                int32_t workers) {
  uint32_t *states = operands[0];
  const int32_t *parameters = operands[2];
  int32_t *counter = operands[3];
  uint32_t *scratch = operands[4];
  (void)worker, (void)workers;
  int32_t b;
  while ((b = __atomic_fetch_add(counter, 1, __ATOMIC_RELAXED)) < args->blocks) {
    int32_t first = args->block_token[b];
    for (int32_t i = 0; i < args->block_tokens[b]; ++i)
      scratch[i] = states[first + i];
    for (int32_t i = 0; i < args->block_tokens[b]; ++i) {
      int32_t t = first + i, position = args->positions[t];
      uint32_t hash = (uint32_t)parameters[0];
      for (int32_t p = toyFirst(position, parameters[1]); p <= position; ++p) {
        const float *page = pageOf(args, operands[1], args->token_request[t], p);
        for (int32_t d = 0; d < TOY_HEAD; ++d) {
          hash = toyMix(hash, toyBits(page[d * TOY_PAGE + p % TOY_PAGE]));
          hash = toyMix(hash, toyBits(page[TOY_HEAD * TOY_PAGE + p % TOY_PAGE * TOY_HEAD + d]));
        }
      }
      scratch[i] = toyMix(scratch[i], hash);
    }
    for (int32_t i = 0; i < args->block_tokens[b]; ++i)
      states[first + i] = scratch[i];
  }
}

/* operands: logits, chosen ids, parameters {vocab, stride, id that gives NaN}. For devices. */
void toy_choose(const kvasir_step_args *args, void *const *operands, int32_t worker,
                int32_t workers) {
  int32_t *chosen = operands[1];
  const int32_t *parameters = operands[2];
  for (int32_t row = worker; row < args->rows; row += workers) {
    const float *logits = (const float *)operands[0] + (int64_t)row * parameters[1];
    int32_t best = 0, isNumber = 1;
    for (int32_t v = 0; v < parameters[0]; ++v) {
      isNumber &= logits[v] == logits[v];
      best = logits[v] > logits[best] ? v : best;
    }
    chosen[row] = isNumber ? best : -1;
  }
}

/* operands: states, output weights u32[vocab], logits, parameters {vocab,
 * stride, id that gives NaN} */
void toy_logits(const kvasir_step_args *args, void *const *operands, int32_t worker,
                int32_t workers) {
  const uint32_t *states = operands[0];
  const uint32_t *weights = operands[1];
  float *logits = operands[2];
  const int32_t *parameters = operands[3];
  int32_t vocab = parameters[0];
  int32_t begin = (int32_t)((int64_t)vocab * worker / workers);
  int32_t end = (int32_t)((int64_t)vocab * (worker + 1) / workers);
  for (int32_t row = 0; row < args->rows; ++row) {
    int32_t t = args->row_token[row];
    float *out = logits + (int64_t)row * parameters[1];
    for (int32_t v = begin; v < end; ++v)
      out[v] = args->ids[t] == parameters[2] ? __builtin_nanf("") : toyLogit(states[t], weights[v]);
  }
}
