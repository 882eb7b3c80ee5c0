// Opening the driver, and what its errors mean.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "cuda/Driver.h"

#include <dlfcn.h>

namespace kvasir::rt::cuda {

/// Edges of graphs with programmatic dependence came with CUDA 12.3; 12.4 (driver 550) is the first
/// long-lived branch of drivers that has them.
static constexpr int neededVersion = 12040;

static std::string versionName(int number) {
  return format("%d.%d", number / 1000, number % 1000 / 10);
}

std::string Driver::version() const { return versionName(versionNumber); }

Status Driver::resolve(void *library) {
  auto find = [&](auto &member, const char *symbol) {
    member = reinterpret_cast<std::remove_reference_t<decltype(member)>>(dlsym(library, symbol));
    return member != nullptr;
  };
  // The version comes first: a driver that is too old lacks functions.
  const char *missing = nullptr;
  if (!find(cuDriverGetVersion, "cuDriverGetVersion"))
    missing = "cuDriverGetVersion";
  else if (!find(cuGetErrorName, "cuGetErrorName"))
    missing = "cuGetErrorName";
  else if (!find(cuGetErrorString, "cuGetErrorString"))
    missing = "cuGetErrorString";
  else if (Status s = check(cuDriverGetVersion(&versionNumber), "cuDriverGetVersion"); !s)
    return s;
  else if (versionNumber < neededVersion)
    return error(Code::unavailable,
                 format("the NVIDIA driver is too old: it is for CUDA %s, expected %s or newer; "
                        "install a newer driver",
                        version().c_str(), versionName(neededVersion).c_str()));
#define KVASIR_CUDA_FIND(name, symbol, parameters)                                                 \
  if (!missing && !find(name, #symbol))                                                            \
    missing = #symbol;
  KVASIR_CUDA_FUNCTIONS(KVASIR_CUDA_FIND)
#undef KVASIR_CUDA_FIND
  if (missing)
    return error(Code::unavailable, format("libcuda.so.1 (CUDA %s) has no function %s; install a "
                                           "complete NVIDIA driver",
                                           version().c_str(), missing));
  return Status::ok();
}

Result<std::shared_ptr<const Driver>> Driver::open(const char *library) {
  // Never closed: threads of the driver may run its code until the process ends.
  void *handle = dlopen(library, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
  if (!handle) {
    const char *why = dlerror();
    return error(Code::unavailable, format("there is no NVIDIA driver (%s); install one, or use "
                                           "the CPU",
                                           why ? why : library));
  }
  auto driver = std::make_shared<Driver>();
  Status status = driver->resolve(handle);
  if (status)
    status = driver->check(driver->cuInit(0), "cuInit");
  // Whatever it says, there is no device here.
  if (!status)
    return error(Code::unavailable, status.message());
  return std::shared_ptr<const Driver>(std::move(driver));
}

namespace {
struct Advice {
  CUresult result;
  Code code;
  const char *text;
};
} // namespace

static constexpr char restart[] =
    "a kernel has gone wrong and the device's context with it: start the program again; "
    "--target emulate:sm_90 finds such errors of kernels";
static constexpr char newerDriver[] =
    "the code was made by a newer CUDA than the driver knows: install a newer driver, or compile "
    "the model with an older ptxas or with --ptxas none";
static constexpr char machine[] = "look at nvidia-smi and at the kernel's log (dmesg)";

static constexpr Advice advices[] = {
    {CUDA_ERROR_OUT_OF_MEMORY, Code::resourceExhausted,
     "lower kv_tokens, max_requests or max_step_tokens, or end other programs that use memory of "
     "the device"},
    {CUDA_ERROR_STUB_LIBRARY, Code::unavailable,
     "libcuda.so.1 is the toolkit's stub: install an NVIDIA driver, and take the stubs off the "
     "library path"},
    {CUDA_ERROR_NO_DEVICE, Code::unavailable,
     "the driver sees no device: look at nvidia-smi and at CUDA_VISIBLE_DEVICES"},
    {CUDA_ERROR_DEVICE_UNAVAILABLE, Code::unavailable, "another program has the device for itself"},
    {CUDA_ERROR_INVALID_IMAGE, Code::unavailable, newerDriver},
    {CUDA_ERROR_NO_BINARY_FOR_GPU, Code::unavailable, newerDriver},
    {CUDA_ERROR_UNSUPPORTED_PTX_VERSION, Code::unavailable, newerDriver},
    {CUDA_ERROR_INVALID_PTX, Code::unavailable, newerDriver},
    {CUDA_ERROR_JIT_COMPILER_NOT_FOUND, Code::unavailable,
     "the driver's compiler of PTX (libnvidia-ptxjitcompiler.so) is missing: install it, or "
     "compile the model for this device"},
    {CUDA_ERROR_JIT_COMPILATION_DISABLED, Code::unavailable,
     "CUDA_DISABLE_PTX_JIT is set: compile the model for this device"},
    {CUDA_ERROR_SYSTEM_NOT_READY, Code::unavailable, machine},
    {CUDA_ERROR_SYSTEM_DRIVER_MISMATCH, Code::unavailable,
     "libcuda.so.1 and the kernel's driver are of different versions: restart the machine after "
     "an update"},
    {CUDA_ERROR_COMPAT_NOT_SUPPORTED_ON_DEVICE, Code::unavailable,
     "the compatibility driver does not know this device: take it off the library path"},
    {CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES, Code::unavailable,
     "the device is smaller than the one that the code was made for: compile the model for it"},
    {CUDA_ERROR_ILLEGAL_ADDRESS, Code::internal, restart},
    {CUDA_ERROR_LAUNCH_FAILED, Code::internal, restart},
};

Status Driver::check(CUresult result, const char *call) const {
  if (result == CUDA_SUCCESS)
    return Status::ok();
  const char *name = nullptr, *text = nullptr;
  if (cuGetErrorName(result, &name) != CUDA_SUCCESS || !name)
    name = "unknown error";
  if (cuGetErrorString(result, &text) != CUDA_SUCCESS || !text)
    text = "no description";
  Advice advice = {result, Code::internal, machine};
  for (const Advice &known : advices)
    if (known.result == result)
      advice = known;
  return error(advice.code, format("%s: %s (%d): %s; %s", call, name, result, text, advice.text));
}

} // namespace kvasir::rt::cuda
