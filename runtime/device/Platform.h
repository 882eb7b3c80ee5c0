// Kinds of devices besides the CPU that this runtime was built with.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_RUNTIME_DEVICE_PLATFORM_H
#define KVASIR_RUNTIME_DEVICE_PLATFORM_H

#include "device/Device.h"

#include <span>

namespace kvasir::rt {

class Platform {
public:
  virtual ~Platform() = default;

  /// As artifacts (Module.fbs, Device.target) and users name it.
  virtual const char *name() const = 0;

  static constexpr int32_t anyDevice = -1;

  /// Device `number`, or the first that runs `code`; `variant`: which of the code, empty for the
  /// best. Code::unavailable when the machine lacks what is needed. All arguments outlive the
  /// device.
  virtual Result<std::unique_ptr<Device>> open(const Artifact &artifact,
                                               const artifact::Device &code, int32_t number,
                                               std::string_view variant) const = 0;
};

/// Each defines itself in its own folder; the list is in runtime/cmake/Libraries.cmake.
std::span<const Platform *const> platforms();

} // namespace kvasir::rt

#endif // KVASIR_RUNTIME_DEVICE_PLATFORM_H
