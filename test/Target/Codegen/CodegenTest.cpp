// Code generation: register width, strict floating point, no calls, same bytes
// each time.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "kvasir/Target/Codegen.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Parser/Parser.h"
#include "llvm/IR/LLVMContext.h"
#include "llvm/IR/Module.h"
#include "gtest/gtest.h"

#include <dlfcn.h>
#include <filesystem>
#include <sys/mman.h>
#include <unistd.h>

using namespace kvasir::target;

namespace {

/// An LLVM-dialect module and what comes of it.
struct Compiled {
  mlir::MLIRContext context;
  mlir::OwningOpRef<mlir::ModuleOp> module;

  explicit Compiled(const char *text) {
    context.loadDialect<mlir::LLVM::LLVMDialect>();
    module = mlir::parseSourceString<mlir::ModuleOp>(text, &context);
    EXPECT_TRUE(module);
  }

  std::string assembly(const CPUVariant &variant) {
    llvm::LLVMContext llvmContext;
    auto translated = translateToLLVM(*module, llvmContext, variant);
    if (!translated)
      return "error: " + llvm::toString(translated.takeError());
    if (llvm::Error error = optimize(**translated, variant))
      return "error: " + llvm::toString(std::move(error));
    return cantFail(emitAssembly(**translated, variant));
  }

  std::string failure(const CPUVariant &variant) {
    auto bytes = compileSharedObject(*module, variant);
    return bytes ? "" : llvm::toString(bytes.takeError());
  }
};

const char *multiplyAdd = R"(
llvm.func @multiply_add(%a: !llvm.ptr, %b: !llvm.ptr, %c: !llvm.ptr) {
  %0 = llvm.load %a : !llvm.ptr -> vector<16xf32>
  %1 = llvm.load %b : !llvm.ptr -> vector<16xf32>
  %2 = llvm.load %c : !llvm.ptr -> vector<16xf32>
  %3 = llvm.fmul %0, %1 : vector<16xf32>
  %4 = llvm.fadd %3, %2 : vector<16xf32>
  llvm.store %4, %c : vector<16xf32>, !llvm.ptr
  llvm.return
}
llvm.func @fused(%a: !llvm.ptr, %b: !llvm.ptr) {
  %0 = llvm.load %a : !llvm.ptr -> vector<16xf32>
  %1 = llvm.load %b : !llvm.ptr -> vector<16xf32>
  %2 = llvm.intr.fma(%0, %1, %0) : (vector<16xf32>, vector<16xf32>, vector<16xf32>) -> vector<16xf32>
  llvm.store %2, %b : vector<16xf32>, !llvm.ptr
  llvm.return
}
)";

/// The text of one function.
std::string body(const std::string &assembly, const std::string &name) {
  size_t begin = assembly.find("\n" + name + ":");
  size_t end = assembly.find(".Lfunc_end", begin);
  return begin == std::string::npos ? "" : assembly.substr(begin, end - begin);
}

bool contains(const std::string &text, const char *part) {
  return text.find(part) != std::string::npos;
}

TEST(Variants, BestFirst) {
  std::vector<std::string> names;
  for (const CPUVariant &variant : cpuVariants())
    names.push_back(variant.name);
  EXPECT_EQ(names, (std::vector<std::string>{"x86-64-v4-vnni", "x86-64-v4", "x86-64-v3-vnni",
                                             "x86-64-v3"}));
  EXPECT_EQ(cpuVariants()[1].vectorBits, 512);
  EXPECT_EQ(cpuVariants()[3].registers, 16);
  EXPECT_EQ(findCPUVariant("x86-64-v3"), &cpuVariants()[3]);
  EXPECT_EQ(findCPUVariant("x86-64"), nullptr);
}

