// Writes module tables, headers and trailers of some toy artifacts as seeds for ArtifactFuzz.
//   kvasir-artifact-seeds DIRECTORY
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "ToyArtifact.h"
#include "kvasir/Artifact/Format.h"

#include <cstring>
#include <fstream>
#include <xxhash.h>

using namespace kvasir;

static void write(const std::string &path, const std::string &bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}

/// An artifact as executables carry it.
static std::string inProgram(const std::string &file) {
  std::string bytes(artifact::sectionAlignment, '\0');
  std::memcpy(bytes.data(), artifact::elfMagic, sizeof(artifact::elfMagic));
  artifact::Trailer trailer = {
      bytes.size(), file.size(), XXH3_64bits(bytes.data(), bytes.size()), 0, {}};
  trailer.hash = XXH3_64bits(&trailer, offsetof(artifact::Trailer, hash));
  std::memcpy(trailer.magic, artifact::trailerMagic, sizeof(trailer.magic));
  return bytes + file + std::string(reinterpret_cast<char *>(&trailer), sizeof(trailer));
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
    write(name + "-program", inProgram(file.substr(0, sizeof(header))));
  }
}
