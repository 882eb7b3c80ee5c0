// JSON from files that nobody vouches for.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "kvasir/Support/Json.h"
#include "gtest/gtest.h"

using namespace kvasir;

static std::string problemOf(llvm::StringRef text, unsigned maxDepth = 64) {
  auto value = parseJson(text, "file", maxDepth);
  return value ? "" : llvm::toString(value.takeError());
}

TEST(Json, Values) {
  auto value = parseJson(R"({"a": [1, -2, 1.5, "\u00e4", null, true], "b": {"a": {}}})", "file");
  ASSERT_TRUE(static_cast<bool>(value));
  EXPECT_EQ(value->dump(), "{\"a\":[1,-2,1.5,\"ä\",null,true],\"b\":{\"a\":{}}}");
}

TEST(Json, Refusals) {
  EXPECT_EQ(problemOf("[1, 2"), "file is not valid JSON (byte 6)");
  EXPECT_EQ(problemOf("[1e999]"), "file is not valid JSON (byte 6)");
  EXPECT_EQ(problemOf("\"\xff\""), "file is not valid JSON (byte 2)");
  EXPECT_EQ(problemOf("{} x"), "file is not valid JSON (byte 4)");
  EXPECT_EQ(problemOf(R"({"a": {"b": 1, "c": 2, "b": 3}})"),
            "file has the key 'b' twice in one object");
  EXPECT_EQ(problemOf("[[[]]]", 3), "");
  EXPECT_EQ(problemOf("[[[]]]", 2), "file is nested deeper than 2 levels");
  EXPECT_EQ(problemOf(std::string(1 << 20, '[')), "file is nested deeper than 64 levels");
}

TEST(Json, DescriptionIsShort) {
  EXPECT_EQ(describeJson(nlohmann::json({1, "x"})), "[1,\"x\"]");
  EXPECT_EQ(describeJson(std::string(1000, 'x')).size(), 80u);
}
