// Writes small files into a folder of its own, for the tests of the importer.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_TEST_IMPORT_CHECKPOINT_H
#define KVASIR_TEST_IMPORT_CHECKPOINT_H

#include "llvm/ADT/SmallString.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Endian.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/raw_ostream.h"
#include <string>

namespace kvasir::test {

/// A temporary folder, removed at the end.
class Folder {
public:
  Folder() { llvm::sys::fs::createUniqueDirectory("kvasir-import", folder); }
  ~Folder() { llvm::sys::fs::remove_directories(folder); }
  llvm::StringRef path() const { return folder; }

  void write(llvm::StringRef name, llvm::StringRef text) const {
    llvm::SmallString<128> file(folder);
    llvm::sys::path::append(file, name);
    std::error_code error;
    llvm::raw_fd_ostream(file, error) << text;
  }

private:
  llvm::SmallString<128> folder;
};

/// A safetensors file: the header, then `size` bytes of zeros.
inline std::string safetensors(llvm::StringRef header, size_t size) {
  std::string text(8, '\0');
  llvm::support::endian::write64le(text.data(), header.size());
  return text + header.str() + std::string(size, '\0');
}

/// A llama of one layer: hidden size 4, 2 heads, tied head.
inline std::string tinyConfig() {
  return R"({"model_type": "llama", "hidden_size": 4, "intermediate_size": 4, "num_hidden_layers": 1,
    "num_attention_heads": 2, "vocab_size": 4, "max_position_embeddings": 8, "tie_word_embeddings": true})";
}

inline std::string tinyWeights() {
  std::string header;
  size_t size = 0;
  auto add = [&](const char *name, const char *shape, size_t bytes) {
    header += (header.empty() ? "{\"" : ", \"") + std::string(name) +
              R"(": {"dtype": "F32", "shape": )" + shape + R"(, "data_offsets": [)" +
              std::to_string(size) + ", " + std::to_string(size + bytes) + "]}";
    size += bytes;
  };
  for (const char *matrix :
       {"embed_tokens", "layers.0.self_attn.q_proj", "layers.0.self_attn.k_proj",
        "layers.0.self_attn.v_proj", "layers.0.self_attn.o_proj", "layers.0.mlp.gate_proj",
        "layers.0.mlp.up_proj", "layers.0.mlp.down_proj"})
    add(("model." + std::string(matrix) + ".weight").c_str(), "[4, 4]", 64);
  for (const char *vector :
       {"layers.0.input_layernorm", "layers.0.post_attention_layernorm", "norm"})
    add(("model." + std::string(vector) + ".weight").c_str(), "[4]", 16);
  return safetensors(header + "}", size);
}

} // namespace kvasir::test

#endif // KVASIR_TEST_IMPORT_CHECKPOINT_H
