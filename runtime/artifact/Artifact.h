// An opened artifact: mapped, its header, table, tokenizer and code checked.
// Immutable.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_RUNTIME_ARTIFACT_ARTIFACT_H
#define KVASIR_RUNTIME_ARTIFACT_ARTIFACT_H

#include "artifact/Check.h"
#include "artifact/MappedFile.h"

#include <functional>
#include <string_view>

namespace kvasir::rt {

class Artifact {
public:
  /// Opens an artifact, also one in an executable or library (Embedded.h), and checks everything
  /// but the weights. Errors name the file.
  static Result<Artifact> open(const std::string &path);

  const artifact::Module &module() const { return *table; }
  /// The artifact's bytes; offsets in the table are relative to them.
  const MappedFile &file() const { return mapped; }
  std::string_view tableBytes() const { return tableView; }
  /// Whether there are programs and code for CPUs.
  bool isForHost() const { return table->programs() && table->programs()->size() > 0; }

  /// Bytes of a section or weight that the checks have passed.
  std::string_view bytes(const artifact::Section &section) const;
  const unsigned char *weight(const artifact::Weight &weight) const;

  /// Hashes every weight; the first that differs is an error.
  Status verifyWeights(const std::function<void(uint64_t done, uint64_t total)> &progress) const;

private:
  Status read();
  Status checkDevices() const;

  MappedFile mapped;
  std::string_view tableView;
  const artifact::Module *table = nullptr;
};

/// The header alone: magic, version, its own hash, and that the file is whole.
/// On success the module lies within `size` bytes and has its hash.
Status checkHeader(const unsigned char *bytes, uint64_t size);

} // namespace kvasir::rt

#endif // KVASIR_RUNTIME_ARTIFACT_ARTIFACT_H
