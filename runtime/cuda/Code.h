// The artifact's code for a device: which of it runs there, and its kernels once they are loaded.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_RUNTIME_CUDA_CODE_H
#define KVASIR_RUNTIME_CUDA_CODE_H

#include "artifact/Artifact.h"
#include "cuda/Context.h"

#include <string_view>
#include <vector>

namespace kvasir::rt::cuda {

/// Of a device: 9.0 is {9, 0}.
struct Capability {
  int major = 0;
  int minor = 0;
};

/// "sm_90" for a cubin; "compute_90" for PTX.
std::string codeName(const artifact::DeviceCode &code);

/// The best code for a device, or the one called `variant`: a cubin of the same major capability
/// and the highest minor one up to the device's, else the newest PTX up to the device's capability.
/// The refusal lists what the artifact has.
Result<const artifact::DeviceCode *> chooseCode(const artifact::Device &device, Capability here,
                                                std::string_view variant);

/// What is known of bits: the code's name, and the device's architecture where it is another one.
std::string describeBits(const artifact::DeviceCode &code, Capability here);

struct LoadedKernel {
  CUfunction function = nullptr;
  const artifact::Kernel *facts = nullptr;
  unsigned int mostBlocks = 0; // that run at once on the whole device
};

struct LoadedCode {
  Module module;
  std::vector<LoadedKernel> kernels; // in the order of artifact::Device.functions
};

/// The context must be current. PTX is compiled by the driver here.
Result<LoadedCode> loadCode(const Context &context, const Artifact &artifact,
                            const artifact::Device &device, const artifact::DeviceCode &code,
                            int multiprocessors);

} // namespace kvasir::rt::cuda

#endif // KVASIR_RUNTIME_CUDA_CODE_H
