// Reads the headers of safetensors files; the values are never touched.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_IMPORT_HUGGINGFACE_SAFETENSORS_H
#define KVASIR_IMPORT_HUGGINGFACE_SAFETENSORS_H

#include "kvasir/Model/WeightTable.h"
#include "kvasir/Support/Problems.h"
#include "llvm/ADT/StringRef.h"

namespace kvasir::hf {

/// Longest header that is read, in bytes (the limit of the format itself).
constexpr uint64_t maxSafetensorsHeader = 100'000'000;

/// Adds the tensors that `header` (the JSON text) declares to `table`. The
/// tensors must fill the file's data, which starts after the header, without
/// holes or overlaps. Everything that is wrong goes to `problems`, under `file`.
void parseSafetensorsHeader(llvm::StringRef header, llvm::StringRef file, uint64_t fileSize,
                            WeightTable &table, Problems &problems);

/// Reads the header of `directory`/`file`.
void readSafetensors(llvm::StringRef directory, llvm::StringRef file, WeightTable &table,
                     Problems &problems);

/// Reads model.safetensors of `directory`, or the shards that
/// model.safetensors.index.json names. `files` gets the names of what was read.
void readCheckpoint(llvm::StringRef directory, WeightTable &table, std::vector<std::string> &files,
                    Problems &problems);

} // namespace kvasir::hf

#endif // KVASIR_IMPORT_HUGGINGFACE_SAFETENSORS_H
