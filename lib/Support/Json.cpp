// JSON from untrusted files: a SAX consumer that builds the document itself.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "kvasir/Support/Json.h"
#include "llvm/ADT/Twine.h"

using namespace kvasir;
using nlohmann::json;

namespace {

/// Builds a document and stops at the first thing that is refused.
class Consumer : public nlohmann::json_sax<json> {
public:
  explicit Consumer(unsigned maxDepth) : maxDepth(maxDepth) {}

  bool null() override { return place(json(nullptr)); }
  bool boolean(bool value) override { return place(json(value)); }
  bool number_integer(number_integer_t value) override { return place(json(value)); }
  bool number_unsigned(number_unsigned_t value) override { return place(json(value)); }
  bool number_float(number_float_t value, const string_t &) override { return place(json(value)); }
  bool string(string_t &value) override { return place(json(std::move(value))); }
  bool binary(binary_t &) override { return false; }

  bool start_object(std::size_t) override { return open(json::object()); }
  bool start_array(std::size_t) override { return open(json::array()); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }

  bool key(string_t &value) override {
    auto [entry, inserted] = stack.back()->get_ref<json::object_t &>().try_emplace(value, nullptr);
    if (!inserted) {
      problem = "has the key '" + value + "' twice in one object";
      return false;
    }
    slot = &entry->second;
    return true;
  }

  bool parse_error(std::size_t position, const std::string &,
                   const nlohmann::detail::exception &) override {
    problem = "is not valid JSON (byte " + std::to_string(position) + ")";
    return false;
  }

  json root;
  std::string problem;

private:
  /// Puts a value where it belongs and returns the place.
  json *store(json &&value) {
    if (stack.empty()) {
      root = std::move(value);
      return &root;
    }
    if (stack.back()->is_array()) {
      auto &array = stack.back()->get_ref<json::array_t &>();
      array.push_back(std::move(value));
      return &array.back();
    }
    *slot = std::move(value);
    return slot;
  }
  bool place(json &&value) {
    store(std::move(value));
    return true;
  }
  bool open(json &&value) {
    if (stack.size() >= maxDepth) {
      problem = "is nested deeper than " + std::to_string(maxDepth) + " levels";
      return false;
    }
    // Pointers stay valid: a container only grows while it is the innermost open one.
    stack.push_back(store(std::move(value)));
    return true;
  }
  bool close() {
    stack.pop_back();
    return true;
  }

  unsigned maxDepth;
  std::vector<json *> stack;
  json *slot = nullptr;
};

} // namespace

llvm::Expected<json> kvasir::parseJson(llvm::StringRef text, llvm::StringRef name,
                                       unsigned maxDepth) {
  Consumer consumer(maxDepth);
  if (json::sax_parse(text.begin(), text.end(), &consumer))
    return std::move(consumer.root);
  return llvm::createStringError(llvm::inconvertibleErrorCode(),
                                 llvm::Twine(name) + " " + consumer.problem);
}

std::string kvasir::describeJson(const json &value) {
  constexpr size_t limit = 80;
  std::string text = value.dump(-1, ' ', false, json::error_handler_t::replace);
  if (text.size() > limit)
    text = text.substr(0, limit - 3) + "...";
  return text;
}
