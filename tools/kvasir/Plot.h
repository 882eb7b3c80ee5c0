// Charts of what was reached against what could be, as SVG.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef KVASIR_TOOLS_KVASIR_PLOT_H
#define KVASIR_TOOLS_KVASIR_PLOT_H

#include <string>
#include <vector>

namespace kvasir::cli {

/// Both greater than zero.
struct PlotPoint {
  double x, y;
};

struct PlotSeries {
  std::string name;
  std::vector<PlotPoint> points; ///< from left to right
  bool ceiling = false;          ///< drawn as a dashed line without marks
};

struct PlotPanel {
  std::string title, xLabel, yLabel;
  std::vector<PlotSeries> series;
};

/// The panels side by side under a title; both axes are logarithmic (base 2).
/// Points that are not positive and finite are left out.
std::string plotSvg(const std::string &title, const std::vector<PlotPanel> &panels);

} // namespace kvasir::cli

#endif // KVASIR_TOOLS_KVASIR_PLOT_H
