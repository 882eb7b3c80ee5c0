// Streaming XXH3-128, the hash of everything in an artifact.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_LIB_ARTIFACT_HASH_H
#define KVASIR_LIB_ARTIFACT_HASH_H

#include "kvasir/Artifact/Module_generated.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace kvasir {

class Hasher {
public:
  Hasher() { reset(); }
  void reset() { XXH3_128bits_reset(&state); }
  void update(const void *bytes, size_t size) { XXH3_128bits_update(&state, bytes, size); }
  artifact::HashValue value() const {
    XXH128_hash_t hash = XXH3_128bits_digest(&state);
    return artifact::HashValue(hash.low64, hash.high64);
  }

private:
  XXH3_state_t state;
};

inline artifact::HashValue hashBytes(const void *bytes, size_t size) {
  XXH128_hash_t hash = XXH3_128bits(bytes, size);
  return artifact::HashValue(hash.low64, hash.high64);
}

} // namespace kvasir

#endif // KVASIR_LIB_ARTIFACT_HASH_H
