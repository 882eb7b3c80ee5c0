/* The public C API of Kvasir's runtime: load an artifact, decode many requests. This is the manual.
 * C99 and C++. Programs link libkvasir (find_package(kvasir) or pkg-config kvasir).
 * SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
#ifndef KVASIR_C_KVASIR_H
#define KVASIR_C_KVASIR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define KVASIR_API __attribute__((visibility("default")))
#else
#define KVASIR_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* Conventions
 * -----------
 * Errors      A function that can fail returns kvasir_error *: NULL is success, anything else is an
 *             object that the caller frees with kvasir_error_free. After an error the outputs are
 *             unchanged and so is the object that was called, unless stated. Nothing prints, exits
 *             or throws.
 * Structs     Every options and info struct begins with struct_size, which the caller sets to
 *             sizeof(the struct) (the *_init functions do it). A newer library reads and writes
 *             only that much, so a program keeps working without being compiled again. Fields added
 *             later mean "as before" when they are zero.
 * Ownership   Objects from *_create and *_load belong to the caller
 *             until the matching *_free. Pointers inside an info struct belong to the object that
 *             filled it. Inputs are copied before the call returns.
 * Text        UTF-8 with an explicit length in bytes; outputs are also zero-terminated.
 * Threads     A const kvasir_model * may be used by any number of threads. Engine functions may be
 *             called from any thread; steps and forwards of one engine run one at a time (a second
 *             caller waits). A sequence and a detokenizer belong to one thread at a time.
 * Results     What a request produces depends on the artifact, its CPU variant or architecture of
 *             the GPU, and the request alone: not on other requests, chunking, threads, preemption.
 * Trust       An artifact holds native code that runs in this process: load only what you would
 *             execute. */

#define KVASIR_VERSION_MAJOR 0
#define KVASIR_VERSION_MINOR 1
#define KVASIR_VERSION_PATCH 0

/* Version of the library that is loaded, e.g. "0.1.0". Static storage. */
KVASIR_API const char *kvasir_version(void);

/* Frees memory that a function here documents as freed by kvasir_free. NULL is allowed. */
KVASIR_API void kvasir_free(void *memory);

/* ---- Errors ------------------------------------------------------------------------------- */

typedef enum kvasir_code {
  KVASIR_OK = 0,
  KVASIR_INVALID_ARGUMENT = 1, /* asked for something that makes no sense */
  KVASIR_NOT_FOUND = 2,        /* a file or name that does not exist */
  KVASIR_OUT_OF_RANGE = 3,     /* an id, position or length beyond what the model or engine has */
  KVASIR_RESOURCE_EXHAUSTED =
      4,                  /* memory, pages or slots are used up; the message has the numbers */
  KVASIR_DATA_LOSS = 5,   /* an artifact is truncated or corrupt */
  KVASIR_UNSUPPORTED = 6, /* valid, but this version or this artifact cannot do it */
  KVASIR_UNAVAILABLE = 7, /* this machine lacks what the artifact's code needs */
  KVASIR_CANCELLED = 8,
  KVASIR_INTERNAL = 9 /* a broken promise of the runtime or of the compiled code */
} kvasir_code;

typedef struct kvasir_error kvasir_error;

/* KVASIR_OK for NULL. */
KVASIR_API kvasir_code kvasir_error_code(const kvasir_error *error);
/* Lower case, no full stop, says what was expected, what was found and often what to do. "" for
 * NULL. Valid until the error is freed. */
KVASIR_API const char *kvasir_error_message(const kvasir_error *error);
KVASIR_API void kvasir_error_free(kvasir_error *error);

/* ---- Models ------------------------------------------------------------------------------- */

/* A loaded artifact. Immutable and reference-counted: an engine, sequence or detokenizer made from
 * it keeps it alive, so it may be freed while they exist. */
typedef struct kvasir_model kvasir_model;

typedef struct kvasir_model_options {
  size_t struct_size;
  const char *variant; /* name of a CPU variant in the artifact ("x86-64-v3"); NULL: the first whose
                          features this machine has (they are stored best first). With a device: the
                          architecture whose code is to be used ("sm_80"; "compute_80": its PTX) */
  bool verify_weights; /* also read and hash all weights (kvasir_model_verify) */
  const char *device;  /* "cpu", "cuda" or "cuda:N" (the N-th device that the driver shows). NULL or
                          "": cuda if the artifact has code for it and a device that runs it is
                          there, else the CPU if the artifact has code for that */
} kvasir_model_options;

