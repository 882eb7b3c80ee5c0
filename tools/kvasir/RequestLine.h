// A line of --jsonl: a request as a JSON object.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_TOOLS_KVASIR_REQUESTLINE_H
#define KVASIR_TOOLS_KVASIR_REQUESTLINE_H

#include "Request.h"

#include <optional>

namespace kvasir::cli {

struct RequestLine {
  nlohmann::ordered_json id; ///< a string or a whole number; null: none was given
  std::optional<std::string> prompt;
  std::optional<std::vector<int32_t>> ids;
  int newTokens = -1; ///< -1: not given
  RequestSettings settings;
};

/// Reads `line` into `request`, whose settings hold the defaults. What is wrong is a Failure; the
/// id is there all the same if it could be read.
void parseRequest(const std::string &line, RequestLine &request);

} // namespace kvasir::cli

#endif // KVASIR_TOOLS_KVASIR_REQUESTLINE_H
