// JSON from untrusted files: bounded nesting, no duplicate keys, no exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_SUPPORT_JSON_H
#define KVASIR_SUPPORT_JSON_H

#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"
#include <nlohmann/json.hpp>

namespace kvasir {

/// Parses `text`. Refused, with `name` and the byte in the message: malformed
/// JSON, invalid UTF-8, nesting deeper than `maxDepth`, and an object that has
/// the same key twice (readers disagree about which of the two counts).
llvm::Expected<nlohmann::json> parseJson(llvm::StringRef text, llvm::StringRef name,
                                         unsigned maxDepth = 64);

/// A value as it may stand in a message: printed, and cut when it is long.
std::string describeJson(const nlohmann::json &value);

} // namespace kvasir

#endif // KVASIR_SUPPORT_JSON_H
