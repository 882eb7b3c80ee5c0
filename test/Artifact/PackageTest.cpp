// Artifacts read back: every field, every hash, every weight.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "Fixture.h"
#include "Hash.h"

#include <cmath>

using namespace kvasir;
using namespace kvasir::test;
using namespace kvasir::artifact;

namespace {

const char *smallModule = R"(
module attributes {llm.model = {architecture = "llama", name = "tiny", layers = 2 : i64, hidden_size = 32 : i64,
    vocab_size = 20 : i64, heads = 4 : i64, kv_heads = 2 : i64, head_size = 8 : i64, parameters = 1000 : i64,
    max_context = 128 : i64, weight_type = "bf16", bos = 1 : i64, eos = [2 : i64, 3 : i64],
    generation = {temperature = 0.5 : f64, top_k = 40 : i64, do_sample = true}}} {
  llm.weight @unused : !llm.weight<4x4xbf16> from #llm.source<file = "a.bin", offset = 0, stored = tensor<4x4xbf16>> layout <row_major>
  llm.weight @late : !llm.weight<20x32xbf16> from #llm.source<file = "a.bin", offset = 64, stored = tensor<20x32xbf16>> layout <panel16>
  llm.weight @norm : !llm.weight<32xbf16> from #llm.source<file = "a.bin", offset = 0, stored = tensor<32xbf16>> layout <row_major>
  llm.weight @q : !llm.weight<40x32xf32> from #llm.source<file = "b.bin", offset = 8, stored = tensor<40x32xf32>> layout <panel16>
  kv.cache @l0 layer 0 : !kv.paged<2x8xbf16, window = 12>
  kv.cache @l1 layer 1 : !kv.paged<2x8xf32>
  step.phase @first kind <panels> {
  ^bb0(%x: !step.buffer<tokens, 32>, %n: !llm.weight<32xbf16>, %w: !llm.weight<40x32xf32>, %s: !step.buffer<tokens, 32>, %o: !step.buffer<tokens, 40>):
    %0 = step.read %x : !step.buffer<tokens, 32> -> tensor<?x32xf32>
    %1 = llm.rms_norm %0, %n {epsilon = 1.0e-06 : f32, group = 32 : i64} : tensor<?x32xf32>, !llm.weight<32xbf16>
    step.write %1, %s : tensor<?x32xf32>, !step.buffer<tokens, 32>
    %2 = llm.linear %1, [%w] : tensor<?x32xf32>, [!llm.weight<40x32xf32>] -> tensor<?x40xf32>
    step.write %2, %o : tensor<?x40xf32>, !step.buffer<tokens, 40>
  }
  step.phase @second kind <rows> {
  ^bb0(%t: !llm.weight<20x32xbf16>, %c: !kv.paged<2x8xf32>, %k: !step.counter):
  }
  step.program @prefill max_tokens 0 {
    %w = llm.get_weight @late : !llm.weight<20x32xbf16>
    %c = kv.get_cache @l1 : !kv.paged<2x8xf32>
    %k = step.counter : !step.counter
    %l = step.buffer "logits" slot 0 : !step.buffer<rows, 20>
    step.run @second(%w, %c, %k) layer -1 cost <flops_per_row = 7> : !llm.weight<20x32xbf16>, !kv.paged<2x8xf32>, !step.counter
    step.logits %l : !step.buffer<rows, 20>
  }
  step.program @decode max_tokens 16 {
    %x = step.buffer "x" slot 0 : !step.buffer<tokens, 32>
    %o = step.buffer "o" slot 2 : !step.buffer<tokens, 40>
    %l = step.buffer "logits" slot 2 : !step.buffer<rows, 20>
    %one = step.buffer "one" slot 2 : !step.buffer<one, 3>
    %s = step.buffer "s" slot 1 scratch : !step.buffer<tokens, 32>
    %n = llm.get_weight @norm : !llm.weight<32xbf16>
    %w = llm.get_weight @q : !llm.weight<40x32xf32>
    step.run @first(%x, %n, %w, %s, %o) layer 1 cost <weight_bytes = 1, bytes_per_token = 2, cache_bytes_per_context = 3, flops_per_token = 4, flops_per_row = 5, flops_per_context = 6> : !step.buffer<tokens, 32>, !llm.weight<32xbf16>, !llm.weight<40x32xf32>, !step.buffer<tokens, 32>, !step.buffer<tokens, 40>
    step.logits %l : !step.buffer<rows, 20>
  }
}
)";

