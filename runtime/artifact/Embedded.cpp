// The trailer of executables and libraries.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "artifact/Embedded.h"

#include "kvasir/Artifact/Format.h"

#include <cinttypes>
#include <cstring>
#include <xxhash.h>

namespace kvasir::rt {

using namespace artifact;

Result<ArtifactRange> findArtifact(const unsigned char *bytes, uint64_t size) {
  if (size < sizeof(elfMagic) || std::memcmp(bytes, elfMagic, sizeof(elfMagic)) != 0)
    return ArtifactRange{0, size};
  Trailer trailer = {};
  if (size >= sizeof(trailer))
    std::memcpy(&trailer, bytes + size - sizeof(trailer), sizeof(trailer));
  if (std::memcmp(trailer.magic, trailerMagic, sizeof(trailerMagic)) != 0)
    return error(
        Code::dataLoss,
        "a program or library without a model at its end; expected one that kvasir compile "
        "--emit exe or lib has made; if it is one, it was truncated, or a tool such as strip "
        "has removed the model: make it again");
  if (XXH3_64bits(&trailer, offsetof(Trailer, hash)) != trailer.hash)
    return error(Code::dataLoss, "the trailer that locates the model is corrupt: its hash does not "
                                 "match; copy the file again, or compile the model again");
  uint64_t room = size - sizeof(trailer);
  if (trailer.offset % sectionAlignment != 0 || trailer.offset > room ||
      trailer.size != room - trailer.offset)
    return error(Code::dataLoss,
                 format("the model [%" PRIu64 ", +%" PRIu64 ") is not what lies before the trailer "
                        "in this file of %" PRIu64 " bytes; parts of the file are missing",
                        trailer.offset, trailer.size, size));
  if (XXH3_64bits(bytes, trailer.offset) != trailer.imageHash)
    return error(Code::dataLoss,
                 "the program or library in front of the model is corrupt: its hash "
                 "does not match; copy the file again, or compile the model again");
  return ArtifactRange{trailer.offset, trailer.size};
}

} // namespace kvasir::rt
