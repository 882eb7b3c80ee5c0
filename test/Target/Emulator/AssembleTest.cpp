// When all tests have run, ptxas assembles their kernels, for every architecture as one module; and
// what an architecture lacks is what the emulator refuses for it.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "Emulated.h"

#include "kvasir/Target/CUDA/Codegen.h"
#include "kvasir/Target/Codegen.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/SymbolTable.h"
#include "mlir/Interfaces/DataLayoutInterfaces.h"
#include "mlir/Parser/Parser.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/IR/LLVMContext.h"
#include "llvm/IR/Module.h"

#include "gtest/gtest.h"

#include <cstdio>

using namespace kvasir;
using namespace kvasir::test;

namespace {

mlir::gpu::GPUModuleOp kernelsOf(mlir::ModuleOp module) {
  return *module.getOps<mlir::gpu::GPUModuleOp>().begin();
}

/// Kernels of several texts in one gpu.module.
class Collection {
public:
  explicit Collection(const cuda::Architecture &given) : architecture(given) {
    if (architecture.number < 100)
      architecture.ptxFeature = "+ptx84"; // the first to multiply FP8 by mma
    registerCUDA(registry);
    target::registerCodegen(registry);
    context.appendDialectRegistry(registry);
    context.loadDialect<mlir::LLVM::LLVMDialect, mlir::NVVM::NVVMDialect, mlir::gpu::GPUDialect>();
    all = parse("gpu.module @" + architecture.name + " {}");
    if (mlir::Region &body = kernelsOf(*all).getBodyRegion(); body.empty())
      body.emplaceBlock();
  }

  /// False where the architecture lacks an instruction.
  bool add(const std::string &text) {
    auto module = parse(text);
    kernelsOf(*module).setName(mlir::StringAttr::get(&context, architecture.name));
    mlir::OwningOpRef<mlir::ModuleOp> copy = module->clone();
    std::string refusal;
    mlir::ScopedDiagnosticHandler handler(
        &context, [&](mlir::Diagnostic &diagnostic) { refusal += diagnostic.str(); });
    if (mlir::failed(lowerToEmulator(*copy, {})) || !hasRoom(kernelsOf(*module))) {
      lacking += refusal + "\n";
      return false;
    }
    append(kernelsOf(*module));
    return true;
  }

  /// What is wrong, or "".
  std::string assemble(const std::string &ptxas) {
    llvm::LLVMContext llvmContext;
    auto translated = cuda::translateKernels(kernelsOf(*all), llvmContext, architecture);
    if (!translated)
      return llvm::toString(translated.takeError());
    auto ptx = cuda::emitPTX(**translated, architecture);
    if (!ptx)
      return llvm::toString(ptx.takeError());
    auto cubin = cuda::assemble(*ptx, architecture, ptxas);
    return cubin ? "" : llvm::toString(cubin.takeError());
  }

  int count = 0;
  std::string lacking; ///< why texts were left out, a line each

private:
  mlir::OwningOpRef<mlir::ModuleOp> parse(const std::string &text) {
    return mlir::parseSourceString<mlir::ModuleOp>(text, &context, "kernel.mlir");
  }

  /// Static shared memory is 48 KB on every architecture: tests of the limit have no cubin.
  static bool hasRoom(mlir::gpu::GPUModuleOp kernels) {
    mlir::DataLayout layout(kernels->getParentOfType<mlir::ModuleOp>());
    uint64_t bytes = 0;
    for (auto global : kernels.getOps<mlir::LLVM::GlobalOp>())
      if (global.getAddrSpace() == 3)
        bytes += layout.getTypeSize(global.getGlobalType());
    return bytes <= 48 << 10;
  }

  void append(mlir::gpu::GPUModuleOp kernels) {
    std::string suffix = "_" + std::to_string(count++);
    mlir::Block &end = kernelsOf(*all).getBodyRegion().front();
    for (mlir::Operation &op : llvm::make_early_inc_range(*kernels.getBody())) {
      auto symbol = llvm::dyn_cast<mlir::SymbolOpInterface>(op);
      if (!symbol)
        continue;
      auto name = mlir::StringAttr::get(&context, symbol.getName() + suffix);
      EXPECT_TRUE(mlir::succeeded(mlir::SymbolTable::replaceAllSymbolUses(&op, name, kernels)));
      symbol.setName(name);
    }
    for (mlir::Operation &op : llvm::make_early_inc_range(*kernels.getBody()))
      op.moveBefore(&end, end.end());
  }

  cuda::Architecture architecture;
  mlir::DialectRegistry registry;
  mlir::MLIRContext context{mlir::MLIRContext::Threading::DISABLED};
  mlir::OwningOpRef<mlir::ModuleOp> all;
};

class Assembling : public testing::Environment {
  void TearDown() override {
    auto ptxas = cuda::findPtxas("");
    if (!ptxas) {
      std::printf("no kernel was assembled: %s\n", llvm::toString(ptxas.takeError()).c_str());
      return;
    }
    for (const cuda::Architecture &architecture : cuda::architectures()) {
      Collection collection(architecture);
      int left = 0;
      for (const std::string &text : translatedTexts())
        left += !collection.add(text);
      std::printf("%s: %d texts with kernels assembled, %d it lacks\n", architecture.name.c_str(),
                  collection.count, left);
      if (collection.count)
        EXPECT_EQ(collection.assemble(*ptxas), "") << architecture.name;
    }
  }
};

[[maybe_unused]] testing::Environment *const assembling =
    testing::AddGlobalTestEnvironment(new Assembling);

/// `body` in a kernel for `chip`, to ptxas alone: what it says.
std::string assembled(const std::string &body, const char *chip) {
  KernelText text{body};
  text.chip = chip;
  Collection collection(*cuda::findArchitecture(chip));
  auto ptxas = cuda::findPtxas("");
  if (!ptxas)
    return "no ptxas: " + llvm::toString(ptxas.takeError());
  if (!collection.add(text.str()))
    return "lacking: " + collection.lacking;
  return collection.assemble(*ptxas);
}

TEST(Assembling, OlderArchitecturesLackInstructions) {
  if (auto ptxas = cuda::findPtxas(""); !ptxas)
    GTEST_SKIP() << llvm::toString(ptxas.takeError());
  std::string wait = "nvvm.griddepcontrol wait";
  EXPECT_NE(assembled(wait, "sm_80").find("needs sm_90"), std::string::npos);
  EXPECT_EQ(assembled(wait, "sm_90"), "");
  EXPECT_EQ(assembled("nvvm.barrier0", "sm_80"), "");
}

TEST(Harness, TwoAtOnceAreTwo) {
  auto store = [](int value) {
    return KernelText{"%v = llvm.mlir.constant(" + std::to_string(value) +
                      " : i32) : i32\nllvm.store %v, %out_at : i32, !llvm.ptr"}
        .str();
  };
  std::vector<uint32_t> none(32), a(32), b(32);
  Emulated one(store(1));
  Emulated two(store(2));
  EXPECT_EQ(one.run("k", {none, a}), "");
  EXPECT_EQ(two.run("k", {none, b}), "");
  EXPECT_EQ(a, std::vector<uint32_t>(32, 1));
  EXPECT_EQ(b, std::vector<uint32_t>(32, 2));
}

} // namespace