class PackageTest : public ArtifactTest {
protected:
  void SetUp() override {
    ArtifactTest::SetUp();
    writeFile(directory / "model" / "a.bin", randomBytes(2000, 1));
    writeFile(directory / "model" / "b.bin", randomBytes(8000, 2));
    writeFile(directory / "model" / "config.json", "{}");
    options.inputPaths = {directory / "model" / "config.json", directory / "model" / "a.bin"};
    options.options = {"--kv", "bf16"};
    options.tokenizer = {9, 8, 7};
    options.chatTemplate = "{{ text }}";
  }
};

void expectSection(const std::string &file, const Section *section, const std::string &bytes) {
  ASSERT_TRUE(section);
  EXPECT_EQ(section->offset() % sectionAlignment, 0u);
  EXPECT_EQ(file.substr(section->offset(), section->size()), bytes);
  EXPECT_TRUE(same(*section->hash(), hashBytes(bytes.data(), bytes.size())));
}

TEST_F(PackageTest, HeaderAndSections) {
  auto module = parse(smallModule);
  ASSERT_EQ(write(*module), "");
  std::string file = readFile(output());
  FileHeader header;
  memcpy(&header, file.data(), sizeof(header));
  EXPECT_EQ(memcmp(header.magic, magic, sizeof(magic)), 0);
  EXPECT_EQ(header.versionMajor, versionMajor);
  EXPECT_EQ(header.versionMinor, versionMinor);
  EXPECT_EQ(header.headerSize, 64u);
  EXPECT_EQ(header.fileSize, file.size());
  EXPECT_EQ(header.moduleOffset, 4096u);
  EXPECT_EQ(header.headerHash, XXH3_64bits(file.data(), 56));
  auto hash = hashBytes(file.data() + 4096, header.moduleSize);
  EXPECT_EQ(header.moduleHash.low, hash.low());
  EXPECT_EQ(header.moduleHash.high, hash.high());

  const Module *table = moduleOfFile(file);
  ASSERT_TRUE(table);
  expectSection(file, table->tokenizer(), "\x9\x8\x7");
  ASSERT_EQ(table->code()->size(), 2u);
  expectSection(file, table->code()->Get(0)->section(), "\x1\x2\x3");
  expectSection(file, table->code()->Get(1)->section(), "\x4\x5");
  EXPECT_EQ(table->code()->Get(1)->features()->Get(1)->str(), "fma");
  EXPECT_EQ(table->code()->Get(0)->variant()->str(), "x86-64-v4");
  const Section *weights = table->weights_section();
  EXPECT_EQ(weights->offset() + weights->size(), file.size());
  expectSection(file, weights, file.substr(weights->offset()));
}

