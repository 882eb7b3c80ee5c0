// The compute capabilities that kernels are made for.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "kvasir/Target/CUDA/Lowering.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"

namespace kvasir::cuda {

// Shared memory: CUDA C++ Programming Guide, technical specifications per compute capability. Code
// for sm_80 runs on 8.6 and 8.9 too, which have 99 KB for a block. Blocks of linear layers are
// two to a multiprocessor on 8.0 (164 KB, 1 KB of each block's is the system's), 9.0 and 10.0
// (228 KB), and one where it has 100 KB.
llvm::ArrayRef<Architecture> architectures() {
  static const std::vector<Architecture> table = {
      {"sm_80", 80, "+ptx78", 99 << 10, 255, 80 << 10},
      {"sm_90", 90, "+ptx80", 227 << 10, 255, 112 << 10},
      {"sm_100", 100, "+ptx86", 227 << 10, 255, 112 << 10},
      {"sm_120", 120, "+ptx87", 99 << 10, 255, 96 << 10},
  };
  return table;
}

const Architecture *findArchitecture(llvm::StringRef name) {
  const auto *found =
      llvm::find_if(architectures(), [&](const Architecture &a) { return a.name == name; });
  return found == architectures().end() ? nullptr : found;
}

std::string architectureNames() {
  return llvm::join(llvm::map_range(architectures(), [](const Architecture &a) { return a.name; }),
                    ", ");
}

} // namespace kvasir::cuda
