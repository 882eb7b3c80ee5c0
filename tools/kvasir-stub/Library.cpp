// What a library of `kvasir compile --emit lib` has beside the runtime: it finds itself, and room
// for the names under which the compiler exports all of it.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "api/Handles.h"
#include "kvasir-c/embedded.h"

#include <cinttypes>

using namespace kvasir::rt;

/// Zeros, replaced by the string table of the dynamic symbols (lib/Artifact/LibraryNames.h).
extern "C" {
extern const char kvasirNames[32768];
[[gnu::used, gnu::retain, gnu::section(".kvasir.names"),
  gnu::visibility("hidden")]] const char kvasirNames[32768] = {};
}

namespace {
struct CloseFile {
  void operator()(FILE *file) const { std::fclose(file); }
};
} // namespace

/// The file that this code was loaded from, as the system knows it: the path that the loader was
/// given may be relative to a directory that the process has left.
static Result<std::string> ownPath() {
  std::unique_ptr<FILE, CloseFile> maps(std::fopen("/proc/self/maps", "re"));
  if (!maps)
    return error(Code::unavailable, "cannot open '/proc/self/maps', which says where this library "
                                    "lies; mount /proc");
  uintptr_t here = reinterpret_cast<uintptr_t>(kvasirNames);
  char line[8192];
  while (std::fgets(line, sizeof(line), maps.get())) {
    uint64_t begin = 0, end = 0;
    int path = 0;
    // "begin-end permissions offset device inode   path"
    if (std::sscanf(line, "%" SCNx64 "-%" SCNx64 " %*s %*s %*s %*s %n", &begin, &end, &path) < 2 ||
        here < begin || here >= end || line[path] != '/')
      continue;
    std::string name(line + path);
    while (!name.empty() && name.back() == '\n')
      name.pop_back();
    return name;
  }
  return error(Code::unavailable, "cannot tell which file this library was loaded from; load it "
                                  "from a file system with ordinary paths");
}

kvasir_error *kvasir_load(const kvasir_model_options *options, kvasir_model **model) {
  std::string path;
  kvasir_error *failure = guarded([&]() -> Status {
    Result<std::string> found = ownPath();
    if (found)
      path = *found;
    return found.status();
  });
  return failure ? failure : kvasir_model_load(path.c_str(), options, model);
}
