// Any bytes as a safetensors file: no crash, and what is accepted lies inside.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "lib/Import/HuggingFace/Safetensors.h"
#include "llvm/Support/Endian.h"
#include <cstdlib>

using namespace kvasir;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size < 8)
    return 0;
  uint64_t length = llvm::support::endian::read64le(data);
  if (length > size - 8)
    return 0;
  llvm::StringRef header(reinterpret_cast<const char *>(data) + 8, length);
  WeightTable table;
  Problems problems;
  hf::parseSafetensorsHeader(header, "file", size, table, problems);
  uint64_t total = 0;
  for (auto &[name, tensor] : table) {
    if (tensor.offset < 8 + length || tensor.offset > size || tensor.length > size - tensor.offset)
      abort();
    total += tensor.length;
  }
  // Without a problem the tensors fill the data exactly.
  if (problems.empty() && total != size - 8 - length)
    abort();
  return 0;
}
