// CUDA among the platforms.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "device/Platform.h"

#include "cuda/CudaDevice.h"

namespace kvasir::rt {

namespace {
class CudaPlatform final : public Platform {
public:
  const char *name() const override { return "cuda"; }
  Result<std::unique_ptr<Device>> open(const Artifact &artifact, const artifact::Device &code,
                                       int32_t number, std::string_view variant) const override;
};
} // namespace

Result<std::unique_ptr<Device>> CudaPlatform::open(const Artifact &artifact,
                                                   const artifact::Device &code, int32_t number,
                                                   std::string_view variant) const {
  auto driver = cuda::Driver::open();
  if (!driver)
    return driver.status();
  int count = 0;
  KVASIR_CUDA_TRY(**driver, cuDeviceGetCount, &count);
  if (count == 0)
    return (*driver)->check(cuda::CUDA_ERROR_NO_DEVICE, "cuDeviceGetCount");
  if (number >= count)
    return error(
        Code::unavailable,
        format("there is no device cuda:%d: the driver shows %d, numbered from 0", number, count));
  if (number != anyDevice)
    return cuda::CudaDevice::open(*driver, number, artifact, code, variant);
  Status failure;
  for (int i = 0; i < count; ++i) {
    auto opened = cuda::CudaDevice::open(*driver, i, artifact, code, variant);
    if (opened)
      return opened;
    if (opened.status().code() != Code::unavailable)
      return opened.status();
    failure = failure
                  ? opened.status()
                  : error(Code::unavailable, failure.message() + "; " + opened.status().message());
  }
  return failure;
}

std::span<const Platform *const> platforms() {
  static const CudaPlatform cuda;
  static const Platform *const all[] = {&cuda};
  return all;
}

} // namespace kvasir::rt
