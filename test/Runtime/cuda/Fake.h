// A driver without a device: what libcuda.so.1 of the tests remembers. Kernels are phase functions
// of a shared object for the host, device memory is memory that nobody but they may touch.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_TEST_RUNTIME_CUDA_FAKE_H
#define KVASIR_TEST_RUNTIME_CUDA_FAKE_H

#include "cuda/Api.h"
#include "kvasir-c/abi.h"
#include "kvasir-c/checked.h"

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

namespace kvasir::test::fake {

using namespace kvasir::rt::cuda;

/// From the environment, KVASIR_FAKE_CUDA="key=value,key=value", read by each cuInit.
struct Settings {
  std::string code;     ///< path of the shared object that stands for every module
  std::string artifact; ///< or of an artifact whose code for the host does
  int version = 12040;
  int devices = 1;
  int major = 9, minor = 0; ///< "architecture=90"
  uint64_t memory = uint64_t(1) << 30;
  int blocks = 2;      ///< of each kernel that a multiprocessor holds
  std::string failing; ///< "fail=CALL:N:RESULT": the N-th CALL; CALL "launch": kernel
  int failingCall = 0;
  CUresult failure = CUDA_SUCCESS;
};

struct Module {
  void *library = nullptr;
  const kvasir_checker *checks = nullptr;
  void *checker = nullptr;
  std::vector<std::unique_ptr<struct Function>> functions;
};

struct Function {
  Module *module;
  std::string name;
  kvasir_phase_fn run;
  int dynamicShared = 0; // that it may be launched with
};

struct Event {
  uint64_t recorded = 0, reached = 0; // ordinals of records; 0: never
  double time = 0;
};

using Operation = std::function<CUresult()>;

/// Work is done when someone waits for it, never before: what is read too early is wrong.
struct Stream {
  std::deque<Operation> waiting;
};

struct Kernel {
  Function *function = nullptr;
  unsigned int grid = 0, threads = 0, shared = 0;
  std::vector<CUdeviceptr> parameters;
};

struct Node {
  bool isKernel = false;
  Kernel kernel;
  CUDA_MEMCPY3D copy = {};
  std::vector<std::pair<Node *, CUgraphEdgeData>> from;
};

struct Graph {
  std::vector<std::unique_ptr<Node>> nodes;
};

struct Exec {
  std::vector<Node> nodes; // in order
};

/// Everything; guarded by `mutex`. Its destructor complains about what was not given back.
class Driver {
public:
  ~Driver();

  std::recursive_mutex mutex;
  Settings settings;
  bool initialized = false;
  int retained = 0; // of the one context
  CUresult broken = CUDA_SUCCESS;
  std::map<std::string, uint64_t> calls;
  std::map<CUdeviceptr, uint64_t> memory; // start -> bytes
  std::map<CUdeviceptr, uint64_t> copied; // ranges that streams copied from the host: weights
  std::map<uintptr_t, uint64_t> pinned;
  std::set<Stream *> streams;
  std::set<Event *> events;
  std::set<Module *> modules;
  std::set<Graph *> graphs;
  std::set<Exec *> execs;
  uint64_t records = 0;

  /// At the start of each call: counts it, and fails if it is to fail.
  CUresult enter(const char *name, bool needsContext = true);
  /// Prints; the process ends with an error.
  CUresult misuse(const std::string &what);
  bool isDeviceRange(CUdeviceptr start, uint64_t bytes) const;
  bool isPinnedRange(const void *start, uint64_t bytes) const;
  /// Bytes from `start` to the end of its part of device memory, and whether it was copied there.
  kvasir_operand_extent extentOf(CUdeviceptr start) const;
  CUresult runAll(Stream &stream);
  CUresult runKernel(const Kernel &kernel);
  CUresult readKernel(Function *function, unsigned int grid, unsigned int threads,
                      unsigned int shared, void **parameters, void **extra, Kernel &kernel);
  CUresult checkCopy(const CUDA_MEMCPY3D &copy);
  uint64_t used() const;

private:
  bool misused = false;
};

Driver &driver();

/// The library that the settings name; null when there is none.
void *openCode(const Settings &settings);

} // namespace kvasir::test::fake

#endif // KVASIR_TEST_RUNTIME_CUDA_FAKE_H
