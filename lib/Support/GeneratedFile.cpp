// Values by a counter and a mixing function; see the header for the names.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "kvasir/Support/GeneratedFile.h"

#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/Twine.h"
#include "llvm/ADT/bit.h"

#include <algorithm>
#include <cstring>

using namespace kvasir;
using llvm::StringRef;

static constexpr StringRef prefix = "generated:", kindNames[] = {"normal", "ones"},
                           typeNames[] = {"f32", "f16", "bf16"};

std::string GeneratedFile::name() const {
  return (llvm::Twine(prefix) + kindNames[size_t(kind)] + ":" + typeNames[size_t(type)]).str() +
         ":" + std::to_string(seed) + ":" + std::to_string(bytes);
}

/// Index of `text` in `names`, or their number.
template <size_t count> static size_t find(const StringRef (&names)[count], StringRef text) {
  return size_t(std::find(std::begin(names), std::end(names), text) - std::begin(names));
}

std::optional<GeneratedFile> GeneratedFile::parse(StringRef name) {
  llvm::SmallVector<StringRef, 5> parts;
  StringRef rest = name;
  if (!rest.consume_front(prefix))
    return std::nullopt;
  rest.split(parts, ':');
  GeneratedFile file;
  if (parts.size() != 4 || parts[2].getAsInteger(10, file.seed) ||
      parts[3].getAsInteger(10, file.bytes))
    return std::nullopt;
  size_t kind = find(kindNames, parts[0]), type = find(typeNames, parts[1]);
  if (kind == std::size(kindNames) || type == std::size(typeNames))
    return std::nullopt;
  file.kind = Kind(kind);
  file.type = Type(type);
  // One spelling for one file: no signs, no leading zeros.
  return file.name() == name ? std::optional(file) : std::nullopt;
}

/// A bijection of 64 bits whose results look random (splitmix64).
static uint64_t mix(uint64_t value) {
  value += 0x9E3779B97F4A7C15u;
  value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9u;
  value = (value ^ (value >> 27)) * 0x94D049BB133111EBu;
  return value ^ (value >> 31);
}

static float normalValue(uint64_t key, uint64_t index) {
  uint64_t bits = mix(key + index);
  int32_t sum = int32_t(bits & 0xFFFF) + int32_t(bits >> 16 & 0xFFFF) +
                int32_t(bits >> 32 & 0xFFFF) + int32_t(bits >> 48);
  // Four uniform numbers of 16 bits: mean 131070, deviation 37837.2. The
  // difference is exact in f32, so that every machine gives the same value.
  return float(sum - 131070) * (0.02f / 37837.2f);
}

/// Rounded to the nearest, to even between two.
static uint16_t toBF16(float value) {
  uint32_t bits = llvm::bit_cast<uint32_t>(value);
  return uint16_t((bits + 0x7FFF + (bits >> 16 & 1)) >> 16);
}

/// The same for f16, for values below 1 in magnitude or equal to it.
static uint16_t toF16(float value) {
  uint32_t sign = llvm::bit_cast<uint32_t>(value) >> 16 & 0x8000;
  // As an exponent of f16 would be stored, with subnormals where f16 has them.
  uint32_t bits = llvm::bit_cast<uint32_t>(value * 0x1p-112f) & 0x7FFFFFFF;
  return uint16_t(sign | (bits + 0xFFF + (bits >> 13 & 1)) >> 13);
}

static void store(char *to, GeneratedFile::Type type, float value) {
  if (type == GeneratedFile::Type::f32) {
    std::memcpy(to, &value, 4);
    return;
  }
  uint16_t half = type == GeneratedFile::Type::f16 ? toF16(value) : toBF16(value);
  std::memcpy(to, &half, 2);
}

void GeneratedFile::read(void *buffer, uint64_t size, uint64_t offset) const {
  char *to = static_cast<char *>(buffer);
  uint64_t key = mix(seed), step = elementBytes();
  auto valueAt = [&](uint64_t index) {
    return kind == Kind::ones ? 1.0f : normalValue(key, index);
  };
  while (size > 0) {
    uint64_t index = offset / step, skipped = offset % step;
    if (skipped == 0 && size >= step) { // all but the ends
      uint64_t count = size / step;
      for (uint64_t i = 0; i < count; ++i, to += step)
        store(to, type, valueAt(index + i));
      offset += count * step;
      size -= count * step;
      continue;
    }
    char element[4];
    store(element, type, valueAt(index));
    uint64_t part = std::min(size, step - skipped);
    std::memcpy(to, element + skipped, part);
    to += part;
    offset += part;
    size -= part;
  }
}
