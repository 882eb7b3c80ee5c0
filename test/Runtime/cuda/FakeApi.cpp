// The functions of libcuda.so.1 that the runtime uses, without a device.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "Fake.h"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <sys/mman.h>
#include <type_traits>

namespace kvasir::test::fake {
extern thread_local int contextDepth;

static Settings readSettings() {
  Settings settings;
  const char *text = std::getenv("KVASIR_FAKE_CUDA");
  std::string all = text ? text : "";
  for (size_t at = 0; at < all.size();) {
    size_t end = std::min(all.find(',', at), all.size());
    std::string entry = all.substr(at, end - at), key = entry.substr(0, entry.find('='));
    std::string value = entry.substr(std::min(entry.size(), key.size() + 1));
    at = end + 1;
    auto number = [&] { return std::strtoll(value.c_str(), nullptr, 10); };
    if (key == "code")
      settings.code = value;
    else if (key == "artifact")
      settings.artifact = value;
    else if (key == "version")
      settings.version = static_cast<int>(number());
    else if (key == "devices")
      settings.devices = static_cast<int>(number());
    else if (key == "architecture")
      settings.major = int(number() / 10), settings.minor = int(number() % 10);
    else if (key == "memory")
      settings.memory = static_cast<uint64_t>(number());
    else if (key == "blocks")
      settings.blocks = static_cast<int>(number());
    else if (key == "fail") {
      size_t first = value.find(':'), second = value.find(':', first + 1);
      settings.failing = value.substr(0, first);
      settings.failingCall = std::atoi(value.c_str() + first + 1);
      settings.failure = static_cast<CUresult>(std::atoi(value.c_str() + second + 1));
    }
  }
  return settings;
}

template <class T, class Handle> static T *object(Handle handle) {
  return reinterpret_cast<T *>(handle);
}
/// Takes `item` out of a set of live objects.
template <class T> static CUresult release(std::set<T *> &live, T *item, const char *what) {
  if (!live.erase(item))
    return driver().misuse(std::string(what) + " of something that is not there");
  delete item;
  return CUDA_SUCCESS;
}
template <class T, class Handle> static CUresult create(std::set<T *> &live, Handle *out) {
  T *made = new T();
  live.insert(made);
  *out = reinterpret_cast<Handle>(made);
  return CUDA_SUCCESS;
}

static CUresult queueCopy(CUstream stream, void *target, const void *source, size_t bytes) {
  object<Stream>(stream)->waiting.push_back([=] {
    std::memcpy(target, source, bytes);
    return CUDA_SUCCESS;
  });
  return CUDA_SUCCESS;
}

static double seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}
} // namespace kvasir::test::fake

#define FAKE_ENTER(...)                                                                            \
  std::lock_guard lock(driver().mutex);                                                            \
  if (CUresult failed = driver().enter(__VA_ARGS__); failed != CUDA_SUCCESS)                       \
  return failed