KVASIR_API void kvasir_model_options_init(kvasir_model_options *options);

/* Maps the artifact at `path`, or in the program or library there, checks header, table, tokenizer
 * and code by hash and all offsets, and loads the code for this machine or finds the device.
 * Weights are mapped, not read. An artifact for devices that are not there is loaded as long as
 * none is named: it can be described, its engines are refused with what is missing. `options` may
 * be NULL. The file must not be written to while the model lives. */
KVASIR_API kvasir_error *kvasir_model_load(const char *path, const kvasir_model_options *options,
                                           kvasir_model **model);
/* One more reference; returns `model`. Each needs its kvasir_model_free. */
KVASIR_API kvasir_model *kvasir_model_retain(kvasir_model *model);
KVASIR_API void kvasir_model_free(kvasir_model *model);

typedef struct kvasir_model_info {
  size_t struct_size;
  const char *architecture; /* model_type of the checkpoint, "llama" */
  const char *name;         /* "" when unknown */
  const char *variant;      /* of the code that was loaded, "x86-64-v4", "sm_90" */
  const char *weight_type;  /* of the checkpoint's matrices: "f32", "f16" or "bf16" */
  const char *
      kv_type; /* stored keys and values: "f32", "f16", "bf16", "int8"; "mixed"; "" for no caches */
  uint64_t parameters;
  int32_t layers;
  int32_t hidden_size;
  int32_t vocab_size; /* ids are in [0, vocab_size) */
  int32_t heads;
  int32_t kv_heads;
  int32_t head_size;
  int32_t window; /* the largest sliding window in tokens; 0: some layer sees everything */
  /* Upper bounds fixed by the compiler; an engine chooses below them. */
  int32_t max_context;
  int32_t max_requests;
  int32_t max_step_tokens;
  uint64_t file_bytes;
  uint64_t weight_bytes;
  uint64_t kv_bytes_per_token; /* of all layers; pages hold 64 tokens */
  int32_t bos;                 /* -1: none */
  const int32_t *eos;          /* [eos_count] ids that end a generation */
  size_t eos_count;
  bool has_tokenizer;
  const char *tokenizer_missing; /* why there is none; "" when there is one */
  const char *chat_template;     /* Jinja source; NULL: none */
  /* Generation defaults of the checkpoint, for whoever wants them: requests do not use them by
   * themselves (kvasir_request_options_from_model does). NaN or -1: says nothing. */
  float temperature;
  int32_t top_k;
  float top_p;
  float min_p;
  float repetition_penalty;
  bool do_sample;
  const char *device;             /* that was chosen: "cpu", "cuda:0" */
  const char *device_product;     /* what its maker calls it; "" for the CPU */
  uint64_t device_memory_bytes;   /* in all; 0: that of the machine */
  const char *device_passed_over; /* why a device that the artifact has code for was not chosen by
                                     itself; "" when none was passed over */
} kvasir_model_info;

/* Fills `info` (struct_size set by the caller). Pointers live as long as the model. */
KVASIR_API kvasir_error *kvasir_model_get_info(const kvasir_model *model, kvasir_model_info *info);

/* Measures the memory of the model's device: bytes per second, read and written together, of copies
 * inside it. Takes up to 2 GiB of its memory for a moment. KVASIR_UNSUPPORTED for the CPU. */
KVASIR_API kvasir_error *kvasir_model_measure_bandwidth(const kvasir_model *model,
                                                        double *bytes_per_second);

/* The module table (FlatBuffers, schema kvasir/Artifact/Module.fbs) and the whole mapped artifact.
 * Both live as long as the model. */
KVASIR_API const void *kvasir_model_table(const kvasir_model *model, size_t *size);
KVASIR_API const void *kvasir_model_file(const kvasir_model *model, size_t *size);

/* Reads all weights and compares their hashes. KVASIR_DATA_LOSS names the first weight that
 * differs. `progress` may be NULL; it is called on this thread with bytes done and bytes in all. */
typedef void (*kvasir_progress_fn)(uint64_t done, uint64_t total, void *user);
KVASIR_API kvasir_error *kvasir_model_verify(const kvasir_model *model, kvasir_progress_fn progress,
                                             void *user);

/* ---- Text --------------------------------------------------------------------------------- */
/* All of these fail with KVASIR_UNSUPPORTED and the reason when the artifact has no tokenizer. */

/* Ids of `text`, [count], freed by kvasir_free. add_special: with what the tokenizer puts around a
 * text (BOS and so on). Text that is not UTF-8 is refused with the offset of the first bad byte. */
