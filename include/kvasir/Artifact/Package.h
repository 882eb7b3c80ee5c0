// Writes an artifact: a lowered module, its code objects and its weights,
// packed while they are read.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_ARTIFACT_PACKAGE_H
#define KVASIR_ARTIFACT_PACKAGE_H

#include "mlir/IR/BuiltinOps.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace kvasir {

/// One shared object. Objects are tried in the order given: best first.
struct CodeObjectInput {
  std::string target;  ///< "cpu"
  std::string variant; ///< "x86-64-v4"
  std::vector<std::string> features;
  std::vector<uint8_t> bytes;
};

/// What a kernel needs and how it is launched (Module.fbs, table Kernel). 0: not known.
struct KernelInput {
  std::string name;
  int64_t threads = 0, dynamicShared = 0;
  std::array<int64_t, 4> items =
      {}; ///< constant, per token, per row of logits, per attention block
  int64_t registers = 0, shared = 0, blocks = 0;
  bool dependent = false;
};

/// The kernels of one architecture: a cubin, or PTX with a zero behind it.
struct DeviceCodeInput {
  std::string architecture; ///< "sm_90"
  bool ptx = false;
  std::vector<uint8_t> bytes;
  std::vector<KernelInput> kernels; ///< one for each step.phase, in any order
};

/// Programs for devices of a kind, and their code, oldest architecture first, PTX last.
struct DeviceInput {
  std::string target;    ///< "cuda"
  mlir::ModuleOp module; ///< after phase `lower`, in the context of the other modules
  std::vector<DeviceCodeInput> code;
};

struct PackageOptions {
  /// Upper bounds; 0 contexts means that of the module's `llm.model`.
  uint32_t maxContext = 0;
  uint32_t maxRequests = 1;
  uint32_t maxStepTokens = 1;

  /// Of the module's programs, for CPUs; none: the artifact is for devices only, and of the module
  /// its facts about the model are taken.
  std::vector<CodeObjectInput> codeObjects;
  std::vector<DeviceInput> devices;
  /// The compiled tokenizer (Tokenizer.fbs); empty: `tokenizerMissing` says
  /// why.
  std::vector<uint8_t> tokenizer;
  std::string tokenizerMissing;
  std::string chatTemplate;

  /// The ELF image of an executable or library that the artifact is appended to; empty: none.
  std::vector<uint8_t> program;

  std::string compiler;                ///< name and version
  std::vector<std::string> options;    ///< what it was told
  std::vector<std::string> inputPaths; ///< files read beside those of weights

  /// Bound on the buffers that packing takes, in bytes; at least 256 KiB are
  /// taken for each thread. Encoded matrices need 18 bytes for each value of 32
  /// rows (16.5 MB with 28672 columns): where that is too much for all threads,
  /// fewer pack, and one packs in any case.
  uint64_t memoryCap = uint64_t(256) << 20;
  /// Threads that pack; 0: as many as the machine has.
  unsigned threads = 0;
  /// Called by one thread at a time with bytes of packed weights.
  std::function<void(uint64_t done, uint64_t total)> progress;
  /// Polled; when it is set nothing is written and an error is returned.
  const std::atomic<bool> *cancelled = nullptr;
};

/// What was written.
struct PackageResult {
  uint64_t fileBytes = 0;
  uint64_t weightBytes = 0;
};

/// Writes the artifact of a module after phase `lower`: `llm.weight` ops with
/// layouts, `kv.cache` ops of paged type, `step.phase` and `step.program` ops.
/// A weight or cache that several targets read in the same layout is there once.
/// Same module, options and inputs: same bytes. The file appears under its name
/// when it is complete; after an error, whatever was there before is there.
llvm::Expected<PackageResult> writeArtifact(mlir::ModuleOp module, const PackageOptions &options,
                                            llvm::StringRef outputPath);

} // namespace kvasir

#endif // KVASIR_ARTIFACT_PACKAGE_H
