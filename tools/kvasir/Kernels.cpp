// Chooses an architecture and runs LLVM and ptxas on its kernels.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "Kernels.h"

#include "kvasir/Target/CUDA/Codegen.h"
#include "kvasir/Target/Codegen.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/IR/LLVMContext.h"
#include "llvm/IR/Module.h"

#include <thread>

namespace kvasir::cli {

static std::string namesOf(mlir::ModuleOp module) {
  auto kernels = module.getOps<mlir::gpu::GPUModuleOp>();
  return llvm::join(llvm::map_range(kernels, [](auto op) { return op.getName().str(); }), ", ");
}

/// The kernels of the architecture that was asked for.
static llvm::Expected<mlir::gpu::GPUModuleOp> findKernels(mlir::ModuleOp module,
                                                          llvm::StringRef name) {
  auto all = llvm::to_vector(module.getOps<mlir::gpu::GPUModuleOp>());
  if (name.empty() && all.size() == 1)
    return all.front();
  for (mlir::gpu::GPUModuleOp kernels : all)
    if (kernels.getName() == name)
      return kernels;
  return llvm::createStringError(
      (name.empty() ? "there is more than one architecture; say which with --variant"
                    : "there is no code for architecture '" + name.str() + "'") +
      ": expected one of " + namesOf(module));
}

static llvm::Expected<const cuda::Architecture *> architectureOf(mlir::gpu::GPUModuleOp kernels) {
  if (const cuda::Architecture *architecture = cuda::findArchitecture(kernels.getName()))
    return architecture;
  return llvm::createStringError("unknown architecture '" + kernels.getName() +
                                 "'; expected one of " + cuda::architectureNames());
}

/// Adds what ptxas says to what a kernel's attributes say.
static llvm::Error addResources(KernelInput &kernel, llvm::ArrayRef<cuda::KernelResources> all,
                                const cuda::Architecture &architecture) {
  const auto *found = llvm::find_if(all, [&](const auto &k) { return k.name == kernel.name; });
  if (found == all.end() || found->registers < 1)
    return llvm::createStringError("ptxas says nothing of kernel '" + kernel.name + "' for " +
                                   architecture.name);
  kernel.registers = found->registers;
  kernel.shared = found->sharedBytes;
  int64_t shared = kernel.shared + kernel.dynamicShared;
  kernel.blocks =
      cuda::blocksPerMultiprocessor(architecture, kernel.threads, kernel.registers, shared);
  if (kernel.blocks > 0 && shared <= architecture.blockShared)
    return llvm::Error::success();
  return llvm::createStringError(architecture.name + ": no block of kernel '" + kernel.name +
                                 "' fits a multiprocessor: " + std::to_string(kernel.threads) +
                                 " threads with " + std::to_string(kernel.registers) +
                                 " registers, " + std::to_string(shared) +
                                 " bytes of shared memory");
}

static llvm::Expected<std::vector<KernelInput>> launchesOf(mlir::gpu::GPUModuleOp module) {
  auto launches = cuda::kernelLaunches(module);
  if (!launches)
    return launches.takeError();
  std::vector<KernelInput> kernels;
  for (cuda::KernelLaunch &launch : *launches)
    kernels.push_back({std::move(launch.name), launch.threads, launch.dynamicShared, launch.items,
                       0, 0, 0, launch.dependent});
  return kernels;
}

static llvm::Error addResources(std::vector<KernelInput> &kernels, const cuda::Cubin &cubin,
                                const cuda::Architecture &architecture) {
  for (KernelInput &kernel : kernels)
    if (llvm::Error error = addResources(kernel, cubin.kernels, architecture))
      return error;
  return llvm::Error::success();
}

llvm::Error emitKernels(mlir::ModuleOp module, const CompileOptions &options,
                        CompileOutcome &outcome) {
  auto kernels = findKernels(module, options.variants.empty() ? "" : options.variants.front());
  if (!kernels)
    return kernels.takeError();
  auto architecture = architectureOf(*kernels);
  if (!architecture)
    return architecture.takeError();
  llvm::LLVMContext context;
  auto translated = cuda::translateKernels(*kernels, context, **architecture);
  if (!translated)
    return translated.takeError();
  if (options.emit == Emit::llvm) {
    outcome.bytes = target::emitLLVMText(**translated);
    return llvm::Error::success();
  }
  auto ptx = cuda::emitPTX(**translated, **architecture);
  if (!ptx)
    return ptx.takeError();
  if (options.emit == Emit::ptx) {
    outcome.bytes = std::move(*ptx);
    return llvm::Error::success();
  }
  auto ptxas = cuda::findPtxas(options.ptxas);
  if (!ptxas)
    return ptxas.takeError();
  auto cubin = cuda::assemble(*ptx, **architecture, *ptxas, options.ptxasSeconds);
  if (!cubin)
    return cubin.takeError();
  outcome.bytes.assign(cubin->bytes.begin(), cubin->bytes.end());
  auto inputs = launchesOf(*kernels);
  if (!inputs)
    return inputs.takeError();
  if (llvm::Error error = addResources(*inputs, *cubin, **architecture))
    return error;
  for (const KernelInput &kernel : *inputs)
    outcome.kernels.push_back({kernel.name, kernel.registers, kernel.shared, kernel.blocks});
  return llvm::Error::success();
}

llvm::Expected<std::string> assemblerVersion(const CompileOptions &options) {
  if (options.ptxas == "none")
    return "";
  auto ptxas = cuda::findPtxas(options.ptxas);
  if (!ptxas)
    return ptxas.takeError();
  auto version = cuda::ptxasVersion(*ptxas);
  if (!version)
    return version.takeError();
  return "ptxas " + *version;
}

namespace {
/// One architecture between the LLVM dialect and its code.
struct KernelJob {
  const cuda::Architecture *architecture;
  std::unique_ptr<llvm::LLVMContext> context;
  std::unique_ptr<llvm::Module> module;
  std::vector<KernelInput> kernels;
  std::string ptx;
  std::vector<uint8_t> cubin;

