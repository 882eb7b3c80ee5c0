// The GGUF container, version 2 and 3: counts, key-value pairs, tensor infos, padding, data.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "Container.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/CheckedArithmetic.h"
#include "llvm/Support/Endian.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/MathExtras.h"
#include <algorithm>

using namespace kvasir;
using namespace kvasir::gguf;
using llvm::StringRef;
using llvm::Twine;
namespace endian = llvm::support::endian;

namespace {

constexpr uint64_t maxEntries = 1 << 16, maxTensors = 1 << 18;
constexpr uint64_t maxKeyBytes = 65535, maxTensorNameBytes = 256;
constexpr uint64_t maxAlignment = 1 << 20, defaultAlignment = 32;
constexpr uint32_t maxDimensions = 4;
constexpr unsigned maxDepth = 8; ///< of arrays of arrays

/// Reads one file from its start. Methods that return false have reported why, and nothing after
/// that place can be read.
class ContainerReader {
public:
  ContainerReader(StringRef bytes, StringRef file, Container &container, Problems &problems)
      : bytes(bytes), file(file), container(container), problems(problems) {}

  void read();
  Metadata metadata; ///< of this file alone

private:
  struct Range {
    uint64_t begin, end; ///< in the data
    StringRef name;
  };

  bool readVersion();
  bool readCount(StringRef what, uint64_t least, uint64_t most, uint64_t &count);
  bool readEntry(uint64_t index);
  bool readValue(ValueType type, Value &value, unsigned depth, const Twine &what);
  bool readArray(Value &value, unsigned depth, const Twine &what);
  bool readElements(Value &value, unsigned depth, const Twine &what);
  bool readTensor(uint64_t index);
  void addTensor(StringRef name, uint32_t typeNumber, uint64_t offset, StoredTensor tensor);
  void settleAlignment();
  void place(StringRef name, uint64_t offset, StoredTensor &tensor);
  void checkOverlaps();

  /// The next `count` bytes, or nothing and a problem.
  bool take(uint64_t count, StringRef &part, const Twine &what);
  bool read32(uint32_t &value, const Twine &what);
  bool read64(uint64_t &value, const Twine &what);
  bool readString(StringRef &text, const Twine &what);
  bool fail(const Twine &what) {
    problems.add(file + ": " + what);
    return false;
  }
  void tensorProblem(StringRef name, const Twine &what) {
    problems.add(file + ": tensor '" + printable(name) + "' " + what);
  }

  StringRef bytes, file;
  uint64_t at = 0;
  Container &container;
  Problems &problems;
  uint64_t alignment = defaultAlignment, dataStart = 0;
  struct Pending {
    StringRef name;
    uint32_t type;
    uint64_t offset;
    StoredTensor tensor;
  };
  std::vector<Pending> pending;
  std::vector<Range> ranges;
};

} // namespace

bool ContainerReader::take(uint64_t count, StringRef &part, const Twine &what) {
  if (count > bytes.size() - at)
    return fail(what + " at byte " + Twine(at) + " should have " + Twine(count) +
                " bytes, but the file has only " + Twine(bytes.size() - at) +
                " left; is it truncated?");
  part = bytes.substr(at, count);
  at += count;
  return true;
}

bool ContainerReader::read32(uint32_t &value, const Twine &what) {
  StringRef part;
  if (!take(4, part, what))
    return false;
  value = endian::read32le(part.data());
  return true;
}

bool ContainerReader::read64(uint64_t &value, const Twine &what) {
  StringRef part;
  if (!take(8, part, what))
    return false;
  value = endian::read64le(part.data());
  return true;
}

bool ContainerReader::readString(StringRef &text, const Twine &what) {
  uint64_t length;
  return read64(length, what) && take(length, text, what);
}

bool ContainerReader::readVersion() {
  if (bytes.size() < 8)
    return fail("expected a GGUF file, but it has only " + Twine(bytes.size()) + " bytes");
  if (!bytes.starts_with("GGUF"))
    return fail("expected a GGUF file, which starts with 'GGUF', but it starts with '" +
                printable(bytes.take_front(4)) + "'");
  uint32_t version = endian::read32le(bytes.data() + 4);
  at = 8;
  if (version == 2 || version == 3)
    return true;
  uint32_t swapped = endian::read32be(bytes.data() + 4);
  if (swapped >= 1 && swapped <= 0xffff)
    return fail("is a big-endian GGUF file; only little-endian ones are read: convert the model "
                "again without --bigendian");
  return fail("has version " + Twine(version) + " of GGUF; versions 2 and 3 are read" +
              (version < 2 ? ": convert the model again" : ""));
}

/// A count of things of at least `least` bytes each.
bool ContainerReader::readCount(StringRef what, uint64_t least, uint64_t most, uint64_t &count) {
  if (!read64(count, "the number of " + what))
    return false;
  if (count > most)
    return fail("should have " + Twine(count) + " " + what + ", more than the " + Twine(most) +
                " that are allowed; is it damaged?");
  if (count > (bytes.size() - at) / least)
    return fail("should have " + Twine(count) + " " + what + ", which do not fit into its " +
                Twine(bytes.size()) + " bytes; is it truncated?");
  return true;
}

