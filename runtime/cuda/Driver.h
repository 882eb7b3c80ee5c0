// The CUDA driver: libcuda.so.1, opened when it is needed; its functions and its errors.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_RUNTIME_CUDA_DRIVER_H
#define KVASIR_RUNTIME_CUDA_DRIVER_H

#include "cuda/Api.h"
#include "support/Status.h"

#include <memory>

namespace kvasir::rt::cuda {

/// The functions of the driver. Immutable, shared by threads; the library stays loaded.
class Driver {
public:
  /// Code::unavailable, with what is missing, when there is no driver, it is too old, or it does
  /// not work here.
  static Result<std::shared_ptr<const Driver>> open(const char *library = "libcuda.so.1");

// NOLINTNEXTLINE(bugprone-macro-parentheses): the arguments make a declaration.
#define KVASIR_CUDA_MEMBER(name, symbol, parameters) CUresult(*name) parameters = nullptr;
  KVASIR_CUDA_FUNCTIONS(KVASIR_CUDA_MEMBER)
#undef KVASIR_CUDA_MEMBER

  /// "12.4": the newest CUDA that the driver knows.
  std::string version() const;

  /// The error of a call, with the result's name and text and what can be done. Ok for success.
  Status check(CUresult result, const char *call) const;

private:
  Status resolve(void *library);
  int versionNumber = 0; // 1000 * major + 10 * minor
};

/// Returns the error of a driver's call from the function around it.
#define KVASIR_CUDA_TRY(driver, function, ...)                                                     \
  do {                                                                                             \
    if (::kvasir::rt::Status cudaStatus =                                                          \
            (driver).check((driver).function(__VA_ARGS__), #function);                             \
        !cudaStatus)                                                                               \
      return cudaStatus;                                                                           \
  } while (false)

} // namespace kvasir::rt::cuda

#endif // KVASIR_RUNTIME_CUDA_DRIVER_H
