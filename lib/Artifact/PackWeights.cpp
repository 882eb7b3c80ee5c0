// The packing pipeline: threads pack chunks side by side, hash them in the
// order of the file, and write them side by side again. Each thread owns two
// buffers of one chunk; that is all the memory. SPDX-License-Identifier:
// Apache-2.0 WITH LLVM-exception
#include "PackWeights.h"

#include "Hash.h"
#include "Pack.h"

#include "llvm/Support/MathExtras.h"

#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>

namespace kvasir {

/// Large enough to forget the cost of calls, small enough for caches.
constexpr uint64_t maxChunkBytes = 2 << 20, minChunkBytes = 128 << 10;

llvm::Error parallelFor(uint64_t count, unsigned threads,
                        llvm::function_ref<llvm::Error(uint64_t)> work) {
  std::atomic<uint64_t> next = 0;
  std::atomic<bool> stop = false;
  std::mutex mutex;
  llvm::Error first = llvm::Error::success();
  auto loop = [&] {
    for (uint64_t i; !stop && (i = next++) < count;) {
      llvm::Error error = work(i);
      if (!error)
        continue;
      stop = true;
      std::lock_guard<std::mutex> lock(mutex);
      if (first)
        llvm::consumeError(std::move(error));
      else
        first = std::move(error);
    }
  };
  std::vector<std::thread> others;
  for (uint64_t i = 1; i < std::min<uint64_t>(threads, count); ++i)
    others.emplace_back(loop);
  loop();
  for (std::thread &thread : others)
    thread.join();
  return first;
}

llvm::Error checkSources(const WeightsPlan &plan, llvm::ArrayRef<SourceFile> files) {
  llvm::Error errors = llvm::Error::success();
  for (const WeightPlan &weight : plan.weights) {
    const SourceFile &file = files[weight.file];
    bool overflow = false;
    uint64_t elements =
        llvm::SaturatingMultiply(weight.storedRows, weight.storedColumns, &overflow);
    uint64_t bytes = elements;
    if (!overflow)
      bytes = llvm::SaturatingMultiply(elements, elementSize(weight.sourceType), &overflow);
    if (!overflow && weight.sourceOffset <= file.size() &&
        bytes <= file.size() - weight.sourceOffset)
      continue;
    errors = llvm::joinErrors(
        std::move(errors),
        llvm::createStringError("weight '%s' lies at bytes %llu to %llu of '%s', but the file has "
                                "only %llu bytes; is it complete?",
                                weight.name.c_str(), (unsigned long long)weight.sourceOffset,
                                (unsigned long long)llvm::SaturatingAdd(weight.sourceOffset, bytes),
                                file.path().c_str(), (unsigned long long)file.size()));
  }
  return errors;
}

namespace {
/// Rows x columns of a weight that are contiguous in the artifact.
struct Chunk {
  uint32_t weight;
  bool last;          ///< of its weight
  uint64_t row, rows; ///< whole panels, up to the weight's last row
  uint64_t column, columns;
  uint64_t offset, size; ///< in the weights section, in bytes
};

/// What is hashed in the order of the file.
struct HashStage {
  std::mutex mutex;
  std::condition_variable turned;
  uint64_t turn = 0;
  bool stopped = false;
  Hasher section, weight;
  uint64_t hashed = 0; ///< bytes of the section
};

class Packer {
public:
  Packer(WeightsPlan &plan, llvm::ArrayRef<SourceFile> files, const OutputFile &output,
         uint64_t offset, const PackSettings &settings)
      : plan(plan), files(files), output(output), sectionOffset(offset), settings(settings) {}
  llvm::Error run();

private:
  void addChunks(uint32_t index, uint64_t chunkBytes);
  llvm::Error process(uint64_t index, std::vector<char> &read, std::vector<char> &packed);
  llvm::Error read(const Chunk &chunk, char *to) const;
  void pack(const Chunk &chunk, char *to, const char *from) const;
  bool hashInTurn(uint64_t index, const char *packed);
  void stop();

