// The x86-64 variants that code is made for.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "kvasir/Target/Codegen.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/TargetParser/Host.h"

namespace kvasir::target {

static CPUVariant makeVariant(std::string name, std::string cpu, std::string tune, int vectorBits,
                              int registers, std::vector<std::string> features) {
  CPUVariant variant;
  variant.name = std::move(name);
  variant.cpu = std::move(cpu);
  variant.tune = std::move(tune);
  variant.vectorBits = vectorBits;
  variant.registers = registers;
  for (const std::string &feature : features)
    variant.llvmFeatures += (variant.llvmFeatures.empty() ? "+" : ",+") + feature;
  variant.requiredFeatures = std::move(features);
  return variant;
}

static std::vector<CPUVariant> makeVariants() {
  std::vector<std::string> v3 = {"avx",  "avx2",  "fma",   "f16c",  "bmi",
                                 "bmi2", "lzcnt", "movbe", "popcnt"};
  std::vector<std::string> v4 = v3;
  for (const char *feature : {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"})
    v4.push_back(feature);
  std::vector<std::string> v4Dot = v4, v3Dot = v3;
  v4Dot.push_back("avx512vnni");
  v3Dot.push_back("avxvnni");
  std::vector<CPUVariant> variants = {
      makeVariant("x86-64-v4-vnni", "x86-64-v4", "icelake-server", 512, 32, std::move(v4Dot)),
      makeVariant("x86-64-v4", "x86-64-v4", "icelake-server", 512, 32, std::move(v4)),
      makeVariant("x86-64-v3-vnni", "x86-64-v3", "alderlake", 256, 16, std::move(v3Dot)),
      makeVariant("x86-64-v3", "x86-64-v3", "haswell", 256, 16, std::move(v3))};
  variants[0].dotProducts = variants[2].dotProducts = true;
  return variants;
}

llvm::ArrayRef<CPUVariant> cpuVariants() {
  static const std::vector<CPUVariant> variants = makeVariants();
  return variants;
}

const CPUVariant *findCPUVariant(llvm::StringRef name) {
  const auto *found =
      llvm::find_if(cpuVariants(), [&](const CPUVariant &v) { return v.name == name; });
  return found == cpuVariants().end() ? nullptr : found;
}

bool runsHere(const CPUVariant &variant) {
  llvm::StringMap<bool> features = llvm::sys::getHostCPUFeatures();
  return llvm::all_of(variant.requiredFeatures,
                      [&](const std::string &feature) { return features.lookup(feature); });
}

std::vector<const CPUVariant *>
chooseCPUVariants(llvm::ArrayRef<std::string> names,
                  llvm::function_ref<bool(const CPUVariant &)> hasCode) {
  std::vector<const CPUVariant *> chosen;
  bool wanted = false; // by the one before, which has no code
  for (const CPUVariant &variant : cpuVariants()) {
    wanted |= names.empty() || llvm::is_contained(names, variant.name);
    bool exists = hasCode(variant);
    if (wanted && exists)
      chosen.push_back(&variant);
    wanted &= variant.dotProducts && !exists;
  }
  return chosen;
}

} // namespace kvasir::target
