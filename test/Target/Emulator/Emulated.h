// Kernels of a gpu.module, compiled for the emulator, loaded and called.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_TEST_TARGET_EMULATOR_EMULATED_H
#define KVASIR_TEST_TARGET_EMULATOR_EMULATED_H

#include "OnDevice.h"
#include "kvasir-c/abi.h"
#include "kvasir-c/checked.h"
#include "kvasir/Target/Emulator/Lowering.h"

#include <array>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

namespace kvasir::test {

/// Memory of one operand.
struct Operand {
  void *data;
  uint64_t bytes;
  bool writable = true;
  /// Number, from 1, among the memories that have no values until kernels write them; 0: it has.
  uint32_t memory = 0;
  uint64_t pageBytes = 0; ///< of such a memory that is a cache

  template <class T>
  Operand(std::vector<T> &values, bool writable = true)
      : data(values.data()), bytes(values.size() * sizeof(T)), writable(writable) {}
  Operand(void *data, uint64_t bytes, bool writable = true)
      : data(data), bytes(bytes), writable(writable) {}
  /// The same without values, as memory `number`.
  Operand without(uint32_t number, uint64_t page = 0) const {
    Operand result = *this;
    result.memory = number;
    result.pageBytes = page;
    return result;
  }
};

/// How near a GPU's results must be to the emulator's.
struct Nearness {
  bool compared = true;              ///< false: the hardware may do something else
  double relative = 0, absolute = 0; ///< errors of f32; both 0: equal bits
};

/// The first GPU of the machine; null, with the `reason`, where there is none.
const OnDevice *findDevice(std::string &reason);

/// Runs a kernel on `device` with operands as they were `before`, and says where they are then not
/// as `after`; "": nowhere.
std::string compareOnDevice(const OnDevice &device, const std::string &ptx,
                            const std::string &kernel, const Launch &launch,
                            std::vector<Bytes> before, const std::vector<Bytes> &after,
                            const kvasir_step_args *args, const Nearness &nearness);

/// PTX of the gpu.module in `text`, and how its kernels are launched.
class PTX {
public:
  explicit PTX(const std::string &text, int64_t mostBlocks = 16);

  /// With the step's number of blocks. The kernel is there.
  Launch launch(const std::string &kernel, const kvasir_step_args *args) const;

  std::string text, failure;
  int capability = 0; ///< that it needs: 90

private:
  struct Kernel {
    Launch launch;
    std::array<int64_t, 4> items;
    bool hasItems;
  };
  std::map<std::string, Kernel> kernels;
  int64_t mostBlocks;
};

/// The texts that PTX was made of in this process so far.
const std::set<std::string> &translatedTexts();

/// The code of every gpu.module in a module. Where there is a GPU, kernels from text run there too,
/// and what they leave is compared.
class Emulated {
public:
  /// A kernel and its operands.
  struct Call {
    std::string kernel;
    std::vector<Operand> operands;
  };

  /// From text. `failure` says what went wrong, with all diagnostics.
  explicit Emulated(const std::string &text, const EmulatorOptions &options = {});
  /// From a module that holds gpu.modules, one of which is @chip; it is changed.
  Emulated(mlir::ModuleOp module, llvm::StringRef chip, const EmulatorOptions &options = {});
  ~Emulated();
  Emulated(const Emulated &) = delete;
  Emulated &operator=(const Emulated &) = delete;

  /// Runs a kernel on `workers` threads. Returns what was found wrong, or "".
  std::string run(const std::string &kernel, std::vector<Operand> operands,
                  const kvasir_step_args *args = nullptr, int32_t workers = 1) const;
  /// The same for kernels of one step, one after the other, in each of `steps` steps; on no device.
  std::string runStep(const std::vector<Call> &calls, const kvasir_step_args *args = nullptr,
                      int32_t workers = 1, int32_t steps = 1) const;

  std::string failure;
  Nearness nearness;
  std::vector<uint8_t> object; ///< the shared object

private:
  std::string compare(const std::string &kernel, const std::vector<Bytes> &before,
                      const std::vector<Operand> &operands, const kvasir_step_args *args) const;

  void compile(mlir::ModuleOp module, llvm::StringRef chip, const EmulatorOptions &options);
  /// The file stays open as long as the library: the dynamic linker takes a path that it has seen
  /// for the same library, so no other code may get this number.
  int file = -1;
  void *library = nullptr;
  std::unique_ptr<PTX> ptx; // of kernels from text
};

/// A module @sm_90 with one kernel @k of 32 `threads` in one block, with operands %in and %out.
/// `body` finds the thread's index as %tid and the places of its i32 as %in_at and %out_at, and
/// ends with what is to be done before the return.
struct KernelText {
  std::string body;
  std::string globals = {};
  int threads = 32;
  int blocks = 1;
  std::string attributes = {}; // further ones, each after a comma
  std::string chip = "sm_90";

  std::string str() const;
};

} // namespace kvasir::test

#endif // KVASIR_TEST_TARGET_EMULATOR_EMULATED_H
