// The header of a library that holds a model, from the headers of the runtime.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "kvasir/Artifact/Library.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/Path.h"

#include <algorithm>

namespace kvasir {

llvm::Expected<std::string> libraryPrefix(llvm::StringRef path) {
  llvm::StringRef name = llvm::sys::path::filename(path);
  name.consume_back(".so");
  if (!name.consume_front("lib") || name.empty())
    return llvm::createStringError("the library '" + path.str() +
                                   "' cannot be linked by name: expected a file name such as "
                                   "libchat.so");
  std::string prefix;
  for (char c : name)
    prefix += llvm::isAlnum(c) ? c : '_';
  if (llvm::isDigit(prefix.front()) || prefix.size() > 64)
    return llvm::createStringError(
        "'" + name.str() +
        "' in the name of the library becomes the prefix of its functions: "
        "expected at most 64 characters, of which the first is a letter");
  return prefix;
}

/// What follows the comment at the beginning.
static llvm::StringRef withoutTitle(llvm::StringRef text) { return text.split("*/\n").second; }

static std::string replaced(llvm::StringRef text, llvm::StringRef from, llvm::StringRef to) {
  std::string result;
  while (true) {
    auto [before, after] = text.split(from);
    result += before;
    if (before.size() == text.size())
      return result;
    result += to;
    text = after;
  }
}

std::string libraryHeader(llvm::StringRef api, llvm::StringRef embedded, llvm::StringRef prefix,
                          llvm::StringRef about) {
  std::string name = prefix.str(), line = replaced(about, "*/", "* /");
  std::replace_if(line.begin(), line.end(), [](unsigned char c) { return c < ' '; }, ' ');
  std::string title = "/* A language model as a library: " + line +
                      "\n * This header is the manual. C99 and C++. " + name +
                      "_load at its end loads the model; all else is\n * Kvasir's C API under the "
                      "prefix " +
                      name + "_. Written by kvasir compile --emit lib. */\n";
  std::string body = withoutTitle(api).str() + "\n" +
                     replaced(withoutTitle(embedded), "#include <kvasir-c/kvasir.h>\n\n", "");
  body = replaced(body, "kvasir_", name + "_");
  return title + replaced(body, "KVASIR_", llvm::StringRef(name).upper() + "_");
}

} // namespace kvasir
