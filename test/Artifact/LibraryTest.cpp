// Artifacts behind programs, and the names of libraries.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "kvasir/Artifact/Library.h"
#include "Fixture.h"
#include "OutputFile.h"

#include "llvm/Support/xxhash.h"

#include <sys/stat.h>

using namespace kvasir;
using namespace kvasir::test;

namespace {

std::string failure(llvm::Error error) { return llvm::toString(std::move(error)); }

class ProgramTest : public ArtifactTest {};

TEST_F(ProgramTest, IsImageArtifactTrailer) {
  std::vector<uint8_t> image(5000, 7);
  for (bool unnamed : {true, false}) {
    auto file = cantFail(OutputFile::create(output(), 100, unnamed, image));
    EXPECT_EQ(file.fileSize(), 8192u + 100 + sizeof(artifact::Trailer));
    EXPECT_FALSE(file.write("abc", 3, 97));
    EXPECT_FALSE(file.commit());
    std::string bytes = readFile(output());
    ASSERT_EQ(bytes.size(), file.fileSize());
    EXPECT_EQ(bytes.substr(0, 5000), std::string(5000, 7));
    EXPECT_EQ(bytes.substr(5000, 3192 + 97), std::string(3192 + 97, 0));
    EXPECT_EQ(bytes.substr(8192 + 97, 3), "abc");
    artifact::Trailer trailer;
    std::memcpy(&trailer, bytes.data() + 8292, sizeof(trailer));
    EXPECT_EQ(trailer.offset, 8192u);
    EXPECT_EQ(trailer.size, 100u);
    EXPECT_EQ(trailer.imageHash, llvm::xxh3_64bits(llvm::StringRef(bytes).take_front(8192)));
    EXPECT_EQ(std::string(trailer.magic, 8), "KVASIRIN");
    struct stat status;
    ASSERT_EQ(stat(output().c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0100, 0100u);
  }
}

TEST_F(ProgramTest, HoldsTheArtifactThatIsWrittenAlone) {
  auto module = moduleOfOneMatrix();
  ASSERT_EQ(write(*module), "");
  std::string alone = readFile(output());
  options.program.assign(4096, 9);
  auto result = writeArtifact(*module, options, output());
  ASSERT_TRUE(bool(result)) << llvm::toString(result.takeError());
  std::string bytes = readFile(output());
  EXPECT_EQ(result->fileBytes, bytes.size());
  EXPECT_EQ(bytes.substr(4096, alone.size()), alone);
  EXPECT_EQ(bytes.size(), 4096 + alone.size() + sizeof(artifact::Trailer));
}

TEST(Library, PrefixComesFromTheName) {
  EXPECT_EQ(cantFail(libraryPrefix("out/libchat.so")), "chat");
  EXPECT_EQ(cantFail(libraryPrefix("libllama-3.2.so")), "llama_3_2");
  for (const char *path : {"chat.so", "lib.so", "out/", "lib/chat"})
    EXPECT_NE(failure(libraryPrefix(path).takeError()).find("expected a file name such as"),
              std::string::npos)
        << path;
  for (std::string name : {std::string("3b"), std::string(65, 'a')})
    EXPECT_NE(failure(libraryPrefix("lib" + name + ".so").takeError()).find("expected at most 64"),
              std::string::npos);
}

TEST(Library, HeaderHasThePrefixEverywhere) {
  std::string api = "/* title */\n#define KVASIR_API\nint kvasir_step(void);\n";
  std::string embedded = "/* title */\n#include <kvasir-c/kvasir.h>\n\nint kvasir_load(void);\n";
  std::string header = libraryHeader(api, embedded, "chat", "a model");
  EXPECT_EQ(header.find("/* A language model as a library: a model\n"), 0u);
  EXPECT_NE(header.find(" */\n#define CHAT_API\nint chat_step(void);\n\nint chat_load(void);\n"),
            std::string::npos)
      << header;
  EXPECT_EQ(header.find("kvasir_"), std::string::npos);
  EXPECT_EQ(libraryHeader(api, embedded, "chat", "a */\nint x;")
                .find("/* A language model as a library: a * / int x;\n"),
            0u);
}

TEST(Library, AnImageThatIsNotOursIsRefused) {
  std::vector<uint8_t> garbage(100, 1);
  EXPECT_NE(failure(renameLibrary(garbage, "chat", "libchat.so")), "");
  std::string bytes = readFile("/proc/self/exe");
  std::vector<uint8_t> other(bytes.begin(), bytes.end());
  EXPECT_NE(failure(renameLibrary(other, "chat", "libchat.so")).find("lacks a table of names"),
            std::string::npos);
}

} // namespace
