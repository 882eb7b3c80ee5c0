// Weights move from a mapped file into memory: same addresses, same bytes, and nothing on errors.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "artifact/Resident.h"

#include <atomic>
#include <cstdio>
#include <deque>
#include <fstream>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <thread>
#include <unistd.h>

namespace kvasir::rt {
namespace {

constexpr size_t megabyte = size_t(1) << 20;

unsigned char byteAt(size_t i) { return static_cast<unsigned char>(i * 2654435761u >> 13); }

class ResidentMemory : public testing::Test {
protected:
  void SetUp() override {
    std::string bytes(size, 0);
    for (size_t i = 0; i < size; ++i)
      bytes[i] = static_cast<char>(byteAt(i));
    std::ofstream(path, std::ios::binary) << bytes;
    auto opened = MappedFile::open(path);
    ASSERT_TRUE(opened) << opened.status().message();
    file = std::move(*opened);
  }
  void TearDown() override { std::remove(path.c_str()); }

  void expectBytes(size_t begin, size_t end) {
    for (size_t i = begin; i < end; ++i)
      ASSERT_EQ(file.data()[i], byteAt(i)) << i;
  }

  static void sideBySide(int32_t parts, const std::function<void(int32_t)> &part) {
    std::vector<std::thread> threads;
    for (int32_t i = 0; i < parts; ++i)
      threads.emplace_back(part, i);
    for (std::thread &thread : threads)
      thread.join();
  }

  static Resident::Parallel threads(int32_t parts) {
    return [=](const std::function<void(int32_t)> &part) { sideBySide(parts, part); };
  }

  static constexpr size_t size = 11 * megabyte + 12345;
  std::string path = testing::TempDir() + "kvasir-resident-" + std::to_string(getpid());
  MappedFile file;
};

TEST_F(ResidentMemory, HasTheSameBytesAtTheSamePlace) {
  const unsigned char *before = file.data();
  Resident resident;
  Status status = resident.move(file, 4096 + 64, size - 4096 - 64, 3, threads(3));
  ASSERT_TRUE(status) << status.message();
  EXPECT_EQ(file.data(), before);
  EXPECT_GE(resident.bytes(), 6 * megabyte);
  EXPECT_EQ(resident.bytes() % (2 * megabyte), 0u);
  expectBytes(0, size);
}

TEST_F(ResidentMemory, MayBeReadMeanwhile) {
  std::atomic<bool> done = false;
  size_t wrong = 0;
  std::thread reader([&] {
    for (size_t i = 0; !done; i = (i + 4099) % size)
      wrong += file.data()[i] != byteAt(i);
  });
  for (int i = 0; i < 20; ++i) { // the memory that was moved is moved again
    Resident resident;
    EXPECT_TRUE(resident.move(file, 0, size, 2, threads(2)));
  }
  done = true;
  reader.join();
  EXPECT_EQ(wrong, 0u);
}

/// What another thread maps meanwhile, where the memory was before it moved, stays mapped.
TEST_F(ResidentMemory, LeavesTheMappingsOfOthers) {
  std::atomic<bool> done = false;
  size_t lost = 0;
  std::thread other([&] {
    constexpr size_t bytes = 2 * megabyte;
    std::deque<void *> mapped;
    auto forget = [&] {
      unsigned char resident;
      lost += mincore(mapped.front(), 4096, &resident) != 0;
      munmap(mapped.front(), bytes);
      mapped.pop_front();
    };
    while (!done) {
      mapped.push_back(
          mmap(nullptr, bytes, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
      if (mapped.size() > 256)
        forget();
    }
    while (!mapped.empty())
      forget();
  });
  for (int i = 0; i < 100; ++i) {
    auto opened = MappedFile::open(path);
    Resident resident;
    EXPECT_TRUE(opened && resident.move(*opened, 0, 4 * megabyte, 1, threads(1)));
  }
  done = true;
  other.join();
  EXPECT_EQ(lost, 0u);
}

TEST_F(ResidentMemory, DoesNotNeedTheFileAnyMore) {
  Resident resident;
  ASSERT_TRUE(resident.move(file, 0, size, 1, threads(1)));
  size_t inner = 2 * megabyte; // what is left in the file at the ends is less
  ASSERT_EQ(truncate(path.c_str(), 0), 0);
  expectBytes(inner, inner + resident.bytes() - inner);
}

TEST_F(ResidentMemory, MovesOnce) {
  Resident resident;
  ASSERT_TRUE(resident.move(file, 0, size, 2, threads(2)));
  size_t bytes = resident.bytes();
  bool called = false;
  ASSERT_TRUE(resident.move(file, 0, size, 2, [&](const auto &) { called = true; }));
  EXPECT_FALSE(called);
  EXPECT_EQ(resident.bytes(), bytes);
}

TEST_F(ResidentMemory, LeavesWhatIsSmall) {
  Resident resident;
  ASSERT_TRUE(resident.move(file, 0, megabyte, 2, threads(2)));
  EXPECT_EQ(resident.bytes(), 0u);
}

TEST_F(ResidentMemory, SaysThatTheFileHasShrunk) {
  ASSERT_EQ(truncate(path.c_str(), 5 * megabyte), 0);
  Resident resident;
  Status status = resident.move(file, 0, size, 2, threads(2));
  EXPECT_FALSE(status);
  EXPECT_EQ(status.message(),
            "cannot read the weights: the file has become shorter; an engine with "
            "shared weights leaves them in the mapped file");
  EXPECT_EQ(resident.bytes(), 0u);
  expectBytes(0, 5 * megabyte);
}

} // namespace
} // namespace kvasir::rt
