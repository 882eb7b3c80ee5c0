// How kernels are launched, and how many blocks a multiprocessor holds.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "kvasir/Target/CUDA/Codegen.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/Parser/Parser.h"
#include "llvm/ADT/SmallString.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/raw_ostream.h"
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

TEST_F(Launches, AreWithinWhatDevicesHave) {
  auto refusal = [&](const std::string &attributes) {
    auto launches = read(attributes);
    return launches ? "" : llvm::toString(launches.takeError());
  };
  std::string items = ", kvasir.items = array<i64: 1, 0, 0, 0>";
  for (const char *block :
       {"16, 1, 1", "0, 1, 1", "-4, -8, 1", "33, 1, 1", "2048, 1, 1", "65536, 65536, 32"})
    EXPECT_EQ(refusal(std::string(", nvvm.reqntid = array<i32: ") + block + ">" + items),
              "kernel 'k' cannot be launched: expected blocks (nvvm.reqntid) of a multiple of 32 "
              "threads up to 1024")
        << block;
  std::string block = ", nvvm.reqntid = array<i32: 64, 1, 1>";
  EXPECT_EQ(refusal(block + ", kvasir.items = array<i64: 1, -1, 0, 0>"),
            "kernel 'k' cannot be launched: expected numbers of blocks (kvasir.items) from 0 to "
            "2147483648");
  for (const char *bytes : {"-16 : i64", "4294967296 : i64", "36893488147419103232 : i128"})
    EXPECT_EQ(refusal(block + items + ", kvasir.dynamic_shared = " + bytes),
              "kernel 'k' cannot be launched: expected bytes of shared memory "
              "(kvasir.dynamic_shared) from 0 to 2147483648");
}

/// A program that a test writes, in place of ptxas.
class FakePtxas : public testing::Test {
protected:
  void SetUp() override {
    ASSERT_FALSE(llvm::sys::fs::createTemporaryFile("kvasir-fake-ptxas", "sh", path));
  }
  void TearDown() override { llvm::sys::fs::remove(path); }

  void write(const std::string &script) {
    std::error_code code;
    llvm::raw_fd_ostream(path, code) << "#!/bin/sh\n" << script << "\n";
    llvm::sys::fs::setPermissions(path, llvm::sys::fs::all_read | llvm::sys::fs::all_exe |
                                            llvm::sys::fs::owner_write);
  }
  std::string assembled(const std::string &script) {
    write(script);
    auto cubin = assemble(".version 8.0", *findArchitecture("sm_90"), path);
    return cubin ? std::to_string(cubin->bytes.size()) + " bytes"
                 : llvm::toString(cubin.takeError());
  }
  std::string version(const std::string &script) {
    write(script);
    auto found = ptxasVersion(path);
    return found ? *found : llvm::toString(found.takeError());
  }
  std::string named() const { return "'" + path.str().str() + "'"; }

  llvm::SmallString<128> path;
};

// Arguments of a call: -v -O3 --fmad=false --gpu-name=sm_90 SOURCE -o OBJECT
const std::string writesCubin = "printf '\\177ELFcubin' > \"$7\"\n";

TEST_F(FakePtxas, WritesACubin) { EXPECT_EQ(assembled(writesCubin), "9 bytes"); }

TEST_F(FakePtxas, WritesNothingOrSomethingElse) {
  std::string refusal = "sm_90: " + named() +
                        " wrote no cubin; expected NVIDIA's ptxas, and room in the directory for "
                        "temporary files";
  EXPECT_EQ(assembled("exit 0"), refusal);
  EXPECT_EQ(assembled("rm \"$7\""), refusal);
  EXPECT_EQ(assembled("echo garbage > \"$7\""), refusal);
}

