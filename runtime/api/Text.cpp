// kvasir_tokenize, kvasir_detokenize and the streaming detokenizer.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "api/Handles.h"

#include <cstdlib>

using namespace kvasir::rt;

kvasir_error *kvasir_tokenize(const kvasir_model *model, const char *text, size_t length,
                              bool add_special, int32_t **ids, size_t *count) {
  return guarded([&]() -> Status {
    if (!model || !ids || !count || (!text && length))
      return nullArgument("model, text, ids or count");
    if (Status s = model->model->requireTokenizer(); !s)
      return s;
    auto encoded = model->model->tokenizer()->encode({text, length}, add_special);
    if (!encoded)
      return encoded.status();
    // Never empty, so that NULL cannot be mistaken for a failure.
    auto *copy =
        static_cast<int32_t *>(std::malloc(sizeof(int32_t) * std::max<size_t>(1, encoded->size())));
    if (!copy)
      return error(Code::resourceExhausted, "out of memory");
    std::copy(encoded->begin(), encoded->end(), copy);
    *ids = copy;
    *count = encoded->size();
    return Status::ok();
  });
}

kvasir_error *kvasir_detokenize(const kvasir_model *model, const int32_t *ids, size_t count,
                                bool skip_special, char **text, size_t *length) {
  return guarded([&]() -> Status {
    if (!model || !text || (!ids && count))
      return nullArgument("model, ids or text");
    if (Status s = model->model->requireTokenizer(); !s)
      return s;
    return copyOut(model->model->tokenizer()->decode({ids, count}, skip_special), text, length);
  });
}

kvasir_error *kvasir_token_text(const kvasir_model *model, int32_t id, char **text,
                                size_t *length) {
  return guarded([&]() -> Status {
    if (!model || !text)
      return nullArgument(model ? "text" : "model");
    if (Status s = model->model->requireTokenizer(); !s)
      return s;
    auto spelling = model->model->tokenizer()->idToToken(id);
    if (!spelling)
      return error(Code::outOfRange, format("no token has id %d", id));
    return copyOut(*spelling, text, length);
  });
}

kvasir_error *kvasir_detokenizer_create(const kvasir_model *model, bool skip_special,
                                        kvasir_detokenizer **detokenizer) {
  return guarded([&]() -> Status {
    if (!model || !detokenizer)
      return nullArgument(model ? "detokenizer" : "model");
    if (Status s = model->model->requireTokenizer(); !s)
      return s;
    *detokenizer = new kvasir_detokenizer{
        model->model, StreamDecoder(*model->model->tokenizer(), skip_special), {}};
    return Status::ok();
  });
}

static Status give(kvasir_detokenizer &from, const char **text, size_t *length) {
  if (text)
    *text = from.text.c_str();
  if (length)
    *length = from.text.size();
  return Status::ok();
}

kvasir_error *kvasir_detokenizer_push(kvasir_detokenizer *detokenizer, int32_t id,
                                      const char **text, size_t *length) {
  return guarded([&]() -> Status {
    if (!detokenizer)
      return nullArgument("detokenizer");
    detokenizer->text = detokenizer->decoder.push(id);
    return give(*detokenizer, text, length);
  });
}

kvasir_error *kvasir_detokenizer_finish(kvasir_detokenizer *detokenizer, const char **text,
                                        size_t *length) {
  return guarded([&]() -> Status {
    if (!detokenizer)
      return nullArgument("detokenizer");
    detokenizer->text = detokenizer->decoder.flush();
    return give(*detokenizer, text, length);
  });
}

void kvasir_detokenizer_free(kvasir_detokenizer *detokenizer) { delete detokenizer; }