KVASIR_API kvasir_error *kvasir_tokenize(const kvasir_model *model, const char *text, size_t length,
                                         bool add_special, int32_t **ids, size_t *count);
/* Text of all ids together, freed by kvasir_free. skip_special leaves out special tokens. */
KVASIR_API kvasir_error *kvasir_detokenize(const kvasir_model *model, const int32_t *ids,
                                           size_t count, bool skip_special, char **text,
                                           size_t *length);
/* The vocabulary entry of one id as the tokenizer spells it (byte-level pieces stay in their
 * spelling, "\xc4\xa0the"), freed by kvasir_free; for tables and debugging. */
KVASIR_API kvasir_error *kvasir_token_text(const kvasir_model *model, int32_t id, char **text,
                                           size_t *length);

/* Turns ids into text piece by piece; never splits a UTF-8 character. */
typedef struct kvasir_detokenizer kvasir_detokenizer;
KVASIR_API kvasir_error *kvasir_detokenizer_create(const kvasir_model *model, bool skip_special,
                                                   kvasir_detokenizer **detokenizer);
/* Text that became complete with this id (may be empty). Valid until the next call on the
 * detokenizer. */
KVASIR_API kvasir_error *kvasir_detokenizer_push(kvasir_detokenizer *detokenizer, int32_t id,
                                                 const char **text, size_t *length);
/* What was held back (an incomplete character becomes U+FFFD); then it starts over. */
KVASIR_API kvasir_error *kvasir_detokenizer_finish(kvasir_detokenizer *detokenizer,
                                                   const char **text, size_t *length);
KVASIR_API void kvasir_detokenizer_free(kvasir_detokenizer *detokenizer);

/* ---- Engines ------------------------------------------------------------------------------ */

/* Worker threads, KV pages and step memory for one model. Everything that steps need is allocated
 * when the engine is created. */
typedef struct kvasir_engine kvasir_engine;

typedef struct kvasir_engine_options {
  size_t struct_size;
  int32_t threads;         /* workers, the thread that steps included; 0: every core that this
                              process may use. Devices have one */
  int32_t max_requests;    /* requests (and sequences) in one step; 0: min(8, model) */
  int32_t max_step_tokens; /* tokens in one step, prompts are chunked to it; 0: min(256, model) */
  int32_t max_context;     /* prompt + new tokens of one request; 0: the model's */
  int32_t max_logit_rows;  /* rows of logits from one step; 0: max_requests. Forwards that want all
                              rows of a chunk need as many as the chunk has tokens */
  uint64_t kv_tokens;      /* tokens that the KV pages hold together, rounded up to pages of 64 */
  uint64_t kv_bytes;     /* the same in bytes, rounded down to pages; at most one of the two is set.
                            Both 0: max_requests * max_context tokens, or what fits in half of the
                            memory that is available (nine tenths of a device's), whichever is
                            less */
  uint64_t memory_bytes; /* weights + KV + workspace must fit in this; 0: in the memory that is
                            available on the machine now (and in this control group), or on the
                            device; UINT64_MAX: not checked */
  int32_t spin_us;       /* how long a waiting worker spins before it sleeps; -1: the default, 200,
                            or 0 with more threads than cores */
  bool no_pinning;       /* leave placement of workers to the system; otherwise each has a core of
                            its own when there are enough */
  bool profile;          /* measure time per phase, see kvasir_engine_get_profile */
  bool poison_pages;   /* for tests: fill each KV page with NaN when it is handed out, to show that
                          nothing reads what was not written */
  bool shared_weights; /* on CPUs: leave the weights in the mapped file, where processes share them.
                          Otherwise the first engine of a model puts them into huge pages of this
                          process, which reads every weight once and makes steps that are bound by
                          memory faster (by a fifth to a third on machines seen) */
  kvasir_progress_fn progress; /* called by kvasir_engine_create, on its thread, while weights are
                                  copied to a device; may be NULL */
  void *progress_user;
} kvasir_engine_options;

KVASIR_API void kvasir_engine_options_init(kvasir_engine_options *options);

/* What an engine with these options would take; allocates nothing. All limits are filled in as they
 * would be (no zeros). `fits` says whether kvasir_engine_create's check would pass now. */
