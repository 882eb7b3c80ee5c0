// Asking a device what it is.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "cuda/CudaDevice.h"

#include "cuda/Bandwidth.h"
#include "cuda/CudaExecutor.h"

namespace kvasir::rt::cuda {

Status CudaDevice::describe(int number) {
  KVASIR_CUDA_TRY(*driver, cuDeviceGet, &handle, number);
  char product[256] = {};
  KVASIR_CUDA_TRY(*driver, cuDeviceGetName, product, sizeof(product) - 1, handle);
  size_t bytes = 0;
  KVASIR_CUDA_TRY(*driver, cuDeviceTotalMem, &bytes, handle);
  KVASIR_CUDA_TRY(*driver, cuDeviceGetAttribute, &multiprocessors,
                  CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT, handle);
  KVASIR_CUDA_TRY(*driver, cuDeviceGetAttribute, &ability.major,
                  CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, handle);
  KVASIR_CUDA_TRY(*driver, cuDeviceGetAttribute, &ability.minor,
                  CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR, handle);
  ownName = format("cuda:%d", number);
  ownProduct = product;
  ownMemory = bytes;
  return Status::ok();
}

/// Names the device in an error.
static Status named(const Status &status, const std::string &name, const std::string &product) {
  if (status)
    return status;
  std::string bracket = product.empty() ? "" : " (" + product + ")";
  return error(status.code(), "device " + name + bracket + ": " + status.message());
}

Result<std::unique_ptr<Device>> CudaDevice::open(std::shared_ptr<const Driver> driver, int number,
                                                 const Artifact &artifact,
                                                 const artifact::Device &code,
                                                 std::string_view variant) {
  std::unique_ptr<CudaDevice> device(new CudaDevice(std::move(driver), artifact, code));
  if (Status s = device->describe(number); !s)
    return named(s, format("cuda:%d", number), "");
  auto chosen = chooseCode(code, device->ability, variant);
  if (!chosen)
    return named(chosen.status(), device->name(), device->product());
  device->chosen = *chosen;
  device->ownVariant = describeBits(**chosen, device->ability);
  return std::unique_ptr<Device>(std::move(device));
}

Status CudaDevice::load() const {
  auto context = Context::retain(driver, handle);
  if (!context)
    return context.status();
  Current current(**context);
  if (Status s = current.status(); !s)
    return s;
  auto made = loadCode(**context, artifact, code, *chosen, multiprocessors);
  if (!made)
    return made.status();
  primary = std::move(*context);
  loaded = std::move(*made);
  return Status::ok();
}

Status CudaDevice::loadOnce() const {
  std::lock_guard lock(loading);
  return primary ? Status::ok() : named(load(), name(), product());
}

Result<PlanTarget> CudaDevice::planTarget() const {
  if (Status s = loadOnce(); !s)
    return s;
  Current current(*primary);
  if (Status s = current.status(); !s)
    return s;
  size_t free = 0, total = 0;
  // Weights that are there are part of what is planned again. They may come or go meanwhile.
  uint64_t shared = 0;
  do {
    shared = copied.bytes();
    KVASIR_CUDA_TRY(*driver, cuMemGetInfo, &free, &total);
  } while (copied.bytes() != shared);
  return PlanTarget{code.programs(), free + shared, /*isDevice=*/true,
                    " on " + name() + " (" + product() + ")",
                    [this](const MemoryPlan &plan) { return graphBytes(code, plan); }};
}

Result<std::unique_ptr<StepExecutor>> CudaDevice::createExecutor(const MemoryPlan &plan,
                                                                 const EngineConfig &config) const {
  if (Status s = loadOnce(); !s)
    return s;
  return CudaExecutor::create(*this, plan, config);
}

Result<double> CudaDevice::measureBandwidth() const {
  if (Status s = loadOnce(); !s)
    return s;
  Current current(*primary);
  if (Status s = current.status(); !s)
    return s;
  return cuda::measureBandwidth(*primary);
}

} // namespace kvasir::rt::cuda
