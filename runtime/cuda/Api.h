// What the runtime uses of the CUDA driver API (12.4 and newer), from its public documentation: the
// library is opened when it is needed, and no CUDA header takes part in the build. Names are
// CUDA's.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_RUNTIME_CUDA_API_H
#define KVASIR_RUNTIME_CUDA_API_H

#include <cstddef>
#include <cstdint>

namespace kvasir::rt::cuda {

using CUdevice = int;
using CUdeviceptr = unsigned long long;
using CUcontext = struct CUctx_st *;
using CUmodule = struct CUmod_st *;
using CUfunction = struct CUfunc_st *;
using CUkernel = struct CUkern_st *;
using CUarray = struct CUarray_st *;
using CUstream = struct CUstream_st *;
using CUevent = struct CUevent_st *;
using CUgraph = struct CUgraph_st *;
using CUgraphNode = struct CUgraphNode_st *;
using CUgraphExec = struct CUgraphExec_st *;

enum CUresult : int {
  CUDA_SUCCESS = 0,
  CUDA_ERROR_INVALID_VALUE = 1,
  CUDA_ERROR_OUT_OF_MEMORY = 2,
  CUDA_ERROR_STUB_LIBRARY = 34,
  CUDA_ERROR_DEVICE_UNAVAILABLE = 46,
  CUDA_ERROR_NO_DEVICE = 100,
  CUDA_ERROR_INVALID_IMAGE = 200,
  CUDA_ERROR_NO_BINARY_FOR_GPU = 209,
  CUDA_ERROR_INVALID_PTX = 218,
  CUDA_ERROR_JIT_COMPILER_NOT_FOUND = 221,
  CUDA_ERROR_UNSUPPORTED_PTX_VERSION = 222,
  CUDA_ERROR_JIT_COMPILATION_DISABLED = 223,
  CUDA_ERROR_ILLEGAL_ADDRESS = 700,
  CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES = 701,
  CUDA_ERROR_LAUNCH_FAILED = 719,
  CUDA_ERROR_SYSTEM_NOT_READY = 802,
  CUDA_ERROR_SYSTEM_DRIVER_MISMATCH = 803,
  CUDA_ERROR_COMPAT_NOT_SUPPORTED_ON_DEVICE = 804,
};

enum CUdevice_attribute : int {
  CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT = 16,
  CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR = 75,
  CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR = 76,
};

enum CUfunction_attribute : int { CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES = 8 };

enum CUjit_option : int {
  CU_JIT_ERROR_LOG_BUFFER = 5,
  CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES = 6,
};

enum CUmemorytype : int { CU_MEMORYTYPE_HOST = 1, CU_MEMORYTYPE_DEVICE = 2 };

inline constexpr unsigned int CU_STREAM_NON_BLOCKING = 1;
inline constexpr unsigned int CU_EVENT_DEFAULT = 0;
inline constexpr unsigned int CU_EVENT_DISABLE_TIMING = 2;

// Entries of the array `extra` of a launch, as pointers.
inline constexpr uintptr_t CU_LAUNCH_PARAM_END_AS_INT = 0;
inline constexpr uintptr_t CU_LAUNCH_PARAM_BUFFER_POINTER_AS_INT = 1;
inline constexpr uintptr_t CU_LAUNCH_PARAM_BUFFER_SIZE_AS_INT = 2;

inline constexpr unsigned char CU_GRAPH_DEPENDENCY_TYPE_DEFAULT = 0;
inline constexpr unsigned char CU_GRAPH_DEPENDENCY_TYPE_PROGRAMMATIC = 1;
inline constexpr unsigned char CU_GRAPH_KERNEL_NODE_PORT_PROGRAMMATIC = 1;

struct CUgraphEdgeData {
  unsigned char from_port;
  unsigned char to_port;
  unsigned char type;
  unsigned char reserved[5];
};

struct CUDA_KERNEL_NODE_PARAMS {
  CUfunction func;
  unsigned int gridDimX, gridDimY, gridDimZ;
  unsigned int blockDimX, blockDimY, blockDimZ;
  unsigned int sharedMemBytes;
  void **kernelParams;
  void **extra;
  CUkernel kern;
  CUcontext ctx;
};

struct CUDA_MEMCPY3D {
  size_t srcXInBytes, srcY, srcZ, srcLOD;
  CUmemorytype srcMemoryType = CU_MEMORYTYPE_HOST;
  const void *srcHost;
  CUdeviceptr srcDevice;
  CUarray srcArray;
  void *reserved0;
  size_t srcPitch, srcHeight;
  size_t dstXInBytes, dstY, dstZ, dstLOD;
  CUmemorytype dstMemoryType = CU_MEMORYTYPE_HOST;
  void *dstHost;
  CUdeviceptr dstDevice;
  CUarray dstArray;
  void *reserved1;
  size_t dstPitch, dstHeight;
  size_t WidthInBytes, Height, Depth;
};

/// X(name, symbol in libcuda, parameters): every function returns a CUresult.
// clang-format off
#define KVASIR_CUDA_FUNCTIONS(X)                                                                   \
  X(cuInit, cuInit, (unsigned int))                                                                \
  X(cuDriverGetVersion, cuDriverGetVersion, (int *))                                               \
  X(cuGetErrorName, cuGetErrorName, (CUresult, const char **))                                     \
  X(cuGetErrorString, cuGetErrorString, (CUresult, const char **))                                 \
  X(cuDeviceGetCount, cuDeviceGetCount, (int *))                                                   \
  X(cuDeviceGet, cuDeviceGet, (CUdevice *, int))                                                   \
  X(cuDeviceGetName, cuDeviceGetName, (char *, int, CUdevice))                                     \
  X(cuDeviceGetAttribute, cuDeviceGetAttribute, (int *, CUdevice_attribute, CUdevice))             \
  X(cuDeviceTotalMem, cuDeviceTotalMem_v2, (size_t *, CUdevice))                                   \
  X(cuDevicePrimaryCtxRetain, cuDevicePrimaryCtxRetain, (CUcontext *, CUdevice))                   \
  X(cuDevicePrimaryCtxRelease, cuDevicePrimaryCtxRelease_v2, (CUdevice))                           \
  X(cuCtxPushCurrent, cuCtxPushCurrent_v2, (CUcontext))                                            \
  X(cuCtxPopCurrent, cuCtxPopCurrent_v2, (CUcontext *))                                            \
  X(cuMemGetInfo, cuMemGetInfo_v2, (size_t *, size_t *))                                           \
  X(cuMemAlloc, cuMemAlloc_v2, (CUdeviceptr *, size_t))                                            \
  X(cuMemFree, cuMemFree_v2, (CUdeviceptr))                                                        \
  X(cuMemHostAlloc, cuMemHostAlloc, (void **, size_t, unsigned int))                               \
  X(cuMemFreeHost, cuMemFreeHost, (void *))                                                        \
  X(cuMemcpyHtoDAsync, cuMemcpyHtoDAsync_v2, (CUdeviceptr, const void *, size_t, CUstream))        \
  X(cuMemcpyDtoHAsync, cuMemcpyDtoHAsync_v2, (void *, CUdeviceptr, size_t, CUstream))              \
  X(cuMemcpyDtoDAsync, cuMemcpyDtoDAsync_v2, (CUdeviceptr, CUdeviceptr, size_t, CUstream))         \
  X(cuMemsetD8Async, cuMemsetD8Async, (CUdeviceptr, unsigned char, size_t, CUstream))              \
  X(cuStreamCreate, cuStreamCreate, (CUstream *, unsigned int))                                    \
  X(cuStreamDestroy, cuStreamDestroy_v2, (CUstream))                                               \
  X(cuStreamSynchronize, cuStreamSynchronize, (CUstream))                                          \
  X(cuEventCreate, cuEventCreate, (CUevent *, unsigned int))                                       \
  X(cuEventDestroy, cuEventDestroy_v2, (CUevent))                                                  \
  X(cuEventRecord, cuEventRecord, (CUevent, CUstream))                                             \
  X(cuEventSynchronize, cuEventSynchronize, (CUevent))                                             \
  X(cuEventElapsedTime, cuEventElapsedTime, (float *, CUevent, CUevent))                           \
  X(cuModuleLoadDataEx, cuModuleLoadDataEx,                                                        \
    (CUmodule *, const void *, unsigned int, CUjit_option *, void **))                             \
  X(cuModuleUnload, cuModuleUnload, (CUmodule))                                                    \
  X(cuModuleGetFunction, cuModuleGetFunction, (CUfunction *, CUmodule, const char *))              \
  X(cuFuncSetAttribute, cuFuncSetAttribute, (CUfunction, CUfunction_attribute, int))               \
  X(cuOccupancyMaxActiveBlocksPerMultiprocessor, cuOccupancyMaxActiveBlocksPerMultiprocessor,      \
    (int *, CUfunction, int, size_t))                                                              \
  X(cuLaunchKernel, cuLaunchKernel,                                                                \
    (CUfunction, unsigned int, unsigned int, unsigned int, unsigned int, unsigned int,             \
     unsigned int, unsigned int, CUstream, void **, void **))                                      \
  X(cuGraphCreate, cuGraphCreate, (CUgraph *, unsigned int))                                       \
  X(cuGraphDestroy, cuGraphDestroy, (CUgraph))                                                     \
  X(cuGraphAddKernelNode, cuGraphAddKernelNode_v2,                                                 \
    (CUgraphNode *, CUgraph, const CUgraphNode *, size_t, const CUDA_KERNEL_NODE_PARAMS *))        \
  X(cuGraphAddMemcpyNode, cuGraphAddMemcpyNode,                                                    \
    (CUgraphNode *, CUgraph, const CUgraphNode *, size_t, const CUDA_MEMCPY3D *, CUcontext))       \
  X(cuGraphAddDependencies, cuGraphAddDependencies_v2,                                             \
    (CUgraph, const CUgraphNode *, const CUgraphNode *, const CUgraphEdgeData *, size_t))          \
  X(cuGraphInstantiate, cuGraphInstantiateWithFlags, (CUgraphExec *, CUgraph, unsigned long long)) \
  X(cuGraphExecDestroy, cuGraphExecDestroy, (CUgraphExec))                                         \
  X(cuGraphUpload, cuGraphUpload, (CUgraphExec, CUstream))                                         \
  X(cuGraphLaunch, cuGraphLaunch, (CUgraphExec, CUstream))
// clang-format on

} // namespace kvasir::rt::cuda

#endif // KVASIR_RUNTIME_CUDA_API_H
