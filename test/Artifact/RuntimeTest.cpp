// What the writer writes, the runtime reads: real code in an artifact, opened,
// checked and called.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "Fixture.h"

#include "artifact/Artifact.h"
#include "kvasir/Target/Codegen.h"
#include "loader/CodeObject.h"
#include "loader/CpuFeatures.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"

using namespace kvasir;
using namespace kvasir::test;

namespace {

/// A phase that writes worker + workers to where its first operand points.
const char *phase = R"(
llvm.func @p(%args: !llvm.ptr, %operands: !llvm.ptr, %worker: i32, %workers: i32) {
  %sum = llvm.add %worker, %workers : i32
  %to = llvm.load %operands : !llvm.ptr -> !llvm.ptr
  llvm.store %sum, %to : i32, !llvm.ptr
  llvm.return
})";

class RuntimeTest : public ArtifactTest {
protected:
  void SetUp() override {
    ArtifactTest::SetUp();
    context.loadDialect<mlir::LLVM::LLVMDialect>();
    auto code = mlir::parseSourceString<mlir::ModuleOp>(phase, &context);
    options.codeObjects.clear();
    for (const target::CPUVariant &variant : target::cpuVariants())
      options.codeObjects.push_back({"cpu", variant.name, variant.requiredFeatures,
                                     cantFail(target::compileSharedObject(*code, variant))});
    ASSERT_EQ(write(*moduleOfOneMatrix()), "");
  }
};

TEST_F(RuntimeTest, OpensAndVerifies) {
  auto opened = rt::Artifact::open(output());
  ASSERT_TRUE(opened) << opened.status().message();
  EXPECT_EQ(opened->module().model()->architecture()->str(), "test");
  rt::Status verified = opened->verifyWeights({});
  EXPECT_TRUE(verified) << verified.message();
}

TEST_F(RuntimeTest, FindsFlippedBitsInWeights) {
  std::string bytes = readFile(output());
  bytes.back() ^= 1;
  writeFile(output(), bytes);
  auto opened = rt::Artifact::open(output());
  ASSERT_TRUE(opened) << opened.status().message();
  EXPECT_FALSE(opened->verifyWeights({}));
}

TEST_F(RuntimeTest, RunsTheCode) {
  auto opened = rt::Artifact::open(output());
  ASSERT_TRUE(opened) << opened.status().message();
  auto chosen = rt::chooseVariant(opened->module(), "", rt::cpuFeatures());
  if (!chosen)
    GTEST_SKIP() << chosen.status().message();
  auto code = rt::CodeObject::load(opened->bytes(*(*chosen)->section()),
                                   (*chosen)->variant()->str(), opened->module().functions());
  ASSERT_TRUE(code) << code.status().message();
  int32_t result = 0;
  void *const operands[] = {&result};
  code->functions().at(0)(nullptr, operands, 3, 4);
  EXPECT_EQ(result, 7);
}

} // namespace
