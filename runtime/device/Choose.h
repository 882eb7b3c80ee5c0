// Which device a model runs on.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_RUNTIME_DEVICE_CHOOSE_H
#define KVASIR_RUNTIME_DEVICE_CHOOSE_H

#include "device/Device.h"

namespace kvasir::rt {

struct ChosenDevice {
  std::unique_ptr<Device> device;
  /// Why devices that the artifact has code for were passed over; "" when none was.
  std::string passedOver;
};

/// `device`: "cpu", the name of a platform, or that with a number ("cuda:1"); empty: the first
/// platform that the artifact has code for and that is there, else the CPU. `variant`: which of the
/// code for it; empty: the best. The artifact outlives the device.
Result<ChosenDevice> chooseDevice(const Artifact &artifact, const std::string &device,
                                  const std::string &variant);

} // namespace kvasir::rt

#endif // KVASIR_RUNTIME_DEVICE_CHOOSE_H
