// Chooses variants and runs LLVM and the linker on their code.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "HostCode.h"

#include "kvasir/Target/Codegen.h"
#include "kvasir/Target/Emulator/Lowering.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/IR/LLVMContext.h"
#include "llvm/IR/Module.h"

#include <thread>

namespace kvasir::cli {

static std::string moduleNames(mlir::ModuleOp module) {
  std::string names;
  for (auto nested : module.getOps<mlir::ModuleOp>())
    names += (names.empty() ? "" : ", ") + nested.getName().value_or("").str();
  return names.empty() ? "none" : names;
}

static mlir::ModuleOp findVariant(mlir::ModuleOp module, llvm::StringRef name) {
  for (auto nested : module.getOps<mlir::ModuleOp>())
    if (nested.getName() == name)
      return nested;
  return nullptr;
}

/// The variants that are wanted and that phase `lower` made code for, best first; an error if there
/// is none.
static llvm::Expected<std::vector<const target::CPUVariant *>>
chooseVariants(mlir::ModuleOp module, const CompileOptions &options) {
  auto chosen = target::chooseCPUVariants(options.variants, [&](const target::CPUVariant &variant) {
    return bool(findVariant(module, variant.name));
  });
  for (auto code : module.getOps<mlir::ModuleOp>()) {
    llvm::StringRef name = code.getName().value_or("");
    const target::CPUVariant *emulated = target::findEmulatorVariant(name);
    if (emulated && (options.variants.empty() ||
                     llvm::is_contained(options.variants, name.substr(name.find(':') + 1))))
      chosen.push_back(emulated);
  }
  if (!chosen.empty())
    return chosen;
  std::string wanted = options.variants.empty() ? "a variant known here" : "variant";
  for (const std::string &name : options.variants)
    wanted += (&name == &options.variants.front() ? " '" : ", '") + name + "'";
  return llvm::createStringError("there is no code for %s; expected one of %s", wanted.c_str(),
                                 moduleNames(module).c_str());
}

llvm::Error emitHostCode(mlir::ModuleOp module, const CompileOptions &options,
                         CompileOutcome &outcome) {
  auto chosen = chooseVariants(module, options);
  if (!chosen)
    return chosen.takeError();
  const target::CPUVariant *variant = chosen->front();
  mlir::ModuleOp code = findVariant(module, variant->name);
  llvm::LLVMContext llvmContext;
  auto translated = target::translateToLLVM(code, llvmContext, *variant);
  if (!translated)
    return translated.takeError();
  if (llvm::Error error = target::optimize(**translated, *variant))
    return error;
  if (options.emit == Emit::llvm) {
    outcome.bytes = target::emitLLVMText(**translated);
    return llvm::Error::success();
  }
  if (options.emit == Emit::assembly)
    return target::emitAssembly(**translated, *variant).moveInto(outcome.bytes);
  auto object = target::emitObject(**translated, *variant);
  if (!object)
    return object.takeError();
  outcome.bytes.assign(object->begin(), object->end());
  return llvm::Error::success();
}

/// LLVM's part of one variant: it takes the time, and shares nothing.
static llvm::Expected<std::vector<uint8_t>> generateObject(llvm::Module &module,
                                                           const target::CPUVariant &variant) {
  if (llvm::Error error = target::optimize(module, variant))
    return std::move(error);
  return target::emitObject(module, variant);
}

namespace {
/// One variant between the LLVM dialect and its object.
struct VariantJob {
  const target::CPUVariant *variant;
  std::unique_ptr<llvm::LLVMContext> context;
  std::unique_ptr<llvm::Module> module;
  std::vector<uint8_t> object;
  llvm::Error error = llvm::Error::success();
};
} // namespace

/// One after the other: the linker has global state.
static llvm::Expected<std::vector<CodeObjectInput>>
linkObjects(llvm::MutableArrayRef<VariantJob> jobs) {
  std::vector<CodeObjectInput> objects;
  for (VariantJob &job : jobs) {
    auto linked = target::linkSharedObject(job.object, job.variant->library);
    if (!linked)
      return linked.takeError();
    objects.push_back(
        {"cpu", job.variant->name, job.variant->requiredFeatures, std::move(*linked)});
  }
  return objects;
}

llvm::Expected<std::vector<CodeObjectInput>> compileHostCode(mlir::ModuleOp module,
                                                             const CompileOptions &options) {
  auto chosen = chooseVariants(module, options);
  if (!chosen)
    return chosen.takeError();
  std::vector<VariantJob> jobs;
  for (const target::CPUVariant *variant : *chosen) {
    mlir::ModuleOp code = findVariant(module, variant->name);
    auto llvmContext = std::make_unique<llvm::LLVMContext>();
    auto translated = target::translateToLLVM(code, *llvmContext, *variant);
    if (!translated)
      return translated.takeError();
    code.erase(); // the packer needs memory more than we need it
    jobs.push_back({variant, std::move(llvmContext), std::move(*translated), {}});
  }
  auto work = [](VariantJob &job) {
    job.error = generateObject(*job.module, *job.variant).moveInto(job.object);
    job.module.reset();
  };
  std::vector<std::thread> threads;
  for (VariantJob &job : llvm::drop_begin(jobs))
    threads.emplace_back(work, std::ref(job));
  work(jobs.front());
  for (std::thread &thread : threads)
    thread.join();
  llvm::Error error = llvm::Error::success();
  for (VariantJob &job : jobs)
    error = llvm::joinErrors(std::move(error), std::move(job.error));
  if (error)
    return std::move(error);
  return linkObjects(jobs);
}

} // namespace kvasir::cli
