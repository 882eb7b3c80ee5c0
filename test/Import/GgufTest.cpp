// The GGUF container: what is read, and that nothing broken gets by.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "Checkpoint.h"
#include "GGUF/Container.h"
#include "GGUF/Model.h"
#include "gtest/gtest.h"

using namespace kvasir;
using namespace kvasir::test;

namespace {

/// Builds a file piece by piece, however wrong.
class Bytes {
public:
  Bytes &number(uint64_t value, size_t size) {
    for (size_t i = 0; i != size; ++i)
      bytes += static_cast<char>(value >> 8 * i);
    return *this;
  }
  Bytes &u32(uint64_t value) { return number(value, 4); }
  Bytes &u64(uint64_t value) { return number(value, 8); }
  Bytes &text(llvm::StringRef value) {
    u64(value.size());
    bytes += value.str();
    return *this;
  }
  Bytes &header(uint64_t tensors, uint64_t keys, uint32_t version = 3) {
    bytes += "GGUF";
    return u32(version).u64(tensors).u64(keys);
  }
  Bytes &key(llvm::StringRef name, gguf::ValueType type) { return text(name).u32(uint32_t(type)); }
  Bytes &array(gguf::ValueType element, uint64_t count) {
    return u32(uint32_t(element)).u64(count);
  }
  /// A tensor of one dimension.
  Bytes &tensor(llvm::StringRef name, uint64_t size, uint32_t type, uint64_t offset) {
    return text(name).u32(1).u64(size).u32(type).u64(offset);
  }
  Bytes &data(size_t size, size_t alignment = 32) {
    bytes.resize((bytes.size() + alignment - 1) / alignment * alignment + size);
    return *this;
  }
  std::string bytes;
};

using Type = gguf::ValueType;

/// Every kind of value and a few tensors.
std::string example() {
  Bytes file;
  file.header(3, 7);
  file.key("general.alignment", Type::uint32).u32(64);
  file.key("text", Type::string).text("hello");
  file.key("flag", Type::boolean).number(1, 1);
  file.key("small", Type::int8).number(0xfe, 1);
  file.key("wide", Type::uint64).u64(1ull << 40);
  file.key("names", Type::array).array(Type::string, 2).text("a").text("b");
  file.key("nested", Type::array).array(Type::array, 2);
  file.array(Type::uint16, 2).number(1, 2).number(2, 2).array(Type::float32, 0);
  file.tensor("one", 4, 0, 0).tensor("two", 64, 2, 64).tensor("three", 0, 0, 128);
  return file.data(128 + 16, 64).bytes;
}

struct Read {
  gguf::Container container;
  gguf::Metadata metadata;
  Problems problems;
  explicit Read(llvm::StringRef bytes) {
    metadata = gguf::parseFile(bytes, "x", container, problems);
  }
  std::string first() const { return problems.empty() ? "" : problems.get().front(); }
};

void expectProblem(const Bytes &file, const std::string &message) {
  EXPECT_EQ(Read(file.bytes).first(), "x: " + message);
}

} // namespace

TEST(Gguf, ReadsValuesAndTensors) {
  std::string bytes = example();
  Read read(bytes);
  ASSERT_TRUE(read.problems.empty()) << read.first();
  EXPECT_EQ(read.metadata.at("text").text(), llvm::StringRef("hello"));
  EXPECT_EQ(read.metadata.at("flag").boolean(), true);
  EXPECT_EQ(read.metadata.at("small").integer(), -2);
  EXPECT_EQ(read.metadata.at("wide").integer(), int64_t(1) << 40);
  EXPECT_EQ(read.metadata.at("wide").number(), double(1ull << 40));
  EXPECT_EQ(read.metadata.at("text").integer(), std::nullopt);
  EXPECT_EQ(read.metadata.at("names").strings, (std::vector<llvm::StringRef>{"a", "b"}));
  const StoredTensor &two = read.container.tensors.at("two");
  EXPECT_EQ(two.type, "Q4_0");
  EXPECT_EQ(two.length, 36u);
  EXPECT_EQ(two.offset % 64, 0u);
  EXPECT_EQ(two.shape, std::vector<int64_t>{64});
}

