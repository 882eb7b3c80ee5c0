// Code from memory: an anonymous file, opened by the dynamic linker.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "loader/CodeObject.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <dlfcn.h>
#include <sys/mman.h>
#include <unistd.h>

namespace kvasir::rt {

static Result<CodeObject> failed(Code code, std::string message) {
  return error(code, std::move(message));
}

/// An anonymous file that may be executed; systems that know MFD_EXEC may
/// refuse execution without it, older ones refuse the flag.
static int anonymousFile() {
#ifdef MFD_EXEC
  int file = memfd_create("kvasir-code", MFD_CLOEXEC | MFD_EXEC);
  if (file >= 0 || errno != EINVAL)
    return file;
#else
  int file = memfd_create("kvasir-code", MFD_CLOEXEC | 0x10u);
  if (file >= 0 || errno != EINVAL)
    return file;
#endif
  return memfd_create("kvasir-code", MFD_CLOEXEC);
}

static bool writeAll(int file, std::string_view bytes) {
  while (!bytes.empty()) {
    ssize_t written = write(file, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR)
      continue;
    if (written <= 0)
      return false;
    bytes.remove_prefix(static_cast<size_t>(written));
  }
  return true;
}

Result<CodeObject>
CodeObject::load(std::string_view bytes, const std::string &variant,
                 const flatbuffers::Vector<flatbuffers::Offset<flatbuffers::String>> *functions) {
  // The descriptor stays open as long as the library is loaded: the dynamic
  // linker takes a path that it has seen before for the same library, so the
  // number must not be used again meanwhile.
  CodeObject object;
  object.file = anonymousFile();
  if (object.file < 0 || !writeAll(object.file, bytes))
    return failed(Code::resourceExhausted, format("cannot make memory for code '%s': %s",
                                                  variant.c_str(), std::strerror(errno)));
  std::string path = format("/proc/self/fd/%d", object.file);
  object.library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!object.library) {
    const char *why = dlerror();
    return failed(Code::unavailable, format("cannot load code '%s': %s", variant.c_str(),
                                            why ? why : "unknown reason"));
  }
  object.checks = static_cast<const kvasir_checker *>(dlsym(object.library, KVASIR_CHECKER_SYMBOL));
  if (object.checks && object.checks->struct_size < sizeof(kvasir_checker))
    return failed(Code::unsupported,
                  format("code '%s' checks itself in a way that this runtime does not know",
                         variant.c_str()));
  if (!functions)
    return object;
  object.entries.reserve(functions->size());
  for (const flatbuffers::String *name : *functions) {
    void *address = dlsym(object.library, name->c_str());
    if (!address)
      return failed(Code::dataLoss,
                    format("code '%s' has no function '%s'", variant.c_str(), name->c_str()));
    object.entries.push_back(reinterpret_cast<kvasir_phase_fn>(address));
  }
  return object;
}

void CodeObject::swap(CodeObject &other) noexcept {
  std::swap(library, other.library);
  std::swap(file, other.file);
  std::swap(checks, other.checks);
  std::swap(entries, other.entries);
}

CodeObject::~CodeObject() {
  if (library)
    dlclose(library);
  if (file >= 0)
    close(file);
}

/// Features of `code` that `features` lacks, separated by commas.
static std::string missing(const artifact::CodeObject &code,
                           const std::vector<std::string_view> &features) {
  std::string names;
  if (!code.features())
    return names;
  for (const flatbuffers::String *feature : *code.features()) {
    std::string_view name = feature->string_view();
    if (!name.empty() && name.front() == '+')
      name.remove_prefix(1);
    if (std::find(features.begin(), features.end(), name) != features.end())
      continue;
    if (!names.empty())
      names += ", ";
    names += name;
  }
  return names;
}

Result<const artifact::CodeObject *> chooseVariant(const artifact::Module &module,
                                                   std::string_view variant,
                                                   const std::vector<std::string_view> &features) {
  std::string tried;
  const auto *objects = module.code();
  for (uint32_t i = 0; objects && i < objects->size(); ++i) {
    const artifact::CodeObject *code = objects->Get(i);
    if (code->target()->string_view() != "cpu")
      continue;
    bool named = code->variant()->string_view() == variant;
    if (!variant.empty() && !named) {
      tried += (tried.empty() ? "" : ", ") + code->variant()->str();
      continue;
    }
    std::string lacking = missing(*code, features);
    if (lacking.empty())
      return code;
    if (named)
      return error(Code::unavailable, format("variant '%s' needs CPU features that this machine "
                                             "lacks: %s",
                                             code->variant()->c_str(), lacking.c_str()));
    tried += format("%s%s (lacks %s)", tried.empty() ? "" : ", ", code->variant()->c_str(),
                    lacking.c_str());
  }
  if (variant.empty())
    return error(Code::unavailable, "no code in the artifact runs on this machine: " +
                                        (tried.empty() ? "none is for CPUs" : tried));
  return error(Code::notFound, format("no variant '%s' in the artifact; it has "
                                      "%s",
                                      std::string(variant).c_str(),
                                      tried.empty() ? "none for CPUs" : tried.c_str()));
}

} // namespace kvasir::rt
