// The compiler behind `kvasir compile`: from a checkpoint or saved IR to an
// artifact or to what a phase made. Knows nothing of command lines.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_TOOLS_KVASIR_COMPILER_H
#define KVASIR_TOOLS_KVASIR_COMPILER_H

#include <atomic>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace kvasir::cli {

enum class Emit { artifact, exe, lib, mlir, llvm, assembly, object, ptx, cubin };

/// Whether packaging comes last.
inline bool makesArtifact(Emit emit) {
  return emit == Emit::artifact || emit == Emit::exe || emit == Emit::lib;
}

struct CompileOptions {
  std::string input;            ///< Hugging Face directory, GGUF file, or IR with `from`
  std::string output;           ///< of what packaging makes
  std::vector<uint8_t> program; ///< what precedes the artifact in its file, see Program.h
  /// Make weights up by this seed; then a config.json is enough.
  std::optional<uint64_t> randomSeed;
  Emit emit = Emit::artifact;
  std::string target = "cpu";             ///< one or several, see kvasir/Pipeline/Pipeline.h
  uint64_t blockSeed = 0;                 ///< order of blocks of an emulated target
  std::string ptxas;                      ///< of cubins; empty: that of PATH or of the CUDA toolkit
  unsigned ptxasSeconds = 1800;           ///< that one run of it may take
  std::string from, until, savePhases;    ///< names of phases, a directory
  std::string quantize;                   ///< encoding of weights stored as floats; empty: none
  std::vector<std::string> quantizeRules; ///< PATTERN=ENCODING
  std::string activations = "int8";       ///< or exact
  std::string kvType;                     ///< empty: the checkpoint's
  /// Empty: all; of llvm, asm, obj, ptx and cubin the best or only one.
  std::vector<std::string> variants;
  uint32_t maxContext = 0; ///< 0: the model's
  uint32_t maxRequests = 256;
  uint32_t maxStepTokens = 2048;
  bool naive = false;
  bool tokenizer = true;
  std::vector<std::string> provenance; ///< options, as the artifact names them
  uint64_t memoryCap = 0;              ///< of packing; 0: the default
  unsigned threads = 0;

  const std::atomic<bool> *cancelled = nullptr;
  /// Called when the model is known: "llama, 16 layers, ..." and the format that it came in.
  std::function<void(const std::string &what, const std::string &origin)> onModel;
  /// Called at the start of each part that may take a while: phases,
  /// tokenizer, code, packing. Only packing polls `cancelled` all the time, and
  /// only phases and packing write files.
  std::function<void(const std::string &)> onStage;
  std::function<void(uint64_t done, uint64_t total)> onPacking;
};

/// A kernel of a cubin. `blocks`: how many a multiprocessor holds by their registers.
struct KernelSummary {
  std::string name;
  int64_t registers, sharedBytes, blocks;
};

struct CompileOutcome {
  bool good = false;
  std::string error;      ///< one message, perhaps of several lines
  std::string bytes;      ///< what is emitted, unless it is an artifact
  uint64_t fileBytes = 0; ///< of the artifact
  std::string tokenizerMissing;
  std::vector<KernelSummary> kernels; ///< of Emit::cubin
};

CompileOutcome compileModel(const CompileOptions &options);

/// Name and meaning of each phase, in order.
std::vector<std::pair<std::string, std::string>> phaseList();
/// Names of the encodings that --quantize takes.
std::vector<std::string> compileEncodings();
/// What the names of targets mean.
struct TargetSummary {
  std::string problem; ///< why they cannot be; the rest is empty then
  size_t count = 0;
  bool cpu = false, cuda = false, emulated = false;
  /// What --variant can name: CPU variants, best first, or the only target's architectures.
  std::vector<std::string> variants;
};
TargetSummary summarizeTargets(const std::string &targets);
/// The CPU variants that this machine runs, best first.
std::vector<std::string> variantsHere();

} // namespace kvasir::cli

#endif // KVASIR_TOOLS_KVASIR_COMPILER_H
