// A device's context, and what is taken in it: each object is given back where it goes out of
// scope.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_RUNTIME_CUDA_CONTEXT_H
#define KVASIR_RUNTIME_CUDA_CONTEXT_H

#include "cuda/Driver.h"

namespace kvasir::rt::cuda {

/// The primary context of a device, which other users of CUDA in this process share. Immutable.
class Context {
public:
  static Result<std::unique_ptr<Context>> retain(std::shared_ptr<const Driver> driver,
                                                 CUdevice device);
  ~Context();
  Context(const Context &) = delete;
  Context &operator=(const Context &) = delete;

  const Driver &driver() const { return *functions; }
  CUcontext handle() const { return context; }
  CUdevice device() const { return number; }

private:
  Context(std::shared_ptr<const Driver> driver, CUdevice device)
      : functions(std::move(driver)), number(device) {}

  const std::shared_ptr<const Driver> functions;
  const CUdevice number;
  CUcontext context = nullptr;
};

/// While it lives, the context is the calling thread's; then the one before is again.
class Current {
public:
  explicit Current(const Context &context)
      : context(context), result(context.driver().cuCtxPushCurrent(context.handle())) {}
  ~Current() {
    CUcontext popped;
    if (result == CUDA_SUCCESS)
      context.driver().cuCtxPopCurrent(&popped);
  }
  Current(const Current &) = delete;
  Current &operator=(const Current &) = delete;

  Status status() const { return context.driver().check(result, "cuCtxPushCurrent"); }

private:
  const Context &context;
  const CUresult result;
};

/// A handle that a function of the driver gives back.
template <class T, auto destroy> class Owned {
public:
  Owned() = default;
  Owned(const Context &context, T handle) : context(&context), held(handle) {}
  Owned(Owned &&other) noexcept { swap(other); }
  Owned &operator=(Owned &&other) noexcept {
    swap(other);
    return *this;
  }
  ~Owned() {
    if (!context)
      return;
    Current current(*context);
    (context->driver().*destroy)(held);
  }

  T get() const { return held; }

private:
  void swap(Owned &other) noexcept {
    std::swap(context, other.context);
    std::swap(held, other.held);
  }

  const Context *context = nullptr;
  T held{};
};

using DeviceMemory = Owned<CUdeviceptr, &Driver::cuMemFree>;
using PinnedMemory = Owned<void *, &Driver::cuMemFreeHost>;
using Stream = Owned<CUstream, &Driver::cuStreamDestroy>;
using Event = Owned<CUevent, &Driver::cuEventDestroy>;
using Module = Owned<CUmodule, &Driver::cuModuleUnload>;
using Graph = Owned<CUgraph, &Driver::cuGraphDestroy>;
using GraphExec = Owned<CUgraphExec, &Driver::cuGraphExecDestroy>;

// All need the context to be current.
Result<DeviceMemory> takeDeviceMemory(const Context &context, uint64_t bytes);
/// Host memory that the device reads and writes by itself, zero at first.
Result<PinnedMemory> takePinnedMemory(const Context &context, uint64_t bytes);
Result<Stream> createStream(const Context &context);
Result<Event> createEvent(const Context &context, unsigned int flags);

} // namespace kvasir::rt::cuda

#endif // KVASIR_RUNTIME_CUDA_CONTEXT_H