typedef struct kvasir_memory_plan {
  size_t struct_size;
  int32_t threads;
  int32_t max_requests;
  int32_t max_step_tokens;
  int32_t max_context;
  int32_t max_logit_rows;
  uint64_t weight_bytes;       /* shared by all engines of a model, see shared_weights */
  uint64_t workspace_bytes;    /* arena of the step program, the larger of decode and prefill */
  uint64_t step_bytes;         /* ids, positions, page tables and counters */
  uint64_t kv_bytes_per_token; /* of all layers */
  uint64_t kv_page_bytes;      /* of all layers: 64 tokens */
  uint64_t kv_pages;
  uint64_t kv_bytes;        /* kv_pages * kv_page_bytes */
  uint64_t total_bytes;     /* weights + workspace + step + KV + driver */
  uint64_t available_bytes; /* what it is compared with: memory_bytes or what the machine or the
                               device has free, with the weights if they are there already;
                               UINT64_MAX: the device is not there */
  bool fits;
  uint64_t host_bytes; /* on a device, besides: pinned memory of the machine for a step's arguments
                          and results; else 0 */
  uint64_t driver_bytes; /* on a device: left to its driver for what it keeps of an engine's steps;
                            else 0 */
} kvasir_memory_plan;

KVASIR_API kvasir_error *kvasir_plan(const kvasir_model *model,
                                     const kvasir_engine_options *options,
                                     kvasir_memory_plan *plan);

/* Refuses with KVASIR_OUT_OF_RANGE what exceeds the model's limits and with
 * KVASIR_RESOURCE_EXHAUSTED what does not fit, in both cases with the numbers and before anything
 * is allocated. `options` may be NULL. */
KVASIR_API kvasir_error *kvasir_engine_create(kvasir_model *model,
                                              const kvasir_engine_options *options,
                                              kvasir_engine **engine);
/* Stops the helper thread if there is one; requests that are not finished vanish. Sequences may
 * outlive it: memory goes when the last of them is freed. */
KVASIR_API void kvasir_engine_free(kvasir_engine *engine);

/* ---- Requests ----------------------------------------------------------------------------- */

typedef struct kvasir_text {
  const char *data;
  size_t length;
} kvasir_text;

typedef struct kvasir_logit_bias {
  int32_t id;
  float bias; /* added to the logit; -INFINITY forbids the token */
} kvasir_logit_bias;

/* Sampling: logits + logit bias; then the repetition penalty on every id of prompt and answer (a
 * positive logit is divided, another multiplied); then temperature, top_k, top_p, min_p in this
 * order; then a draw from what is left with random number (seed, index of the new token).
 * temperature 0 is greedy: the largest logit, the lowest id among equals. */
typedef struct kvasir_request_options {
  size_t struct_size;
  int32_t max_new_tokens;   /* >= 1; prompt + this must not exceed the engine's max_context;
                               0: as many as context and KV pages leave (longrope then counts the
                               request as long as the artifact admits) */
  float temperature;        /* >= 0; 0: greedy (default) */
  int32_t top_k;            /* 0: off */
  float top_p;              /* (0, 1]; 1: off */
  float min_p;              /* [0, 1]; 0: off */
  float repetition_penalty; /* > 0; 1: off */
  uint64_t seed;
  const kvasir_text *stop; /* [stop_count] non-empty strings; text ends before the first that
                              appears, also across tokens. Needs a tokenizer */
  size_t stop_count;
  const int32_t *stop_ids; /* [stop_id_count] ids that end the request like EOS does */
  size_t stop_id_count;
  const kvasir_logit_bias *logit_bias; /* [logit_bias_count] */
  size_t logit_bias_count;
  int32_t logprobs;       /* -1: none (default); n >= 0: log-probability of the chosen token and of
                             the n best, n <= KVASIR_MAX_LOGPROBS. Natural log, of the softmax of
                             the model's own logits (before bias, penalty and temperature) */
  bool ignore_eos;        /* go on after the model's EOS (stop_ids still stop) */
  bool no_special_tokens; /* submit_text: without what the tokenizer adds around a text */
  bool keep_special_tokens; /* text pieces show special tokens */
  bool no_text;             /* ids only; the default where there is no tokenizer */
  void *user;               /* comes back in every event */
} kvasir_request_options;

#define KVASIR_MAX_LOGPROBS 64

/* Greedy, no stop strings, seed 0. */
KVASIR_API void kvasir_request_options_init(kvasir_request_options *options);
/* The same with the checkpoint's generation defaults (temperature 0 unless it says do_sample). */
KVASIR_API void kvasir_request_options_from_model(const kvasir_model *model,
                                                  kvasir_request_options *options);

