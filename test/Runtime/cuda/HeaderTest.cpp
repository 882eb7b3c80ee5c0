// Our declarations of the driver API against CUDA's own header, where a toolkit is installed.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "cuda/Api.h"

namespace own = kvasir::rt::cuda;

// Names that are macros in cuda.h, as they are before it is included.
static constexpr uintptr_t ownMacros[] = {
    own::CU_LAUNCH_PARAM_END_AS_INT, own::CU_LAUNCH_PARAM_BUFFER_POINTER_AS_INT,
    own::CU_LAUNCH_PARAM_BUFFER_SIZE_AS_INT, own::CU_GRAPH_KERNEL_NODE_PORT_PROGRAMMATIC};

// After ours: it renames functions by macros.
#include <cuda.h>
#include <gtest/gtest.h>
#include <type_traits>

#define SAME_VALUE(name)                                                                           \
  static_assert(static_cast<long>(own::name) == static_cast<long>(name), #name)
SAME_VALUE(CUDA_SUCCESS);
SAME_VALUE(CUDA_ERROR_INVALID_VALUE);
SAME_VALUE(CUDA_ERROR_OUT_OF_MEMORY);
SAME_VALUE(CUDA_ERROR_STUB_LIBRARY);
SAME_VALUE(CUDA_ERROR_DEVICE_UNAVAILABLE);
SAME_VALUE(CUDA_ERROR_NO_DEVICE);
SAME_VALUE(CUDA_ERROR_INVALID_IMAGE);
SAME_VALUE(CUDA_ERROR_NO_BINARY_FOR_GPU);
SAME_VALUE(CUDA_ERROR_INVALID_PTX);
SAME_VALUE(CUDA_ERROR_JIT_COMPILER_NOT_FOUND);
SAME_VALUE(CUDA_ERROR_UNSUPPORTED_PTX_VERSION);
SAME_VALUE(CUDA_ERROR_JIT_COMPILATION_DISABLED);
SAME_VALUE(CUDA_ERROR_ILLEGAL_ADDRESS);
SAME_VALUE(CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES);
SAME_VALUE(CUDA_ERROR_LAUNCH_FAILED);
SAME_VALUE(CUDA_ERROR_SYSTEM_NOT_READY);
SAME_VALUE(CUDA_ERROR_SYSTEM_DRIVER_MISMATCH);
SAME_VALUE(CUDA_ERROR_COMPAT_NOT_SUPPORTED_ON_DEVICE);
SAME_VALUE(CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT);
SAME_VALUE(CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR);
SAME_VALUE(CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR);
SAME_VALUE(CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES);
SAME_VALUE(CU_JIT_ERROR_LOG_BUFFER);
SAME_VALUE(CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES);
SAME_VALUE(CU_MEMORYTYPE_HOST);
SAME_VALUE(CU_MEMORYTYPE_DEVICE);
SAME_VALUE(CU_STREAM_NON_BLOCKING);
SAME_VALUE(CU_EVENT_DEFAULT);
SAME_VALUE(CU_EVENT_DISABLE_TIMING);
SAME_VALUE(CU_GRAPH_DEPENDENCY_TYPE_DEFAULT);
SAME_VALUE(CU_GRAPH_DEPENDENCY_TYPE_PROGRAMMATIC);

static_assert(CU_LAUNCH_PARAM_END_AS_INT == ownMacros[0] &&
              CU_LAUNCH_PARAM_BUFFER_POINTER_AS_INT == ownMacros[1] &&
              CU_LAUNCH_PARAM_BUFFER_SIZE_AS_INT == ownMacros[2] &&
              CU_GRAPH_KERNEL_NODE_PORT_PROGRAMMATIC == ownMacros[3]);

#define SAME_FIELD(type, field)                                                                    \
  static_assert(offsetof(own::type, field) == offsetof(type, field) &&                             \
                    sizeof(own::type::field) == sizeof(type::field),                               \
                #field)
static_assert(sizeof(own::CUgraphEdgeData) == sizeof(CUgraphEdgeData));
SAME_FIELD(CUgraphEdgeData, from_port);
SAME_FIELD(CUgraphEdgeData, to_port);
SAME_FIELD(CUgraphEdgeData, type);
SAME_FIELD(CUgraphEdgeData, reserved);
static_assert(sizeof(own::CUDA_KERNEL_NODE_PARAMS) == sizeof(CUDA_KERNEL_NODE_PARAMS));
SAME_FIELD(CUDA_KERNEL_NODE_PARAMS, func);
SAME_FIELD(CUDA_KERNEL_NODE_PARAMS, gridDimX);
SAME_FIELD(CUDA_KERNEL_NODE_PARAMS, blockDimX);
SAME_FIELD(CUDA_KERNEL_NODE_PARAMS, sharedMemBytes);
SAME_FIELD(CUDA_KERNEL_NODE_PARAMS, kernelParams);
SAME_FIELD(CUDA_KERNEL_NODE_PARAMS, extra);
SAME_FIELD(CUDA_KERNEL_NODE_PARAMS, ctx);
static_assert(sizeof(own::CUDA_MEMCPY3D) == sizeof(CUDA_MEMCPY3D));
SAME_FIELD(CUDA_MEMCPY3D, srcMemoryType);
SAME_FIELD(CUDA_MEMCPY3D, srcHost);
SAME_FIELD(CUDA_MEMCPY3D, srcDevice);
SAME_FIELD(CUDA_MEMCPY3D, srcPitch);
SAME_FIELD(CUDA_MEMCPY3D, dstMemoryType);
SAME_FIELD(CUDA_MEMCPY3D, dstHost);
SAME_FIELD(CUDA_MEMCPY3D, dstDevice);
SAME_FIELD(CUDA_MEMCPY3D, dstHeight);
SAME_FIELD(CUDA_MEMCPY3D, WidthInBytes);
SAME_FIELD(CUDA_MEMCPY3D, Height);
SAME_FIELD(CUDA_MEMCPY3D, Depth);

/// Passed in the same way: pointers, and numbers of the same size.
template <class A, class B>
constexpr bool passedAlike = std::is_pointer_v<A> == std::is_pointer_v<B> && sizeof(A) == sizeof(B);
template <class A, class B> constexpr bool calledAlike = false;
template <class R, class... As, class S, class... Bs>
  requires(sizeof...(As) == sizeof...(Bs))
constexpr bool calledAlike<R (*)(As...), S (*)(Bs...)> =
    passedAlike<R, S> && (passedAlike<As, Bs> && ...);

namespace kvasir::rt::cuda {
#define OWN_TYPE(name, symbol, parameters) using type_##symbol = CUresult(*) parameters;
KVASIR_CUDA_FUNCTIONS(OWN_TYPE)
} // namespace kvasir::rt::cuda
#define SAME_CALL(name, symbol, parameters)                                                        \
  static_assert(calledAlike<own::type_##symbol, decltype(&::symbol)>, #symbol);
KVASIR_CUDA_FUNCTIONS(SAME_CALL)

TEST(CudaHeader, DeclarationsAreThoseOfTheToolkit) { EXPECT_GE(CUDA_VERSION, 12040); }
