// Copies operands to a GPU, runs a kernel, copies them back.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "OnDevice.h"

#include <algorithm>
#include <cstring>

using namespace kvasir;
using namespace kvasir::rt;
using namespace kvasir::rt::cuda;
using namespace kvasir::test;

/// Memory of the device, and as much of the host that it can copy from and to.
struct OnDevice::Buffer {
  DeviceMemory device;
  PinnedMemory host;
  uint64_t bytes = 0;
};

std::unique_ptr<OnDevice> OnDevice::open(const char *library, std::string &reason) {
  auto fail = [&](const Status &status) {
    reason = status.message();
    return nullptr;
  };
  Result<std::shared_ptr<const Driver>> driver = Driver::open(library);
  if (!driver)
    return fail(driver.status());
  int count = 0, major = 0, minor = 0;
  CUdevice handle = 0;
  if (Status s = (*driver)->check((*driver)->cuDeviceGetCount(&count), "cuDeviceGetCount"); !s)
    return fail(s);
  if (count == 0 || (*driver)->cuDeviceGet(&handle, 0) != CUDA_SUCCESS ||
      (*driver)->cuDeviceGetAttribute(&major, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR,
                                      handle) != CUDA_SUCCESS ||
      (*driver)->cuDeviceGetAttribute(&minor, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR,
                                      handle) != CUDA_SUCCESS) {
    reason = "the driver has no device";
    return nullptr;
  }
  Result<std::unique_ptr<Context>> context = Context::retain(*driver, handle);
  if (!context)
    return fail(context.status());
  std::unique_ptr<OnDevice> made(new OnDevice(std::move(*context)));
  made->number = major * 10 + minor;
  return made;
}

/// By way of a copy within the device, as results of kernels come about: what is copied from the
/// host straight away, the driver of the tests takes for weights.
Result<OnDevice::Buffer> OnDevice::upload(const void *bytes, uint64_t count,
                                          CUstream stream) const {
  const Driver &driver = context->driver();
  uint64_t room = std::max<uint64_t>(count, 1);
  Result<DeviceMemory> device = takeDeviceMemory(*context, room);
  Result<DeviceMemory> staging = takeDeviceMemory(*context, room);
  Result<PinnedMemory> host = takePinnedMemory(*context, room);
  for (const Status &status : {device.status(), staging.status(), host.status()})
    if (!status)
      return status;
  if (bytes && count)
    std::memcpy(host->get(), bytes, count);
  KVASIR_CUDA_TRY(driver, cuMemcpyHtoDAsync, staging->get(), host->get(), room, stream);
  KVASIR_CUDA_TRY(driver, cuMemcpyDtoDAsync, device->get(), staging->get(), room, stream);
  KVASIR_CUDA_TRY(driver, cuStreamSynchronize, stream);
  Buffer buffer;
  buffer.device = std::move(*device);
  buffer.host = std::move(*host);
  buffer.bytes = count;
  return buffer;
}

/// The struct first, then its arrays.
Result<std::vector<OnDevice::Buffer>> OnDevice::uploadArguments(const kvasir_step_args *given,
                                                                CUstream stream) const {
  kvasir_step_args args = {};
  if (given)
    args = *given;
  args.struct_size = sizeof(args);
  args.tokens = std::max(args.tokens, 1);
  std::vector<Buffer> buffers(1);
  auto add = [&](const int32_t *&array, int64_t count) -> Status {
    std::vector<int32_t> values(std::max<int64_t>(count, 1));
    if (array && count > 0)
      std::copy_n(array, count, values.begin());
    Result<Buffer> buffer = upload(values.data(), values.size() * sizeof(int32_t), stream);
    if (!buffer)
      return buffer.status();
    array = reinterpret_cast<const int32_t *>(buffer->device.get());
    buffers.push_back(std::move(*buffer));
    return Status::ok();
  };
  for (const Status &status :
       {add(args.ids, args.tokens), add(args.positions, args.tokens),
        add(args.token_request, args.tokens), add(args.row_token, args.rows),
        add(args.request_total, args.requests),
        add(args.page_table, int64_t(args.requests) * args.page_stride),
        add(args.block_token, args.blocks), add(args.block_tokens, args.blocks)})
    if (!status)
      return status;
  Result<Buffer> whole = upload(&args, sizeof(args), stream);
  if (!whole)
    return whole.status();
  buffers.front() = std::move(*whole);
  return buffers;
}

