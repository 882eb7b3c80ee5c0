// Semantic checks of a module table that the FlatBuffers verifier has passed:
// every index, offset, size and sum that the runtime uses later without looking
// again.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_RUNTIME_ARTIFACT_CHECK_H
#define KVASIR_RUNTIME_ARTIFACT_CHECK_H

#include "kvasir/Artifact/Module_generated.h"
#include "support/Status.h"

namespace kvasir::rt {

/// Checks the structure with the FlatBuffers verifier and then checkModule.
/// `bytes` must be aligned to 8.
Result<const artifact::Module *> readModule(const unsigned char *bytes, size_t size,
                                            uint64_t fileSize);

/// After this, for a file of `fileSize` bytes: sections lie in the file,
/// weights in their section, operands name what exists, enumerators are known,
/// counts and sizes are within bounds that keep products of them inside 64
/// bits, and the programs of each target together admit every step size. There
/// are programs and code for CPUs (all of `functions`, `programs`, `code`), for
/// devices, or both.
Status checkModule(const artifact::Module &module, uint64_t fileSize);

/// Bytes of one element.
uint64_t elementSize(artifact::ElementType type);
/// "f32", "bf16" and so on.
const char *elementName(artifact::ElementType type);

} // namespace kvasir::rt

#endif // KVASIR_RUNTIME_ARTIFACT_CHECK_H
