// Writes an artifact: a lowered module, its code objects and its weights,
// packed while they are read. SPDX-License-Identifier: Apache-2.0 WITH
// LLVM-exception
#ifndef KVASIR_ARTIFACT_PACKAGE_H
#define KVASIR_ARTIFACT_PACKAGE_H

#include "mlir/IR/BuiltinOps.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"

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

struct PackageOptions {
  /// Upper bounds; 0 contexts means that of the module's `llm.model`.
  uint32_t maxContext = 0;
  uint32_t maxRequests = 1;
  uint32_t maxStepTokens = 1;

  std::vector<CodeObjectInput> codeObjects;
  /// The compiled tokenizer (Tokenizer.fbs); empty: `tokenizerMissing` says
  /// why.
  std::vector<uint8_t> tokenizer;
  std::string tokenizerMissing;
  std::string chatTemplate;

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
/// Same module, options and inputs: same bytes. The file appears under its name
/// when it is complete; after an error, whatever was there before is there.
llvm::Expected<PackageResult> writeArtifact(mlir::ModuleOp module, const PackageOptions &options,
                                            llvm::StringRef outputPath);

} // namespace kvasir

#endif // KVASIR_ARTIFACT_PACKAGE_H
