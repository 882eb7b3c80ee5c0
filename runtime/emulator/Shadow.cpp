// Vector clocks by barrier, shadow by byte.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "emulator/Shadow.h"

#include "emulator/Machine.h"

#include <cstring>

namespace kvasir::emulator {

static constexpr uint64_t line = 64;

static uint64_t roundUp(uint64_t bytes) { return (bytes + line - 1) / line * line; }

uint64_t Shadow::bytesNeeded(uint32_t threads, uint32_t shared, bool partialBarriers) {
  uint64_t bytes = roundUp(shared) + 2 * roundUp(2ull * shared) + 2 * roundUp(4ull * shared);
  if (partialBarriers)
    bytes += roundUp(4ull * shared * (threads / warpSize)) + roundUp(4ull * threads * threads) +
             2 * roundUp(4ull * threads);
  return bytes;
}

template <class T> static T *take(unsigned char *&memory, uint64_t count) {
  T *result = reinterpret_cast<T *>(memory);
  memory += roundUp(count * sizeof(T));
  return result;
}

void Shadow::place(unsigned char *memory, uint32_t threads, uint32_t shared, bool partialBarriers) {
  sharedLimit = shared;
  status = take<uint8_t>(memory, shared);
  writer = take<uint16_t>(memory, shared);
  reader = take<uint16_t>(memory, shared);
  writeTime = take<uint32_t>(memory, shared);
  readTime = take<uint32_t>(memory, shared);
  if (!partialBarriers)
    return;
  warpReadTime = take<uint32_t>(memory, uint64_t(shared) * (threads / warpSize));
  known = take<uint32_t>(memory, uint64_t(threads) * threads);
  knownSince = take<uint32_t>(memory, threads);
  joined = take<uint32_t>(memory, threads);
  rowLength = threads;
}

void Shadow::startBlock(uint32_t shared, uint32_t threads) {
  std::memset(status, 0, shared);
  threadCount = threads;
  warpCount = (threads + warpSize - 1) / warpSize;
  if (now > 1u << 30) { // long before it would start again at 0
    now = 0;
    std::memset(writeTime, 0, 4ull * sharedLimit);
    std::memset(readTime, 0, 4ull * sharedLimit);
    if (known) {
      std::memset(warpReadTime, 0, 4ull * sharedLimit * (rowLength / warpSize));
      std::memset(knownSince, 0, 4ull * rowLength);
    }
  }
  synchronizeBlock();
}

void Shadow::synchronizeBlock() { blockTime = ++now; }

void Shadow::synchronize(const ThreadSet &arrived, const ThreadSet &waiting) {
  ++now;
  std::memset(joined, 0, 4ull * threadCount);
  for (uint32_t thread = 0; thread < threadCount; ++thread) {
    if (!arrived.contains(thread) || knownSince[thread] != blockTime)
      continue;
    const uint32_t *row = known + uint64_t(thread) * rowLength;
    for (uint32_t other = 0; other < threadCount; ++other)
      joined[other] = joined[other] < row[other] ? row[other] : joined[other];
  }
  for (uint32_t thread = 0; thread < threadCount; ++thread)
    if (arrived.contains(thread))
      joined[thread] = now;
  for (uint32_t thread = 0; thread < threadCount; ++thread) {
    if (!waiting.contains(thread))
      continue;
    std::memcpy(known + uint64_t(thread) * rowLength, joined, 4ull * threadCount);
    knownSince[thread] = blockTime;
  }
}

bool Shadow::knows(uint32_t thread, uint32_t other, uint32_t when) const {
  if (when < blockTime || other == thread)
    return true;
  return known && knownSince[thread] == blockTime &&
         known[uint64_t(thread) * rowLength + other] > when;
}

/// A reader of a byte with several whose reading `thread` does not know to be over. Readers are
/// known by warp, so all lanes of a warp count.
uint32_t Shadow::unorderedReader(uint32_t thread, uint32_t byte) const {
  if (!known)
    return noThread - 1;
  const uint32_t *times = warpReadTime + uint64_t(byte) * (rowLength / warpSize);
  for (uint32_t warp = 0; warp < warpCount; ++warp)
    for (uint32_t lane = 0; lane < warpSize && warp * warpSize + lane < threadCount; ++lane)
      if (!knows(thread, warp * warpSize + lane, times[warp]))
        return warp * warpSize + lane;
  return noThread;
}

Shadow::Problem Shadow::read(uint32_t thread, uint32_t byte, bool atomic, uint32_t &other) {
  if (status[byte] & inFlight) {
    other = writer[byte];
    return Problem::inFlight;
  }
  if (!(status[byte] & initialized))
    return Problem::uninitialized;
  bool bothAtomic = atomic && (status[byte] & atomicWrite);
  if (!bothAtomic && !knows(thread, writer[byte], writeTime[byte])) {
    other = writer[byte];
    return Problem::raceWithWrite;
  }
  bool isFirst = readTime[byte] < blockTime;
  if (!atomic)
    status[byte] &= uint8_t(~atomicReads);
  else if (isFirst)
    status[byte] |= atomicReads;
  if (isFirst)
    reader[byte] = uint16_t(thread);
  else if (reader[byte] != thread)
    reader[byte] = several;
  readTime[byte] = now;
  if (known)
    warpReadTime[uint64_t(byte) * (rowLength / warpSize) + thread / warpSize] = now;
  return Problem::none;
}

Shadow::Problem Shadow::write(uint32_t thread, uint32_t byte, bool atomic, uint32_t &other) {
  if (status[byte] & inFlight) {
    other = writer[byte];
    return Problem::inFlight;
  }
  bool bothAtomic = atomic && (status[byte] & atomicWrite);
  if ((status[byte] & initialized) && !bothAtomic &&
      !knows(thread, writer[byte], writeTime[byte])) {
    other = writer[byte];
    return Problem::raceWithWrite;
  }
  if (readTime[byte] >= blockTime && !(atomic && (status[byte] & atomicReads))) {
    other = reader[byte];
    if (other == several)
      other = unorderedReader(thread, byte);
    else if (knows(thread, other, readTime[byte]))
      other = noThread;
    if (other != noThread)
      return Problem::raceWithRead;
  }
  writer[byte] = uint16_t(thread);
  writeTime[byte] = now;
  readTime[byte] = 0; // what is ordered after this write is ordered after those reads
  status[byte] = initialized | (atomic ? atomicWrite : 0);
  return Problem::none;
}

Shadow::Problem Shadow::access(uint32_t thread, uint32_t offset, uint32_t bytes, uint32_t what,
                               uint32_t &at, uint32_t &other) {
  bool isAtomic = what & Access::atomic;
  for (at = offset; at < offset + bytes; ++at) {
    if ((what & Access::fetch) && !(status[at] & (initialized | inFlight)))
      return Problem::uninitialized;
    Problem problem = what & Access::write ? write(thread, at, isAtomic, other)
                                           : read(thread, at, isAtomic, other);
    if (problem != Problem::none)
      return problem;
  }
  return Problem::none;
}

Shadow::Problem Shadow::beginCopy(uint32_t thread, uint32_t offset, uint32_t bytes, uint32_t &at,
                                  uint32_t &other) {
  Problem problem = access(thread, offset, bytes, Access::write, at, other);
  if (problem == Problem::none)
    std::memset(status + offset, inFlight, bytes);
  return problem;
}

void Shadow::endCopy(uint32_t thread, uint32_t offset, uint32_t bytes) {
  for (uint32_t byte = offset; byte < offset + bytes; ++byte) {
    status[byte] = initialized;
    writer[byte] = uint16_t(thread);
    writeTime[byte] = now;
  }
}

} // namespace kvasir::emulator
