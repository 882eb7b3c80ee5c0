// Taking objects of the driver.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "cuda/Context.h"

#include <cinttypes>
#include <cstring>

namespace kvasir::rt::cuda {

Result<std::unique_ptr<Context>> Context::retain(std::shared_ptr<const Driver> driver,
                                                 CUdevice device) {
  std::unique_ptr<Context> made(new Context(std::move(driver), device));
  CUcontext handle = nullptr;
  CUresult result = made->driver().cuDevicePrimaryCtxRetain(&handle, device);
  if (Status s = made->driver().check(result, "cuDevicePrimaryCtxRetain"); !s)
    return s;
  made->context = handle;
  return made;
}

Context::~Context() {
  if (context)
    functions->cuDevicePrimaryCtxRelease(number);
}

/// What could not be had, with its size.
static Status named(const Status &status, uint64_t bytes, const char *what) {
  return error(status.code(), format("cannot take %" PRIu64 " bytes of %s: %s", bytes, what,
                                     status.message().c_str()));
}

Result<DeviceMemory> takeDeviceMemory(const Context &context, uint64_t bytes) {
  CUdeviceptr memory = 0;
  CUresult result = context.driver().cuMemAlloc(&memory, bytes);
  if (Status s = context.driver().check(result, "cuMemAlloc"); !s)
    return named(s, bytes, "device memory");
  return DeviceMemory(context, memory);
}

Result<PinnedMemory> takePinnedMemory(const Context &context, uint64_t bytes) {
  void *memory = nullptr;
  CUresult result = context.driver().cuMemHostAlloc(&memory, bytes, 0);
  if (Status s = context.driver().check(result, "cuMemHostAlloc"); !s)
    return named(s, bytes, "pinned host memory");
  std::memset(memory, 0, bytes);
  return PinnedMemory(context, memory);
}

Result<Stream> createStream(const Context &context) {
  CUstream stream = nullptr;
  KVASIR_CUDA_TRY(context.driver(), cuStreamCreate, &stream, CU_STREAM_NON_BLOCKING);
  return Stream(context, stream);
}

Result<Event> createEvent(const Context &context, unsigned int flags) {
  CUevent event = nullptr;
  KVASIR_CUDA_TRY(context.driver(), cuEventCreate, &event, flags);
  return Event(context, event);
}

} // namespace kvasir::rt::cuda
