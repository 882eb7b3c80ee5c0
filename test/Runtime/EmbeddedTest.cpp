// Artifacts inside executables and libraries: found by the trailer, refused when it lies.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "artifact/Embedded.h"
#include "Support.h"
#include "kvasir/Artifact/Format.h"

#include <cstring>
#include <xxhash.h>

namespace kvasir::test {
namespace {

using namespace artifact;

/// The trailer of an artifact of `size` bytes at `offset`, after that program.
std::string trailer(uint64_t offset, uint64_t size, const std::string &image = {}) {
  Trailer value = {offset, size, XXH3_64bits(image.data(), image.size()), 0, {}};
  value.hash = XXH3_64bits(&value, offsetof(Trailer, hash));
  std::memcpy(value.magic, trailerMagic, sizeof(trailerMagic));
  return {reinterpret_cast<const char *>(&value), sizeof(value)};
}

/// What `--emit exe` writes, with nothing but a beginning of the program.
std::string program(const std::string &artifact, uint64_t start = 2 * sectionAlignment) {
  std::string bytes(start, 'x');
  std::memcpy(bytes.data(), elfMagic, sizeof(elfMagic));
  return bytes + artifact + trailer(start, artifact.size(), bytes);
}

kvasir_error *load(const std::string &bytes) {
  TemporaryFile file(bytes);
  kvasir_model *model = nullptr;
  kvasir_error *error = kvasir_model_load(file.path().c_str(), nullptr, &model);
  kvasir_model_free(model);
  return error;
}

TEST(Embedded, LoadsAndDecodesAsAnArtifactDoes) {
  std::string artifact = toyArtifact({});
  TemporaryFile file(program(artifact));
  kvasir_model *loaded = nullptr;
  ASSERT_OK(kvasir_model_load(file.path().c_str(), nullptr, &loaded));
  ModelHandle model(loaded);
  size_t size = 0;
  const void *bytes = kvasir_model_file(model.get(), &size);
  ASSERT_EQ(size, artifact.size());
  EXPECT_EQ(std::memcmp(bytes, artifact.data(), size), 0);
  EXPECT_OK(kvasir_model_verify(model.get(), nullptr, nullptr));
  EngineHandle engine = makeEngine(model, engineOptions());
  uint64_t request = submit(engine, {5, 6, 7}, requestOptions(20));
  std::map<uint64_t, Answer> answers;
  drain(engine.get(), answers);
  EXPECT_EQ(answers[request].ids, toyGreedy({}, {5, 6, 7}, 20));
}

TEST(Embedded, AProgramWithoutAModelIsRefused) {
  std::string none(8192, 'x');
  std::memcpy(none.data(), elfMagic, sizeof(elfMagic));
  EXPECT_REFUSED(load(none), KVASIR_DATA_LOSS, "a program or library without a model");
  EXPECT_REFUSED(load(none.substr(0, 4)), KVASIR_DATA_LOSS, "a program or library without a model");
}

TEST(Embedded, ATruncatedProgramIsRefused) {
  std::string whole = program(toyArtifact({}));
  for (size_t missing : {size_t(1), sizeof(Trailer), whole.size() / 2})
    EXPECT_REFUSED(load(whole.substr(0, whole.size() - missing)), KVASIR_DATA_LOSS,
                   "it was truncated");
  std::string hole = whole;
  hole.erase(sectionAlignment, sectionAlignment);
  EXPECT_REFUSED(load(hole), KVASIR_DATA_LOSS, "parts of the file are missing");
}

TEST(Embedded, ATrailerThatLiesIsRefused) {
  std::string artifact = toyArtifact({}), whole = program(artifact);
  whole[whole.size() - sizeof(Trailer)] ^= 1;
  EXPECT_REFUSED(load(whole), KVASIR_DATA_LOSS, "the trailer that locates the model is corrupt");
  std::string start = whole.substr(0, whole.size() - sizeof(Trailer));
  for (auto [offset, size] : {std::pair<uint64_t, uint64_t>{8192, artifact.size() + 1},
                              {8192, ~uint64_t(0)},
                              {~uint64_t(0) & ~uint64_t(4095), artifact.size()},
                              {uint64_t(1) << 62, ~uint64_t(0) - 8192},
                              {8192 - 64, artifact.size() + 64}})
    EXPECT_REFUSED(load(start + trailer(offset, size)), KVASIR_DATA_LOSS,
                   "is not what lies before the trailer");
}

TEST(Embedded, ADamagedProgramIsRefused) {
  std::string whole = program(toyArtifact({}));
  whole[sectionAlignment] ^= 1;
  EXPECT_REFUSED(load(whole), KVASIR_DATA_LOSS,
                 "the program or library in front of the model is corrupt");
}

TEST(Embedded, TheArtifactIsCheckedAsAnyOther) {
  std::string artifact = toyArtifact({});
  FileHeader header;
  std::memcpy(&header, artifact.data(), sizeof(header));
  artifact[header.moduleOffset + 8] ^= 1;
  EXPECT_REFUSED(load(program(artifact)), KVASIR_DATA_LOSS, "module table is corrupt");
  EXPECT_REFUSED(load(program("")), KVASIR_DATA_LOSS, "file is empty");
}

} // namespace
} // namespace kvasir::test
