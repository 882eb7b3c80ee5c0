// What stands behind the opaque types of kvasir.h, and what every function
// there does the same way.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_RUNTIME_API_HANDLES_H
#define KVASIR_RUNTIME_API_HANDLES_H

#include "batch/Engine.h"
#include "kvasir-c/kvasir.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <new>

struct kvasir_error {
  kvasir::rt::Status status;
};

struct kvasir_model {
  std::atomic<int64_t> references{1};
  std::shared_ptr<const kvasir::rt::Model> model;
};

struct kvasir_engine {
  std::shared_ptr<kvasir::rt::Engine> engine;
};

struct kvasir_sequence {
  std::unique_ptr<kvasir::rt::Sequence> sequence;
};

struct kvasir_detokenizer {
  std::shared_ptr<const kvasir::rt::Model> model;
  kvasir::rt::StreamDecoder decoder;
  std::string text;
};

namespace kvasir::rt {

/// NULL for success. When even the error has no memory, a static one says so.
kvasir_error *toError(Status status) noexcept;

/// Runs `body`, which returns a Status; exceptions end here.
template <class Body> kvasir_error *guarded(Body &&body) noexcept {
  try {
    return toError(body());
  } catch (const std::bad_alloc &) {
    return toError(error(Code::resourceExhausted, "out of memory"));
  } catch (...) {
    return toError(error(Code::internal, "unexpected exception"));
  }
}

inline Status nullArgument(const char *name) {
  return error(Code::invalidArgument, std::string(name) + " is NULL, expected a pointer");
}

/// Overwrites the head of `out`, which holds the defaults, with what the caller
/// knows of the struct. NULL keeps the defaults.
template <class Struct> Status readStruct(const Struct *in, Struct &out) {
  if (!in)
    return Status::ok();
  if (in->struct_size < sizeof(size_t))
    return error(Code::invalidArgument,
                 format("struct_size is %zu, expected %zu; call the struct's "
                        "init function first",
                        in->struct_size, sizeof(Struct)));
  std::memcpy(static_cast<void *>(&out), in, std::min(in->struct_size, sizeof(Struct)));
  out.struct_size = sizeof(Struct);
  return Status::ok();
}

/// Gives the caller as much of `from` as its struct has.
template <class Struct> Status writeStruct(Struct from, Struct *to) {
  if (!to)
    return nullArgument("the struct to fill");
  if (to->struct_size < sizeof(size_t))
    return error(Code::invalidArgument,
                 format("struct_size is %zu, expected %zu; set it before the "
                        "call",
                        to->struct_size, sizeof(Struct)));
  from.struct_size = to->struct_size;
  std::memcpy(static_cast<void *>(to), &from, std::min(to->struct_size, sizeof(Struct)));
  return Status::ok();
}

/// A copy that kvasir_free frees, zero-terminated.
Status copyOut(std::string_view text, char **out, size_t *length);

/// Ok for UTF-8; otherwise the offset of the first byte that is not.
Status checkUtf8(std::string_view text, const char *name);

} // namespace kvasir::rt

#endif // KVASIR_RUNTIME_API_HANDLES_H
