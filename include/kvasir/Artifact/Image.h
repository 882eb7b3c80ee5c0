// The ELF images, programs and libraries, that precede an artifact in a file.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_ARTIFACT_IMAGE_H
#define KVASIR_ARTIFACT_IMAGE_H

#include "llvm/Support/Error.h"

#include <cstdint>
#include <vector>

namespace kvasir {

/// Moves to the image's end what the system reads first of it: the name of its loader, or a
/// library's program headers. So a file that was cut within the image is refused with an error,
/// where the loader would crash (docs/Rationale/Artifact.md).
llvm::Error guardImage(std::vector<uint8_t> &image);

} // namespace kvasir

#endif // KVASIR_ARTIFACT_IMAGE_H
