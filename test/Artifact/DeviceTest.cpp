// Artifacts for devices, alone and beside CPUs: merged tensors, kernels, code.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "Fixture.h"

using namespace kvasir;
using namespace kvasir::test;
using namespace kvasir::artifact;

namespace {

/// A step of one phase on a matrix in `layout`, a vector and a cache.
std::string stepModule(const std::string &layout, const std::string &cache = "2x8xbf16") {
  return R"(
module attributes {llm.model = {architecture = "llama", vocab_size = 16 : i64, max_context = 32 : i64}} {
  llm.weight @norm : !llm.weight<32xbf16> from #llm.source<file = "a.bin", offset = 0, stored = tensor<32xbf16>> layout <row_major>
  llm.weight @w : !llm.weight<16x32xbf16> from #llm.source<file = "a.bin", offset = 64, stored = tensor<16x32xbf16>> layout <)" +
         layout + R"(>
  kv.cache @l0 layer 0 : !kv.paged<)" +
         cache + R"(>
  step.phase @embed kind <rows> {
  ^bb0(%n: !llm.weight<32xbf16>):
  }
  step.phase @linear kind <rows> {
  ^bb0(%w: !llm.weight<16x32xbf16>, %n: !llm.weight<32xbf16>, %s: !step.buffer<tokens, 32>):
  }
  step.program @all max_tokens 0 {
    %w = llm.get_weight @w : !llm.weight<16x32xbf16>
    %n = llm.get_weight @norm : !llm.weight<32xbf16>
    %l = step.buffer "l" slot 0 : !step.buffer<rows, 16>
    %s = step.buffer "s" slot 1 scratch : !step.buffer<tokens, 32>
    step.run @embed(%n) layer -1 cost <> : !llm.weight<32xbf16>
    step.run @linear(%w, %n, %s) layer 0 cost <> : !llm.weight<16x32xbf16>, !llm.weight<32xbf16>, !step.buffer<tokens, 32>
    step.logits %l : !step.buffer<rows, 16>
  }
}
)";
}

class DeviceTest : public ArtifactTest {
protected:
  void SetUp() override {
    ArtifactTest::SetUp();
    writeFile(directory / "model" / "a.bin", randomBytes(2000, 1));
    host = parse(stepModule("panel16"));
    device = parse(stepModule("mma16"));
    KernelInput linear{"linear", 256, 64, {1, 2, 3, 4}, 100, 4096, 2, true};
    KernelInput embed{"embed", 128, 0, {0, 1, 0, 0}, 40, 0, 16, false};
    KernelInput unknown{"linear", 256, 64, {1, 2, 3, 4}, 0, 0, 0, true};
    KernelInput unknownEmbed{"embed", 128, 0, {0, 1, 0, 0}, 0, 0, 0, false};
    options.devices = {{"cuda",
                        *device,
                        {{"sm_80", false, {5, 6, 7}, {linear, embed}},
                         {"sm_90", true, {'/', '/', 0}, {unknownEmbed, unknown}}}}};
  }

  mlir::OwningOpRef<mlir::ModuleOp> host, device;
};

std::string sectionBytes(const std::string &file, const Section *section) {
  return file.substr(section->offset(), section->size());
}

TEST_F(DeviceTest, SharesTensorsThatLieTheSameWay) {
  ASSERT_EQ(write(*host), "");
  std::string file = readFile(output());
  const Module *module = moduleOfFile(file);
  ASSERT_TRUE(module);
  ASSERT_EQ(module->weights()->size(), 3u); // of the CPU in order of first use, then the device's
  EXPECT_EQ(module->weights()->Get(0)->name()->str(), "norm");
  EXPECT_EQ(module->weights()->Get(1)->name()->str(), "w");
  EXPECT_EQ(module->weights()->Get(1)->layout(), Layout::panel16);
  EXPECT_EQ(module->weights()->Get(2)->name()->str(), "w");
  EXPECT_EQ(module->weights()->Get(2)->layout(), Layout::mma16);
  EXPECT_EQ(module->caches()->size(), 1u);
  ASSERT_EQ(module->devices()->size(), 1u);
  auto weightOf = [](const Program *program, unsigned row, unsigned operand) {
    return program->rows()->Get(row)->operands()->Get(operand)->index();
  };
  const Program *onHost = module->programs()->Get(0);
  const Program *onDevice = module->devices()->Get(0)->programs()->Get(0);
  EXPECT_EQ(weightOf(onHost, 0, 0), 0u);
  EXPECT_EQ(weightOf(onDevice, 0, 0), 0u);
  EXPECT_EQ(weightOf(onHost, 1, 0), 1u);
  EXPECT_EQ(weightOf(onDevice, 1, 0), 2u);
}