TEST_F(PackageTest, ModelAndProvenance) {
  auto module = parse(smallModule);
  ASSERT_EQ(write(*module), "");
  std::string file = readFile(output());
  const Module *table = moduleOfFile(file);
  const Model *model = table->model();
  EXPECT_EQ(model->architecture()->str(), "llama");
  EXPECT_EQ(model->name()->str(), "tiny");
  EXPECT_EQ(model->parameters(), 1000u);
  EXPECT_EQ(model->vocab_size(), 20u);
  EXPECT_EQ(model->head_size(), 8u);
  EXPECT_EQ(model->weight_type(), ElementType::bf16);
  EXPECT_EQ(model->bos(), 1);
  ASSERT_EQ(model->eos()->size(), 2u);
  EXPECT_EQ(model->eos()->Get(1), 3);
  EXPECT_EQ(table->limits()->max_context(), 128u);
  EXPECT_EQ(table->limits()->max_requests(), 8u);
  EXPECT_EQ(table->limits()->max_step_tokens(), 64u);
  EXPECT_EQ(table->generation()->temperature(), 0.5f);
  EXPECT_EQ(table->generation()->top_k(), 40);
  EXPECT_TRUE(std::isnan(table->generation()->top_p()));
  EXPECT_TRUE(table->generation()->do_sample());
  EXPECT_EQ(table->chat_template()->str(), "{{ text }}");
  EXPECT_EQ(table->tokenizer_missing(), nullptr);
  auto *inputs = table->provenance()->inputs();
  ASSERT_EQ(inputs->size(), 3u);
  const char *names[] = {"b.bin", "a.bin", "config.json"};
  for (const char *name : names) {
    std::string bytes = readFile(directory / "model" / name);
    bool found = false;
    for (const Input *input : *inputs)
      found |= input->name()->str() == name && input->size() == bytes.size() &&
               same(*input->hash(), hashBytes(bytes.data(), bytes.size()));
    EXPECT_TRUE(found) << name;
  }
  EXPECT_EQ(table->provenance()->options()->Get(1)->str(), "bf16");
}

TEST_F(PackageTest, Programs) {
  auto module = parse(smallModule);
  ASSERT_EQ(write(*module), "");
  std::string file = readFile(output());
  const Module *table = moduleOfFile(file);
  ASSERT_EQ(table->functions()->size(), 2u);
  EXPECT_EQ(table->functions()->Get(0)->str(), "first");
  ASSERT_EQ(table->programs()->size(), 2u);
  const Program *decode = table->programs()->Get(0);
  EXPECT_EQ(decode->name()->str(), "decode");
  EXPECT_EQ(decode->max_tokens(), 16u);
  EXPECT_EQ(decode->logits_slot(), 2u);
  EXPECT_EQ(decode->logits_stride(), 32u);
  ASSERT_EQ(decode->slots()->size(), 3u);
  auto expectSlot = [&](int index, Size size, bool perWorker) {
    EXPECT_TRUE(same(*decode->slots()->Get(index)->size(), size)) << index;
    EXPECT_EQ(decode->slots()->Get(index)->per_worker(), perWorker) << index;
  };
  expectSlot(0, Size(0, 128, 0), false);
  expectSlot(1, Size(0, 128, 0), true);
  expectSlot(2, Size(64, 192, 128), false);
  const Row *row = decode->rows()->Get(0);
  EXPECT_EQ(row->function(), 0u);
  EXPECT_EQ(row->layer(), 1);
  EXPECT_TRUE(same(*row->cost(), Cost(1, 2, 3, 4, 5, 6)));
  Operand expected[] = {{OperandKind::slot, 0, 1}, // the first row: buffers begin
                        {OperandKind::weight, 0, 0},
                        {OperandKind::weight, 1, 3},
                        {OperandKind::slot, 1, 1},
                        {OperandKind::slot, 2, 1}};
  ASSERT_EQ(row->operands()->size(), 5u);
  for (int i = 0; i < 5; ++i)
    EXPECT_TRUE(same(*row->operands()->Get(i), expected[i])) << i;
  const Row *other = table->programs()->Get(1)->rows()->Get(0);
  EXPECT_EQ(other->layer(), -1);
  EXPECT_TRUE(same(*other->operands()->Get(0), Operand(OperandKind::weight, 2, 0)));
  EXPECT_TRUE(same(*other->operands()->Get(1), Operand(OperandKind::cache, 1, 0)));
  EXPECT_TRUE(same(*other->operands()->Get(2), Operand(OperandKind::counter, 0, 0)));
}