/* Queues a request of `count` >= 1 prompt ids and gives its number (never 0, never reused). Refused
 * with the numbers: ids out of range, an empty prompt (start with BOS), a prompt that leaves no
 * room in the context, and a request that all KV pages together could not hold. `options` may be
 * NULL. */
KVASIR_API kvasir_error *kvasir_engine_submit(kvasir_engine *engine, const int32_t *ids,
                                              size_t count, const kvasir_request_options *options,
                                              uint64_t *request);
/* Tokenizes first. An empty text starts from the model's BOS, and is refused where there is none.
 */
KVASIR_API kvasir_error *kvasir_engine_submit_text(kvasir_engine *engine, const char *text,
                                                   size_t length,
                                                   const kvasir_request_options *options,
                                                   uint64_t *request);
/* Ends a request at the next step boundary with reason KVASIR_FINISH_CANCELLED. Unknown and
 * finished requests are ignored. */
KVASIR_API void kvasir_engine_cancel(kvasir_engine *engine, uint64_t request);

/* Runs one step of whatever is due: tokens of requests that are decoding first, then chunks of
 * prompts in the order of submission. *more says whether work remains. Without work it returns at
 * once. After an error of a device every later step and forward of the engine fails with it. */
KVASIR_API kvasir_error *kvasir_engine_step(kvasir_engine *engine, bool *more);

typedef enum kvasir_event_kind {
  KVASIR_EVENT_NONE = 0,    /* nothing to report now */
  KVASIR_EVENT_TOKEN = 1,   /* one new token */
  KVASIR_EVENT_FINISHED = 2 /* the last event of a request */
} kvasir_event_kind;

typedef enum kvasir_finish_reason {
  KVASIR_FINISH_NONE = 0,
  KVASIR_FINISH_EOS = 1,    /* the model's end; its token was reported */
  KVASIR_FINISH_STOP = 2,   /* a stop string or stop id */
  KVASIR_FINISH_LENGTH = 3, /* max_new_tokens, or the context is full */
  KVASIR_FINISH_CANCELLED = 4,
  KVASIR_FINISH_ERROR = 5 /* error_code and error_message say why */
} kvasir_finish_reason;

typedef struct kvasir_logprob {
  int32_t id;
  float logprob;
} kvasir_logprob;

/* The text of a request is the concatenation of the text of all its events, the finished one
 * included: pieces are held back while they may belong to a stop string or to an incomplete
 * character. */
typedef struct kvasir_event {
  size_t struct_size;
  kvasir_event_kind kind;
  uint64_t request;
  void *user;
  const char *text; /* never NULL; valid until the next poll of this engine */
  size_t text_length;
  /* KVASIR_EVENT_TOKEN */
  int32_t id;
  int32_t index;             /* 0 for the first new token */
  float logprob;             /* NaN unless asked for */
  const kvasir_logprob *top; /* [top_count], best first; valid until the next poll */
  size_t top_count;
  /* KVASIR_EVENT_FINISHED */
  kvasir_finish_reason reason;
  kvasir_code error_code;
  const char *error_message; /* never NULL; valid until the next poll */
  int32_t prompt_tokens;
  int32_t new_tokens;
  int32_t preemptions;        /* how often its pages were taken and recomputed */
  double queued_seconds;      /* from submit to its first step */
  double first_token_seconds; /* from submit to its first token */
  double total_seconds;       /* from submit to the end */
} kvasir_event;

/* The next event in order (struct_size set by the caller); kind NONE when there is none. Events
 * wait without bound until they are polled. One thread polls at a time. */
KVASIR_API kvasir_error *kvasir_engine_poll(kvasir_engine *engine, kvasir_event *event);

/* A helper thread that steps while there is work and sleeps otherwise. Until it is stopped, calls
 * of kvasir_engine_step are refused. */
KVASIR_API kvasir_error *kvasir_engine_start(kvasir_engine *engine);
/* Ends the helper after the step in progress; unfinished requests stay. Returns the error that
 * ended the helper early, if one did. */
KVASIR_API kvasir_error *kvasir_engine_stop(kvasir_engine *engine);
/* Waits until there is an event to poll, at most `seconds`. True when there is. For use with the
 * helper thread. */
KVASIR_API bool kvasir_engine_wait(kvasir_engine *engine, double seconds);

