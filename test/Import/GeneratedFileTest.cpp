// Made-up values: names, types, and reads that start and end anywhere.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "kvasir/Support/GeneratedFile.h"

#include "llvm/ADT/APFloat.h"
#include "llvm/ADT/bit.h"

#include <cmath>
#include <cstring>
#include <gtest/gtest.h>
#include <vector>

using namespace kvasir;
using Kind = GeneratedFile::Kind;
using Type = GeneratedFile::Type;

static std::vector<char> whole(const GeneratedFile &file) {
  std::vector<char> bytes(file.bytes);
  file.read(bytes.data(), bytes.size(), 0);
  return bytes;
}

template <class T> static std::vector<T> valuesOf(const GeneratedFile &file) {
  std::vector<char> bytes = whole(file);
  std::vector<T> values(bytes.size() / sizeof(T));
  std::memcpy(values.data(), bytes.data(), values.size() * sizeof(T));
  return values;
}

TEST(GeneratedFile, NamesReadBack) {
  for (Kind kind : {Kind::normal, Kind::ones})
    for (Type type : {Type::f32, Type::f16, Type::bf16}) {
      auto file = GeneratedFile::parse(GeneratedFile{kind, type, 7, 4096}.name());
      ASSERT_TRUE(file);
      EXPECT_EQ(file->kind, kind);
      EXPECT_EQ(file->type, type);
      EXPECT_EQ(file->seed, 7u);
      EXPECT_EQ(file->bytes, 4096u);
    }
}

TEST(GeneratedFile, OtherNamesAreFiles) {
  for (const char *name :
       {"", "model.safetensors", "generated:", "generated:normal:f32:7",
        "generated:normal:f32:7:08", "generated:normal:f32:+7:8", "generated:normal:f64:7:8",
        "generated:zeros:f32:7:8", "generated:normal:f32:7:8:9",
        "generated:normal:f32:7:99999999999999999999", "generated:normal:f32::8"})
    EXPECT_FALSE(GeneratedFile::parse(name)) << name;
}

TEST(GeneratedFile, ValuesHaveTheDeviation) {
  double sum = 0, squares = 0, largest = 0;
  std::vector<float> values = valuesOf<float>({Kind::normal, Type::f32, 1, 4 << 18});
  for (float value : values) {
    sum += value;
    squares += double(value) * value;
    largest = std::max(largest, double(std::abs(value)));
  }
  EXPECT_NEAR(sum / double(values.size()), 0, 1e-4);
  EXPECT_NEAR(std::sqrt(squares / double(values.size())), 0.02, 1e-4);
  EXPECT_LT(largest, 0.07);
  EXPECT_GT(largest, 0.06);
}

TEST(GeneratedFile, TypesRoundTheSameValues) {
  std::vector<float> values = valuesOf<float>({Kind::normal, Type::f32, 3, 4 << 16});
  auto halves = valuesOf<uint16_t>({Kind::normal, Type::f16, 3, 2 << 16});
  auto brains = valuesOf<uint16_t>({Kind::normal, Type::bf16, 3, 2 << 16});
  auto rounded = [](float value, const llvm::fltSemantics &type) {
    llvm::APFloat number(value);
    bool inexact = false;
    number.convert(type, llvm::APFloat::rmNearestTiesToEven, &inexact);
    return number.bitcastToAPInt().getZExtValue();
  };
  for (size_t i = 0; i < values.size(); ++i) {
    ASSERT_EQ(halves[i], rounded(values[i], llvm::APFloat::IEEEhalf())) << values[i];
    ASSERT_EQ(brains[i], rounded(values[i], llvm::APFloat::BFloat())) << values[i];
  }
}

TEST(GeneratedFile, OnesAreOnes) {
  for (float value : valuesOf<float>({Kind::ones, Type::f32, 0, 64}))
    EXPECT_EQ(value, 1.0f);
  for (uint16_t value : valuesOf<uint16_t>({Kind::ones, Type::f16, 0, 64}))
    EXPECT_EQ(value, 0x3C00);
  for (uint16_t value : valuesOf<uint16_t>({Kind::ones, Type::bf16, 0, 64}))
    EXPECT_EQ(value, 0x3F80);
}

TEST(GeneratedFile, ReadsStartAndEndAnywhere) {
  for (Type type : {Type::f32, Type::f16, Type::bf16}) {
    GeneratedFile file{Kind::normal, type, 5, 40};
    std::vector<char> all = whole(file);
    for (uint64_t offset = 0; offset < file.bytes; ++offset)
      for (uint64_t size = 0; offset + size <= file.bytes; ++size) {
        std::vector<char> part(size + 1, 'x');
        file.read(part.data(), size, offset);
        ASSERT_EQ(std::memcmp(part.data(), all.data() + offset, size), 0);
        ASSERT_EQ(part[size], 'x');
      }
  }
}

TEST(GeneratedFile, SeedsDiffer) {
  EXPECT_EQ(whole({Kind::normal, Type::bf16, 5, 256}), whole({Kind::normal, Type::bf16, 5, 256}));
  EXPECT_NE(whole({Kind::normal, Type::bf16, 5, 256}), whole({Kind::normal, Type::bf16, 6, 256}));
}
