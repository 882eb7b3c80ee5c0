// Two pinned buffers in turn.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "cuda/Weights.h"

#include <algorithm>
#include <cstring>
#include <sys/mman.h>

namespace kvasir::rt::cuda {

/// Large enough that starting a copy costs nothing beside it.
static constexpr uint64_t chunkBytes = uint64_t(32) << 20;

namespace {
struct Piece {
  const unsigned char *source;
  uint64_t bytes;
  uint64_t offset; // on the device
};

/// Fills one chunk of consecutive device memory after the other. What lies between weights gets
/// whatever the buffer held.
class Copier {
public:
  Copier(const Context &context, CUdeviceptr target) : context(context), target(target) {}
  ~Copier() {
    // After an error, too: the buffers may still be read.
    if (stream.get())
      (void)context.driver().cuStreamSynchronize(stream.get());
  }

  Status prepare(uint64_t bytes);
  Status add(const Piece &piece);
  Status flush();
  Status finish();

  uint64_t done = 0;

private:
  const Context &context;
  const CUdeviceptr target;
  uint64_t capacity = 0;
  PinnedMemory buffers[2];
  Event sent[2];
  Stream stream;
  int filling = 0;
  uint64_t start = 0, filled = 0; // of the chunk, on the device and in the buffer
};
} // namespace

Status Copier::prepare(uint64_t bytes) {
  capacity = std::min(bytes, chunkBytes);
  for (int i = 0; i < 2; ++i) {
    Result<PinnedMemory> buffer = takePinnedMemory(context, capacity);
    if (!buffer)
      return buffer.status();
    buffers[i] = std::move(*buffer);
    Result<Event> event = createEvent(context, CU_EVENT_DISABLE_TIMING);
    if (!event)
      return event.status();
    sent[i] = std::move(*event);
  }
  Result<Stream> made = createStream(context);
  if (!made)
    return made.status();
  stream = std::move(*made);
  return Status::ok();
}

Status Copier::add(const Piece &piece) {
  for (uint64_t at = 0; at < piece.bytes;) {
    uint64_t place = piece.offset + at - start;
    if (place >= capacity) {
      if (Status s = flush(); !s)
        return s;
      start = piece.offset + at;
      place = 0;
    }
    uint64_t bytes = std::min(piece.bytes - at, capacity - place);
    std::memcpy(static_cast<unsigned char *>(buffers[filling].get()) + place, piece.source + at,
                bytes);
    filled = place + bytes;
    at += bytes;
    done += bytes;
  }
  return Status::ok();
}

Status Copier::flush() {
  if (filled == 0)
    return Status::ok();
  const Driver &driver = context.driver();
  KVASIR_CUDA_TRY(driver, cuMemcpyHtoDAsync, target + start, buffers[filling].get(), filled,
                  stream.get());
  KVASIR_CUDA_TRY(driver, cuEventRecord, sent[filling].get(), stream.get());
  filled = 0;
  filling = 1 - filling;
  // Ok at once for an event that was never recorded.
  KVASIR_CUDA_TRY(driver, cuEventSynchronize, sent[filling].get());
  return Status::ok();
}

Status Copier::finish() {
  if (Status s = flush(); !s)
    return s;
  KVASIR_CUDA_TRY(context.driver(), cuStreamSynchronize, stream.get());
  return Status::ok();
}

/// Tells the system to read ahead; it may ignore it.
static void readAhead(const unsigned char *start, uint64_t bytes) {
  auto address = reinterpret_cast<uintptr_t>(start);
  uintptr_t page = address / 4096 * 4096;
  madvise(reinterpret_cast<void *>(page), bytes + (address - page), MADV_WILLNEED);
}

static Status copyWeights(const Context &context, const Artifact &artifact, const MemoryPlan &plan,
                          CUdeviceptr target, const DeviceWeights::Progress &progress) {
  std::vector<Piece> pieces;
  uint64_t total = 0;
  for (size_t i = 0; i < plan.weightOffsets.size(); ++i) {
    const artifact::Weight &weight = *artifact.module().weights()->Get(static_cast<uint32_t>(i));
    if (plan.weightOffsets[i] == MemoryPlan::noWeight || weight.size() == 0)
      continue;
    total += weight.size();
    // In pieces, so that progress moves and the file is read ahead inside a large weight.
    for (uint64_t at = 0; at < weight.size(); at += chunkBytes)
      pieces.push_back({artifact.weight(weight) + at, std::min(chunkBytes, weight.size() - at),
                        plan.weightOffsets[i] + at});
  }
  if (pieces.empty())
    return Status::ok();
  std::sort(pieces.begin(), pieces.end(),
            [](const Piece &a, const Piece &b) { return a.offset < b.offset; });
  Copier copier(context, target);
  if (Status s = copier.prepare(plan.weightBytes); !s)
    return s;
  for (size_t i = 0; i < pieces.size(); ++i) {
    if (i + 1 < pieces.size())
      readAhead(pieces[i + 1].source, pieces[i + 1].bytes);
    if (Status s = copier.add(pieces[i]); !s)
      return s;
    if (progress)
      progress(copier.done, total);
  }
  return copier.finish();
}

Result<DeviceWeights::Copy> DeviceWeights::take(const Context &context, const Artifact &artifact,
                                                const MemoryPlan &plan, const Progress &progress) {
  std::lock_guard lock(copying);
  if (Copy there = copy.lock())
    return there;
  DeviceMemory memory;
  if (plan.weightBytes) {
    Result<DeviceMemory> taken = takeDeviceMemory(context, plan.weightBytes);
    if (!taken)
      return taken.status();
    memory = std::move(*taken);
  }
  if (Status s = copyWeights(context, artifact, plan, memory.get(), progress); !s)
    return s;
  auto made = std::make_shared<const DeviceMemory>(std::move(memory));
  copy = made;
  size = plan.weightBytes;
  return Copy(std::move(made));
}

uint64_t DeviceWeights::bytes() const {
  std::lock_guard lock(copying);
  return copy.expired() ? 0 : size;
}

} // namespace kvasir::rt::cuda
