// A small lowered module over a made weights file, and what comes of writing
// it.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_TEST_ARTIFACT_FIXTURE_H
#define KVASIR_TEST_ARTIFACT_FIXTURE_H

#include "dialects/KV/KV.h"
#include "dialects/LLM/LLM.h"
#include "dialects/Step/Step.h"
#include "kvasir/Artifact/Format.h"
#include "kvasir/Artifact/Module_generated.h"
#include "kvasir/Artifact/Package.h"

#include "mlir/IR/MLIRContext.h"
#include "mlir/Parser/Parser.h"
#include "gtest/gtest.h"

#include <cstring>
#include <filesystem>
#include <fstream>
#include <random>
#include <unistd.h>

namespace kvasir::test {

inline std::string readFile(const std::filesystem::path &path) {
  std::ifstream stream(path, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(stream), {});
}

inline void writeFile(const std::filesystem::path &path, const std::string &bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}

/// Random bytes, the same for the same seed.
inline std::string randomBytes(size_t count, unsigned seed) {
  std::mt19937 generator(seed);
  std::string bytes(count, 0);
  for (char &byte : bytes)
    byte = generator();
  return bytes;
}

/// A directory of its own for each test.
class ArtifactTest : public testing::Test {
protected:
  void SetUp() override {
    std::string name = std::filesystem::temp_directory_path() / "kvasir-artifact-test-XXXXXX";
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    directory = name;
    std::filesystem::create_directory(directory / "model");
    std::filesystem::create_directory(directory / "out");
    context.loadDialect<llm::LLMDialect, kv::KVDialect, step::StepDialect>();
    options.compiler = "test";
    options.maxRequests = 8;
    options.maxStepTokens = 64;
    options.threads = 2;
    options.codeObjects = {{"cpu", "x86-64-v4", {"avx512f"}, {1, 2, 3}},
                           {"cpu", "x86-64-v3", {"avx2", "fma"}, {4, 5}}};
  }
  void TearDown() override { std::filesystem::remove_all(directory); }

  mlir::OwningOpRef<mlir::ModuleOp> parse(const std::string &text) {
    auto module = mlir::parseSourceString<mlir::ModuleOp>(text, &context);
    EXPECT_TRUE(module);
    if (module)
      (*module)->setAttr("llm.directory",
                         mlir::StringAttr::get(&context, (directory / "model").string()));
    return module;
  }

  /// A module whose one row uses the weights given as `llm.weight` lines.
  std::string moduleOf(const std::string &weights,
                       const std::vector<std::pair<std::string, std::string>> &uses) {
    std::string arguments, operands, types, gets;
    for (size_t i = 0; i < uses.size(); ++i) {
      std::string index = std::to_string(i), comma = i ? ", " : "";
      gets +=
          "  %w" + index + " = llm.get_weight @" + uses[i].first + " : " + uses[i].second + "\n";
      arguments += comma + "%a" + index + ": " + uses[i].second;
      operands += comma + "%w" + index;
      types += comma + uses[i].second;
    }
    return "module attributes {llm.model = {architecture = \"test\", "
           "vocab_size = 16 : i64, max_context = 32 : i64}} {\n" +
           weights + "step.phase @p kind <rows> {\n^bb0(" + arguments +
           "):\n}\nstep.program @decode max_tokens 0 {\n" + gets +
           "  %l = step.buffer \"l\" slot 0 : !step.buffer<rows, 16>\n"
           "  step.run @p(" +
           operands + ") layer 0 cost <> : " + types +
           "\n  step.logits %l : !step.buffer<rows, 16>\n}\n}\n";
  }

  /// A module and the file of its one weight.
  mlir::OwningOpRef<mlir::ModuleOp> moduleOfOneMatrix() {
    writeFile(directory / "model" / "w.bin", randomBytes(20 * 8 * 4, 3));
    std::string type = "!llm.weight<20x8xf32>";
    return parse(moduleOf("llm.weight @w : " + type +
                              " from #llm.source<file = \"w.bin\", offset = 0, "
                              "stored = tensor<20x8xf32>> layout <panel16>\n",
                          {{"w", type}}));
  }

  std::string output() { return directory / "out" / "m.kvasir"; }

  /// The message of the error, or nothing.
  std::string write(mlir::ModuleOp module) {
    auto result = writeArtifact(module, options, output());
    return result ? "" : llvm::toString(result.takeError());
  }

  /// Names in the output directory.
  std::vector<std::string> outputs() {
    std::vector<std::string> names;
    for (auto &entry : std::filesystem::directory_iterator(directory / "out"))
      names.push_back(entry.path().filename());
    return names;
  }

  std::filesystem::path directory;
  mlir::MLIRContext context;
  PackageOptions options;
};

/// Equality of FlatBuffers structs, which have no operator.
template <class Struct> bool same(const Struct &a, const Struct &b) {
  return std::memcmp(&a, &b, sizeof(Struct)) == 0;
}

/// The module table of an artifact's bytes, checked by FlatBuffers.
inline const artifact::Module *moduleOfFile(const std::string &bytes) {
  artifact::FileHeader header;
  if (bytes.size() < sizeof(header))
    return nullptr;
  std::memcpy(&header, bytes.data(), sizeof(header));
  auto *table = reinterpret_cast<const uint8_t *>(bytes.data()) + header.moduleOffset;
  flatbuffers::Verifier verifier(table, header.moduleSize);
  return artifact::VerifyModuleBuffer(verifier) ? artifact::GetModule(table) : nullptr;
}

/// The packed bytes of a weight.
inline std::string weightBytes(const std::string &file, const artifact::Weight &weight) {
  auto *module = moduleOfFile(file);
  return file.substr(module->weights_section()->offset() + weight.offset(), weight.size());
}

} // namespace kvasir::test

#endif // KVASIR_TEST_ARTIFACT_FIXTURE_H
