// For tests: attention kernels for a GPU, on the emulator, over caches that they filled themselves.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_TEST_TARGET_CUDA_ATTENTION_H
#define KVASIR_TEST_TARGET_CUDA_ATTENTION_H

#include "Emulated.h"

#include <map>
#include <memory>

namespace kvasir::test {

/// Phases in text, lowered for `chip` and compiled for the emulator; null (and a failed test) if
/// something went wrong.
std::unique_ptr<Emulated> emulatePhases(const std::string &text, const std::string &chip = "sm_80",
                                        const EmulatorOptions &options = {});

struct AttentionShape {
  int heads = 4, kvHeads = 2, size = 64, window = 0;
  std::string element = "bf16";

  int queryColumns() const { return heads * size; }
  int keyColumns() const { return kvHeads * size; }
  std::string cache() const;
};

/// Tokens of a request that a step computes: positions [from, to).
struct Span {
  int request, from, to;
};

/// Some requests with keys, values and queries of their own for every position.
class Attention {
public:
  /// `lengths`: tokens of each request. Values can be changed before the first step.
  Attention(AttentionShape shape, std::vector<int> lengths, const EmulatorOptions &options = {});

  /// [token][column] of a request.
  std::vector<std::vector<float>> keys, values, queries;

  /// Outputs of the tokens of a step, in order. Reports what the emulator finds. `split`: each
  /// partition by itself, then folded.
  std::vector<float> step(std::vector<Span> spans, bool split = false);
  /// The same by the naive formula, in f64, on keys and values as they are.
  std::vector<double> expected(Span span) const;

private:
  struct Arguments;
  Arguments arguments(const std::vector<Span> &spans) const;
  std::vector<float> gather(const std::vector<Span> &spans,
                            const std::vector<std::vector<float>> &rows, int columns) const;
  void fill();
  void roundToInt8(std::vector<float> &rows) const;
  int resultColumns() const { return shape.heads * partitions * (shape.size + 2); }

  AttentionShape shape;
  std::vector<int> lengths;
  int stride = 0; ///< pages of a request, at most
  int partitions;
  std::vector<int32_t> table;
  std::vector<char> cache;
  bool filled = false;
  std::unique_ptr<Emulated> kernels;
};

} // namespace kvasir::test

#endif // KVASIR_TEST_TARGET_CUDA_ATTENTION_H
