// Problems with tensors, those of all layers in one line.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_MODEL_TENSORPROBLEMS_H
#define KVASIR_MODEL_TENSORPROBLEMS_H

#include "kvasir/Support/Problems.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include <map>
#include <vector>

namespace kvasir {

/// Lines about tensors, in the order in which they came up. Those that differ
/// only in a number between dots of the name share one.
class TensorProblems {
public:
  void add(llvm::StringRef before, llvm::StringRef name, const llvm::Twine &after) {
    std::string tail = after.str();
    auto [place, inserted] =
        groupOf.try_emplace((before + pattern(name) + "\n" + tail).str(), groups.size());
    if (inserted)
      groups.push_back({before.str(), name.str(), tail, 0});
    else
      ++groups[place->second].more;
  }
  void moveTo(Problems &problems) {
    for (const Group &group : groups) {
      std::string more;
      if (group.more)
        more =
            " (and " + std::to_string(group.more) + " more like it: " + pattern(group.name) + ")";
      problems.add(group.before + "'" + group.name + "'" + group.after + more);
    }
  }

private:
  struct Group {
    std::string before, name, after;
    size_t more;
  };

  /// The name with `*` for every number between dots.
  static std::string pattern(llvm::StringRef name) {
    std::string result;
    for (llvm::StringRef part : llvm::split(name, '.')) {
      bool number = !part.empty() && llvm::all_of(part, llvm::isDigit);
      result += (result.empty() ? "" : ".") + (number ? "*" : part.str());
    }
    return result;
  }

  std::vector<Group> groups;
  std::map<std::string, size_t> groupOf;
};

} // namespace kvasir

#endif // KVASIR_MODEL_TENSORPROBLEMS_H
