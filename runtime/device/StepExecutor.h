// What runs the steps of one engine, wherever that is: programs, workspace and KV pages are its
// own.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_RUNTIME_DEVICE_STEPEXECUTOR_H
#define KVASIR_RUNTIME_DEVICE_STEPEXECUTOR_H

#include "kvasir-c/abi.h"
#include "kvasir-c/kvasir.h"
#include "support/Status.h"

#include <span>
#include <vector>

namespace kvasir::rt {

struct Step {
  const kvasir_step_args &args; // in host memory
  /// Rows of logits that the host wants to read, ascending.
  std::span<const int32_t> rows;
};

/// Valid until the next step.
struct StepResult {
  const float *logits = nullptr; // [L][stride]; at least Step::rows can be read
  size_t stride = 0;
  /// [L] the largest logit's id for each row, the lowest among equals, -1 where the largest is not
  /// finite or a logit is NaN. Null: not known; then all rows of logits can be read.
  const int32_t *chosen = nullptr;
};

/// Time of each row of a program's phase table.
struct Timing {
  std::vector<kvasir_profile_row> rows;
};

/// One step at a time. Nothing is allocated after creation.
class StepExecutor {
public:
  virtual ~StepExecutor() = default;

  /// After an error every later step fails too.
  virtual Result<StepResult> run(const Step &step) = 0;

  /// Fills a page of every cache with bits that are NaN in every type. A failure is one of the next
  /// step.
  virtual void poisonPage(int32_t page) = 0;
  /// Whether every page is to be poisoned when it is taken, whatever the engine's options say.
  virtual bool wantsPoison() const { return false; }

  /// One for each program; empty unless profiling.
  const std::vector<Timing> &timings() const { return profiles; }
  void resetTimings() {
    for (Timing &profile : profiles)
      profile.rows.assign(profile.rows.size(), kvasir_profile_row{});
  }

protected:
  std::vector<Timing> profiles;
};

} // namespace kvasir::rt

#endif // KVASIR_RUNTIME_DEVICE_STEPEXECUTOR_H
