// Finds the artifact in a file: the whole of it, or, in an executable or library that
// `kvasir compile --emit exe` or `lib` made, what the trailer at its end says.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_RUNTIME_ARTIFACT_EMBEDDED_H
#define KVASIR_RUNTIME_ARTIFACT_EMBEDDED_H

#include "support/Status.h"

#include <cstdint>

namespace kvasir::rt {

struct ArtifactRange {
  uint64_t offset, size;
};

/// The range lies in the file and starts at a multiple of sectionAlignment; what is in it is not
/// looked at, what is before it has its hash. Everything that is no ELF file is taken for an
/// artifact.
Result<ArtifactRange> findArtifact(const unsigned char *bytes, uint64_t size);

} // namespace kvasir::rt

#endif // KVASIR_RUNTIME_ARTIFACT_EMBEDDED_H
