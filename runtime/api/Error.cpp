// Errors, versions, memory and the machine.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "api/Handles.h"

#include "loader/CpuFeatures.h"
#include "memory/Machine.h"

#include <cstdlib>

namespace kvasir::rt {

static_assert(int(Code::invalidArgument) == KVASIR_INVALID_ARGUMENT &&
                  int(Code::dataLoss) == KVASIR_DATA_LOSS && int(Code::internal) == KVASIR_INTERNAL,
              "the codes of kvasir.h are those of Status.h");

kvasir_error *toError(Status status) noexcept {
  if (status)
    return nullptr;
  static kvasir_error noMemory = {Status(Code::resourceExhausted, "no memory")};
  auto *made = new (std::nothrow) kvasir_error{std::move(status)};
  return made ? made : &noMemory;
}

Status copyOut(std::string_view text, char **out, size_t *length) {
  char *copy = static_cast<char *>(std::malloc(text.size() + 1));
  if (!copy)
    return error(Code::resourceExhausted, "out of memory");
  std::memcpy(copy, text.data(), text.size());
  copy[text.size()] = 0;
  *out = copy;
  if (length)
    *length = text.size();
  return Status::ok();
}

/// Length of the character that begins at `at`, 0 when it is not UTF-8.
static size_t characterLength(std::string_view text, size_t at) {
  auto byte = [&](size_t i) {
    return at + i < text.size() ? static_cast<unsigned char>(text[at + i]) : 0u;
  };
  auto continues = [&](size_t i) { return (byte(i) & 0xc0) == 0x80; };
  unsigned lead = byte(0);
  if (lead < 0x80)
    return 1;
  if (lead >= 0xc2 && lead <= 0xdf)
    return continues(1) ? 2 : 0;
  if (lead >= 0xe0 && lead <= 0xef) {
    bool overlong = lead == 0xe0 && byte(1) < 0xa0;
    bool surrogate = lead == 0xed && byte(1) > 0x9f;
    return continues(1) && continues(2) && !overlong && !surrogate ? 3 : 0;
  }
  if (lead >= 0xf0 && lead <= 0xf4) {
    bool overlong = lead == 0xf0 && byte(1) < 0x90;
    bool tooLarge = lead == 0xf4 && byte(1) > 0x8f;
    return continues(1) && continues(2) && continues(3) && !overlong && !tooLarge ? 4 : 0;
  }
  return 0;
}

Status checkUtf8(std::string_view text, const char *name) {
  for (size_t at = 0; at < text.size();) {
    size_t length = characterLength(text, at);
    if (length == 0)
      return error(Code::invalidArgument, format("%s is not UTF-8: byte 0x%02x at offset %zu", name,
                                                 static_cast<unsigned char>(text[at]), at));
    at += length;
  }
  return Status::ok();
}

} // namespace kvasir::rt

using namespace kvasir::rt;

#define KVASIR_TEXT(x) #x
#define KVASIR_DOTTED(a, b, c) KVASIR_TEXT(a) "." KVASIR_TEXT(b) "." KVASIR_TEXT(c)

const char *kvasir_version(void) {
  return KVASIR_DOTTED(KVASIR_VERSION_MAJOR, KVASIR_VERSION_MINOR, KVASIR_VERSION_PATCH);
}

void kvasir_free(void *memory) { std::free(memory); }

kvasir_code kvasir_error_code(const kvasir_error *error) {
  return error ? static_cast<kvasir_code>(error->status.code()) : KVASIR_OK;
}

const char *kvasir_error_message(const kvasir_error *error) {
  return error ? error->status.message().c_str() : "";
}

void kvasir_error_free(kvasir_error *error) {
  // The static error is the only one with this message.
  if (error && error->status.message() != "no memory")
    delete error;
}

char *kvasir_cpu_features(void) {
  char *text = nullptr;
  kvasir_error_free(guarded([&] {
    std::string names;
    for (std::string_view name : cpuFeatures())
      names.append(names.empty() ? "" : " ").append(name);
    return copyOut(names, &text, nullptr);
  }));
  return text;
}

int32_t kvasir_cpu_count(void) {
  try {
    return usableThreads();
  } catch (...) {
    return 1;
  }
}
