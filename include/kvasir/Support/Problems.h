// Collects everything that is wrong with an input, so that it is reported at once.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_SUPPORT_PROBLEMS_H
#define KVASIR_SUPPORT_PROBLEMS_H

#include "llvm/ADT/Twine.h"
#include "llvm/Support/Error.h"
#include <string>
#include <vector>

namespace kvasir {

/// A list of problems, each one line: lower case, no full stop.
class Problems {
public:
  void add(const llvm::Twine &line) { lines.push_back(line.str()); }
  bool empty() const { return lines.empty(); }
  size_t size() const { return lines.size(); }
  const std::vector<std::string> &get() const { return lines; }

  /// One error with `title` and every line, or success if there are none.
  llvm::Error takeError(const llvm::Twine &title);

private:
  std::vector<std::string> lines;
};

} // namespace kvasir

#endif // KVASIR_SUPPORT_PROBLEMS_H
