// Writes the toy artifact, for tests that are scripts, and prints its answer:
//   kvasir-toy-artifact FILE generate COUNT ID... | FILE score ID...
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "ToyArtifact.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>

using namespace kvasir::test;

int main(int argc, char **argv) {
  if (argc < 4)
    return 2;
  ToyConfig config;
  std::ofstream(argv[1], std::ios::binary) << toyArtifact(config);
  bool generate = std::strcmp(argv[2], "generate") == 0;
  std::vector<int32_t> ids;
  for (int i = generate ? 4 : 3; i < argc; ++i)
    ids.push_back(std::atoi(argv[i]));
  if (generate) {
    for (int32_t id : toyGreedy(config, ids, std::atoi(argv[3])))
      std::printf("%d ", id);
  } else {
    for (const std::vector<float> &row : toyRows(config, ids, int32_t(ids.size())))
      std::printf("%td ", std::max_element(row.begin(), row.end()) - row.begin());
  }
  std::printf("\n");
}