TEST(Variants, DotProductsAreTheOnlyDifference) {
  for (const char *level : {"x86-64-v4", "x86-64-v3"}) {
    const CPUVariant &plain = *findCPUVariant(level);
    const CPUVariant &dot = *findCPUVariant(std::string(level) + "-vnni");
    EXPECT_FALSE(plain.dotProducts);
    EXPECT_TRUE(dot.dotProducts);
    EXPECT_EQ(dot.vectorBits, plain.vectorBits);
    EXPECT_EQ(dot.registers, plain.registers);
    EXPECT_EQ(dot.requiredFeatures.size(), plain.requiredFeatures.size() + 1);
  }
}

TEST(Codegen, WholeRegisters) {
  Compiled module(multiplyAdd);
  std::string wide = module.assembly(*findCPUVariant("x86-64-v4"));
  EXPECT_TRUE(contains(wide, "%zmm0")) << wide;
  EXPECT_FALSE(contains(wide, "%ymm0")) << wide;
  std::string narrow = module.assembly(*findCPUVariant("x86-64-v3"));
  EXPECT_TRUE(contains(narrow, "%ymm0")) << narrow;
  EXPECT_FALSE(contains(narrow, "%zmm0")) << narrow;
}

TEST(Codegen, ContractsNothing) {
  Compiled module(multiplyAdd);
  for (const CPUVariant &variant : cpuVariants()) {
    std::string assembly = module.assembly(variant);
    EXPECT_TRUE(contains(body(assembly, "multiply_add"), "vmulps"));
    EXPECT_FALSE(contains(body(assembly, "multiply_add"), "vfmadd"));
    EXPECT_TRUE(contains(body(assembly, "fused"), "vfmadd"));
  }
}

TEST(Codegen, ContractsNoFmuladd) {
  Compiled module(R"(
llvm.func @f(%a: f32, %b: f32, %c: f32) -> f32 {
  %0 = llvm.intr.fmuladd(%a, %b, %c) : (f32, f32, f32) -> f32
  llvm.return %0 : f32
})");
  EXPECT_FALSE(contains(module.assembly(cpuVariants()[0]), "vfmadd"));
}

