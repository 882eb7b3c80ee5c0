// Names of targets.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "kvasir/Pipeline/Pipeline.h"
#include "kvasir/Target/CUDA/Lowering.h"

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
  Target target{kind.str(), {}};
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

} // namespace kvasir
