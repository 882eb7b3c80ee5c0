// kvasir-toy-files DIR: artifacts of the runtime's toy model, for tests of the
// command line: whole, without tokenizer, small, with other logits or ids, with NaN, for GPUs
// too or alone, for another machine.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "ToyArtifact.h"

#include <filesystem>
#include <fstream>

using namespace kvasir::test;

/// Every row costs 1000 bytes of weights, 10 bytes and 2000 FLOPs per token, and
/// 8 bytes and 4 FLOPs per context token.
static void addCosts(kvasir::artifact::ModuleT &module) {
  auto add = [](auto &programs) {
    for (auto &program : programs)
      for (auto &row : program->rows)
        row->cost = std::make_unique<kvasir::artifact::Cost>(1000, 10, 8, 2000, 0, 4);
  };
  add(module.programs);
  for (auto &device : module.devices)
    add(device->programs);
}

static void write(const std::string &path, const ToyConfig &config) {
  std::ofstream(path, std::ios::binary) << toyArtifact(config, addCosts);
}

int main(int argc, char **argv) {
  if (argc != 2)
    return 1;
  std::string directory = argv[1];
  std::filesystem::remove_all(directory);
  std::filesystem::create_directories(directory);
  ToyConfig config;
  config.tokenizer = true;
  write(directory + "/toy.kvasir", config);

  ToyConfig idsOnly;
  write(directory + "/ids.kvasir", idsOnly);

  ToyConfig small = config;
  small.maxContext = 24;
  small.maxRequests = 2;
  small.bos = -1;
  write(directory + "/small.kvasir", small);

  ToyConfig window = config; // other logits from the same vocabulary
  window.windows = {8, 0};
  write(directory + "/window.kvasir", window);

  ToyConfig wide;
  wide.vocab = 128;
  write(directory + "/wide.kvasir", wide);

  ToyConfig broken = config;
  broken.nanId = 7;
  write(directory + "/nan.kvasir", broken);

  ToyConfig device = config; // code for CPUs and for CUDA
  device.device = true;
  write(directory + "/gpu.kvasir", device);
  std::ofstream(directory + "/gpu-only.kvasir", std::ios::binary)
      << toyArtifact(device, [](kvasir::artifact::ModuleT &module) {
           addCosts(module);
           module.functions.clear();
           module.programs.clear();
           module.code.clear();
         });

  ToyConfig alien = config;
  alien.features = {"quantum"};
  write(directory + "/alien.kvasir", alien);
}
