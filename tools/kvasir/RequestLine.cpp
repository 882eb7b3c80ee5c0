// The keys of a request, each with the check of its value.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "RequestLine.h"

#include <climits>
#include <cmath>
#include <map>

namespace kvasir::cli {

using Json = nlohmann::ordered_json;

namespace {

/// A value and its key, for messages.
struct Field {
  const std::string &key;
  const Json &value;

  [[noreturn]] void expected(const char *what) const {
    std::string got = value.dump(-1, ' ', false, Json::error_handler_t::replace);
    if (got.size() > 40)
      got = got.substr(0, 37) + "...";
    fail(exitBadInput, format("'%s': expected %s, but got %s", key.c_str(), what, got.c_str()));
  }

  template <class Number = int32_t>
  Number whole(const char *what, int64_t least, uint64_t most = INT32_MAX) const {
    bool isNegative = value.is_number_integer() && !value.is_number_unsigned();
    if (!value.is_number_integer() || (isNegative && value.get<int64_t>() < least) ||
        (!isNegative && value.get<uint64_t>() > most))
      expected(what);
    return value.get<Number>();
  }
  float number() const {
    // Ranges are the engine's to check, but not what a float cannot hold.
    if (!value.is_number() || !std::isfinite(value.get<float>()))
      expected("a number");
    return value.get<float>();
  }
  bool boolean() const {
    if (!value.is_boolean())
      expected("true or false");
    return value.get<bool>();
  }
  const std::string &text() const {
    if (!value.is_string())
      expected("a string");
    return value.get_ref<const std::string &>();
  }
  std::vector<int32_t> ids() const {
    if (!value.is_array())
      expected("a list of token ids");
    std::vector<int32_t> list;
    for (const Json &item : value)
      list.push_back(Field{key, item}.whole("token ids", INT32_MIN));
    return list;
  }
};

using Reader = void (*)(const Field &, RequestLine &);

} // namespace

static void readId(const Field &field, RequestLine &request) {
  if (!field.value.is_string() && !field.value.is_number_integer())
    field.expected("a string or a whole number");
  request.id = field.value;
}

static void readStop(const Field &field, RequestLine &request) {
  request.settings.stop.clear();
  if (field.value.is_string()) {
    request.settings.stop = {field.text()};
    return;
  }
  if (!field.value.is_array())
    field.expected("a string or a list of strings");
  for (const Json &item : field.value)
    request.settings.stop.push_back(Field{field.key, item}.text());
}

/// {"50256": -5, "11": "-inf"}: JSON has no infinity, and keys are strings.
static void readBias(const Field &field, RequestLine &request) {
  const char *shape = "an object of numbers or \"-inf\" by token id, such as {\"11\": -2.5}";
  if (!field.value.is_object())
    field.expected(shape);
  request.settings.logitBias.clear();
  for (const auto &[name, value] : field.value.items()) {
    bool isId = !name.empty() && name.size() < 10 &&
                name.find_first_not_of("0123456789") == std::string::npos;
    if (!isId || !(value.is_number() || value == "-inf"))
      field.expected(shape);
    float bias = value.is_number() ? Field{field.key, value}.number() : -INFINITY;
    request.settings.logitBias.push_back({std::stoi(name), bias});
  }
}

static const std::map<std::string, Reader, std::less<>> &readers() {
  static const char count[] = "a whole number of at least 0";
  static const std::map<std::string, Reader, std::less<>> table = {
      {"id", readId},
      {"prompt", [](const Field &f, RequestLine &r) { r.prompt = f.text(); }},
      {"ids", [](const Field &f, RequestLine &r) { r.ids = f.ids(); }},
      {"max_new_tokens", [](const Field &f, RequestLine &r) { r.newTokens = f.whole(count, 0); }},
      {"temperature",
       [](const Field &f, RequestLine &r) { r.settings.options.temperature = f.number(); }},
      {"top_k",
       [](const Field &f, RequestLine &r) { r.settings.options.top_k = f.whole(count, 0); }},
      {"top_p", [](const Field &f, RequestLine &r) { r.settings.options.top_p = f.number(); }},
      {"min_p", [](const Field &f, RequestLine &r) { r.settings.options.min_p = f.number(); }},
      {"repetition_penalty",
       [](const Field &f, RequestLine &r) { r.settings.options.repetition_penalty = f.number(); }},
      {"seed",
       [](const Field &f, RequestLine &r) {
         r.settings.options.seed = f.whole<uint64_t>(count, 0, UINT64_MAX);
       }},
      {"stop", readStop},
      {"stop_ids", [](const Field &f, RequestLine &r) { r.settings.stopIds = f.ids(); }},
      {"logit_bias", readBias},
      {"logprobs",
       [](const Field &f, RequestLine &r) { r.settings.options.logprobs = f.whole(count, 0); }},
      {"ignore_eos",
       [](const Field &f, RequestLine &r) { r.settings.options.ignore_eos = f.boolean(); }},
      {"no_special",
       [](const Field &f, RequestLine &r) { r.settings.options.no_special_tokens = f.boolean(); }},
      {"keep_special",
       [](const Field &f, RequestLine &r) {
         r.settings.options.keep_special_tokens = f.boolean();
       }},
  };
  return table;
}

/// Of an object with lists or objects in it. What those of another level hold is left out: they are
/// refused anyway, and printing a value takes as much stack as it is deep.
static constexpr int mostDepth = 2;

/// The object of a line, of which no key stands twice.
static Json parseObject(const std::string &line) {
  std::map<std::string, int> seen;
  std::string twice;
  auto callback = [&](int depth, Json::parse_event_t event, Json &value) {
    if (depth == 1 && event == Json::parse_event_t::key && seen[value.get<std::string>()]++)
      twice = value.get<std::string>();
    return depth <= mostDepth;
  };
  Json object;
  try {
    object = Json::parse(line, callback);
  } catch (const Json::parse_error &error) {
    fail(exitBadInput, format("not valid JSON at byte %zu; expected an object such as "
                              "{\"prompt\": \"Once upon a time\"}",
                              error.byte));
  } catch (const Json::exception &) { // a number beyond all types
    fail(exitBadInput, "not valid JSON: a number is too large");
  }
  if (!object.is_object())
    fail(exitBadInput, format("expected an object such as {\"prompt\": \"Once upon a time\"}, but "
                              "got JSON of type %s",
                              object.type_name()));
  if (!twice.empty())
    fail(exitBadInput, "the key '" + twice + "' stands twice");
  return object;
}

/// All keys that are not known, in one message.
static void checkKeys(const Json &object) {
  std::string unknown, known;
  size_t count = 0;
  for (const auto &[key, value] : object.items())
    if (readers().find(key) == readers().end()) {
      unknown += (count++ ? ", '" : "'") + key.substr(0, 40) + "'";
      if (count == 8)
        break;
    }
  if (count == 0)
    return;
  for (const auto &[key, reader] : readers())
    known += (known.empty() ? "" : ", ") + key;
  fail(exitBadInput, format("unknown key%s %s; expected some of %s", count > 1 ? "s" : "",
                            unknown.c_str(), known.c_str()));
}

void parseRequest(const std::string &line, RequestLine &request) {
  Json object = parseObject(line);
  // First, so that what is wrong with the others can be told with it.
  if (auto id = object.find("id"); id != object.end())
    readId({id.key(), *id}, request);
  checkKeys(object);
  for (const auto &[key, value] : object.items())
    readers().find(key)->second({key, value}, request);
  if (request.prompt.has_value() == request.ids.has_value())
    fail(exitBadInput, request.ids ? "both 'prompt' and 'ids' are given; expected one of them"
                                   : "neither 'prompt' nor 'ids' is given; expected one of them");
}

} // namespace kvasir::cli
