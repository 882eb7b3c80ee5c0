// Checked access to metadata.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "Keys.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/JSON.h"
#include <cmath>
#include <limits>

using namespace kvasir;
using namespace kvasir::gguf;
using llvm::StringRef;
using llvm::Twine;

const Value *Keys::value(StringRef key) {
  handled.insert(key);
  auto found = metadata.find((prefix + key).str());
  return found == metadata.end() ? nullptr : &found->second;
}

void Keys::problem(StringRef key, const Twine &what) {
  problems.add("'" + prefix + key + "' " + what);
}

std::optional<int64_t> Keys::integer(StringRef key, int64_t min, int64_t max) {
  const Value *value = this->value(key);
  if (!value)
    return std::nullopt;
  std::optional<int64_t> first = value->integer();
  uint64_t count = value->type == ValueType::array ? value->count : 1;
  for (uint64_t i = 1; first && i < count; ++i)
    if (value->integer(i) != first) {
      problem(key, "differs between layers, which is not supported");
      return std::nullopt;
    }
  if (first && *first >= min && *first <= max)
    return first;
  problem(key, "should be an integer from " + Twine(min) + " to " + Twine(max) + ", but is " +
                   (first ? std::to_string(*first) : describeValue(*value)));
  return std::nullopt;
}

int64_t Keys::requiredInteger(StringRef key, int64_t min, int64_t max) {
  if (!value(key))
    problem(key, "is missing");
  return integer(key, min, max).value_or(min);
}

std::optional<double> Keys::number(StringRef key) {
  const Value *value = this->value(key);
  if (!value)
    return std::nullopt;
  std::optional<double> number = value->type == ValueType::array ? std::nullopt : value->number();
  if (number && std::abs(*number) <= std::numeric_limits<float>::max())
    return number;
  problem(key, "should be a number, but is " + describeValue(*value));
  return std::nullopt;
}

std::optional<double> Keys::numberAbove(StringRef key, double low) {
  std::optional<double> number = this->number(key);
  if (!number || *number > low)
    return number;
  problem(key, "should be greater than " + std::to_string(low) + ", but is " +
                   describeValue(*value(key)));
  return std::nullopt;
}

std::optional<bool> Keys::boolean(StringRef key) {
  const Value *value = this->value(key);
  if (!value)
    return std::nullopt;
  std::optional<bool> flag = value->boolean();
  if (!flag)
    problem(key, "should be true or false, but is " + describeValue(*value));
  return flag;
}

std::optional<std::string> Keys::text(StringRef key) {
  const Value *value = this->value(key);
  if (!value)
    return std::nullopt;
  if (std::optional<StringRef> text = value->text(); text && llvm::json::isUTF8(*text))
    return text->str();
  problem(key, "should be a text in UTF-8, but is " + describeValue(*value));
  return std::nullopt;
}

void Keys::refuseUnknown(llvm::ArrayRef<StringRef> neutral) {
  for (auto &[name, value] : metadata) {
    StringRef key = name;
    if (!key.consume_front(prefix) || handled.contains(key) || llvm::is_contained(neutral, key))
      continue;
    std::optional<int64_t> number = value.integer();
    if (number == 0 || value.boolean() == false)
      continue; // something that the model does not have
    problem(printable(key),
            "= " + describeValue(value) + " is not understood and may change the result");
  }
}
