// The variant that emulated code is made for, with the machine that is linked into it.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "kvasir/Target/Emulator/Lowering.h"

extern "C" const uint8_t kvasir_emulator_machine[], kvasir_emulator_machine_end[];

namespace kvasir::target {

static std::vector<CPUVariant> makeVariants() {
  std::vector<CPUVariant> variants;
  for (const char *chip : {"75", "80", "86", "87", "89", "90", "100", "103", "110", "120", "121"}) {
    CPUVariant variant = *findCPUVariant("x86-64-v3");
    variant.name = std::string("emulate:sm_") + chip;
    variant.library = {kvasir_emulator_machine, kvasir_emulator_machine_end};
    variants.push_back(std::move(variant));
  }
  return variants;
}

const CPUVariant *findEmulatorVariant(llvm::StringRef name) {
  static const std::vector<CPUVariant> variants = makeVariants();
  for (const CPUVariant &variant : variants)
    if (name == variant.name)
      return &variant;
  return nullptr;
}

} // namespace kvasir::target
