// How kernels are launched, and how many blocks a multiprocessor holds.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "kvasir/Target/CUDA/Codegen.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/Parser/Parser.h"
#include "gtest/gtest.h"

using namespace kvasir;
using namespace kvasir::cuda;

namespace {

int64_t blocks(const char *architecture, int64_t threads, int64_t registers, int64_t shared) {
  return blocksPerMultiprocessor(*findArchitecture(architecture), threads, registers, shared);
}

TEST(Occupancy, IsBoundByRegisters) {
  EXPECT_EQ(blocks("sm_90", 256, 128, 0), 2);
  EXPECT_EQ(blocks("sm_90", 256, 129, 0), 1); // 136 are taken: 3 warps for each partition
  EXPECT_EQ(blocks("sm_90", 256, 255, 0), 1);
  EXPECT_EQ(blocks("sm_80", 1024, 65, 0), 0); // 28 warps, a block has 32
}

TEST(Occupancy, IsBoundByThreadsAndBlocks) {
  EXPECT_EQ(blocks("sm_90", 256, 32, 0), 8);
  EXPECT_EQ(blocks("sm_120", 256, 32, 0), 6);
  EXPECT_EQ(blocks("sm_90", 32, 16, 0), 32);
  EXPECT_EQ(blocks("sm_120", 32, 16, 0), 24);
}

TEST(Occupancy, IsBoundBySharedMemory) {
  EXPECT_EQ(blocks("sm_90", 256, 64, 75 << 10), 3); // of 228 KB, with 1 KB for each block
  EXPECT_EQ(blocks("sm_90", 256, 64, 227 << 10), 1);
  EXPECT_EQ(blocks("sm_90", 256, 64, 228 << 10), 0);
  EXPECT_EQ(blocks("sm_80", 256, 64, 81 << 10), 2);  // of 164 KB
  EXPECT_EQ(blocks("sm_120", 256, 64, 99 << 10), 1); // of 100 KB
}

class Launches : public testing::Test {
protected:
  void SetUp() override {
    mlir::DialectRegistry registry;
    registerCUDA(registry);
    registry.insert<mlir::LLVM::LLVMDialect>();
    context.appendDialectRegistry(registry);
    context.allowUnregisteredDialects();
  }

  llvm::Expected<std::vector<KernelLaunch>> read(const std::string &attributes) {
    module = mlir::parseSourceString<mlir::ModuleOp>(
        "gpu.module @sm_90 {\n llvm.func @helper() { llvm.return }\n llvm.func @k(%a: !llvm.ptr) "
        "attributes {nvvm.kernel" +
            attributes + "} {\n nvvm.griddepcontrol wait\n llvm.return\n }\n}",
        &context);
    EXPECT_TRUE(module);
    return kernelLaunches(*module->getOps<mlir::gpu::GPUModuleOp>().begin());
  }

  mlir::MLIRContext context;
  mlir::OwningOpRef<mlir::ModuleOp> module;
};

TEST_F(Launches, AreReadFromAttributes) {
  auto launches = read(", nvvm.reqntid = array<i32: 64, 2, 1>, kvasir.items = array<i64: 1, 2, 3, "
                       "4>, kvasir.dynamic_shared = 512 : i64");
  ASSERT_TRUE(bool(launches)) << llvm::toString(launches.takeError());
  ASSERT_EQ(launches->size(), 1u);
  const KernelLaunch &launch = launches->front();
  EXPECT_EQ(launch.name, "k");
  EXPECT_EQ(launch.threads, 128);
  EXPECT_EQ(launch.dynamicShared, 512);
  EXPECT_EQ(launch.items, (std::array<int64_t, 4>{1, 2, 3, 4}));
  EXPECT_TRUE(launch.dependent);
}

TEST_F(Launches, NeedItems) {
  auto launches = read(", nvvm.reqntid = array<i32: 64, 1, 1>");
  ASSERT_FALSE(bool(launches));
  EXPECT_EQ(llvm::toString(launches.takeError()),
            "kernel 'k' cannot be launched: expected attributes nvvm.reqntid and kvasir.items of 4 "
            "numbers");
}

TEST(Ptxas, OtherProgramsAreNotTakenForIt) {
  auto version = ptxasVersion("/bin/true");
  ASSERT_FALSE(bool(version));
  EXPECT_EQ(llvm::toString(version.takeError()),
            "'/bin/true' does not say its version; expected NVIDIA's ptxas");
}

} // namespace