namespace kvasir::test::fake {
extern "C" {

/// How often a function was called, for tests.
uint64_t kvasir_fake_calls(const char *name) { return driver().calls[name]; }

CUresult cuDriverGetVersion(int *version) {
  Settings settings = readSettings();
  *version = settings.version;
  return settings.failing == "cuDriverGetVersion" ? settings.failure : CUDA_SUCCESS;
}
CUresult cuInit(unsigned int) {
  std::lock_guard lock(driver().mutex);
  driver().settings = readSettings();
  driver().initialized = true;
  driver().broken = CUDA_SUCCESS;
  driver().calls.clear();
  if (driver().settings.failing == "cuInit")
    return driver().settings.failure;
  return driver().settings.devices ? CUDA_SUCCESS : CUDA_ERROR_NO_DEVICE;
}
CUresult cuGetErrorName(CUresult error, const char **text) {
  *text = error == CUDA_ERROR_OUT_OF_MEMORY     ? "CUDA_ERROR_OUT_OF_MEMORY"
          : error == CUDA_ERROR_ILLEGAL_ADDRESS ? "CUDA_ERROR_ILLEGAL_ADDRESS"
          : error == CUDA_ERROR_NO_DEVICE       ? "CUDA_ERROR_NO_DEVICE"
                                                : "CUDA_ERROR_OF_THE_FAKE";
  return CUDA_SUCCESS;
}
CUresult cuGetErrorString(CUresult, const char **text) {
  *text = "what the driver says of it";
  return CUDA_SUCCESS;
}
CUresult cuDeviceGetCount(int *count) {
  FAKE_ENTER("cuDeviceGetCount", false);
  *count = driver().settings.devices;
  return CUDA_SUCCESS;
}
CUresult cuDeviceGet(CUdevice *device, int ordinal) {
  FAKE_ENTER("cuDeviceGet", false);
  *device = ordinal;
  return CUDA_SUCCESS;
}
CUresult cuDeviceGetName(char *name, int length, CUdevice device) {
  FAKE_ENTER("cuDeviceGetName", false);
  std::string text = "Fake " + std::to_string(device);
  std::strncpy(name, text.c_str(), static_cast<size_t>(length));
  return CUDA_SUCCESS;
}
CUresult cuDeviceGetAttribute(int *value, CUdevice_attribute attribute, CUdevice) {
  FAKE_ENTER("cuDeviceGetAttribute", false);
  const Settings &settings = driver().settings;
  *value = attribute == CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT       ? 4
           : attribute == CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR ? settings.major
                                                                       : settings.minor;
  return CUDA_SUCCESS;
}
CUresult cuDeviceTotalMem_v2(size_t *bytes, CUdevice) {
  FAKE_ENTER("cuDeviceTotalMem", false);
  *bytes = driver().settings.memory;
  return CUDA_SUCCESS;
}
CUresult cuDevicePrimaryCtxRetain(CUcontext *context, CUdevice) {
  FAKE_ENTER("cuDevicePrimaryCtxRetain", false);
  ++driver().retained;
  *context = object<CUctx_st>(&driver());
  return CUDA_SUCCESS;
}
CUresult cuDevicePrimaryCtxRelease_v2(CUdevice) {
  std::lock_guard lock(driver().mutex);
  return driver().retained-- > 0 ? CUDA_SUCCESS : driver().misuse("a context released twice");
}
CUresult cuCtxPushCurrent_v2(CUcontext context) {
  FAKE_ENTER("cuCtxPushCurrent", false);
  if (context != object<CUctx_st>(&driver()) || driver().retained == 0)
    return driver().misuse("a context that is not there");
  ++contextDepth;
  return CUDA_SUCCESS;
}
CUresult cuCtxPopCurrent_v2(CUcontext *context) {
  *context = nullptr;
  return contextDepth-- > 0 ? CUDA_SUCCESS : driver().misuse("no context to pop");
}
CUresult cuMemGetInfo_v2(size_t *free, size_t *total) {
  FAKE_ENTER("cuMemGetInfo");
  *total = driver().settings.memory;
  *free = *total - std::min<size_t>(*total, driver().used());
  return CUDA_SUCCESS;
}
CUresult cuMemAlloc_v2(CUdeviceptr *out, size_t bytes) {
  FAKE_ENTER("cuMemAlloc");
  if (bytes > driver().settings.memory - driver().used())
    return CUDA_ERROR_OUT_OF_MEMORY;
  void *memory =
      mmap(nullptr, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (bytes == 0 || memory == MAP_FAILED)
    return driver().misuse("an allocation of " + std::to_string(bytes) + " bytes");
  *out = reinterpret_cast<CUdeviceptr>(memory);
  driver().memory[*out] = bytes;
  return CUDA_SUCCESS;
}
CUresult cuMemFree_v2(CUdeviceptr start) {
  std::lock_guard lock(driver().mutex);
  auto found = driver().memory.find(start);
  if (found == driver().memory.end())
    return driver().misuse("device memory freed that is not there");
  auto &copied = driver().copied;
  copied.erase(copied.lower_bound(start), copied.lower_bound(start + found->second));
  munmap(reinterpret_cast<void *>(start), found->second);
  driver().memory.erase(found);
  return CUDA_SUCCESS;
}
CUresult cuMemHostAlloc(void **out, size_t bytes, unsigned int) {
  FAKE_ENTER("cuMemHostAlloc");
  *out = std::aligned_alloc(4096, (bytes + 4095) / 4096 * 4096);
  std::memset(*out, 0xcd, bytes);
  driver().pinned[reinterpret_cast<uintptr_t>(*out)] = bytes;
  return CUDA_SUCCESS;
}
CUresult cuMemFreeHost(void *start) {
  std::lock_guard lock(driver().mutex);
  if (!driver().pinned.erase(reinterpret_cast<uintptr_t>(start)))
    return driver().misuse("pinned memory freed that is not there");
  std::free(start);
  return CUDA_SUCCESS;
}
CUresult cuMemcpyHtoDAsync_v2(CUdeviceptr target, const void *source, size_t bytes,
                              CUstream stream) {
  FAKE_ENTER("cuMemcpyHtoDAsync");
  if (!driver().isDeviceRange(target, bytes) || !driver().isPinnedRange(source, bytes))
    return driver().misuse("a copy to the device outside of its memory or of pinned memory");
  auto before = driver().copied.upper_bound(target);
  if (before != driver().copied.begin() &&
      std::prev(before)->first + std::prev(before)->second >= target)
    std::prev(before)->second =
        std::max<uint64_t>(std::prev(before)->second, target + bytes - std::prev(before)->first);
  else
    driver().copied[target] = bytes;
  return queueCopy(stream, reinterpret_cast<void *>(target), source, bytes);
}
CUresult cuMemcpyDtoHAsync_v2(void *target, CUdeviceptr source, size_t bytes, CUstream stream) {
  FAKE_ENTER("cuMemcpyDtoHAsync");
  if (!driver().isDeviceRange(source, bytes) || !driver().isPinnedRange(target, bytes))
    return driver().misuse("a copy from the device outside of its memory or of pinned memory");
  return queueCopy(stream, target, reinterpret_cast<const void *>(source), bytes);
}
CUresult cuMemcpyDtoDAsync_v2(CUdeviceptr target, CUdeviceptr source, size_t bytes,
                              CUstream stream) {
  FAKE_ENTER("cuMemcpyDtoDAsync");
  if (!driver().isDeviceRange(target, bytes) || !driver().isDeviceRange(source, bytes))
    return driver().misuse("a copy outside of device memory");
  return queueCopy(stream, reinterpret_cast<void *>(target), reinterpret_cast<const void *>(source),
                   bytes);
}
CUresult cuMemsetD8Async(CUdeviceptr target, unsigned char value, size_t bytes, CUstream stream) {
  FAKE_ENTER("cuMemsetD8Async");
  if (!driver().isDeviceRange(target, bytes))
    return driver().misuse("a memset outside of device memory");
  object<Stream>(stream)->waiting.push_back([=] {
    std::memset(reinterpret_cast<void *>(target), value, bytes);
    return CUDA_SUCCESS;
  });
  return CUDA_SUCCESS;
}
CUresult cuStreamCreate(CUstream *out, unsigned int) {
  FAKE_ENTER("cuStreamCreate");
  return create(driver().streams, out);
}
CUresult cuStreamDestroy_v2(CUstream stream) {
  std::lock_guard lock(driver().mutex);
  if (driver().streams.count(object<Stream>(stream)) && !object<Stream>(stream)->waiting.empty())
    return driver().misuse("a stream destroyed with work in it");
  return release(driver().streams, object<Stream>(stream), "cuStreamDestroy");
}
CUresult cuStreamSynchronize(CUstream stream) {
  FAKE_ENTER("cuStreamSynchronize");
  return driver().runAll(*object<Stream>(stream));
}
CUresult cuEventCreate(CUevent *out, unsigned int) {
  FAKE_ENTER("cuEventCreate");
  return create(driver().events, out);
}
CUresult cuEventDestroy_v2(CUevent event) {
  std::lock_guard lock(driver().mutex);
  return release(driver().events, object<Event>(event), "cuEventDestroy");
}
CUresult cuEventRecord(CUevent handle, CUstream stream) {
  FAKE_ENTER("cuEventRecord");
  auto *event = object<Event>(handle);
  event->recorded = ++driver().records;
  object<Stream>(stream)->waiting.push_back([event, record = event->recorded] {
    event->reached = record;
    event->time = seconds();
    return CUDA_SUCCESS;
  });
  return CUDA_SUCCESS;
}
CUresult cuEventSynchronize(CUevent handle) {
  FAKE_ENTER("cuEventSynchronize");
  auto *event = object<Event>(handle);
  for (Stream *stream : driver().streams)
    if (event->reached != event->recorded)
      if (CUresult failed = driver().runAll(*stream); failed != CUDA_SUCCESS)
        return failed;
  return CUDA_SUCCESS;
}
CUresult cuEventElapsedTime(float *milliseconds, CUevent from, CUevent to) {
  FAKE_ENTER("cuEventElapsedTime");
  if (!object<Event>(from)->reached || !object<Event>(to)->reached)
    return driver().misuse("the time of an event that has not come");
  *milliseconds = static_cast<float>((object<Event>(to)->time - object<Event>(from)->time) * 1e3);
  return CUDA_SUCCESS;
}
CUresult cuModuleLoadDataEx(CUmodule *out, const void *image, unsigned int, CUjit_option *,
                            void **) {
  FAKE_ENTER("cuModuleLoadDataEx");
  void *library = openCode(driver().settings);
  if (!image || !library)
    return CUDA_ERROR_INVALID_IMAGE;
  create(driver().modules, out);
  auto *module = object<Module>(*out);
  module->library = library;
  module->checks = static_cast<const kvasir_checker *>(dlsym(library, KVASIR_CHECKER_SYMBOL));
  if (module->checks)
    module->checker = module->checks->create(1);
  return CUDA_SUCCESS;
}
CUresult cuModuleUnload(CUmodule handle) {
  std::lock_guard lock(driver().mutex);
  auto *module = object<Module>(handle);
  if (driver().modules.count(module) && module->checks)
    module->checks->destroy(module->checker);
  return release(driver().modules, module, "cuModuleUnload");
}
CUresult cuModuleGetFunction(CUfunction *out, CUmodule handle, const char *name) {
  FAKE_ENTER("cuModuleGetFunction");
  auto *module = object<Module>(handle);
  auto run = reinterpret_cast<kvasir_phase_fn>(dlsym(module->library, name));
  if (!run)
    return static_cast<CUresult>(500);
  module->functions.emplace_back(new Function{module, name, run});
  *out = reinterpret_cast<CUfunction>(module->functions.back().get());
  return CUDA_SUCCESS;
}
CUresult cuFuncSetAttribute(CUfunction function, CUfunction_attribute, int value) {
  FAKE_ENTER("cuFuncSetAttribute");
  object<Function>(function)->dynamicShared = value;
  return CUDA_SUCCESS;
}
CUresult cuOccupancyMaxActiveBlocksPerMultiprocessor(int *blocks, CUfunction, int, size_t) {
  FAKE_ENTER("cuOccupancyMaxActiveBlocksPerMultiprocessor");
  *blocks = driver().settings.blocks;
  return CUDA_SUCCESS;
}
CUresult cuLaunchKernel(CUfunction function, unsigned int gridX, unsigned int, unsigned int,
                        unsigned int blockX, unsigned int, unsigned int, unsigned int shared,
                        CUstream stream, void **parameters, void **extra) {
  FAKE_ENTER("cuLaunchKernel");
  Kernel kernel;
  CUresult result = driver().readKernel(object<Function>(function), gridX, blockX, shared,
                                        parameters, extra, kernel);
  if (result == CUDA_SUCCESS)
    object<Stream>(stream)->waiting.push_back([=] { return driver().runKernel(kernel); });
  return result;
}
CUresult cuGraphCreate(CUgraph *out, unsigned int) {
  FAKE_ENTER("cuGraphCreate");
  return create(driver().graphs, out);
}
CUresult cuGraphDestroy(CUgraph graph) {
  std::lock_guard lock(driver().mutex);
  return release(driver().graphs, object<Graph>(graph), "cuGraphDestroy");
}
CUresult cuGraphAddKernelNode_v2(CUgraphNode *out, CUgraph graph, const CUgraphNode *, size_t count,
                                 const CUDA_KERNEL_NODE_PARAMS *node) {
  FAKE_ENTER("cuGraphAddKernelNode");
  auto made = std::make_unique<Node>();
  made->isKernel = true;
  if (count != 0)
    return driver().misuse("dependencies come as edges");
  CUresult result =
      driver().readKernel(object<Function>(node->func), node->gridDimX, node->blockDimX,
                          node->sharedMemBytes, node->kernelParams, node->extra, made->kernel);
  *out = reinterpret_cast<CUgraphNode>(made.get());
  object<Graph>(graph)->nodes.push_back(std::move(made));
  return result;
}
CUresult cuGraphAddMemcpyNode(CUgraphNode *out, CUgraph graph, const CUgraphNode *, size_t count,
                              const CUDA_MEMCPY3D *copy, CUcontext context) {
  FAKE_ENTER("cuGraphAddMemcpyNode");
  if (count != 0 || context != object<CUctx_st>(&driver()))
    return driver().misuse("a copy with dependencies, or without a context");
  auto made = std::make_unique<Node>();
  made->copy = *copy;
  *out = reinterpret_cast<CUgraphNode>(made.get());
  object<Graph>(graph)->nodes.push_back(std::move(made));
  return driver().checkCopy(*copy);
}
CUresult cuGraphAddDependencies_v2(CUgraph, const CUgraphNode *from, const CUgraphNode *to,
                                   const CUgraphEdgeData *edges, size_t count) {
  FAKE_ENTER("cuGraphAddDependencies");
  static const unsigned char zeros[5] = {};
  for (size_t i = 0; i < count; ++i) {
    auto *before = object<Node>(from[i]), *after = object<Node>(to[i]);
    bool early = edges[i].type == CU_GRAPH_DEPENDENCY_TYPE_PROGRAMMATIC;
    if (edges[i].to_port || std::memcmp(edges[i].reserved, zeros, 5) != 0 ||
        edges[i].from_port != (early ? CU_GRAPH_KERNEL_NODE_PORT_PROGRAMMATIC : 0))
      return driver().misuse("an edge with ports that do not exist");
    if (early && (!before->isKernel || !after->isKernel || driver().settings.major < 9))
      return driver().misuse("a programmatic edge where there can be none");
    driver().calls["programmatic edge"] += early;
    after->from.emplace_back(before, edges[i]);
  }
  return CUDA_SUCCESS;
}
CUresult cuGraphInstantiateWithFlags(CUgraphExec *out, CUgraph handle, unsigned long long) {
  FAKE_ENTER("cuGraphInstantiate");
  create(driver().execs, out);
  auto *exec = object<Exec>(*out);
  const auto &nodes = object<Graph>(handle)->nodes;
  for (size_t i = 0; i < nodes.size(); ++i) {
    // A step is a chain, in the order in which its nodes were added.
    if (nodes[i]->from.size() != (i ? 1 : 0) ||
        (i && nodes[i]->from[0].first != nodes[i - 1].get()))
      return driver().misuse("a graph that is not a chain");
    exec->nodes.push_back(*nodes[i]);
  }
  return nodes.empty() ? driver().misuse("an empty graph") : CUDA_SUCCESS;
}
CUresult cuGraphExecDestroy(CUgraphExec exec) {
  std::lock_guard lock(driver().mutex);
  return release(driver().execs, object<Exec>(exec), "cuGraphExecDestroy");
}
CUresult cuGraphUpload(CUgraphExec, CUstream) {
  FAKE_ENTER("cuGraphUpload");
  return CUDA_SUCCESS;
}
CUresult cuGraphLaunch(CUgraphExec handle, CUstream stream) {
  FAKE_ENTER("cuGraphLaunch");
  auto *exec = object<Exec>(handle);
  if (!driver().execs.count(exec))
    return driver().misuse("a graph launched that is not there");
  for (const Node &node : exec->nodes)
    object<Stream>(stream)->waiting.push_back([&node] {
      if (node.isKernel)
        return driver().runKernel(node.kernel);
      const CUDA_MEMCPY3D &copy = node.copy;
      bool up = copy.srcMemoryType == CU_MEMORYTYPE_HOST;
      std::memcpy(up ? reinterpret_cast<void *>(copy.dstDevice) : copy.dstHost,
                  up ? copy.srcHost : reinterpret_cast<const void *>(copy.srcDevice),
                  copy.WidthInBytes);
      return CUDA_SUCCESS;
    });
  return CUDA_SUCCESS;
}

} // extern "C"

// Every function that the runtime asks for is here, with the parameters that it thinks it has.
#define FAKE_CHECK(name, symbol, parameters)                                                       \
  static_assert(std::is_same_v<decltype(&symbol), CUresult(*) parameters>, #symbol);
KVASIR_CUDA_FUNCTIONS(FAKE_CHECK)

} // namespace kvasir::test::fake
