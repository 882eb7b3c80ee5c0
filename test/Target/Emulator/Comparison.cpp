// PTX of the kernels of a test, and comparison of what a GPU makes of them with the emulator.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "Emulated.h"

#include "kvasir/Target/CUDA/Codegen.h"
#include "kvasir/Target/Codegen.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/Parser/Parser.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/IR/LLVMContext.h"
#include "llvm/IR/Module.h"

#include <algorithm>
#include <cmath>
#include <cstring>

using namespace kvasir;
using namespace kvasir::test;

const OnDevice *kvasir::test::findDevice(std::string &reason) {
  static std::string why;
  static const std::unique_ptr<OnDevice> device = OnDevice::open("libcuda.so.1", why);
  reason = why;
  return device.get();
}

static bool isNear(const unsigned char *a, const unsigned char *b, const Nearness &nearness) {
  if (std::memcmp(a, b, 4) == 0)
    return true;
  float got, expected;
  std::memcpy(&got, a, 4);
  std::memcpy(&expected, b, 4);
  if (nearness.relative == 0 && nearness.absolute == 0)
    return false;
  if (std::isnan(expected) || std::isinf(expected))
    return std::isnan(expected) && std::isnan(got);
  double error = std::fabs(double(got) - double(expected));
  return error <= nearness.relative * std::fabs(double(expected)) + nearness.absolute;
}

/// Where words of the operands differ; "": nowhere.
static std::string difference(const std::vector<Bytes> &got, const std::vector<Bytes> &expected,
                              const Nearness &nearness) {
  for (size_t i = 0; i < got.size(); ++i)
    for (size_t at = 0; at < got[i].size(); at += 4) {
      unsigned char a[4] = {}, b[4] = {};
      size_t bytes = std::min<size_t>(4, got[i].size() - at);
      std::copy_n(got[i].begin() + at, bytes, a);
      std::copy_n(expected[i].begin() + at, bytes, b);
      if (isNear(a, b, nearness))
        continue;
      uint32_t here, there;
      std::memcpy(&there, a, 4);
      std::memcpy(&here, b, 4);
      char text[160];
      std::snprintf(text, sizeof text,
                    "the word at offset %zu of operand %zu is 0x%08x on the device, but 0x%08x on "
                    "the emulator",
                    at, i, there, here);
      return text;
    }
  return "";
}

std::string kvasir::test::compareOnDevice(const OnDevice &device, const std::string &ptx,
                                          const std::string &kernel, const Launch &launch,
                                          std::vector<Bytes> before,
                                          const std::vector<Bytes> &after,
                                          const kvasir_step_args *args, const Nearness &nearness) {
  std::string problem = device.run(ptx, kernel, launch, before, args);
  return problem.empty() ? difference(before, after, nearness) : problem;
}

//===----------------------------------------------------------------------===//
// PTX
//===----------------------------------------------------------------------===//

static std::array<unsigned, 3> three(mlir::Operation *op, llvm::StringRef name) {
  std::array<unsigned, 3> values = {1, 1, 1};
  if (auto array = op->getAttrOfType<mlir::DenseI32ArrayAttr>(name))
    for (auto [value, number] : llvm::zip(values, array.asArrayRef()))
      value = unsigned(number);
  return values;
}

static std::set<std::string> &texts() {
  static std::set<std::string> all;
  return all;
}
const std::set<std::string> &kvasir::test::translatedTexts() { return texts(); }

PTX::PTX(const std::string &source, int64_t mostBlocks) : mostBlocks(mostBlocks) {
  mlir::DialectRegistry registry;
  registerCUDA(registry);
  target::registerCodegen(registry);
  mlir::MLIRContext context(registry, mlir::MLIRContext::Threading::DISABLED);
  context.loadDialect<mlir::LLVM::LLVMDialect, mlir::NVVM::NVVMDialect, mlir::gpu::GPUDialect>();
  auto module = mlir::parseSourceString<mlir::ModuleOp>(source, &context, "kernel.mlir");
  auto kernelsOf = [&] { return *module->getOps<mlir::gpu::GPUModuleOp>().begin(); };
  if (!module || kernelsOf().getName().drop_front(3).getAsInteger(10, capability)) {
    failure = "there is no gpu.module @sm_NN";
    return;
  }
  for (auto kernel : kernelsOf().getOps<mlir::LLVM::LLVMFuncOp>()) {
    Kernel &made = kernels[kernel.getName().str()];
    made.launch = {three(kernel, "kvasir.grid"), three(kernel, "nvvm.reqntid"), 0};
    if (auto bytes = kernel->getAttrOfType<mlir::IntegerAttr>("kvasir.dynamic_shared"))
      made.launch.dynamicShared = unsigned(bytes.getInt());
    auto items = kernel->getAttrOfType<mlir::DenseI64ArrayAttr>("kvasir.items");
    if ((made.hasItems = items != nullptr))
      llvm::copy(items.asArrayRef(), made.items.begin());
  }
  // PTX 8.4 (CUDA 12.4) is the first to multiply FP8 by mma.
  cuda::Architecture architecture = {
      "sm_" + std::to_string(capability), capability, "+ptx84", 0, 255, 0};
  llvm::LLVMContext llvmContext;
  auto translated = cuda::translateKernels(kernelsOf(), llvmContext, architecture);
  auto emitted = translated ? cuda::emitPTX(**translated, architecture) : translated.takeError();
  if (emitted) {
    text = std::move(*emitted);
    texts().insert(source);
  } else {
    failure = "no PTX: " + llvm::toString(emitted.takeError());
  }
}

Launch PTX::launch(const std::string &kernel, const kvasir_step_args *args) const {
  const Kernel &found = kernels.at(kernel);
  Launch launch = found.launch;
  if (!found.hasItems)
    return launch;
  const auto &items = found.items;
  int64_t blocks = items[0];
  if (args)
    blocks += items[1] * args->tokens + items[2] * args->rows + items[3] * args->blocks;
  launch.grid = {unsigned(std::clamp<int64_t>(blocks, 1, mostBlocks)), 1, 1};
  return launch;
}
