// Writes the module tables of some toy artifacts as seeds for ArtifactFuzz.
//   kvasir-artifact-seeds DIRECTORY
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "ToyArtifact.h"
#include "kvasir/Artifact/Format.h"

#include <cstring>
#include <fstream>

using namespace kvasir;

static void write(const std::string &path, const std::string &bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}

int main(int argc, char **argv) {
  if (argc != 2)
    return 2;
  std::string directory = argv[1];
  test::ToyConfig small, rich, device;
  small.windows = {0};
  rich.tokenizer = true;
  rich.features = {"avx2", "fma"};
  device.device = true;
  int number = 0;
  // The last one has nothing for CPUs.
  test::EditModule forDevices = [](artifact::ModuleT &module) {
    module.functions.clear();
    module.programs.clear();
    module.code.clear();
  };
  using Seed = std::pair<test::ToyConfig, test::EditModule>;
  for (const auto &[config, edit] :
       {Seed(small, {}), Seed(rich, {}), Seed(device, {}), Seed(device, forDevices)}) {
    std::string file = test::toyArtifact(config, edit);
    artifact::FileHeader header;
    std::memcpy(&header, file.data(), sizeof(header));
    std::string name = directory + "/table" + std::to_string(number++);
    write(name, file.substr(header.moduleOffset, header.moduleSize));
    write(name + "-header", file.substr(0, sizeof(header)));
  }
}
