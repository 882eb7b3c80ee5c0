// Kernels of a gpu.module on a GPU, through the driver, so that what the emulator computes can be
// compared with what the hardware does.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_TEST_TARGET_EMULATOR_ONDEVICE_H
#define KVASIR_TEST_TARGET_EMULATOR_ONDEVICE_H

#include "cuda/Context.h"
#include "kvasir-c/abi.h"

#include <array>
#include <string>
#include <vector>

namespace kvasir::test {

using Bytes = std::vector<unsigned char>;

/// How a kernel is launched.
struct Launch {
  std::array<unsigned, 3> grid = {1, 1, 1}, block = {32, 1, 1};
  unsigned dynamicShared = 0; ///< bytes
};

/// A GPU. Errors come back as text; "" is success.
class OnDevice {
public:
  /// The first device of the driver; null, with the `reason`, where there is none.
  static std::unique_ptr<OnDevice> open(const char *library, std::string &reason);

  /// 90 for sm_90.
  int capability() const { return number; }

  /// Runs a kernel of a PTX module on copies of the operands, and puts there what it leaves. No
  /// arguments: those of a step of one token, all zeros.
  std::string run(const std::string &ptx, const std::string &kernel, const Launch &launch,
                  std::vector<Bytes> &operands, const kvasir_step_args *args) const;

private:
  struct Buffer;
  explicit OnDevice(std::unique_ptr<rt::cuda::Context> context) : context(std::move(context)) {}
  rt::Status launchOn(const std::string &ptx, const std::string &kernel, const Launch &launch,
                      std::vector<Bytes> &operands, const kvasir_step_args *args) const;
  rt::Result<Buffer> upload(const void *bytes, uint64_t count, rt::cuda::CUstream stream) const;
  rt::Result<std::vector<Buffer>> uploadArguments(const kvasir_step_args *given,
                                                  rt::cuda::CUstream stream) const;
  rt::Result<rt::cuda::Module> load(const std::string &ptx) const;

  std::unique_ptr<rt::cuda::Context> context;
  int number = 0;
};

} // namespace kvasir::test

#endif // KVASIR_TEST_TARGET_EMULATOR_ONDEVICE_H
