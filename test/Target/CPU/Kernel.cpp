// Compiling, loading and calling of single phases.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "Kernel.h"

#include "kvasir/Pipeline/RegisterAll.h"
#include "kvasir/Target/CPU/Lowering.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"
#include "llvm/IR/LLVMContext.h"
#include "llvm/IR/Module.h"

#include <cstring>
#include <dlfcn.h>
#include <sys/mman.h>
#include <unistd.h>

using namespace kvasir;
using namespace kvasir::test;

static size_t pageBytes() { return size_t(sysconf(_SC_PAGESIZE)); }

Guarded::Guarded(size_t bytes) : bytes(bytes) {
  size_t page = pageBytes(), inside = (bytes + page - 1) / page * page;
  mapped = inside + 2 * page;
  base =
      static_cast<uint8_t *>(mmap(nullptr, mapped, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  mprotect(base + page, inside, PROT_READ | PROT_WRITE);
  data = base + page + inside - bytes;
  poison();
}

Guarded::~Guarded() { munmap(base, mapped); }

void Guarded::poison() { std::memset(data, 0xff, bytes); }

static llvm::Expected<std::vector<uint8_t>>
compile(mlir::ModuleOp module, const target::CPUVariant &variant, bool optimized) {
  if (optimized)
    return target::compileSharedObject(module, variant);
  llvm::LLVMContext context;
  auto translated = target::translateToLLVM(module, context, variant);
  if (!translated)
    return translated.takeError();
  auto object = target::emitObject(**translated, variant);
  if (!object)
    return object.takeError();
  return target::linkSharedObject(*object);
}

Kernels::Kernels(const std::string &text, const target::CPUVariant &variant, bool optimized) {
  mlir::DialectRegistry registry;
  registerAllDialects(registry);
  target::registerCodegen(registry);
  mlir::MLIRContext context(registry, mlir::MLIRContext::Threading::DISABLED);
  context.loadAllAvailableDialects();
  auto module = mlir::parseSourceString<mlir::ModuleOp>(text, &context);
  if (!module || mlir::failed(lowerToCPU(*module, variant.name))) {
    failure = "the module does not parse, or cannot be lowered";
    return;
  }
  mlir::ModuleOp own;
  for (auto nested : llvm::make_early_inc_range(module->getOps<mlir::ModuleOp>()))
    if (nested.getName() == variant.name)
      own = nested;
    else
      nested.erase();
  if (!own) // phases that multiply no bytes have no code of their own for dot products
    return;
  mlir::PassManager manager(&context, mlir::ModuleOp::getOperationName());
  buildCPUConversion(manager.nest<mlir::ModuleOp>());
  if (mlir::failed(manager.run(*module))) {
    failure = "conversion to the LLVM dialect failed";
    return;
  }
  auto object = compile(own, variant, optimized);
  if (!object) {
    failure = llvm::toString(object.takeError());
    return;
  }
  int file = memfd_create("kernels", 0);
  if (write(file, object->data(), object->size()) == ssize_t(object->size()))
    library = dlopen(("/proc/self/fd/" + std::to_string(file)).c_str(), RTLD_NOW);
  if (!library)
    failure = dlerror();
  close(file);
}

Kernels::~Kernels() {
  if (library)
    dlclose(library);
}

void Kernels::run(const std::string &phase, int tokens,
                  std::vector<std::vector<void *>> operands) const {
  auto function = reinterpret_cast<kvasir_phase_fn>(dlsym(library, phase.c_str()));
  kvasir_step_args args = {};
  args.struct_size = sizeof(args);
  args.tokens = args.rows = tokens;
  args.requests = 1;
  for (size_t worker = 0; worker < operands.size(); ++worker)
    function(&args, operands[worker].data(), int32_t(worker), int32_t(operands.size()));
}
