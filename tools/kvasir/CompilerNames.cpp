// Names that the compiler's command line knows.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "Compiler.h"

#include "kvasir/Encoding/Encoding.h"
#include "kvasir/Pipeline/Pipeline.h"
#include "kvasir/Target/Codegen.h"

namespace kvasir::cli {

std::vector<std::pair<std::string, std::string>> phaseList() {
  std::vector<std::pair<std::string, std::string>> list;
  for (const Phase &phase : phases())
    list.emplace_back(phase.name.str(), phase.meaning.str());
  return list;
}

std::vector<std::string> compileEncodings() {
  std::vector<std::string> names;
  for (llvm::StringRef name : quantizableEncodingNames())
    names.push_back(name.str());
  return names;
}

std::vector<std::string> variantsHere() {
  std::vector<std::string> names;
  for (const target::CPUVariant &variant : target::cpuVariants())
    if (target::runsHere(variant))
      names.push_back(variant.name);
  return names;
}

std::vector<std::string> variantNames(const std::string &target, std::string &problem) {
  auto parsed = parseTarget(target);
  if (!parsed) {
    problem = llvm::toString(parsed.takeError());
    return {};
  }
  if (parsed->isGPU())
    return parsed->architectures;
  std::vector<std::string> names;
  for (const target::CPUVariant &variant : target::cpuVariants())
    names.push_back(variant.name);
  return names;
}

} // namespace kvasir::cli
