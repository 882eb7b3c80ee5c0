// What `kvasir bench` prints and draws of its result.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_TOOLS_KVASIR_BENCHOUTPUT_H
#define KVASIR_TOOLS_KVASIR_BENCHOUTPUT_H

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

namespace kvasir::cli {

/// Tables on standard output of what --json would print.
void printBench(const nlohmann::ordered_json &result);

/// SVG of the speeds below their ceilings: decode below the bandwidth, a line
/// for each context, and prefill below the peak of 8-bit multiplication, if
/// that was measured.
std::string plotBench(const nlohmann::ordered_json &result, const std::vector<int> &contexts);

} // namespace kvasir::cli

#endif // KVASIR_TOOLS_KVASIR_BENCHOUTPUT_H
