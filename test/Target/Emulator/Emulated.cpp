// Compiling, loading and calling of emulated kernels.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "Emulated.h"

#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/Parser/Parser.h"
#include "llvm/ADT/STLExtras.h"

#include <algorithm>
#include <dlfcn.h>
#include <set>
#include <sys/mman.h>
#include <thread>
#include <unistd.h>

using namespace kvasir;
using namespace kvasir::test;

Emulated::Emulated(const std::string &text, const EmulatorOptions &options) {
  mlir::MLIRContext context(mlir::MLIRContext::Threading::DISABLED);
  context.loadDialect<mlir::LLVM::LLVMDialect, mlir::NVVM::NVVMDialect, mlir::gpu::GPUDialect>();
  mlir::ScopedDiagnosticHandler handler(
      &context, [&](mlir::Diagnostic &diagnostic) { failure += diagnostic.str() + "\n"; });
  auto module = mlir::parseSourceString<mlir::ModuleOp>(text, &context, "kernel.mlir");
  if (!module)
    return;
  auto source = *module->getOps<mlir::gpu::GPUModuleOp>().begin();
  compile(*module, std::string(source.getName()), options);
  if (!library)
    return;
  // Also where there is no GPU: what the emulator takes must have PTX.
  ptx = std::make_unique<PTX>(text, options.blocks);
  failure += ptx->failure;
}

Emulated::Emulated(mlir::ModuleOp module, llvm::StringRef chip, const EmulatorOptions &options) {
  mlir::ScopedDiagnosticHandler handler(module.getContext(), [&](mlir::Diagnostic &diagnostic) {
    failure += diagnostic.str() + "\n";
  });
  compile(module, chip, options);
}

void Emulated::compile(mlir::ModuleOp module, llvm::StringRef chip,
                       const EmulatorOptions &options) {
  std::string name = ("emulate:" + chip).str();
  if (mlir::failed(lowerToEmulator(module, options))) {
    failure += "cannot be lowered\n";
    return;
  }
  const target::CPUVariant *variant = target::findEmulatorVariant(name);
  for (auto code : module.getOps<mlir::ModuleOp>()) {
    if (!variant || code.getName() != name || file >= 0)
      continue;
    auto compiled = target::compileSharedObject(code, *variant);
    if (!compiled) {
      failure += llvm::toString(compiled.takeError());
      return;
    }
    object.assign(compiled->begin(), compiled->end());
    file = memfd_create("emulated", 0);
    if (write(file, object.data(), object.size()) == ssize_t(object.size()))
      library = dlopen(("/proc/self/fd/" + std::to_string(file)).c_str(), RTLD_NOW);
    if (!library)
      failure += dlerror();
  }
  if (!library && failure.empty())
    failure = "there is no code for " + name;
}

Emulated::~Emulated() {
  if (library)
    dlclose(library);
  if (file >= 0)
    close(file);
}

static std::vector<Bytes> contents(const std::vector<Operand> &operands) {
  std::vector<Bytes> all;
  for (const Operand &operand : operands) {
    const auto *start = static_cast<const unsigned char *>(operand.data);
    all.emplace_back(start, start + operand.bytes);
  }
  return all;
}

std::string Emulated::compare(const std::string &kernel, const std::vector<Bytes> &before,
                              const std::vector<Operand> &operands,
                              const kvasir_step_args *args) const {
  std::string reason;
  return compareOnDevice(*findDevice(reason), ptx->text, kernel, ptx->launch(kernel, args), before,
                         contents(operands), args, nearness);
}

namespace {
/// What the runtime gives checked code: a checker, and notes on memories.
struct Checked {
  const kvasir_checker *functions;
  void *state;
  std::vector<kvasir_checked_memory> memories;
  std::vector<std::vector<uint32_t>> notes;
  std::set<uint32_t> begun; // buffers, in this step

  Checked(const kvasir_checker *functions, int32_t workers)
      : functions(functions), state(functions->create(workers)) {}
  ~Checked() {
    if (state)
      functions->destroy(state);
  }

