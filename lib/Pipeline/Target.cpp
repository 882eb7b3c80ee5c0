// Names of targets.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "kvasir/Pipeline/Pipeline.h"
#include "kvasir/Target/CUDA/Lowering.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"

namespace kvasir {

static llvm::Error unknown(llvm::StringRef text, const llvm::Twine &what) {
  return llvm::createStringError(
      "target '" + text.str() + "': " + what +
      "; expected cpu, or cuda: or emulate:ARCHITECTURE[+ARCHITECTURE...] with " +
      cuda::architectureNames());
}

llvm::Expected<Target> parseTarget(llvm::StringRef text) {
  auto [kind, names] = text.split(':');
  Target target{text.str(), kind.str(), {}};
  if (kind == "cpu" && !text.contains(':'))
    return target;
  if (kind != "cuda" && kind != "emulate")
    return unknown(text, "there is no such target");
  llvm::SmallVector<llvm::StringRef> list;
  names.split(list, '+');
  for (llvm::StringRef name : list) {
    if (!cuda::findArchitecture(name))
      return unknown(text, name.empty() ? llvm::Twine("it names no architecture")
                                        : "unknown architecture '" + name + "'");
    if (llvm::is_contained(target.architectures, name))
      return unknown(text, "architecture '" + name + "' is there twice");
    target.architectures.push_back(name.str());
  }
  return target;
}

llvm::Expected<std::vector<Target>> parseTargets(llvm::StringRef text) {
  std::vector<Target> targets;
  llvm::SmallVector<llvm::StringRef> names;
  text.split(names, ',');
  for (llvm::StringRef name : names) {
    auto target = parseTarget(name);
    if (!target)
      return target.takeError();
    for (const Target &other : targets)
      if (other.kind == target->kind)
        return llvm::createStringError(
            "targets '" + text.str() + "': " + target->kind + " is there twice" +
            (target->isGPU() ? "; architectures of one target are joined: cuda:sm_80+sm_90" : ""));
    targets.push_back(std::move(*target));
  }
  if (targets.size() > 1 && llvm::any_of(targets, [](auto &t) { return t.isEmulated(); }))
    return llvm::createStringError("targets '" + text.str() +
                                   "': expected an emulate target alone in its artifact");
  return targets;
}

} // namespace kvasir