  llvm::Error run(llvm::StringRef ptxas, unsigned seconds);
};
} // namespace

/// With an empty `ptxas` PTX alone.
llvm::Error KernelJob::run(llvm::StringRef ptxas, unsigned seconds) {
  if (llvm::Error error = cuda::emitPTX(*module, *architecture).moveInto(ptx))
    return error;
  module.reset();
  context.reset();
  if (ptxas.empty())
    return llvm::Error::success();
  auto assembled = cuda::assemble(ptx, *architecture, ptxas, seconds);
  if (!assembled)
    return assembled.takeError();
  cubin = std::move(assembled->bytes);
  ptx = std::move(assembled->ptx);
  return addResources(kernels, *assembled, *architecture);
}

/// Translates one architecture after the other: they share MLIR's context.
static llvm::Expected<std::vector<KernelJob>> translateAll(mlir::ModuleOp module) {
  std::vector<KernelJob> jobs;
  for (auto kernels : llvm::to_vector(module.getOps<mlir::gpu::GPUModuleOp>())) {
    auto architecture = architectureOf(kernels);
    if (!architecture)
      return architecture.takeError();
    auto launches = launchesOf(kernels);
    if (!launches)
      return launches.takeError();
    auto context = std::make_unique<llvm::LLVMContext>();
    auto translated = cuda::translateKernels(kernels, *context, **architecture);
    if (!translated)
      return translated.takeError();
    kernels.erase(); // the packer needs memory more than we need it
    jobs.push_back(
        {*architecture, std::move(context), std::move(*translated), std::move(*launches), {}, {}});
  }
  llvm::sort(jobs, [](const KernelJob &a, const KernelJob &b) {
    return a.architecture->number < b.architecture->number;
  });
  return jobs;
}

static llvm::Error runAll(llvm::MutableArrayRef<KernelJob> jobs, llvm::StringRef ptxas,
                          unsigned seconds) {
  std::vector<std::string> problems(jobs.size());
  auto work = [&](size_t i) {
    if (llvm::Error error = jobs[i].run(ptxas, seconds))
      problems[i] = llvm::toString(std::move(error));
  };
  std::vector<std::thread> threads;
  for (size_t i = 1; i < jobs.size(); ++i)
    threads.emplace_back(work, i);
  if (!jobs.empty())
    work(0);
  for (std::thread &thread : threads)
    thread.join();
  llvm::erase_if(problems, [](const std::string &problem) { return problem.empty(); });
  return problems.empty() ? llvm::Error::success()
                          : llvm::createStringError(llvm::join(problems, "\n"));
}

/// PTX as the artifact has it; what ptxas found does not hold for the driver's compiler.
static DeviceCodeInput asPTX(KernelJob &job) {
  DeviceCodeInput code{job.architecture->name, /*ptx=*/true, {}, std::move(job.kernels)};
  code.bytes.assign(job.ptx.begin(), job.ptx.end());
  code.bytes.push_back(0);
  for (KernelInput &kernel : code.kernels)
    kernel.registers = kernel.shared = kernel.blocks = 0;
  return code;
}

llvm::Expected<DeviceInput> compileKernels(mlir::ModuleOp module, const CompileOptions &options) {
  std::string ptxas;
  if (options.ptxas != "none")
    if (llvm::Error error = cuda::findPtxas(options.ptxas).moveInto(ptxas))
      return std::move(error);
  auto jobs = translateAll(module);
  if (!jobs)
    return jobs.takeError();
  if (jobs->empty())
    return llvm::createStringError("there are no kernels to compile");
  if (llvm::Error error = runAll(*jobs, ptxas, options.ptxasSeconds))
    return std::move(error);
  DeviceInput device{"cuda", module, {}};
  for (KernelJob &job : *jobs)
    if (!job.cubin.empty())
      device.code.push_back(
          {job.architecture->name, /*ptx=*/false, std::move(job.cubin), job.kernels});
  // What runs on newer devices too is enough of the newest, unless there is nothing else.
  for (KernelJob &job : ptxas.empty() ? llvm::MutableArrayRef<KernelJob>(*jobs)
                                      : llvm::MutableArrayRef<KernelJob>(*jobs).take_back())
    device.code.push_back(asPTX(job));
  return device;
}

} // namespace kvasir::cli