TEST(Gguf, TruncatedAtAnyByteIsRefused) {
  // The last tensor that has bytes ends 44 bytes before the end.
  std::string whole = example();
  for (size_t size = 0; size < whole.size() - 44; ++size)
    EXPECT_FALSE(Read(llvm::StringRef(whole).take_front(size)).problems.empty()) << size;
}

TEST(Gguf, AnyChangedByteIsReadOrRefused) {
  std::string whole = example();
  for (size_t at = 0; at != whole.size() - 144; ++at)
    for (int value = 0; value != 256; ++value) {
      std::string bytes = whole;
      bytes[at] = static_cast<char>(value);
      Read read(bytes);
      for (auto &[name, tensor] : read.container.tensors)
        EXPECT_LE(tensor.offset + tensor.length, bytes.size());
    }
}

TEST(Gguf, OtherFilesAndVersions) {
  EXPECT_EQ(Read("GGUF").first(), "x: expected a GGUF file, but it has only 4 bytes");
  EXPECT_EQ(Read(llvm::StringRef("GGML\1\0\0\0", 8)).first(),
            "x: expected a GGUF file, which starts with 'GGUF', but it starts with 'GGML'");
  expectProblem(Bytes().header(0, 0, 1),
                "has version 1 of GGUF; versions 2 and 3 are read: convert the model again");
  expectProblem(Bytes().header(0, 0, 77), "has version 77 of GGUF; versions 2 and 3 are read");
  expectProblem(Bytes().header(0, 0, 0x03000000),
                "is a big-endian GGUF file; only little-endian ones are read: convert the model "
                "again without --bigendian");
  EXPECT_EQ(Read(Bytes().header(0, 0, 2).bytes).first(), "");
}

TEST(Gguf, CountsAreCheckedBeforeMemoryIsTaken) {
  expectProblem(Bytes().header(~0ull, 0), "should have 18446744073709551615 tensors, more than the "
                                          "262144 that are allowed; is it damaged?");
  expectProblem(Bytes().header(1000, 0),
                "should have 1000 tensors, which do not fit into its 24 bytes; is it truncated?");
  expectProblem(Bytes().header(0, 1000),
                "should have 1000 keys, which do not fit into its 24 bytes; is it truncated?");
  expectProblem(Bytes().header(0, 1).u64(~0ull).data(32),
                "key 0 at byte 32 should have 18446744073709551615 bytes, but the file has only 32 "
                "left; is it truncated?");
  expectProblem(Bytes().header(0, 1).key("k", Type::array).array(Type::uint64, 1ull << 61),
                "'k' should have 2305843009213693952 elements, which do not fit into the 0 bytes "
                "that are left; is the file truncated?");
  expectProblem(
      Bytes().header(0, 1).key("k", Type::array).array(Type::string, 2).text("").u64(9),
      "a string of 'k' at byte 65 should have 9 bytes, but the file has only 0 left; is it "
      "truncated?");
}

TEST(Gguf, KeysAndValues) {
  expectProblem(Bytes().header(0, 1).text("").data(32),
                "key 0 should be UTF-8 of 1 to 65535 bytes, but is ''");
  expectProblem(Bytes().header(0, 1).text("\xff").data(32),
                "key 0 should be UTF-8 of 1 to 65535 bytes, but is '\xEF\xBF\xBD'");
  expectProblem(Bytes().header(0, 1).text("k").u32(13),
                "'k' has the unknown type 13; known are 0 to 12");
  expectProblem(Bytes().header(0, 1).key("k", Type::boolean).number(2, 1).data(8),
                "'k' should be a boolean, 0 or 1, but is 2");
  Bytes twice;
  twice.header(0, 2).key("k", Type::uint32).u32(1).key("k", Type::uint32);
  EXPECT_EQ(Read(Bytes(twice).u32(1).bytes).first(), "");
  expectProblem(Bytes(twice).u32(2), "has the key 'k' twice");
  Bytes deep;
  deep.header(0, 1).key("k", Type::array);
  for (int i = 0; i != 100; ++i)
    deep.array(Type::array, 1);
  expectProblem(deep.data(64), "'k' has arrays inside arrays, deeper than 8 levels");
}

