// Images of executables and libraries.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "Program.h"

#include "kvasir/Artifact/Image.h"
#include "kvasir/Artifact/Library.h"

#include "llvm/ADT/SmallString.h"
#include "llvm/Support/Path.h"

extern "C" {
extern const uint8_t kvasir_program_stub[], kvasir_program_stub_end[];
extern const uint8_t kvasir_library_stub[], kvasir_library_stub_end[];
extern const char kvasir_api_header[], kvasir_api_header_end[];
extern const char kvasir_embedded_header[], kvasir_embedded_header_end[];
}

namespace kvasir::cli {

static ProgramParts libraryParts(const std::string &output) {
  ProgramParts parts;
  llvm::Expected<std::string> prefix = libraryPrefix(output);
  if (!prefix) {
    parts.problem = llvm::toString(prefix.takeError());
    return parts;
  }
  parts.image.assign(kvasir_library_stub, kvasir_library_stub_end);
  llvm::StringRef soname = llvm::sys::path::filename(output);
  if (llvm::Error error = renameLibrary(parts.image, *prefix, soname)) {
    parts.problem = llvm::toString(std::move(error));
    return parts;
  }
  parts.prefix = *prefix;
  llvm::SmallString<256> header(output);
  llvm::StringRef name = soname.drop_front(3); // "lib", as libraryPrefix() has seen
  name.consume_back(".so");
  llvm::sys::path::remove_filename(header);
  llvm::sys::path::append(header, name + ".h");
  parts.headerPath = header.str().str();
  return parts;
}

ProgramParts programParts(Emit emit, const std::string &output) {
  ProgramParts parts;
  if (emit == Emit::exe)
    parts.image.assign(kvasir_program_stub, kvasir_program_stub_end);
  if (emit == Emit::lib)
    parts = libraryParts(output);
  if (parts.problem.empty() && !parts.image.empty())
    if (llvm::Error error = guardImage(parts.image))
      parts.problem = llvm::toString(std::move(error));
  return parts;
}

std::string programHeader(const ProgramParts &parts, const std::string &about) {
  auto text = [](const char *begin, const char *end) {
    return llvm::StringRef(begin, size_t(end - begin));
  };
  return libraryHeader(text(kvasir_api_header, kvasir_api_header_end),
                       text(kvasir_embedded_header, kvasir_embedded_header_end), parts.prefix,
                       about);
}

} // namespace kvasir::cli
