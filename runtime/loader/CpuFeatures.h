// What this machine's cores can do, in LLVM's names for features.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_RUNTIME_LOADER_CPUFEATURES_H
#define KVASIR_RUNTIME_LOADER_CPUFEATURES_H

#include <string_view>
#include <vector>

namespace kvasir::rt {

/// Features that the cores have and whose registers the system saves.
std::vector<std::string_view> cpuFeatures();

} // namespace kvasir::rt

#endif // KVASIR_RUNTIME_LOADER_CPUFEATURES_H
