// Metadata values and types of tensors.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "Container.h"
#include "llvm/ADT/APFloat.h"
#include "llvm/Support/Endian.h"
#include "llvm/Support/JSON.h"
#include <bit>

using namespace kvasir;
using namespace kvasir::gguf;
using llvm::StringRef;
namespace endian = llvm::support::endian;

static size_t sizeOf(ValueType type) {
  switch (type) {
  case ValueType::uint8:
  case ValueType::int8:
  case ValueType::boolean:
    return 1;
  case ValueType::uint16:
  case ValueType::int16:
    return 2;
  case ValueType::uint32:
  case ValueType::int32:
  case ValueType::float32:
    return 4;
  default:
    return 8;
  }
}

namespace {
/// One number: its type and where its bytes are.
struct Element {
  ValueType type;
  const char *data;
};
} // namespace

static std::optional<Element> elementOf(const Value &value, uint64_t index) {
  bool array = value.type == ValueType::array;
  ValueType type = array ? value.elementType : value.type;
  if (type == ValueType::string || type == ValueType::array || index >= (array ? value.count : 1))
    return std::nullopt;
  return Element{type, value.bytes.data() + index * sizeOf(type)};
}

std::optional<int64_t> Value::integer(uint64_t index) const {
  std::optional<Element> element = elementOf(*this, index);
  if (!element)
    return std::nullopt;
  const char *data = element->data;
  switch (element->type) {
  case ValueType::uint8:
    return static_cast<uint8_t>(*data);
  case ValueType::int8:
    return static_cast<int8_t>(*data);
  case ValueType::uint16:
    return endian::read16le(data);
  case ValueType::int16:
    return static_cast<int16_t>(endian::read16le(data));
  case ValueType::uint32:
    return endian::read32le(data);
  case ValueType::int32:
    return static_cast<int32_t>(endian::read32le(data));
  case ValueType::uint64:
    if (endian::read64le(data) > INT64_MAX)
      return std::nullopt;
    [[fallthrough]];
  case ValueType::int64:
    return static_cast<int64_t>(endian::read64le(data));
  default:
    return std::nullopt;
  }
}

std::optional<double> Value::number(uint64_t index) const {
  std::optional<Element> element = elementOf(*this, index);
  if (!element)
    return std::nullopt;
  if (element->type == ValueType::float32)
    return llvm::bit_cast<float>(endian::read32le(element->data));
  if (element->type == ValueType::float64)
    return llvm::bit_cast<double>(endian::read64le(element->data));
  if (element->type == ValueType::uint64)
    return static_cast<double>(endian::read64le(element->data));
  std::optional<int64_t> whole = integer(index);
  return whole ? std::optional(static_cast<double>(*whole)) : std::nullopt;
}

std::optional<bool> Value::boolean() const {
  // Other values than 0 and 1 are refused where the file is read.
  return type == ValueType::boolean ? std::optional(bytes[0] != 0) : std::nullopt;
}

std::optional<StringRef> Value::text() const {
  return type == ValueType::string ? std::optional(bytes) : std::nullopt;
}

std::string gguf::printable(StringRef text) {
  constexpr size_t limit = 80;
  std::string result = llvm::json::fixUTF8(text.take_front(limit));
  for (char &c : result)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f)
      c = '?';
  return text.size() > limit ? result + "..." : result;
}

static std::string numberText(double number) {
  llvm::SmallString<32> text;
  llvm::APFloat(number).toString(text, 9);
  return text.str().str();
}

std::string gguf::describeValue(const Value &value) {
  if (value.type == ValueType::array)
    return "an array of " + std::to_string(value.count) + " values";
  if (std::optional<StringRef> text = value.text())
    return "\"" + printable(*text) + "\"";
  if (std::optional<bool> flag = value.boolean())
    return *flag ? "true" : "false";
  if (std::optional<int64_t> whole = value.integer())
    return std::to_string(*whole);
  return numberText(*value.number());
}

const TensorType *gguf::findTensorType(uint32_t number) {
  static constexpr TensorType types[] = {
      {"F32", 1, 4},        {"F16", 1, 2},        {"Q4_0", 32, 18},     {"Q4_1", 32, 20},
      {"Q4_2", 0, 0},       {"Q4_3", 0, 0},       {"Q5_0", 32, 22},     {"Q5_1", 32, 24},
      {"Q8_0", 32, 34},     {"Q8_1", 0, 0},       {"Q2_K", 256, 84},    {"Q3_K", 256, 110},
      {"Q4_K", 256, 144},   {"Q5_K", 256, 176},   {"Q6_K", 256, 210},   {"Q8_K", 0, 0},
      {"IQ2_XXS", 256, 66}, {"IQ2_XS", 256, 74},  {"IQ3_XXS", 256, 98}, {"IQ1_S", 256, 50},
      {"IQ4_NL", 32, 18},   {"IQ3_S", 256, 110},  {"IQ2_S", 256, 82},   {"IQ4_XS", 256, 136},
      {"I8", 1, 1},         {"I16", 1, 2},        {"I32", 1, 4},        {"I64", 1, 8},
      {"F64", 1, 8},        {"IQ1_M", 256, 56},   {"BF16", 1, 2},       {"Q4_0_4_4", 0, 0},
      {"Q4_0_4_8", 0, 0},   {"Q4_0_8_8", 0, 0},   {"TQ1_0", 256, 54},   {"TQ2_0", 256, 66},
      {"IQ4_NL_4_4", 0, 0}, {"IQ4_NL_4_8", 0, 0}, {"IQ4_NL_8_8", 0, 0}, {"MXFP4", 32, 17}};
  return number < std::size(types) ? &types[number] : nullptr;
}

std::optional<std::vector<float>> gguf::readFloats(const Container &container,
                                                   const StoredTensor &tensor) {
  auto file = container.files.find(tensor.file);
  constexpr uint64_t maxBytes = 1 << 20;
  if (file == container.files.end() || tensor.length > maxBytes)
    return std::nullopt;
  StringRef bytes = file->second.substr(tensor.offset, tensor.length);
  std::vector<float> values;
  size_t size = tensor.type == "F32" ? 4 : 2;
  for (size_t at = 0; at + size <= bytes.size(); at += size) {
    const char *data = bytes.data() + at;
    if (tensor.type == "F32")
      values.push_back(llvm::bit_cast<float>(endian::read32le(data)));
    else if (tensor.type == "BF16")
      values.push_back(llvm::bit_cast<float>(uint32_t(endian::read16le(data)) << 16));
    else if (tensor.type == "F16")
      values.push_back(
          llvm::APFloat(llvm::APFloat::IEEEhalf(), llvm::APInt(16, endian::read16le(data)))
              .convertToFloat());
    else
      return std::nullopt;
  }
  return values;
}
