// Any bytes as a GGUF file: no crash, what is accepted lies inside, and a model that is understood
// becomes a description; its vocabulary compiles or is refused.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "kvasir/Tokenizer/Vocabulary.h"
#include "lib/Import/GGUF/Model.h"
#include <cstdlib>

using namespace kvasir;

/// Ranges of tensors, in order, do not overlap.
static bool overlap(const WeightTable &tensors) {
  std::map<uint64_t, uint64_t> ranges;
  for (auto &[name, tensor] : tensors)
    if (tensor.length && !ranges.emplace(tensor.offset, tensor.offset + tensor.length).second)
      return true;
  uint64_t end = 0;
  for (auto &[begin, last] : ranges) {
    if (begin < end)
      return true;
    end = last;
  }
  return false;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  llvm::StringRef bytes(reinterpret_cast<const char *>(data), size);
  gguf::Container container;
  Problems problems;
  container.metadata = gguf::parseFile(bytes, "file", container, problems);
  for (auto &[name, tensor] : container.tensors)
    if (tensor.offset > size || tensor.length > size - tensor.offset)
      abort();
  if (!problems.empty())
    return 0;
  if (overlap(container.tensors))
    abort();
  std::string missing;
  auto vocabulary = gguf::readVocabulary(container.metadata, missing, problems);
  if (vocabulary && problems.empty())
    if (auto table = compileVocabulary(*vocabulary); !table)
      llvm::consumeError(table.takeError());
  (void)gguf::describeModel(container, problems);
  return 0;
}