TEST_F(PackageTest, CachesAndWeights) {
  auto module = parse(smallModule);
  ASSERT_EQ(write(*module), "");
  std::string file = readFile(output());
  const Module *table = moduleOfFile(file);
  const Cache *cache = table->caches()->Get(0);
  EXPECT_EQ(cache->name()->str(), "l0");
  EXPECT_EQ(cache->window(), 12u);
  EXPECT_EQ(cache->type(), ElementType::bf16);
  EXPECT_EQ(cache->page_bytes(), 64u * 2 * 2 * 8 * 2);
  EXPECT_EQ(table->caches()->Get(1)->page_bytes(), 64u * 2 * 2 * 8 * 4);
  // In order of first use by decode; what only prefill uses comes last.
  const char *names[] = {"norm", "q", "late"};
  ASSERT_EQ(table->weights()->size(), 3u);
  for (int i = 0; i < 3; ++i) {
    const Weight *weight = table->weights()->Get(i);
    EXPECT_EQ(weight->name()->str(), names[i]);
    EXPECT_EQ(weight->offset() % 64, 0u);
    std::string bytes = weightBytes(file, *weight);
    EXPECT_TRUE(same(*weight->hash(), hashBytes(bytes.data(), bytes.size())));
  }
  EXPECT_EQ(table->weights()->Get(0)->type(), ElementType::f32);
  EXPECT_EQ(table->weights()->Get(1)->size(), 48u * 32 * 4);
  EXPECT_EQ(table->weights()->Get(2)->type(), ElementType::bf16);
  EXPECT_EQ(table->weights()->Get(2)->shape()->Get(0), 20u);
}

TEST_F(PackageTest, SameBytesEachTime) {
  auto module = parse(smallModule);
  ASSERT_EQ(write(*module), "");
  std::string first = readFile(output());
  options.threads = 1;
  options.memoryCap = 1;
  ASSERT_EQ(write(*module), "");
  EXPECT_EQ(first, readFile(output()));
  EXPECT_EQ(outputs(), std::vector<std::string>{"m.kvasir"});
}

TEST_F(PackageTest, WithoutTokenizer) {
  auto module = parse(smallModule);
  options.tokenizer.clear();
  options.tokenizerMissing = "no tokenizer.json";
  ASSERT_EQ(write(*module), "");
  std::string file = readFile(output());
  EXPECT_EQ(moduleOfFile(file)->tokenizer(), nullptr);
  EXPECT_EQ(moduleOfFile(file)->tokenizer_missing()->str(), "no tokenizer.json");
}

//===----------------------------------------------------------------------===//
// Every way to pack a weight
//===----------------------------------------------------------------------===//

struct Case {
  uint64_t rows, columns; ///< of the weight
  uint64_t extra, row;    ///< further rows of the source, first row taken
  bool transpose, panels;
  std::string type;
};

/// The element of a weight, from the bytes of its source.
std::string sourceElement(const Case &c, const std::string &source, uint64_t row, uint64_t column) {
  uint64_t bytes = c.type == "f32" ? 4 : 2;
  uint64_t at =
      c.transpose ? column * (c.rows + c.extra) + c.row + row : (c.row + row) * c.columns + column;
  return source.substr(at * bytes, bytes);
}

std::string packedElement(const Case &c, const std::string &packed, uint64_t row, uint64_t column) {
  uint64_t bytes = c.type == "f32" ? 4 : 2;
  uint64_t at =
      c.panels ? (row / 16 * c.columns + column) * 16 + row % 16 : row * c.columns + column;
  return packed.substr(at * bytes, bytes);
}

