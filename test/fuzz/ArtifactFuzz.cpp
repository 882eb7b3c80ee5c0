// libFuzzer target for the artifact reader: trailer, header, and the module table as
// if its hash were right, followed by everything that is computed from a table
// that passed.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "artifact/Artifact.h"
#include "artifact/Embedded.h"
#include "loader/CodeObject.h"
#include "memory/Plan.h"

#include <cstdlib>
#include <cstring>
#include <memory>

using namespace kvasir::rt;

/// Reads what the checks have vouched for.
static uint64_t touch(const kvasir::artifact::Module &module) {
  uint64_t sum = 0;
  auto touchPrograms = [&](const auto *programs, const auto *functions) {
    for (uint32_t i = 0; programs && i < programs->size(); ++i)
      for (const auto *row : *programs->Get(i)->rows())
        sum += functions->Get(row->function())->size();
  };
  touchPrograms(module.programs(), module.functions());
  for (uint32_t i = 0; module.devices() && i < module.devices()->size(); ++i) {
    const auto &device = *module.devices()->Get(i);
    touchPrograms(device.programs(), device.functions());
    for (const auto *code : *device.code())
      for (uint32_t k = 0; k < device.functions()->size(); ++k)
        sum += code->kernels()->Get(k)->threads() + code->section()->hash()->low();
  }
  if (module.weights())
    for (const auto *weight : *module.weights())
      sum += weight->offset() + weight->hash()->low();
  return sum;
}

static void plan(const kvasir::artifact::Module &module) {
  EngineConfig config;
  config.threads = 3;
  config.memoryBytes = uint64_t(1) << 34;
  for (int32_t limit : {0, 1}) {
    config.maxRequests = config.maxStepTokens = config.maxContext = limit;
    if (module.programs() && module.programs()->size() > 0)
      (void)planMemory(module, config, {module.programs(), 0, /*isDevice=*/false, {}});
    for (uint32_t i = 0; module.devices() && i < module.devices()->size(); ++i)
      (void)planMemory(module, config,
                       {module.devices()->Get(i)->programs(), 0, /*isDevice=*/true, {}});
  }
}

/// What is found in a file lies inside.
static void checkFile(const uint8_t *data, size_t size) {
  auto range = findArtifact(data, size);
  if (!range)
    return;
  if (range->offset > size || range->size > size - range->offset)
    abort();
  (void)checkHeader(data + range->offset, range->size);
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  checkFile(data, size);
  // Tables are aligned in files; an exact copy lets the sanitizer see the ends.
  std::unique_ptr<unsigned char[]> copy(new unsigned char[size]);
  if (size)
    std::memcpy(copy.get(), data, size);
  auto module = readModule(copy.get(), size, /*fileSize=*/1 << 20);
  if (!module)
    return 0;
  (void)touch(**module);
  (void)chooseVariant(**module, "", {});
  plan(**module);
  return 0;
}