TEST_F(FakePtxas, FailsWithAMessageAStatusOrASignal) {
  EXPECT_EQ(assembled("echo broken >&2; exit 3"),
            "sm_90:\n" + named() + " failed (exit status 3): broken");
  EXPECT_EQ(assembled("exit 255"), "sm_90:\n" + named() + " failed (exit status 255): ");
  EXPECT_NE(assembled("kill -9 $$").find(named() + " failed (Killed"), std::string::npos)
      << assembled("kill -9 $$");
}

TEST_F(FakePtxas, DoesNotEnd) {
  std::string found;
  for (const char *script : {"exec sleep 1000", "while :; do :; done"}) {
    write(script);
    auto cubin = assemble(".version 8.0\n.visible .entry k(\n.visible .entry l()",
                          *findArchitecture("sm_90"), path, /*seconds=*/1);
    EXPECT_EQ(cubin ? "" : llvm::toString(cubin.takeError()),
              "sm_90:\n" + named() +
                  " has not ended after 1 seconds with 2 kernels (k, l); give it longer with "
                  "--ptxas-limit, try another one with --ptxas=PATH, or write PTX alone with "
                  "--ptxas=none");
  }
  // One that takes its time is waited for.
  EXPECT_EQ(assembled("sleep 0.3\n" + writesCubin), "9 bytes");
}

TEST_F(FakePtxas, PrintsTooMuch) {
  std::string message = assembled("head -c 1000000 /dev/zero | tr '\\000' x; exit 1");
  EXPECT_LT(message.size(), 5000u);
  EXPECT_EQ(message.substr(message.size() - 5), "x ...");
}

TEST_F(FakePtxas, PrintsGarbageOrSpills) {
  EXPECT_EQ(assembled(writesCubin + "head -c 5000 /dev/urandom"), "9 bytes");
  std::string kernel = "echo \"ptxas info : Compiling entry function 'k' for 'sm_90'\"\n";
  EXPECT_EQ(assembled(writesCubin + kernel +
                      "echo '  8 bytes stack frame, 4 bytes spill stores, 12 bytes spill loads'"),
            "sm_90: kernel 'k' spills 16 bytes of registers");
  std::string name(20000, 'n');
  EXPECT_EQ(assembled(writesCubin + "echo \"Compiling entry function '" + name +
                      "' for 'sm_90'\"\necho '  4 bytes stack frame, 4 bytes spill stores, 0 "
                      "bytes spill loads'"),
            "sm_90: kernel '" + name + "' spills 4 bytes of registers");
}

TEST_F(FakePtxas, IsNoProgram) {
  auto cubin = assemble("", *findArchitecture("sm_90"), "/nowhere/ptxas");
  ASSERT_FALSE(bool(cubin));
  EXPECT_NE(llvm::toString(cubin.takeError()).find("'/nowhere/ptxas' failed ("), std::string::npos);
  auto found = findPtxas("/tmp");
  ASSERT_FALSE(bool(found));
  EXPECT_EQ(llvm::toString(found.takeError()),
            "cannot run '/tmp': expected NVIDIA's ptxas, or none for PTX alone");
}

TEST_F(FakePtxas, SaysAVersion) {
  EXPECT_EQ(version("echo 'Cuda compilation tools, release 13.0, V13.0.88'"), "V13.0.88");
  std::string refusal = named() + " does not say its version; expected NVIDIA's ptxas";
  EXPECT_EQ(version("echo 'release 13.0, 13.0.88'"), refusal);
  EXPECT_EQ(version("echo 'release 13.0, V'"), refusal);
  EXPECT_EQ(version("echo \"release 1, V$(head -c 100 /dev/zero | tr '\\000' 1)\""), refusal);
}

TEST(Ptxas, OtherProgramsAreNotTakenForIt) {
  auto version = ptxasVersion("/bin/true");
  ASSERT_FALSE(bool(version));
  EXPECT_EQ(llvm::toString(version.takeError()),
            "'/bin/true' does not say its version; expected NVIDIA's ptxas");
}

} // namespace
