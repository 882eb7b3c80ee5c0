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

TargetSummary summarizeTargets(const std::string &targets) {
  TargetSummary summary;
  auto parsed = parseTargets(targets);
  if (!parsed) {
    summary.problem = llvm::toString(parsed.takeError());
    return summary;
  }
  summary.count = parsed->size();
  for (const Target &target : *parsed) {
    summary.cpu |= !target.isGPU();
    summary.emulated |= target.isEmulated();
    summary.cuda |= target.isGPU() && !target.isEmulated();
  }
  if (!summary.cpu)
    summary.variants = parsed->front().architectures;
  else
    for (const target::CPUVariant &variant : target::cpuVariants())
      summary.variants.push_back(variant.name);
  return summary;
}

} // namespace kvasir::cli
