// Typed access to a configuration, every mistake collected.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "Config.h"
#include <cfloat>
#include <cmath>

using namespace kvasir;
using namespace kvasir::hf;
using llvm::StringRef;
using llvm::Twine;
using nlohmann::json;

void Config::problem(StringRef key, const Twine &what) {
  problems.add(place + ": '" + key + "' " + what);
}

const json *Config::value(StringRef key) {
  handled.insert(key);
  auto found = object.find(key.str());
  return found == object.end() || found->is_null() ? nullptr : &*found;
}

static std::optional<int64_t> asInteger(const json &value) {
  if (value.is_number_unsigned() && value.get<uint64_t>() > INT64_MAX)
    return std::nullopt;
  return value.is_number_integer() ? std::optional(value.get<int64_t>()) : std::nullopt;
}

std::optional<int64_t> Config::integer(StringRef key, int64_t min, int64_t max) {
  const json *found = value(key);
  if (!found)
    return std::nullopt;
  std::optional<int64_t> result = asInteger(*found);
  if (result && *result >= min && *result <= max)
    return result;
  problem(key, "should be an integer from " + Twine(min) + " to " + Twine(max) + ", but is " +
                   describeJson(*found));
  return std::nullopt;
}

int64_t Config::requiredInteger(StringRef key, int64_t min, int64_t max) {
  if (!value(key))
    problem(key, "is missing");
  return integer(key, min, max).value_or(min);
}

std::optional<double> Config::number(StringRef key) { return numberAbove(key, -DBL_MAX); }

static bool fitsFloat(double value) { return std::isfinite(value) && std::fabs(value) <= FLT_MAX; }

std::optional<double> Config::numberAbove(StringRef key, double low) {
  const json *found = value(key);
  if (!found)
    return std::nullopt;
  if (found->is_number() && fitsFloat(found->get<double>()) && found->get<double>() > low)
    return found->get<double>();
  std::string bound = low == -DBL_MAX ? "" : " greater than " + json(low).dump();
  problem(key, "should be a number" + Twine(bound) + ", but is " + describeJson(*found));
  return std::nullopt;
}

std::optional<double> Config::requiredNumberAbove(StringRef key, double low) {
  if (!value(key))
    problem(key, "is missing");
  return numberAbove(key, low);
}

std::optional<bool> Config::boolean(StringRef key) {
  const json *found = value(key);
  if (!found)
    return std::nullopt;
  if (found->is_boolean())
    return found->get<bool>();
  problem(key, "should be true or false, but is " + Twine(describeJson(*found)));
  return std::nullopt;
}

std::optional<std::string> Config::text(StringRef key) {
  const json *found = value(key);
  if (!found)
    return std::nullopt;
  if (found->is_string())
    return found->get<std::string>();
  problem(key, "should be a string, but is " + Twine(describeJson(*found)));
  return std::nullopt;
}

std::optional<std::vector<double>> Config::numbers(StringRef key) {
  const json *found = value(key);
  if (!found)
    return std::nullopt;
  std::vector<double> result;
  bool good = found->is_array();
  if (good)
    for (const json &entry : *found) {
      good &= entry.is_number() && fitsFloat(entry.get<double>()) && entry.get<double>() > FLT_MIN;
      result.push_back(good ? entry.get<double>() : 0);
    }
  if (good)
    return result;
  problem(key, "should be a list of positive numbers, but is " + Twine(describeJson(*found)));
  return std::nullopt;
}

void Config::refuseUnknown(llvm::function_ref<bool(StringRef, const json &)> neutral) {
  for (auto &[key, value] : object.items()) {
    bool off = value.is_null() || value == false ||
               ((value.is_structured() || value.is_string()) && value.empty());
    if (!handled.contains(key) && !off && !neutral(key, value))
      problem(key,
              "= " + Twine(describeJson(value)) + " is not understood and may change the result");
  }
}