static uint64_t sizeOf(ValueType type) {
  static constexpr uint8_t sizes[] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};
  return sizes[static_cast<uint32_t>(type)];
}

/// Fewest bytes of a value in the file: a string has a length, an array a type and a count.
static uint64_t leastBytes(ValueType type) {
  return type == ValueType::string ? 8 : type == ValueType::array ? 12 : sizeOf(type);
}

static bool isValueType(uint32_t number) {
  return number <= static_cast<uint32_t>(ValueType::float64);
}

bool ContainerReader::readEntry(uint64_t index) {
  StringRef key;
  std::string what = "key " + std::to_string(index);
  if (!readString(key, what))
    return false;
  if (key.empty() || key.size() > maxKeyBytes || !llvm::json::isUTF8(key))
    return fail(what + " should be UTF-8 of 1 to " + Twine(maxKeyBytes) + " bytes, but is '" +
                printable(key) + "'");
  what = "'" + printable(key) + "'";
  uint32_t type;
  if (!read32(type, "the type of " + what))
    return false;
  if (!isValueType(type))
    return fail(what + " has the unknown type " + Twine(type) + "; known are 0 to 12");
  Value value;
  if (!readValue(static_cast<ValueType>(type), value, 0, what))
    return false;
  auto [place, inserted] = metadata.try_emplace(key.str(), std::move(value));
  // Written twice with the same value it is harmless, and there are such files.
  const Value &first = place->second;
  bool same =
      first.type == value.type && first.type != ValueType::array && first.bytes == value.bytes;
  if (!inserted && !same)
    fail("has the key " + what + " twice");
  return true;
}

bool ContainerReader::readValue(ValueType type, Value &value, unsigned depth, const Twine &what) {
  value.type = type;
  if (type == ValueType::array)
    return readArray(value, depth, what);
  if (type == ValueType::string)
    return readString(value.bytes, what);
  if (!take(sizeOf(type), value.bytes, what))
    return false;
  if (type == ValueType::boolean && static_cast<uint8_t>(value.bytes[0]) > 1)
    return fail(what + " should be a boolean, 0 or 1, but is " +
                Twine(unsigned(static_cast<uint8_t>(value.bytes[0]))));
  return true;
}

bool ContainerReader::readArray(Value &value, unsigned depth, const Twine &what) {
  uint32_t type;
  if (depth == maxDepth)
    return fail(what + " has arrays inside arrays, deeper than " + Twine(maxDepth) + " levels");
  if (!read32(type, "the element type of " + what) ||
      !read64(value.count, "the number of elements of " + what))
    return false;
  if (!isValueType(type))
    return fail(what + " is an array of the unknown type " + Twine(type) + "; known are 0 to 12");
  value.elementType = static_cast<ValueType>(type);
  if (value.count > (bytes.size() - at) / leastBytes(value.elementType))
    return fail(what + " should have " + Twine(value.count) +
                " elements, which do not fit into the " + Twine(bytes.size() - at) +
                " bytes that are left; is the file truncated?");
  return readElements(value, depth, what);
}

bool ContainerReader::readElements(Value &value, unsigned depth, const Twine &what) {
  if (value.elementType == ValueType::string) {
    value.strings.resize(value.count);
    for (StringRef &text : value.strings)
      if (!readString(text, "a string of " + what))
        return false;
    return true;
  }
  if (value.elementType != ValueType::array)
    return take(value.count * sizeOf(value.elementType), value.bytes, what);
  // Nothing that is read here has such a value: it is checked and skipped.
  for (uint64_t i = 0; i != value.count; ++i)
    if (Value inner; !readValue(ValueType::array, inner, depth + 1, what))
      return false;
  return true;
}

bool ContainerReader::readTensor(uint64_t index) {
  std::string what = "tensor " + std::to_string(index);
  Pending tensor;
  if (!readString(tensor.name, "the name of " + what))
    return false;
  if (tensor.name.empty() || tensor.name.size() > maxTensorNameBytes ||
      !llvm::json::isUTF8(tensor.name))
    return fail(what + " should have a name in UTF-8 of 1 to " + Twine(maxTensorNameBytes) +
                " bytes, but it is '" + printable(tensor.name) + "'");
  what = "tensor '" + printable(tensor.name) + "'";
  uint32_t dimensions;
  if (!read32(dimensions, "the number of dimensions of " + what))
    return false;
  if (dimensions > maxDimensions)
    return fail(what + " has " + Twine(dimensions) + " dimensions, at most " +
                Twine(maxDimensions) + " are allowed");
  for (uint32_t i = 0; i != dimensions; ++i) {
    uint64_t size;
    if (!read64(size, "the shape of " + what))
      return false;
    if (size > INT64_MAX)
      return fail(what + " has the dimension " + Twine(size) + ", expected at most 2^63 - 1");
    // The file names the innermost dimension first.
    tensor.tensor.shape.insert(tensor.tensor.shape.begin(), static_cast<int64_t>(size));
  }
  if (!read32(tensor.type, "the type of " + what) ||
      !read64(tensor.offset, "the offset of " + what))
    return false;
  pending.push_back(std::move(tensor));
  return true;
}

