// The packing pipeline: threads pack chunks side by side, hash them in the order of the file, and
// write them side by side again. Each thread owns buffers of one chunk; that is all the memory.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "PackWeights.h"

#include "Hash.h"
#include "Pack.h"
#include "SourceRows.h"
#include "kvasir/Encoding/Mma16.h"

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

/// An error when lines from `offset` on do not lie in the file.
static llvm::Error checkPart(const WeightPlan &weight, const char *part, const SourceFile &file,
                             uint64_t offset, const StoredLines &lines) {
  bool overflow = false;
  uint64_t bytes =
      llvm::SaturatingMultiply(uint64_t(lines.lines), uint64_t(lines.lineBytes), &overflow);
  if (!overflow && offset <= file.size() && bytes <= file.size() - offset)
    return llvm::Error::success();
  return llvm::createStringError(
      "%sweight '%s' lies at bytes %llu to %llu of '%s', but the file has only %llu bytes; is it "
      "complete?",
      part, weight.name.c_str(), (unsigned long long)offset,
      (unsigned long long)llvm::SaturatingAdd(offset, bytes), file.path().c_str(),
      (unsigned long long)file.size());
}

llvm::Error checkSources(const WeightsPlan &plan, llvm::ArrayRef<SourceFile> files) {
  llvm::Error errors = llvm::Error::success();
  auto check = [&](const WeightPlan &weight, const char *part, const StoredPart &place,
                   const StoredLines &lines) {
    errors = llvm::joinErrors(std::move(errors),
                              checkPart(weight, part, files[place.file], place.offset, lines));
  };
  for (const WeightPlan &weight : plan.weights) {
    check(weight, "", {weight.file, weight.sourceOffset}, weight.sourceLines());
    if (!weight.matrix || weight.matrix->format == StoredFormat::gguf)
      continue;
    check(weight, "scales of ", weight.scales, weight.matrix->scaleLines());
    check(weight, "zero points of ", weight.zeros, weight.matrix->zeroLines());
  }
  return errors;
}

namespace {
/// Rows x columns of a weight that are contiguous in the artifact.
struct Chunk {
  uint32_t weight;
  bool last;             ///< of its weight
  Window window;         ///< whole panels (units), up to the weight's last row
  uint64_t offset, size; ///< in the weights section, in bytes
};

/// What a thread works with.
struct Buffers {
  std::vector<char> packed;
  RowBuffers rows;
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
  void addEncodedChunks(uint32_t index, uint64_t chunkBytes);
  void addChunk(uint32_t index, const Window &window, uint64_t size);
  llvm::Error process(uint64_t index, Buffers &buffers);
  llvm::Error encode(const Chunk &chunk, Buffers &buffers) const;
  llvm::Error pack(const Chunk &chunk, Buffers &buffers) const;
  void arrange(const Chunk &chunk, char *to, const char *from) const;
  bool hashInTurn(uint64_t index, const char *packed);
  void stop();

  WeightsPlan &plan;
  llvm::ArrayRef<SourceFile> files;
  const OutputFile &output;
  uint64_t sectionOffset;
  const PackSettings &settings;
  std::vector<Chunk> chunks;
  uint64_t threadBytes = 0; ///< memory that the largest encoded chunk takes
  HashStage stage;
};
} // namespace

void Packer::addChunk(uint32_t index, const Window &window, uint64_t size) {
  bool follows = !chunks.empty() && chunks.back().weight == index;
  uint64_t offset =
      follows ? chunks.back().offset + chunks.back().size : plan.weights[index].offset;
  chunks.push_back({index, false, window, offset, size});
}

/// Cuts a weight into groups of whole rows (panels), or, where one is larger
/// than a chunk, into ranges of columns of one row (panel).
void Packer::addChunks(uint32_t index, uint64_t chunkBytes) {
  const WeightPlan &weight = plan.weights[index];
  if (weight.encoding) {
    addEncodedChunks(index, chunkBytes);
    return;
  }
  bool inTiles = weight.layout == artifact::Layout::mma16;
  uint64_t group = inTiles || weight.layout == artifact::Layout::panel16 ? 16 : 1;
  uint64_t step = inTiles ? Mma16::columns : 1;
  uint64_t columnBytes = group * elementSize(weight.type);
  uint64_t columns =
      std::min(weight.columns, std::max(chunkBytes / columnBytes / step * step, step));
  uint64_t groups = std::max<uint64_t>(1, chunkBytes / (columnBytes * weight.columns));
  for (uint64_t row = 0; row < weight.rows; row += groups * group)
    for (uint64_t column = 0; column < weight.columns; column += columns) {
      Window window{row, std::min(groups * group, weight.rows - row), column,
                    std::min(columns, weight.columns - column)};
      addChunk(index, window,
               llvm::divideCeil(window.rows, group) * columnBytes *
                   llvm::alignTo(window.columns, step));
    }
  chunks.back().last = true;
}