TEST(Gguf, Alignment) {
  auto file = [](uint32_t alignment, uint64_t offset) {
    Bytes bytes;
    bytes.header(1, 1).key("general.alignment", Type::uint32).u32(alignment);
    return bytes.tensor("t", 1, 0, offset).data(128, 64);
  };
  EXPECT_EQ(Read(file(64, 64).bytes).first(), "");
  for (uint32_t wrong : {0u, 24u, 1u << 31})
    expectProblem(file(wrong, 0), "'general.alignment' should be a power of two up to 1048576, but "
                                  "is " +
                                      std::to_string(wrong));
  expectProblem(file(64, 32),
                "tensor 't' starts at byte 32 of the data, expected a multiple of the "
                "alignment 64");
}

TEST(Gguf, Tensors) {
  auto file = [](uint64_t size, uint32_t type, uint64_t offset) {
    return Bytes().header(1, 0).tensor("t", size, type, offset).data(64);
  };
  EXPECT_EQ(Read(file(16, 0, 0).bytes).first(), "");
  expectProblem(file(17, 0, 0),
                "tensor 't' takes 68 bytes from byte 0 of the data on, but the file "
                "has only 64 bytes of data; is it truncated?");
  expectProblem(file(1, 0, ~31ull),
                "tensor 't' takes 4 bytes from byte 18446744073709551584 of the "
                "data on, but the file has only 64 bytes of data; is it truncated?");
  expectProblem(file(33, 2, 0),
                "tensor 't' has rows of 33 values, which are no whole blocks of 32 as "
                "type Q4_0 has");
  expectProblem(file(1, 4, 0), "tensor 't' has the type Q4_2, which files do not hold any more; "
                               "quantize the model again");
  expectProblem(file(1, 1000, 0), "tensor 't' has the unknown type number 1000");
  expectProblem(file(1ull << 63, 0, 0),
                "tensor 't' has the dimension 9223372036854775808, expected at most 2^63 - 1");
  Bytes wide;
  wide.header(1, 0).text("t").u32(2).u64(1ull << 40).u64(1ull << 40).u32(0).u64(0);
  expectProblem(wide.data(64), "tensor 't' has a shape whose size does not fit in 64 bits");
  Bytes many;
  many.header(1, 0).text("t").u32(5).data(64);
  expectProblem(many, "tensor 't' has 5 dimensions, at most 4 are allowed");
  expectProblem(Bytes().header(2, 0).tensor("t", 1, 0, 0).tensor("t", 1, 0, 32).data(64),
                "tensor 't' is there twice");
  expectProblem(Bytes().header(2, 0).tensor("t", 9, 0, 0).tensor("u", 1, 0, 32).data(64),
                "tensor 'u' starts at byte 32 of the data, inside the tensor before it");
}

TEST(Gguf, FolderWithOneModel) {
  Folder folder;
  Problems problems;
  EXPECT_FALSE(gguf::looksLikeModel(folder.path()));
  folder.write("a.gguf", example());
  EXPECT_TRUE(gguf::looksLikeModel(folder.path()));
  EXPECT_EQ(gguf::openModel(folder.path(), problems).files, std::vector<std::string>{"a.gguf"});
  EXPECT_TRUE(problems.empty());
  folder.write("b.gguf", example());
  gguf::openModel(folder.path(), problems);
  ASSERT_EQ(problems.size(), 1u);
  EXPECT_EQ(problems.get().front(),
            "the folder has several models (a.gguf, b.gguf); give the name of one file");
}