  WeightsPlan &plan;
  llvm::ArrayRef<SourceFile> files;
  const OutputFile &output;
  uint64_t sectionOffset;
  const PackSettings &settings;
  std::vector<Chunk> chunks;
  HashStage stage;
};
} // namespace

/// Cuts a weight into groups of whole rows (panels), or, where one is larger
/// than a chunk, into ranges of columns of one row (panel).
void Packer::addChunks(uint32_t index, uint64_t chunkBytes) {
  const WeightPlan &weight = plan.weights[index];
  uint64_t group = weight.layout == artifact::Layout::panel16 ? 16 : 1;
  uint64_t columnBytes = group * elementSize(weight.type);
  uint64_t columns = std::min(weight.columns, chunkBytes / columnBytes);
  uint64_t groups = std::max<uint64_t>(1, chunkBytes / (columnBytes * weight.columns));
  uint64_t offset = weight.offset;
  for (uint64_t row = 0; row < weight.rows; row += groups * group)
    for (uint64_t column = 0; column < weight.columns; column += columns) {
      Chunk chunk{index,  false,
                  row,    std::min(groups * group, weight.rows - row),
                  column, std::min(columns, weight.columns - column),
                  offset, 0};
      chunk.size = llvm::divideCeil(chunk.rows, group) * columnBytes * chunk.columns;
      offset += chunk.size;
      chunks.push_back(chunk);
    }
  chunks.back().last = true;
}

/// The chunk's values as they are stored: [rows][columns], or transposed.
llvm::Error Packer::read(const Chunk &chunk, char *to) const {
  const WeightPlan &weight = plan.weights[chunk.weight];
  const SourceFile &file = files[weight.file];
  uint64_t bytes = elementSize(weight.sourceType);
  uint64_t line = weight.row + chunk.row, lines = chunk.rows;
  uint64_t first = chunk.column, count = chunk.columns;
  if (weight.transpose) {
    std::swap(line, first);
    std::swap(lines, count);
  }
  if (count == weight.storedColumns) { // whole lines: one piece
    count *= lines;
    lines = 1;
  }
  for (uint64_t i = 0; i < lines; ++i, to += count * bytes) {
    uint64_t at = ((line + i) * weight.storedColumns + first) * bytes;
    if (llvm::Error error = file.read(to, count * bytes, weight.sourceOffset + at))
      return error;
  }
  return llvm::Error::success();
}

void Packer::pack(const Chunk &chunk, char *to, const char *from) const {
  const WeightPlan &weight = plan.weights[chunk.weight];
  uint64_t bytes = elementSize(weight.sourceType);
  if (weight.layout == artifact::Layout::panel16) {
    auto *packInto = weight.transpose ? packPanelsTransposed : packPanels;
    return packInto(to, from, chunk.rows, chunk.columns, bytes);
  }
  if (weight.type != weight.sourceType) { // vectors
    auto *widen = weight.sourceType == artifact::ElementType::f16 ? widenF16 : widenBF16;
    return widen(reinterpret_cast<float *>(to), reinterpret_cast<const uint16_t *>(from),
                 chunk.rows);
  }
  if (weight.transpose)
    return transpose(to, from, chunk.rows, chunk.columns, bytes);
  memcpy(to, from, chunk.size);
}

void Packer::stop() {
  std::lock_guard<std::mutex> lock(stage.mutex);
  stage.stopped = true;
  stage.turned.notify_all();
}

/// Waits for the chunks before this one; false when one of them failed.
bool Packer::hashInTurn(uint64_t index, const char *packed) {
  std::unique_lock<std::mutex> lock(stage.mutex);
  stage.turned.wait(lock, [&] { return stage.stopped || stage.turn == index; });
  if (stage.stopped)
    return false;
  lock.unlock(); // nobody else has this turn
  const Chunk &chunk = chunks[index];
  static const char zeros[64] = {};
  stage.section.update(zeros, chunk.offset - stage.hashed);
  stage.section.update(packed, chunk.size);
  stage.hashed = chunk.offset + chunk.size;
  stage.weight.update(packed, chunk.size);
  if (chunk.last) {
    plan.weights[chunk.weight].hash = stage.weight.value();
    stage.weight.reset();
  }
  if (settings.progress)
    settings.progress(stage.hashed, plan.size);
  lock.lock();
  ++stage.turn;
  stage.turned.notify_all();
  return true;
}

llvm::Error Packer::process(uint64_t index, std::vector<char> &readBuffer,
                            std::vector<char> &packed) {
  const Chunk &chunk = chunks[index];
  if (settings.cancelled && *settings.cancelled)
    return llvm::createStringError("interrupted");
  if (llvm::Error error = read(chunk, readBuffer.data()))
    return error;
  pack(chunk, packed.data(), readBuffer.data());
  if (!hashInTurn(index, packed.data()))
    return llvm::createStringError("stopped");
  uint64_t at = sectionOffset + chunk.offset;
  if (llvm::Error error = output.write(packed.data(), chunk.size, at))
    return error;
  output.startWriteback(chunk.size, at);
  return llvm::Error::success();
}

llvm::Error Packer::run() {
  unsigned threads = std::max(1u, settings.threads);
  uint64_t chunkBytes = std::clamp(settings.memoryCap / threads / 2, minChunkBytes, maxChunkBytes);
  for (uint32_t i = 0; i < plan.weights.size(); ++i)
    addChunks(i, chunkBytes);
  std::mutex mutex; // of the error
  llvm::Error first = llvm::Error::success();
  std::atomic<uint64_t> next = 0;
  auto work = [&](uint64_t) -> llvm::Error {
    std::vector<char> readBuffer(chunkBytes), packed(chunkBytes);
    for (uint64_t i; (i = next++) < chunks.size();) {
      llvm::Error error = process(i, readBuffer, packed);
      if (!error)
        continue;
      std::lock_guard<std::mutex> lock(mutex);
      stop();
      if (first)
        llvm::consumeError(std::move(error));
      else
        first = std::move(error);
      break;
    }
    return llvm::Error::success();
  };
  llvm::cantFail(parallelFor(threads, threads, work));
  plan.hash = stage.section.value();
  return first;
}

llvm::Error packWeights(WeightsPlan &plan, llvm::ArrayRef<SourceFile> files,
                        const OutputFile &output, uint64_t offset, const PackSettings &settings) {
  return Packer(plan, files, output, offset, settings).run();
}

} // namespace kvasir
