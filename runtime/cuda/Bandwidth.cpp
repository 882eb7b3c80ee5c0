// Timed copies.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "cuda/Bandwidth.h"

#include <algorithm>
#include <cinttypes>

namespace kvasir::rt::cuda {

static constexpr uint64_t most = uint64_t(1) << 30, least = uint64_t(1) << 20;
static constexpr int copies = 6; // the first one wakes the device

/// Seconds of one copy of `bytes` from the first half of `memory` to the second.
static Result<double> timeCopy(const Context &context, CUdeviceptr memory, uint64_t bytes,
                               CUstream stream, CUevent begin, CUevent end) {
  const Driver &driver = context.driver();
  KVASIR_CUDA_TRY(driver, cuEventRecord, begin, stream);
  KVASIR_CUDA_TRY(driver, cuMemcpyDtoDAsync, memory + bytes, memory, bytes, stream);
  KVASIR_CUDA_TRY(driver, cuEventRecord, end, stream);
  KVASIR_CUDA_TRY(driver, cuStreamSynchronize, stream);
  float milliseconds = 0;
  KVASIR_CUDA_TRY(driver, cuEventElapsedTime, &milliseconds, begin, end);
  return static_cast<double>(milliseconds) * 1e-3;
}

Result<double> measureBandwidth(const Context &context) {
  size_t free = 0, total = 0;
  KVASIR_CUDA_TRY(context.driver(), cuMemGetInfo, &free, &total);
  uint64_t bytes = std::min<uint64_t>(most, free / 4 / least * least);
  if (bytes == 0)
    return error(Code::resourceExhausted, format("measuring its bandwidth takes at least %" PRIu64
                                                 " bytes of device memory, "
                                                 "but %zu are free; end other programs that use it",
                                                 4 * least, free));
  Result<DeviceMemory> memory = takeDeviceMemory(context, 2 * bytes);
  if (!memory)
    return memory.status();
  Result<Event> begin = createEvent(context, CU_EVENT_DEFAULT);
  if (!begin)
    return begin.status();
  Result<Event> end = createEvent(context, CU_EVENT_DEFAULT);
  if (!end)
    return end.status();
  Result<Stream> stream = createStream(context);
  if (!stream)
    return stream.status();
  double best = 0;
  for (int i = 0; i < copies; ++i) {
    auto seconds = timeCopy(context, memory->get(), bytes, stream->get(), begin->get(), end->get());
    if (!seconds) {
      // What is under way uses the memory.
      (void)context.driver().cuStreamSynchronize(stream->get());
      return seconds.status();
    }
    if (i > 0 && *seconds > 0)
      best = std::max(best, 2 * static_cast<double>(bytes) / *seconds);
  }
  return best;
}

} // namespace kvasir::rt::cuda