class PackingTest : public ArtifactTest {
protected:
  void check(const Case &c) {
    SCOPED_TRACE(testing::Message()
                 << c.rows << "x" << c.columns << "x" << c.type << " of " << c.rows + c.extra
                 << " rows from " << c.row << (c.transpose ? " transposed" : "")
                 << (c.panels ? " panels" : ""));
    auto shape = [&](uint64_t rows, uint64_t columns) {
      return std::to_string(rows) + "x" + std::to_string(columns) + "x" + c.type;
    };
    uint64_t storedRows = c.rows + c.extra, bytes = c.type == "f32" ? 4 : 2;
    std::string source = randomBytes(storedRows * c.columns * bytes, c.rows);
    writeFile(directory / "model" / "w.bin", std::string(24, 'x') + source);
    std::string type = "!llm.weight<" + shape(c.rows, c.columns) + ">";
    std::string text = "llm.weight @w : " + type +
                       " from #llm.source<file = \"w.bin\", offset = 24, stored = tensor<" +
                       (c.transpose ? shape(c.columns, storedRows) : shape(storedRows, c.columns)) +
                       ">, transpose = " + (c.transpose ? "true" : "false") +
                       ", row = " + std::to_string(c.row) + "> layout <" +
                       (c.panels ? "panel16" : "row_major") + ">\n";
    auto module = parse(moduleOf(text, {{"w", type}}));
    ASSERT_EQ(write(*module), "");
    std::string file = readFile(output());
    std::string packed = weightBytes(file, *moduleOfFile(file)->weights()->Get(0));
    uint64_t rows = c.panels ? (c.rows + 15) / 16 * 16 : c.rows, wrong = 0;
    ASSERT_EQ(packed.size(), rows * c.columns * bytes);
    for (uint64_t row = 0; row < rows; ++row)
      for (uint64_t column = 0; column < c.columns; ++column)
        wrong += packedElement(c, packed, row, column) !=
                 (row < c.rows ? sourceElement(c, source, row, column) : std::string(bytes, 0));
    EXPECT_EQ(wrong, 0u);
  }
};

TEST_F(PackingTest, RoundTrip) {
  for (std::string type : {"f32", "f16", "bf16"})
    for (bool transpose : {false, true})
      for (bool panels : {false, true}) {
        check({64, 48, 0, 0, transpose, panels, type});
        check({37, 21, 0, 0, transpose, panels, type});
        check({33, 16, 20, 7, transpose, panels, type});
        check({1, 1, 0, 0, transpose, panels, type});
      }
}

// With buffers of 128 KiB these take several chunks, some cut by columns.
TEST_F(PackingTest, RoundTripInChunks) {
  options.memoryCap = 1;
  for (bool transpose : {false, true})
    for (bool panels : {false, true}) {
      check({500, 300, 30, 11, transpose, panels, "bf16"});
      check({21, 5000, 3, 2, transpose, panels, "f32"});
    }
  check({2, 70000, 0, 0, false, false, "bf16"});
}

TEST_F(PackingTest, WidensVectors) {
  // 1.0 and -2.0 in each type.
  std::string bytes("\x80\x3f\x00\xc0\x00\x3c\x00\xc0\x00\x00\x80\x3f\x00\x00\x00\xc0", 16);
  writeFile(directory / "model" / "v.bin", bytes);
  std::string text;
  std::vector<std::pair<std::string, std::string>> uses;
  int offset = 0;
  for (std::string type : {"bf16", "f16", "f32"}) {
    std::string weight = "!llm.weight<2x" + type + ">";
    text += "llm.weight @" + type + " : " + weight +
            " from #llm.source<file = \"v.bin\", offset = " + std::to_string(offset) +
            ", stored = tensor<2x" + type + ">> layout <row_major>\n";
    uses.push_back({type, weight});
    offset += 4;
  }
  auto module = parse(moduleOf(text, uses));
  ASSERT_EQ(write(*module), "");
  std::string file = readFile(output());
  for (const Weight *weight : *moduleOfFile(file)->weights()) {
    EXPECT_EQ(weight->type(), ElementType::f32);
    float values[2];
    memcpy(values, weightBytes(file, *weight).data(), 8);
    EXPECT_EQ(values[0], 1.0f);
    EXPECT_EQ(values[1], -2.0f);
  }
}

} // namespace