TEST(Codegen, RefusesFastMath) {
  Compiled module(R"(
llvm.func @f(%a: f32, %b: f32) -> f32 {
  %0 = llvm.fadd %a, %b {fastmathFlags = #llvm.fastmath<reassoc>} : f32
  llvm.return %0 : f32
})");
  std::string failure = module.failure(cpuVariants()[0]);
  EXPECT_TRUE(contains(failure, "function 'f' has an operation with fast-math")) << failure;
}

TEST(Codegen, MakesNoCallsOfLoops) {
  Compiled module(R"(
llvm.func @clear(%p: !llvm.ptr, %n: i64) {
  %zero = llvm.mlir.constant(0 : i64) : i64
  %one = llvm.mlir.constant(1 : i64) : i64
  %v = llvm.mlir.constant(0.0 : f32) : f32
  llvm.br ^head(%zero : i64)
^head(%i: i64):
  %more = llvm.icmp "slt" %i, %n : i64
  llvm.cond_br %more, ^body, ^done
^body:
  %e = llvm.getelementptr %p[%i] : (!llvm.ptr, i64) -> !llvm.ptr, f32
  llvm.store %v, %e : f32, !llvm.ptr
  %next = llvm.add %i, %one : i64
  llvm.br ^head(%next : i64)
^done:
  llvm.return
})");
  EXPECT_EQ(module.failure(cpuVariants()[0]), "");
}

TEST(Codegen, RefusesUndefinedSymbols) {
  Compiled module(R"(
llvm.func @sinf(f32) -> f32
llvm.func @f(%a: f32) -> f32 {
  %0 = llvm.intr.exp(%a) : (f32) -> f32
  %1 = llvm.call @sinf(%0) : (f32) -> f32
  llvm.return %1 : f32
})");
  for (const CPUVariant &variant : cpuVariants())
    EXPECT_EQ(module.failure(variant),
              "generated code uses symbols that do not exist where it runs: "
              "expf, sinf");
}

TEST(Codegen, ReportsBackendErrors) {
  Compiled module(R"(
llvm.func @f() {
  llvm.inline_asm has_side_effects "no such instruction", "" : () -> ()
  llvm.return
})");
  std::string failure = module.failure(cpuVariants()[0]);
  EXPECT_TRUE(contains(failure, "code generation failed")) << failure;
}

TEST(Codegen, RefusesOtherDialects) {
  Compiled module("module {}");
  module.context.allowUnregisteredDialects();
  module.module =
      mlir::parseSourceString<mlir::ModuleOp>("\"other.op\"() : () -> ()", &module.context);
  std::string failure = module.failure(cpuVariants()[0]);
  EXPECT_TRUE(contains(failure, "translation to LLVM IR failed")) << failure;
  EXPECT_TRUE(contains(failure, "other.op")) << failure;
}

TEST(Link, RefusesGarbage) {
  std::vector<uint8_t> garbage(100, 7);
  auto linked = linkSharedObject(garbage);
  EXPECT_FALSE(bool(linked));
  llvm::consumeError(linked.takeError());
}

TEST(Link, SameBytesEachTime) {
  for (const CPUVariant &variant : cpuVariants()) {
    Compiled first(multiplyAdd), second(multiplyAdd);
    auto a = cantFail(compileSharedObject(*first.module, variant));
    auto b = cantFail(compileSharedObject(*second.module, variant));
    EXPECT_EQ(a, b);
    std::string text(a.begin(), a.end());
    EXPECT_FALSE(contains(text, "/proc/self")) << "a path is in the object";
  }
}

TEST(Link, RunsAgainAfterFailure) {
  Compiled good(multiplyAdd);
  auto object = std::vector<uint8_t>(64, 0);
  for (int i = 0; i < 3; ++i) {
    auto bad = linkSharedObject(object);
    EXPECT_FALSE(bool(bad));
    llvm::consumeError(bad.takeError());
    EXPECT_EQ(good.failure(*findCPUVariant("x86-64-v3")), "");
  }
}

TEST(Link, LeavesNothingBehind) {
  auto count = [] {
    size_t n = 0;
    for (auto &entry : std::filesystem::directory_iterator(std::filesystem::temp_directory_path()))
      n += entry.path().filename().string().rfind("kvasir-link", 0) == 0;
    return n;
  };
  size_t before = count();
  Compiled module(multiplyAdd);
  EXPECT_EQ(module.failure(cpuVariants()[0]), "");
  EXPECT_EQ(count(), before);
}

TEST(Link, ExportsExternalFunctionsOnly) {
  Compiled module(R"(
llvm.mlir.global internal constant @table(dense<[1.0, 2.0]> : tensor<2xf32>) : !llvm.array<2 x f32>
llvm.func internal @helper(%i: i64) -> f32 attributes {no_inline} {
  %t = llvm.mlir.addressof @table : !llvm.ptr
  %e = llvm.getelementptr %t[%i] : (!llvm.ptr, i64) -> !llvm.ptr, f32
  %v = llvm.load %e : !llvm.ptr -> f32
  llvm.return %v : f32
}
llvm.func @shown(%i: i64) -> f32 {
  %v = llvm.call @helper(%i) : (i64) -> f32
  llvm.return %v : f32
})");
  auto bytes = cantFail(compileSharedObject(*module.module, *findCPUVariant("x86-64-v3")));
  auto names = cantFail(exportedSymbols(bytes));
  EXPECT_EQ(names, std::vector<std::string>{"shown"});

  int file = memfd_create("test", 0);
  ASSERT_EQ(write(file, bytes.data(), bytes.size()), ssize_t(bytes.size()));
  void *library = dlopen(("/proc/self/fd/" + std::to_string(file)).c_str(), RTLD_NOW);
  ASSERT_TRUE(library) << dlerror();
  auto *shown = reinterpret_cast<float (*)(int64_t)>(dlsym(library, "shown"));
  EXPECT_EQ(shown(1), 2.0f);
  dlclose(library);
  close(file);
}

} // namespace