Result<Module> OnDevice::load(const std::string &ptx) const {
  std::string log(4096, 0);
  CUjit_option options[] = {CU_JIT_ERROR_LOG_BUFFER, CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES};
  void *values[] = {log.data(), reinterpret_cast<void *>(log.size() - 1)};
  CUmodule module = nullptr;
  CUresult result = context->driver().cuModuleLoadDataEx(&module, ptx.c_str(), 2, options, values);
  if (Status status = context->driver().check(result, "cuModuleLoadDataEx"); !status)
    return error(status.code(), status.message() + "; " + log.c_str());
  return Module(*context, module);
}

Status OnDevice::launchOn(const std::string &ptx, const std::string &kernel, const Launch &launch,
                          std::vector<Bytes> &operands, const kvasir_step_args *args) const {
  const Driver &driver = context->driver();
  Current current(*context);
  if (Status status = current.status(); !status)
    return status;
  Result<Module> module = load(ptx);
  if (!module)
    return module.status();
  Result<Stream> stream = createStream(*context);
  if (!stream)
    return stream.status();
  Result<std::vector<Buffer>> buffers = uploadArguments(args, stream->get());
  if (!buffers)
    return buffers.status();
  std::vector<CUdeviceptr> parameters = {buffers->front().device.get()};
  for (const Bytes &operand : operands) {
    Result<Buffer> buffer = upload(operand.data(), operand.size(), stream->get());
    if (!buffer)
      return buffer.status();
    parameters.push_back(buffer->device.get());
    buffers->push_back(std::move(*buffer));
  }
  CUfunction function = nullptr;
  KVASIR_CUDA_TRY(driver, cuModuleGetFunction, &function, module->get(), kernel.c_str());
  if (launch.dynamicShared)
    KVASIR_CUDA_TRY(driver, cuFuncSetAttribute, function,
                    CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, int(launch.dynamicShared));
  size_t size = parameters.size() * sizeof(CUdeviceptr);
  void *extra[] = {reinterpret_cast<void *>(CU_LAUNCH_PARAM_BUFFER_POINTER_AS_INT),
                   parameters.data(), reinterpret_cast<void *>(CU_LAUNCH_PARAM_BUFFER_SIZE_AS_INT),
                   &size, reinterpret_cast<void *>(CU_LAUNCH_PARAM_END_AS_INT)};
  const auto &[grid, block, shared] = launch;
  KVASIR_CUDA_TRY(driver, cuLaunchKernel, function, grid[0], grid[1], grid[2], block[0], block[1],
                  block[2], shared, stream->get(), nullptr, extra);
  size_t first = buffers->size() - operands.size();
  for (size_t i = 0; i < operands.size(); ++i)
    KVASIR_CUDA_TRY(driver, cuMemcpyDtoHAsync, (*buffers)[first + i].host.get(), parameters[1 + i],
                    std::max<uint64_t>(operands[i].size(), 1), stream->get());
  KVASIR_CUDA_TRY(driver, cuStreamSynchronize, stream->get());
  for (size_t i = 0; i < operands.size(); ++i)
    if (!operands[i].empty())
      std::memcpy(operands[i].data(), (*buffers)[first + i].host.get(), operands[i].size());
  return Status::ok();
}

std::string OnDevice::run(const std::string &ptx, const std::string &kernel, const Launch &launch,
                          std::vector<Bytes> &operands, const kvasir_step_args *args) const {
  Status status = launchOn(ptx, kernel, launch, operands, args);
  return status ? "" : "kernel '" + kernel + "' on the device: " + status.message();
}