TEST_F(DeviceTest, WritesKernelsInTheOrderOfFunctions) {
  ASSERT_EQ(write(*host), "");
  std::string file = readFile(output());
  const Module *module = moduleOfFile(file);
  ASSERT_TRUE(module);
  const Device *cuda = module->devices()->Get(0);
  EXPECT_EQ(cuda->target()->str(), "cuda");
  EXPECT_EQ(cuda->functions()->Get(0)->str(), "embed");
  ASSERT_EQ(cuda->code()->size(), 2u);
  const DeviceCode *cubin = cuda->code()->Get(0), *ptx = cuda->code()->Get(1);
  EXPECT_FALSE(cubin->ptx());
  EXPECT_TRUE(ptx->ptx());
  EXPECT_EQ(ptx->architecture()->str(), "sm_90");
  EXPECT_EQ(sectionBytes(file, cubin->section()), "\5\6\7");
  EXPECT_EQ(sectionBytes(file, ptx->section()), std::string("//\0", 3));
  const Kernel *linear = cubin->kernels()->Get(1);
  EXPECT_EQ(linear->function(), 1u);
  EXPECT_EQ(linear->threads(), 256u);
  EXPECT_EQ(linear->dynamic_shared(), 64u);
  EXPECT_EQ(linear->items_constant(), 1u);
  EXPECT_EQ(linear->items_per_token(), 2u);
  EXPECT_EQ(linear->items_per_row(), 3u);
  EXPECT_EQ(linear->items_per_block(), 4u);
  EXPECT_EQ(linear->registers(), 100u);
  EXPECT_EQ(linear->shared(), 4096u);
  EXPECT_EQ(linear->blocks_per_sm(), 2u);
  EXPECT_TRUE(linear->dependent());
  EXPECT_FALSE(ptx->kernels()->Get(0)->dependent());
}

TEST_F(DeviceTest, GivesDevicesNoScratch) {
  ASSERT_EQ(write(*host), "");
  std::string file = readFile(output());
  const Module *module = moduleOfFile(file);
  const Slot *slot = module->devices()->Get(0)->programs()->Get(0)->slots()->Get(1);
  EXPECT_FALSE(slot->per_worker());
  EXPECT_EQ(slot->size()->per_token(), 0u);
  EXPECT_TRUE(module->programs()->Get(0)->slots()->Get(1)->per_worker());
  EXPECT_EQ(module->programs()->Get(0)->chosen_slot(), -1);
}

TEST_F(DeviceTest, MayBeForDevicesAlone) {
  options.codeObjects.clear();
  ASSERT_EQ(write(*device), "");
  std::string file = readFile(output());
  const Module *module = moduleOfFile(file);
  ASSERT_TRUE(module);
  EXPECT_EQ(module->programs()->size(), 0u);
  EXPECT_EQ(module->functions()->size(), 0u);
  EXPECT_EQ(module->code()->size(), 0u);
  EXPECT_EQ(module->weights()->size(), 2u);
  EXPECT_EQ(module->model()->architecture()->str(), "llama");
}

TEST_F(DeviceTest, SameInputsSameBytes) {
  ASSERT_EQ(write(*host), "");
  std::string first = readFile(output());
  options.threads = 1;
  ASSERT_EQ(write(*host), "");
  EXPECT_EQ(readFile(output()), first);
}

TEST_F(DeviceTest, RefusesWhatIsNotWhole) {
  options.devices[0].code[1].kernels.pop_back();
  EXPECT_EQ(write(*host),
            "cannot write the module table: the code for sm_90 has no kernel 'linear'");
  options.devices[0].code.clear();
  EXPECT_EQ(write(*host), "cannot write the module table: expected code for cuda");
  options.devices.clear();
  options.codeObjects.clear();
  EXPECT_EQ(write(*host),
            "cannot write the module table: expected at least one code object or device");
  EXPECT_TRUE(outputs().empty());
}

TEST_F(DeviceTest, RefusesTargetsThatDifferInCaches) {
  auto other = parse(stepModule("mma16", "2x8xf32"));
  options.devices[0].module = *other;
  EXPECT_EQ(write(*host), "internal error in the step program: the targets differ in their caches");
}

} // namespace
