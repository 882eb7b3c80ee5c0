// What the tokenizer tests share: files, JSON, and a tokenizer compiled from it.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_TEST_TOKENIZER_TESTSUPPORT_H
#define KVASIR_TEST_TOKENIZER_TESTSUPPORT_H

#include "kvasir/Tokenizer/Tokenizer.h"
#include "tokenizer/Tokenizer.h"
#include "gtest/gtest.h"
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <sstream>

namespace kvasir::test {
using Json = nlohmann::json;

/// The text of a file, "" where it is missing.
inline std::string readFile(const std::string &path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  return file ? text.str() : "";
}

/// An opened tokenizer and the table that it lives in.
struct Compiled {
  std::vector<uint8_t> table;
  std::optional<rt::Tokenizer> tokenizer;
  std::string message; // why there is no tokenizer

  const rt::Tokenizer *operator->() const { return &*tokenizer; }
  explicit operator bool() const { return tokenizer.has_value(); }

  std::vector<int32_t> encode(const std::string &text, bool special = true) {
    auto ids = tokenizer->encode(text, special);
    EXPECT_TRUE(ids) << ids.status().message();
    return ids ? *ids : std::vector<int32_t>();
  }
};

inline std::unique_ptr<Compiled> compileText(const std::string &json,
                                             const TokenizerOptions &options = {}) {
  auto result = std::make_unique<Compiled>();
  auto table = compileTokenizer(json, options);
  if (!table) {
    result->message = llvm::toString(table.takeError());
    return result;
  }
  result->table = std::move(*table);
  auto opened = rt::Tokenizer::open(result->table.data(), result->table.size());
  if (opened)
    result->tokenizer.emplace(std::move(*opened));
  else
    result->message = opened.status().message();
  return result;
}

/// golden.json, see record-golden.py.
inline const Json &golden() {
  static const Json *json = new Json(Json::parse(readFile(TOKENIZER_GOLDEN), nullptr, false));
  return *json;
}

/// A base of golden.json with members replaced, those of "model" one by one.
inline Json patched(const std::string &base, const Json &patch) {
  Json json = golden()["bases"][base];
  for (auto member = patch.begin(); member != patch.end(); ++member)
    if (member.key() == "model")
      json["model"].update(*member);
    else
      json[member.key()] = *member;
  return json;
}

/// Text of a stream decoder fed one id at a time; each piece must be UTF-8.
inline std::string streamed(const rt::Tokenizer &tokenizer, const std::vector<int32_t> &ids,
                            bool skip) {
  rt::StreamDecoder decoder(tokenizer, skip);
  std::string all;
  auto add = [&](const std::string &piece) {
    std::string quoted = Json(piece).dump(-1, ' ', false, Json::error_handler_t::ignore);
    EXPECT_EQ(Json::parse(quoted, nullptr, false), Json(piece))
        << "a piece that is not whole characters";
    all += piece;
  };
  for (int32_t id : ids)
    add(decoder.push(id));
  add(decoder.flush());
  return all;
}

} // namespace kvasir::test

#endif // KVASIR_TEST_TOKENIZER_TESTSUPPORT_H