  void add(const Operand &operand) {
    memories.resize(std::max<size_t>(memories.size(), operand.memory));
    notes.resize(memories.size());
    if (operand.memory == 0)
      return;
    uint64_t pages = operand.pageBytes ? operand.bytes / operand.pageBytes : 1;
    notes[operand.memory - 1].resize(pages);
    memories[operand.memory - 1] = {operand.pageBytes, notes[operand.memory - 1].data()};
  }

  void startStep() {
    begun.clear();
    functions->start_step(state, memories.data());
  }

  std::string finding() const {
    const char *text = functions->finding(state);
    return text ? text : "";
  }

  void call(kvasir_phase_fn phase, const std::vector<Operand> &operands,
            const kvasir_step_args *args, int32_t workers) {
    std::vector<void *> pointers;
    std::vector<kvasir_operand_extent> extents;
    for (const Operand &operand : operands) {
      bool begins = operand.memory && !operand.pageBytes && begun.insert(operand.memory).second;
      pointers.push_back(operand.data);
      extents.push_back({operand.bytes, begins ? 2u : uint32_t(operand.writable), operand.memory});
    }
    kvasir_checked_row row = {state, extents.data()};
    pointers.push_back(&row);
    std::vector<std::thread> threads;
    for (int32_t worker = 1; worker < workers; ++worker)
      threads.emplace_back([&, worker] { phase(args, pointers.data(), worker, workers); });
    phase(args, pointers.data(), 0, workers);
    for (std::thread &thread : threads)
      thread.join();
  }
};
} // namespace

std::string Emulated::runStep(const std::vector<Call> &calls, const kvasir_step_args *args,
                              int32_t workers, int32_t steps) const {
  if (!library)
    return "not compiled: " + failure;
  auto *checker = static_cast<const kvasir_checker *>(dlsym(library, KVASIR_CHECKER_SYMBOL));
  std::vector<kvasir_phase_fn> phases;
  for (const Call &call : calls)
    phases.push_back(reinterpret_cast<kvasir_phase_fn>(dlsym(library, call.kernel.c_str())));
  if (!checker || llvm::is_contained(phases, nullptr))
    return "there is no such kernel";
  Checked checked(checker, workers);
  if (!checked.state)
    return "not enough memory";
  for (const Call &call : calls)
    for (const Operand &operand : call.operands)
      checked.add(operand);
  for (int32_t step = 0; step < steps; ++step) {
    checked.startStep();
    for (auto [phase, call] : llvm::zip(phases, calls))
      checked.call(phase, call.operands, args, workers);
  }
  return checked.finding();
}

std::string Emulated::run(const std::string &kernel, std::vector<Operand> operands,
                          const kvasir_step_args *args, int32_t workers) const {
  std::vector<Bytes> before;
  std::string reason;
  const OnDevice *device = ptx && nearness.compared ? findDevice(reason) : nullptr;
  bool compares = device && ptx->capability <= device->capability();
  if (compares)
    before = contents(operands);
  std::string result = runStep({{kernel, operands}}, args, workers);
  return compares && result.empty() ? compare(kernel, before, operands, args) : result;
}

std::string KernelText::str() const {
  return "gpu.module @" + chip + " {\n" + globals + R"(
llvm.func @k(%args: !llvm.ptr, %in: !llvm.ptr, %out: !llvm.ptr) attributes {nvvm.kernel,
    nvvm.reqntid = array<i32: )" +
         std::to_string(threads) + ", 1, 1>, kvasir.grid = array<i32: " + std::to_string(blocks) +
         ", 1, 1>" + attributes + R"(} {
  %tid = nvvm.read.ptx.sreg.tid.x : i32
  %in_at = llvm.getelementptr %in[%tid] : (!llvm.ptr, i32) -> !llvm.ptr, i32
  %out_at = llvm.getelementptr %out[%tid] : (!llvm.ptr, i32) -> !llvm.ptr, i32
)" + body +
         "\n  llvm.return\n}\n}\n";
}
