// Checks of what is asked of the driver, and execution of what was queued.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "Fake.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <fstream>
#include <iterator>
#include <sys/mman.h>
#include <unistd.h>

namespace kvasir::test::fake {

thread_local int contextDepth = 0;

Driver &driver() {
  static Driver state;
  return state;
}

Driver::~Driver() {
  auto leaked = [&](const char *what, size_t count) {
    if (count)
      misuse(std::to_string(count) + " " + what + " not given back");
  };
  leaked("device allocations", memory.size());
  leaked("pinned allocations", pinned.size());
  leaked("streams", streams.size());
  leaked("events", events.size());
  leaked("modules", modules.size());
  leaked("graphs", graphs.size());
  leaked("executable graphs", execs.size());
  leaked("contexts", static_cast<size_t>(retained));
  if (misused) {
    std::fflush(nullptr);
    _exit(70);
  }
}

CUresult Driver::misuse(const std::string &what) {
  std::fprintf(stderr, "fake cuda: %s\n", what.c_str());
  misused = true;
  return CUDA_ERROR_INVALID_VALUE;
}

/// Code objects begin at multiples of 4096; what follows them in the file does not matter.
static void *openArtifact(const std::string &path) {
  std::ifstream file(path, std::ios::binary);
  std::string bytes{std::istreambuf_iterator<char>(file), {}};
  size_t at = 4096;
  while (at < bytes.size() && bytes.compare(at, 4, "\177ELF") != 0)
    at += 4096;
  int copy = memfd_create("kvasir-fake", MFD_CLOEXEC);
  if (at >= bytes.size() || copy < 0)
    return nullptr;
  for (ssize_t written = 1; at < bytes.size() && written > 0; at += size_t(written))
    written = write(copy, bytes.data() + at, bytes.size() - at);
  // The descriptor stays open: its number is the library's name.
  return dlopen(("/proc/self/fd/" + std::to_string(copy)).c_str(), RTLD_NOW | RTLD_LOCAL);
}

void *openCode(const Settings &settings) {
  if (!settings.artifact.empty())
    return openArtifact(settings.artifact);
  return settings.code.empty() ? nullptr : dlopen(settings.code.c_str(), RTLD_NOW | RTLD_LOCAL);
}

CUresult Driver::enter(const char *name, bool needsContext) {
  if (!initialized)
    return misuse(std::string(name) + " before cuInit");
  if (needsContext && contextDepth == 0)
    return misuse(std::string(name) + " without a current context");
  uint64_t count = ++calls[name];
  if (settings.failing == name && count == static_cast<uint64_t>(settings.failingCall))
    return settings.failure;
  return broken;
}

static bool covers(const std::map<uintptr_t, uint64_t> &ranges, uintptr_t start, uint64_t bytes) {
  auto after = ranges.upper_bound(start);
  if (after == ranges.begin())
    return false;
  auto [first, size] = *std::prev(after);
  return start - first <= size && bytes <= size - (start - first);
}

bool Driver::isDeviceRange(CUdeviceptr start, uint64_t bytes) const {
  return covers({memory.begin(), memory.end()}, start, bytes);
}

bool Driver::isPinnedRange(const void *start, uint64_t bytes) const {
  return covers(pinned, reinterpret_cast<uintptr_t>(start), bytes);
}

kvasir_operand_extent Driver::extentOf(CUdeviceptr start) const {
  auto within = [&](const std::map<CUdeviceptr, uint64_t> &ranges) -> uint64_t {
    auto after = ranges.upper_bound(start);
    if (after == ranges.begin())
      return 0;
    auto [first, size] = *std::prev(after);
    return start - first < size ? first + size - start : 0;
  };
  uint64_t weight = within(copied);
  return weight ? kvasir_operand_extent{weight, 0, 0} : kvasir_operand_extent{within(memory), 1, 0};
}

uint64_t Driver::used() const {
  uint64_t bytes = 0;
  for (auto [start, size] : memory)
    bytes += size;
  return bytes;
}

CUresult Driver::runAll(Stream &stream) {
  for (auto [start, size] : memory)
    mprotect(reinterpret_cast<void *>(start), size, PROT_READ | PROT_WRITE);
  while (!stream.waiting.empty() && broken == CUDA_SUCCESS) {
    Operation next = std::move(stream.waiting.front());
    stream.waiting.pop_front();
    broken = next();
  }
  if (broken != CUDA_SUCCESS)
    stream.waiting.clear();
  for (auto [start, size] : memory)
    mprotect(reinterpret_cast<void *>(start), size, PROT_NONE);
  return broken;
}

CUresult Driver::readKernel(Function *function, unsigned int grid, unsigned int threads,
                            unsigned int shared, void **parameters, void **extra, Kernel &kernel) {
  if (parameters || !extra ||
      reinterpret_cast<uintptr_t>(extra[0]) != CU_LAUNCH_PARAM_BUFFER_POINTER_AS_INT ||
      reinterpret_cast<uintptr_t>(extra[2]) != CU_LAUNCH_PARAM_BUFFER_SIZE_AS_INT ||
      reinterpret_cast<uintptr_t>(extra[4]) != CU_LAUNCH_PARAM_END_AS_INT)
    return misuse("a launch without a buffer of parameters");
  const auto *first = static_cast<const CUdeviceptr *>(extra[1]);
  size_t count = *static_cast<const size_t *>(extra[3]) / sizeof(CUdeviceptr);
  kernel = {function, grid, threads, shared, {first, first + count}};
  if (grid == 0 || threads == 0 || threads > 1024 || count == 0)
    return misuse("kernel '" + function->name + "': an empty launch");
  if (shared > static_cast<unsigned int>(std::max(function->dynamicShared, 48 << 10)))
    return misuse("kernel '" + function->name + "': shared memory that was not asked for");
  for (CUdeviceptr pointer : kernel.parameters)
    if (!isDeviceRange(pointer, 0) || pointer % KVASIR_ALIGNMENT)
      return misuse("kernel '" + function->name + "': a parameter outside of device memory");
  return CUDA_SUCCESS;
}

/// The struct and its arrays, which are in device memory.
static bool checkArguments(const Driver &state, const kvasir_step_args &args) {
  auto inside = [&](const int32_t *array, int64_t count) {
    return count == 0 || state.isDeviceRange(reinterpret_cast<uintptr_t>(array),
                                             static_cast<uint64_t>(count) * sizeof(int32_t));
  };
  return args.struct_size == sizeof(args) && args.tokens > 0 && inside(args.ids, args.tokens) &&
         inside(args.positions, args.tokens) && inside(args.token_request, args.tokens) &&
         inside(args.row_token, args.rows) && inside(args.request_total, args.requests) &&
         inside(args.page_table, int64_t(args.requests) * args.page_stride) &&
         inside(args.block_token, args.blocks) && inside(args.block_tokens, args.blocks);
}

CUresult Driver::runKernel(const Kernel &kernel) {
  const auto *args = reinterpret_cast<const kvasir_step_args *>(kernel.parameters[0]);
  if (settings.failing == "launch" && ++calls["launch"] == uint64_t(settings.failingCall))
    return settings.failure;
  if (!isDeviceRange(kernel.parameters[0], sizeof(*args)) || !checkArguments(*this, *args))
    return misuse("kernel '" + kernel.function->name + "': arguments outside of device memory");
  std::vector<void *> operands;
  std::vector<kvasir_operand_extent> extents;
  for (size_t i = 1; i < kernel.parameters.size(); ++i) {
    operands.push_back(reinterpret_cast<void *>(kernel.parameters[i]));
    extents.push_back(extentOf(kernel.parameters[i]));
    // No buffer reaches into the step's arguments, which kernels read before they wait for others.
    if (kernel.parameters[i] < kernel.parameters[0])
      extents.back().bytes =
          std::min<uint64_t>(extents.back().bytes, kernel.parameters[0] - kernel.parameters[i]);
  }
  const Module &module = *kernel.function->module;
  kvasir_checked_row row = {module.checker, extents.data()};
  operands.push_back(&row);
  kernel.function->run(args, operands.data(), 0, 1);
  const char *finding = module.checks ? module.checks->finding(module.checker) : nullptr;
  return finding ? (misuse(finding), CUDA_ERROR_ILLEGAL_ADDRESS) : CUDA_SUCCESS;
}

CUresult Driver::checkCopy(const CUDA_MEMCPY3D &copy) {
  bool up = copy.srcMemoryType == CU_MEMORYTYPE_HOST;
  if (copy.Height != 1 || copy.Depth != 1 || copy.reserved0 || copy.reserved1 ||
      copy.dstMemoryType != (up ? CU_MEMORYTYPE_DEVICE : CU_MEMORYTYPE_HOST))
    return misuse("a copy that is not one row between host and device");
  CUdeviceptr there = up ? copy.dstDevice : copy.srcDevice;
  const void *here = up ? copy.srcHost : copy.dstHost;
  if (!isDeviceRange(there, copy.WidthInBytes))
    return misuse("a copy outside of device memory");
  if (!isPinnedRange(here, copy.WidthInBytes))
    return misuse("a copy of memory that is not pinned");
  return CUDA_SUCCESS;
}

} // namespace kvasir::test::fake
