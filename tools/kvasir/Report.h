// The ceiling of decode for several loads; `compile` prints it too.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_TOOLS_KVASIR_REPORT_H
#define KVASIR_TOOLS_KVASIR_REPORT_H

#include "Cost.h"

namespace kvasir::cli {

struct CeilingRow {
  int requests = 0;
  int context = 0;
  StepCost cost;
  Ceiling ceiling;
  double tokensPerSecond = 0; ///< all requests together
};

/// One row for each pair, contexts outermost.
std::vector<CeilingRow> ceilings(const TargetPrograms &target, const Device &device,
                                 const std::vector<int> &requests,
                                 const std::vector<int> &contexts);

} // namespace kvasir::cli

#endif // KVASIR_TOOLS_KVASIR_REPORT_H