typedef struct kvasir_engine_stats {
  size_t struct_size;
  uint64_t steps;         /* steps and forwards */
  uint64_t prompt_tokens; /* prompt tokens computed (again after a preemption: counted again) */
  uint64_t decode_tokens; /* tokens computed one at a time, for requests that are decoding */
  uint64_t new_tokens;    /* tokens chosen */
  double compute_seconds; /* in compiled code, barriers included */
  double decode_seconds;  /* of these, in steps without prompt tokens */
  double host_seconds;    /* scheduling, sampling and text */
  uint64_t preemptions;
  uint64_t finished; /* requests */
  int32_t running;   /* requests that hold pages */
  int32_t waiting;   /* requests in the queue */
  uint64_t kv_pages_used;
  uint64_t kv_pages_free;
  uint64_t kv_pages_peak; /* most used at once */
} kvasir_engine_stats;

KVASIR_API kvasir_error *kvasir_engine_get_stats(kvasir_engine *engine, kvasir_engine_stats *stats);

/* ---- The step itself, for embedders ------------------------------------------------------- */

/* The cache of one growing text. Takes pages from its engine as it grows and gives them back when
 * it is freed. */
typedef struct kvasir_sequence kvasir_sequence;

/* total_tokens: the most tokens it will ever have, in [1, max_context]. Models whose positions
 * depend on the expected length (longrope) choose by it, so it is part of the request. */
KVASIR_API kvasir_error *kvasir_sequence_create(kvasir_engine *engine, int32_t total_tokens,
                                                kvasir_sequence **sequence);
KVASIR_API void kvasir_sequence_free(kvasir_sequence *sequence);
/* Tokens in the cache. */
KVASIR_API int32_t kvasir_sequence_length(const kvasir_sequence *sequence);
/* Forgets the tokens from `length` on (rejected speculation). Refused where a sliding window has
 * already dropped keys that position `length` needs. */
KVASIR_API kvasir_error *kvasir_sequence_truncate(kvasir_sequence *sequence, int32_t length);

typedef enum kvasir_rows {
  KVASIR_ROWS_NONE = 0,
  KVASIR_ROWS_LAST = 1,
  KVASIR_ROWS_ALL = 2
} kvasir_rows;

/* This struct is passed in arrays and never grows. */
typedef struct kvasir_forward_item {
  kvasir_sequence *sequence; /* each at most once in a forward */
  const int32_t *ids;        /* [count] the tokens that follow those in the cache */
  int32_t count;             /* >= 1 */
  kvasir_rows rows;          /* whose logits are wanted */
} kvasir_forward_item;

typedef struct kvasir_logits {
  size_t struct_size;
  const float *data; /* [rows][stride], the first vocab_size of each row count. Belongs to the
                        engine; valid until its next step or forward */
  size_t rows;       /* of all items, in order */
  size_t stride;     /* floats from one row to the next */
} kvasir_logits;

/* One ragged step: appends count tokens to each item's sequence. At most max_requests items,
 * max_step_tokens tokens and max_logit_rows rows in all. Everything is checked first: after an
 * error no sequence has changed. `logits` may be NULL when no rows are wanted. */
KVASIR_API kvasir_error *kvasir_engine_forward(kvasir_engine *engine,
                                               const kvasir_forward_item *items, size_t count,
                                               kvasir_logits *logits);

/* ---- Time per phase ----------------------------------------------------------------------- */

/* One row of a program's phase table (Module.fbs, table Row). Passed in arrays, never grows. */
typedef struct kvasir_profile_row {
  double seconds; /* in all, from barrier to barrier as worker 0 sees it */
  uint64_t calls;
} kvasir_profile_row;

/* Copies at most `capacity` rows of program `program` (index in Module.programs; 0 is decode) and
 * gives their number in *count. Needs the engine option `profile`. */
KVASIR_API kvasir_error *kvasir_engine_get_profile(kvasir_engine *engine, int32_t program,
                                                   kvasir_profile_row *rows, size_t capacity,
                                                   size_t *count);
KVASIR_API void kvasir_engine_reset_profile(kvasir_engine *engine);

/* ---- The machine -------------------------------------------------------------------------- */

/* CPU features of this machine that artifacts may ask for, as one zero-terminated string of names
 * separated by spaces ("avx2 avx512f fma"). Freed by kvasir_free; NULL when memory is out. */
KVASIR_API char *kvasir_cpu_features(void);
/* Cores that this process may use. */
KVASIR_API int32_t kvasir_cpu_count(void);

#ifdef __cplusplus
} /* extern "C" */
#endif
#endif /* KVASIR_C_KVASIR_H */