void ContainerReader::settleAlignment() {
  auto found = metadata.find("general.alignment");
  if (found != metadata.end()) {
    std::optional<int64_t> value = found->second.integer();
    if (value && *value > 0 && uint64_t(*value) <= maxAlignment && llvm::isPowerOf2_64(*value))
      alignment = *value;
    else
      fail("'general.alignment' should be a power of two up to " + Twine(maxAlignment) +
           ", but is " + describeValue(found->second));
  }
  dataStart = llvm::alignTo(at, alignment);
}

/// Values of a tensor; nothing if they do not fit in 64 bits.
static std::optional<uint64_t> countValues(llvm::ArrayRef<int64_t> shape) {
  if (llvm::is_contained(shape, 0)) // the product is 0 whatever the others are
    return 0;
  std::optional<uint64_t> count = 1;
  for (int64_t size : shape)
    count = count ? llvm::checkedMulUnsigned<uint64_t>(*count, size) : std::nullopt;
  return count;
}

void ContainerReader::addTensor(StringRef name, uint32_t typeNumber, uint64_t offset,
                                StoredTensor tensor) {
  const TensorType *type = findTensorType(typeNumber);
  if (!type)
    return tensorProblem(name, "has the unknown type number " + Twine(typeNumber));
  if (!type->blockBytes)
    return tensorProblem(name, "has the type " + type->name +
                                   ", which files do not hold any more; quantize the model again");
  int64_t columns = tensor.shape.empty() ? 1 : tensor.shape.back();
  if (columns % type->blockValues)
    return tensorProblem(name, "has rows of " + Twine(columns) +
                                   " values, which are no whole blocks of " +
                                   Twine(type->blockValues) + " as type " + type->name + " has");
  std::optional<uint64_t> count = countValues(tensor.shape);
  std::optional<uint64_t> length =
      count ? llvm::checkedMulUnsigned<uint64_t>(*count / type->blockValues, type->blockBytes)
            : std::nullopt;
  if (!length)
    return tensorProblem(name, "has a shape whose size does not fit in 64 bits");
  tensor.file = file.str();
  tensor.type = type->name.str();
  tensor.length = *length;
  place(name, offset, tensor);
}

void ContainerReader::place(StringRef name, uint64_t offset, StoredTensor &tensor) {
  if (offset % alignment)
    return tensorProblem(name, "starts at byte " + Twine(offset) +
                                   " of the data, expected a multiple of the alignment " +
                                   Twine(alignment));
  uint64_t dataSize = bytes.size() > dataStart ? bytes.size() - dataStart : 0;
  if (offset > dataSize || tensor.length > dataSize - offset)
    return tensorProblem(name, "takes " + Twine(tensor.length) + " bytes from byte " +
                                   Twine(offset) + " of the data on, but the file has only " +
                                   Twine(dataSize) + " bytes of data; is it truncated?");
  tensor.offset = dataStart + offset;
  uint64_t end = offset + tensor.length;
  auto [entry, inserted] = container.tensors.try_emplace(name.str(), std::move(tensor));
  if (!inserted)
    return tensorProblem(name, entry->second.file == file
                                   ? Twine("is there twice")
                                   : "is also in " + Twine(entry->second.file));
  ranges.push_back({offset, end, entry->first});
}

void ContainerReader::checkOverlaps() {
  llvm::sort(ranges, [](const Range &a, const Range &b) {
    return std::tie(a.begin, a.end, a.name) < std::tie(b.begin, b.end, b.name);
  });
  uint64_t end = 0;
  for (const Range &range : ranges) {
    if (range.begin < end && range.begin != range.end)
      tensorProblem(range.name, "starts at byte " + Twine(range.begin) +
                                    " of the data, inside the tensor before it");
    end = std::max(end, range.end);
  }
}

void ContainerReader::read() {
  uint64_t tensors, entries;
  // A tensor has at least a name's length, dimensions, type and offset; an entry a key's length,
  // a type and a value of one byte.
  if (!readVersion() || !readCount("tensors", 24, maxTensors, tensors) ||
      !readCount("keys", 13, maxEntries, entries))
    return;
  for (uint64_t i = 0; i != entries; ++i)
    if (!readEntry(i))
      return;
  for (uint64_t i = 0; i != tensors; ++i)
    if (!readTensor(i))
      return;
  settleAlignment();
  for (Pending &tensor : pending)
    addTensor(tensor.name, tensor.type, tensor.offset, std::move(tensor.tensor));
  checkOverlaps();
  container.files[file.str()] = bytes;
}

Metadata gguf::parseFile(StringRef bytes, StringRef file, Container &container,
                         Problems &problems) {
  ContainerReader reader(bytes, file, container, problems);
  reader.read();
  return std::move(reader.metadata);
}
