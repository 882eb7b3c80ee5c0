// The outermost bytes of a .kvasir file: a fixed header that locates and hashes the module table.
// Everything else is located and hashed by the module (Module.fbs).
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_ARTIFACT_FORMAT_H
#define KVASIR_ARTIFACT_FORMAT_H

#include <cstddef>
#include <cstdint>

namespace kvasir::artifact {

/// Version policy: a runtime loads files of its own minor version and of the one before it
/// (same major), and refuses all others by name.
constexpr uint16_t versionMajor = 0;
constexpr uint16_t versionMinor = 3;

constexpr char magic[8] = {'K', 'V', 'A', 'S', 'I', 'R', '\r', '\n'};

/// Sections (module, tokenizer, code objects, weights) start at multiples of this.
constexpr uint64_t sectionAlignment = 4096;

/// The most that an artifact may allow in its limits: far above any real model, and small enough
/// that products of sizes fit 64 bits. Runtimes refuse more, compilers do not write it.
constexpr uint32_t mostContext = 1u << 28;
constexpr uint32_t mostRequests = 1u << 16;
constexpr uint32_t mostStepTokens = 1u << 20;

/// XXH3 128-bit hash (seed 0) as two little-endian words.
struct Hash {
  uint64_t low = 0;
  uint64_t high = 0;
};

/// At offset 0, little endian. `headerHash` is XXH3-64 of the bytes before it.
struct FileHeader {
  char magic[8];
  uint16_t versionMajor;
  uint16_t versionMinor;
  uint32_t headerSize; // sizeof(FileHeader)
  uint64_t fileSize;   // of the whole artifact, in bytes
  uint64_t moduleOffset;
  uint64_t moduleSize;
  Hash moduleHash;
  uint64_t headerHash;
};
static_assert(sizeof(FileHeader) == 64, "file format");
static_assert(offsetof(FileHeader, headerHash) == 56, "file format");

/// The end of an executable or library that carries an artifact: a whole artifact lies `offset`
/// bytes into the file, at a multiple of sectionAlignment, and the trailer follows it. Little
/// endian. Hashes are XXH3-64: `imageHash` of what lies before the artifact, `hash` of the bytes
/// of the trailer before it.
struct Trailer {
  uint64_t offset;
  uint64_t size; // of the artifact
  uint64_t imageHash;
  uint64_t hash;
  char magic[8];
};
static_assert(sizeof(Trailer) == 40, "file format");

constexpr char trailerMagic[8] = {'K', 'V', 'A', 'S', 'I', 'R', 'I', 'N'};
constexpr char elfMagic[4] = {'\x7f', 'E', 'L', 'F'};

} // namespace kvasir::artifact

#endif // KVASIR_ARTIFACT_FORMAT_H
