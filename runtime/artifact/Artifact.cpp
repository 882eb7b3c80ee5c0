// Opening an artifact, from the outermost bytes inwards.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "artifact/Artifact.h"

#include "artifact/Embedded.h"
#include "kvasir/Artifact/Format.h"

#include <algorithm>
#include <cinttypes>
#include <cstring>
#include <xxhash.h>

namespace kvasir::rt {

using namespace artifact;

static bool hashMatches(const void *bytes, size_t size, uint64_t low, uint64_t high) {
  XXH128_hash_t hash = XXH3_128bits(bytes, size);
  return hash.low64 == low && hash.high64 == high;
}

static Status corrupt(const std::string &what) {
  return error(Code::dataLoss, what + " is corrupt: its hash does not match; copy the file again, "
                                      "or compile the model again");
}

static bool supportsVersion(unsigned major, unsigned minor) {
  return major == versionMajor && (minor == versionMinor || minor + 1 == versionMinor);
}

static Status checkVersion(const FileHeader &header, bool intact) {
  if (supportsVersion(header.versionMajor, header.versionMinor))
    return intact ? Status::ok() : corrupt("header");
  return error(Code::unsupported,
               format("artifact version %u.%u%s, but this runtime reads %u.%u%s; compile "
                      "the model again or use another runtime",
                      header.versionMajor, header.versionMinor,
                      intact ? "" : " (or a corrupt header)", versionMajor, versionMinor,
                      versionMinor ? " and the minor version before it" : ""));
}

Status checkHeader(const unsigned char *bytes, uint64_t size) {
  FileHeader header;
  size_t known = std::min<uint64_t>(size, sizeof(header.magic));
  if (known == 0)
    return error(Code::dataLoss, "file is empty");
  if (std::memcmp(bytes, magic, known) != 0)
    return error(Code::dataLoss, "not a kvasir artifact: it does not begin with KVASIR");
  if (size < sizeof(FileHeader))
    return error(Code::dataLoss,
                 format("truncated: file is %" PRIu64 " bytes, but the header alone has %zu", size,
                        sizeof(FileHeader)));
  std::memcpy(&header, bytes, sizeof(header));
  bool intact = XXH3_64bits(bytes, offsetof(FileHeader, headerHash)) == header.headerHash;
  if (Status s = checkVersion(header, intact); !s)
    return s;
  if (header.headerSize != sizeof(FileHeader))
    return error(Code::dataLoss, format("header says it has %u bytes, expected "
                                        "%zu",
                                        header.headerSize, sizeof(FileHeader)));
  if (header.fileSize != size)
    return error(Code::dataLoss,
                 format("%s: file is %" PRIu64 " bytes, header says %" PRIu64,
                        size < header.fileSize ? "truncated" : "too long or damaged", size,
                        header.fileSize));
  if (header.moduleOffset % sectionAlignment != 0 || header.moduleOffset < sizeof(FileHeader) ||
      header.moduleOffset > size || header.moduleSize > size - header.moduleOffset)
    return error(Code::dataLoss, format("module table [%" PRIu64 ", +%" PRIu64
                                        ") does not lie in the file of %" PRIu64 " bytes",
                                        header.moduleOffset, header.moduleSize, size));
  if (!hashMatches(bytes + header.moduleOffset, header.moduleSize, header.moduleHash.low,
                   header.moduleHash.high))
    return corrupt("module table");
  return Status::ok();
}

std::string_view Artifact::bytes(const Section &section) const {
  return {reinterpret_cast<const char *>(mapped.data()) + section.offset(), section.size()};
}

const unsigned char *Artifact::weight(const Weight &weight) const {
  return mapped.data() + table->weights_section()->offset() + weight.offset();
}

static Status checkHash(std::string_view bytes, const Section &section, const std::string &name) {
  if (bytes.empty() ||
      hashMatches(bytes.data(), bytes.size(), section.hash()->low(), section.hash()->high()))
    return Status::ok();
  return corrupt(name);
}

Status Artifact::read() {
  if (Status s = checkHeader(mapped.data(), mapped.size()); !s)
    return s;
  FileHeader header;
  std::memcpy(&header, mapped.data(), sizeof(header));
  const unsigned char *start = mapped.data() + header.moduleOffset;
  Result<const Module *> module = readModule(start, header.moduleSize, mapped.size());
  if (!module)
    return module.status();
  table = *module;
  tableView = {reinterpret_cast<const char *>(start), header.moduleSize};
  if (const Section *tokenizer = table->tokenizer())
    if (Status s = checkHash(bytes(*tokenizer), *tokenizer, "tokenizer"); !s)
      return s;
  if (table->code())
    for (const CodeObject *code : *table->code())
      if (Status s = checkHash(bytes(*code->section()), *code->section(),
                               format("code '%s'", code->variant()->c_str()));
          !s)
        return s;
  return checkDevices();
}

Status Artifact::checkDevices() const {
  if (!table->devices())
    return Status::ok();
  for (const Device *device : *table->devices())
    for (const DeviceCode *code : *device->code()) {
      std::string name =
          format("%s code '%s'", device->target()->c_str(), code->architecture()->c_str());
      std::string_view contents = bytes(*code->section());
      if (Status s = checkHash(contents, *code->section(), name); !s)
        return s;
      if (code->ptx() && contents.back() != 0)
        return error(Code::dataLoss, name + " is PTX, but it does not end in a zero");
    }
  return Status::ok();
}

Result<Artifact> Artifact::open(const std::string &path) {
  Result<MappedFile> file = MappedFile::open(path);
  if (!file)
    return file.status();
  Artifact artifact;
  artifact.mapped = std::move(*file);
  Result<ArtifactRange> range = findArtifact(artifact.mapped.data(), artifact.mapped.size());
  Status status = range.status();
  if (range) {
    artifact.mapped.narrow(range->offset, range->size);
    status = artifact.read();
  }
  if (!status)
    return error(status.code(), format("'%s': %s", path.c_str(), status.message().c_str()));
  return artifact;
}

Status Artifact::verifyWeights(const std::function<void(uint64_t, uint64_t)> &progress) const {
  // Weights are hashed in pieces so that progress moves inside a large one.
  constexpr uint64_t piece = uint64_t(16) << 20;
  uint64_t total = 0, done = 0;
  if (!table->weights())
    return Status::ok();
  for (const Weight *weight : *table->weights())
    total += weight->size();
  XXH3_state_t *state = XXH3_createState();
  if (!state)
    return error(Code::resourceExhausted, "out of memory while hashing");
  const Weight *bad = nullptr;
  for (const Weight *w : *table->weights()) {
    XXH3_128bits_reset(state);
    const unsigned char *start = weight(*w);
    for (uint64_t at = 0; at < w->size(); at += piece) {
      uint64_t size = std::min(piece, w->size() - at);
      XXH3_128bits_update(state, start + at, size);
      done += size;
      if (progress)
        progress(done, total);
    }
    XXH128_hash_t hash = XXH3_128bits_digest(state);
    if (hash.low64 != w->hash()->low() || hash.high64 != w->hash()->high()) {
      bad = w;
      break;
    }
  }
  XXH3_freeState(state);
  if (bad)
    return corrupt(format("weight '%s'", bad->name()->c_str()));
  return Status::ok();
}

} // namespace kvasir::rt
