// Asking a device what it is.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "cuda/CudaDevice.h"

#include "cuda/CudaExecutor.h"

namespace kvasir::rt::cuda {

Status CudaDevice::describe(const Driver &driver, int number) {
  KVASIR_CUDA_TRY(driver, cuDeviceGet, &handle, number);
  char product[256] = {};
  KVASIR_CUDA_TRY(driver, cuDeviceGetName, product, sizeof(product) - 1, handle);
  size_t bytes = 0;
  KVASIR_CUDA_TRY(driver, cuDeviceTotalMem, &bytes, handle);
  KVASIR_CUDA_TRY(driver, cuDeviceGetAttribute, &multiprocessors,
                  CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT, handle);
  KVASIR_CUDA_TRY(driver, cuDeviceGetAttribute, &ability.major,
                  CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, handle);
  KVASIR_CUDA_TRY(driver, cuDeviceGetAttribute, &ability.minor,
                  CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR, handle);
  ownName = format("cuda:%d", number);
  ownProduct = product;
  ownMemory = bytes;
  return Status::ok();
}

Status CudaDevice::load(std::shared_ptr<const Driver> driver, std::string_view variant) {
  auto chosen = chooseCode(code, ability, variant);
  if (!chosen)
    return chosen.status();
  ownVariant = describeBits(**chosen, ability);
  auto context = Context::retain(std::move(driver), handle);
  if (!context)
    return context.status();
  primary = std::move(*context);
  Current current(*primary);
  if (Status s = current.status(); !s)
    return s;
  auto made = loadCode(*primary, artifact, code, **chosen, multiprocessors);
  if (!made)
    return made.status();
  loaded = std::move(*made);
  return Status::ok();
}

Result<std::unique_ptr<Device>> CudaDevice::open(std::shared_ptr<const Driver> driver, int number,
                                                 const Artifact &artifact,
                                                 const artifact::Device &code,
                                                 std::string_view variant) {
  std::unique_ptr<CudaDevice> device(new CudaDevice(artifact, code));
  Status status = device->describe(*driver, number);
  if (status)
    status = device->load(std::move(driver), variant);
  if (status)
    return std::unique_ptr<Device>(std::move(device));
  std::string product = device->product().empty() ? "" : " (" + device->product() + ")";
  return error(status.code(),
               format("device cuda:%d%s: ", number, product.c_str()) + status.message());
}

Result<PlanTarget> CudaDevice::planTarget() const {
  Current current(*primary);
  if (Status s = current.status(); !s)
    return s;
  size_t free = 0, total = 0;
  KVASIR_CUDA_TRY(primary->driver(), cuMemGetInfo, &free, &total);
  return PlanTarget{code.programs(), free, /*isDevice=*/true,
                    " on " + name() + " (" + product() + ")"};
}

Result<std::unique_ptr<StepExecutor>> CudaDevice::createExecutor(const MemoryPlan &plan,
                                                                 const EngineConfig &config) const {
  return CudaExecutor::create(*this, plan, config);
}

} // namespace kvasir::rt::cuda