/// Units of 32 rows with all columns, at least one, as many as are about a chunk of floats.
void Packer::addEncodedChunks(uint32_t index, uint64_t chunkBytes) {
  const WeightPlan &weight = plan.weights[index];
  uint64_t unitFloats = unitRows * weight.columns * sizeof(float);
  uint64_t units = std::max<uint64_t>(1, chunkBytes / unitFloats);
  if (weight.transpose || (weight.matrix && weight.matrix->isTransposed())) {
    // Rows are columns of the file: more of them make reads longer.
    uint64_t affordable =
        settings.memoryCap / std::max(1u, settings.threads) / encodingBytes(weight, unitRows);
    units = std::max<uint64_t>(units, std::min<uint64_t>(affordable, 16));
  }
  uint64_t rows = units * unitRows;
  threadBytes = std::max(threadBytes, encodingBytes(weight, std::min(rows, weight.rows)));
  for (uint64_t row = 0; row < weight.rows; row += rows) {
    Window window{row, std::min(rows, weight.rows - row), 0, weight.columns};
    addChunk(index, window,
             weight.type == artifact::ElementType::encoded
                 ? llvm::divideCeil(window.rows, uint64_t(unitRows)) * weight.unitBytes
                 : window.rows * weight.columns * sizeof(float));
  }
  chunks.back().last = true;
}

/// Encoded values, in units or decoded again.
llvm::Error Packer::encode(const Chunk &chunk, Buffers &buffers) const {
  const WeightPlan &weight = plan.weights[chunk.weight];
  if (llvm::Error error =
          readEncoded(weight, files, chunk.window.row, chunk.window.rows, buffers.rows))
    return error;
  char *to = buffers.packed.data();
  if (weight.type == artifact::ElementType::encoded)
    packPanel32(buffers.rows.rows, reinterpret_cast<uint8_t *>(to));
  else
    decodeRows(buffers.rows.rows, reinterpret_cast<float *>(to));
  return llvm::Error::success();
}

/// Puts the bytes of a chunk into `buffers.packed`.
llvm::Error Packer::pack(const Chunk &chunk, Buffers &buffers) const {
  const WeightPlan &weight = plan.weights[chunk.weight];
  char *packed = atLeast(buffers.packed, chunk.size);
  if (weight.encoding)
    return encode(chunk, buffers);
  uint64_t bytes = chunk.window.rows * chunk.window.columns * elementSize(weight.sourceType);
  char *stored = atLeast(buffers.rows.stored, bytes);
  if (llvm::Error error = readStored(weight, files[weight.file], chunk.window, stored))
    return error;
  arrange(chunk, packed, stored);
  return llvm::Error::success();
}

void Packer::arrange(const Chunk &chunk, char *to, const char *from) const {
  const WeightPlan &weight = plan.weights[chunk.weight];
  uint64_t bytes = elementSize(weight.sourceType);
  if (weight.layout == artifact::Layout::panel16) {
    auto *packInto = weight.transpose ? packPanelsTransposed : packPanels;
    return packInto(to, from, chunk.window.rows, chunk.window.columns, bytes);
  }
  if (weight.layout == artifact::Layout::mma16)
    return packMma16(to, from, {chunk.window.rows, chunk.window.columns, bytes, weight.transpose});
  if (weight.type != weight.sourceType) { // vectors
    auto *widen = weight.sourceType == artifact::ElementType::f16 ? widenF16 : widenBF16;
    return widen(reinterpret_cast<float *>(to), reinterpret_cast<const uint16_t *>(from),
                 chunk.window.rows);
  }
  if (weight.transpose)
    return transpose(to, from, chunk.window.rows, chunk.window.columns, bytes);
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

llvm::Error Packer::process(uint64_t index, Buffers &buffers) {
  const Chunk &chunk = chunks[index];
  if (settings.cancelled && *settings.cancelled)
    return llvm::createStringError("interrupted");
  if (llvm::Error error = pack(chunk, buffers))
    return error;
  const char *packed = buffers.packed.data();
  if (!hashInTurn(index, packed))
    return llvm::createStringError("stopped");
  uint64_t at = sectionOffset + chunk.offset;
  if (llvm::Error error = output.write(packed, chunk.size, at))
    return error;
  output.startWriteback(chunk.size, at);
  return llvm::Error::success();
}

llvm::Error Packer::run() {
  unsigned threads = std::max(1u, settings.threads);
  uint64_t chunkBytes = std::clamp(settings.memoryCap / threads / 2, minChunkBytes, maxChunkBytes);
  for (uint32_t i = 0; i < plan.weights.size(); ++i)
    addChunks(i, chunkBytes);
  if (threadBytes > 0) // fewer threads rather than more memory
    threads = std::clamp<uint64_t>(settings.memoryCap / threadBytes, 1, threads);
  std::mutex mutex; // of the error
  llvm::Error first = llvm::Error::success();
  std::atomic<uint64_t> next = 0;
  auto work = [&](uint64_t) -> llvm::Error {
    Buffers buffers;
    for (uint64_t i; (i = next++) < chunks.size();) {
      llvm::Error error = process(i, buffers);
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
