// One error out of a list of problems.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "kvasir/Support/Problems.h"

llvm::Error kvasir::Problems::takeError(const llvm::Twine &title) {
  if (lines.empty())
    return llvm::Error::success();
  std::string text = title.str();
  for (const std::string &line : lines)
    text += "\n  - " + line;
  lines.clear();
  return llvm::createStringError(llvm::inconvertibleErrorCode(), text);
}
