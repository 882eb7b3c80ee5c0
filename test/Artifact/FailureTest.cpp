// What goes wrong while an artifact is written leaves a message and no file.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "Fixture.h"
#include "OutputFile.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <thread>

using namespace kvasir;
using namespace kvasir::test;

namespace {

class FailureTest : public ArtifactTest {
protected:
  /// One matrix of `rows` x 1024 bf16 in a file of `bytes` bytes.
  mlir::OwningOpRef<mlir::ModuleOp> matrix(uint64_t rows, uint64_t bytes) {
    std::string path = directory / "model" / "w.bin";
    int file = open(path.c_str(), O_CREAT | O_RDWR, 0600);
    EXPECT_EQ(ftruncate(file, bytes), 0);
    close(file);
    std::string shape = std::to_string(rows) + "x1024xbf16";
    std::string type = "!llm.weight<" + shape + ">";
    return parse(moduleOf("llm.weight @w : " + type +
                              " from #llm.source<file = \"w.bin\", offset = 0, "
                              "stored = tensor<" +
                              shape + ">> layout <panel16>\n",
                          {{"w", type}}));
  }

  void expectFailure(mlir::ModuleOp module, const std::string &part) {
    std::string message = write(module);
    EXPECT_NE(message.find(part), std::string::npos) << message;
    EXPECT_EQ(outputs(), std::vector<std::string>{});
  }
};

TEST_F(FailureTest, MissingFile) {
  auto module = matrix(16, 1 << 20);
  std::filesystem::remove(directory / "model" / "w.bin");
  expectFailure(*module, "w.bin': No such file or directory");
}

TEST_F(FailureTest, ShortFile) {
  auto module = matrix(16, 1000);
  expectFailure(*module, "weight 'w' lies at bytes 0 to 32768 of '");
  expectFailure(*module, "but the file has only 1000 bytes");
}

TEST_F(FailureTest, DirectoryAsInput) {
  auto module = matrix(16, 1 << 20);
  std::filesystem::remove(directory / "model" / "w.bin");
  std::filesystem::create_directory(directory / "model" / "w.bin");
  expectFailure(*module, "it is not a regular file");
}

TEST_F(FailureTest, FileThatShrinks) {
  auto module = matrix(16384, 16384 * 2048);
  bool shrunk = false;
  options.progress = [&](uint64_t, uint64_t) {
    if (!shrunk)
      shrunk = truncate((directory / "model" / "w.bin").c_str(), 4096) == 0;
  };
  expectFailure(*module, "do not change it while it is compiled");
}

TEST_F(FailureTest, FileThatChanges) {
  auto module = matrix(1024, 1024 * 2048);
  options.progress = [&](uint64_t done, uint64_t total) {
    if (done == total)
      std::filesystem::last_write_time(directory / "model" / "w.bin",
                                       std::filesystem::file_time_type::clock::now() +
                                           std::chrono::hours(1));
  };
  expectFailure(*module, "changed while it was read");
}

TEST_F(FailureTest, Cancelled) {
  auto module = matrix(16384, 16384 * 2048);
  std::atomic<bool> cancelled = false;
  options.cancelled = &cancelled;
  options.progress = [&](uint64_t, uint64_t) { cancelled = true; };
  expectFailure(*module, "interrupted");
}

TEST_F(FailureTest, CancelledAtTheEnd) {
  auto module = matrix(16, 16 * 2048);
  std::atomic<bool> cancelled = false;
  options.cancelled = &cancelled;
  options.progress = [&](uint64_t done, uint64_t total) { cancelled = done == total; };
  expectFailure(*module, "interrupted");
}

TEST_F(FailureTest, FileSizeLimit) {
  auto module = matrix(1024, 1024 * 2048);
  rlimit before;
  getrlimit(RLIMIT_FSIZE, &before);
  rlimit limit = {100000, before.rlim_max};
  setrlimit(RLIMIT_FSIZE, &limit);
  std::string message = write(*module);
  setrlimit(RLIMIT_FSIZE, &before);
  EXPECT_NE(message.find("files are limited to 100000 bytes"), std::string::npos) << message;
  EXPECT_EQ(outputs(), std::vector<std::string>{});
}

TEST_F(FailureTest, KeepsWhatWasThere) {
  writeFile(output(), "before");
  auto module = matrix(16, 16 * 2048);
  std::atomic<bool> cancelled = true;
  options.cancelled = &cancelled;
  EXPECT_EQ(write(*module), "interrupted");
  EXPECT_EQ(readFile(output()), "before");
  options.cancelled = nullptr;
  EXPECT_EQ(write(*module), "");
  EXPECT_NE(readFile(output()), "before");
}

TEST_F(FailureTest, OutputThatCannotBe) {
  auto module = matrix(16, 16 * 2048);
  std::filesystem::create_directory(output());
  EXPECT_NE(write(*module).find("it is there and not a regular file"), std::string::npos);
  std::filesystem::remove_all(directory / "out");
  EXPECT_NE(write(*module).find("No such file or directory"), std::string::npos);
}

TEST_F(FailureTest, OutputThatIsAnInput) {
  auto module = matrix(16, 16 * 2048);
  std::filesystem::create_symlink(directory / "model" / "w.bin", output());
  EXPECT_NE(write(*module).find("is one of the inputs"), std::string::npos);
  EXPECT_EQ(std::filesystem::file_size(output()), 16u * 2048);
}

TEST_F(FailureTest, KeepsLinks) {
  auto module = matrix(16, 16 * 2048);
  std::filesystem::path real = directory / "real.kvasir";
  writeFile(real, "before");
  std::filesystem::create_symlink(real, output());
  EXPECT_EQ(write(*module), "");
  EXPECT_TRUE(std::filesystem::is_symlink(output()));
  EXPECT_NE(readFile(real), "before");
}

TEST_F(FailureTest, NamedTemporary) {
  {
    auto file = cantFail(OutputFile::create(output(), 100, /*unnamed=*/false));
    EXPECT_EQ(outputs().size(), 1u);
    EXPECT_FALSE(file.write("x", 1, 99));
  }
  EXPECT_EQ(outputs(), std::vector<std::string>{});
  auto file = cantFail(OutputFile::create(output(), 100, /*unnamed=*/false));
  EXPECT_FALSE(file.write("x", 1, 99));
  EXPECT_FALSE(file.flush());
  EXPECT_FALSE(file.commit());
  EXPECT_EQ(outputs(), std::vector<std::string>{"m.kvasir"});
  EXPECT_EQ(readFile(output()).size(), 100u);
}

TEST_F(FailureTest, BrokenStepProgram) {
  auto module = matrix(16, 16 * 2048);
  (*module)->walk([](llm::WeightOp weight) { weight.removeLayoutAttr(); });
  expectFailure(*module, "weight @w has no layout");
}

TEST_F(FailureTest, ModelWithoutArchitecture) {
  auto module = matrix(16, 16 * 2048);
  (*module)->setAttr("llm.model", mlir::DictionaryAttr::get(&context));
  expectFailure(*module, "llm.model to name an architecture");
}

TEST_F(FailureTest, IdOutsideTheVocabulary) {
  auto module = matrix(16, 16 * 2048);
  auto model = (*module)->getAttrOfType<mlir::DictionaryAttr>("llm.model");
  mlir::NamedAttrList entries(model);
  entries.set("eos", mlir::DenseI64ArrayAttr::get(&context, {3, 16}));
  (*module)->setAttr("llm.model", entries.getDictionary(&context));
  expectFailure(*module, "eos id 16 is not in the vocabulary of 16");
}

/// Anonymous memory of this process in bytes.
uint64_t anonymousBytes() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.rfind("RssAnon:", 0) == 0)
      return std::stoull(line.substr(8)) * 1024;
  return 0;
}

TEST_F(FailureTest, MemoryStaysUnderTheCap) {
  uint64_t rows = 300000; // 614 MB
  auto module = matrix(rows, rows * 2048);
  options.memoryCap = 16 << 20;
  uint64_t before = anonymousBytes(), peak = 0;
  std::atomic<bool> cancelled = false; // at the end: nothing goes to disk
  options.cancelled = &cancelled;
  options.progress = [&](uint64_t done, uint64_t total) {
    peak = std::max(peak, anonymousBytes());
    EXPECT_EQ(total, rows * 2048);
    cancelled = done == total;
  };
  expectFailure(*module, "interrupted");
  EXPECT_TRUE(cancelled);
  EXPECT_LT(peak - before, options.memoryCap + (8 << 20));
}

} // namespace
