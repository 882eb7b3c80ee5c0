// SVG text, written by hand: two axes, lines, marks, a legend.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "Plot.h"

#include "Common.h"

#include <algorithm>
#include <cmath>

namespace kvasir::cli {

// In user units of the SVG.
static constexpr double panelWidth = 460, panelHeight = 400, left = 70, right = 20, top = 70,
                        bottom = 55;
/// Distinct for people who see colours in another way, too.
static const char *const colors[] = {"#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9"};

static std::string escape(const std::string &text) {
  std::string result;
  for (char c : text)
    if (c == '<')
      result += "&lt;";
    else if (c == '>')
      result += "&gt;";
    else if (c == '&')
      result += "&amp;";
    else if (static_cast<unsigned char>(c) >= 0x20) // XML has no control characters
      result += c;
  return result;
}

static std::string label(double x, double y, const char *anchor, const std::string &text,
                         const char *more = "") {
  return format("<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\"%s>", x, y, anchor, more) +
         escape(text) + "</text>\n";
}

static std::string line(double x1, double y1, double x2, double y2, const char *style) {
  return format("<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" %s/>\n", x1, y1, x2, y2,
                style);
}

static bool canDraw(const PlotPoint &point) {
  return std::isfinite(point.x) && std::isfinite(point.y) && point.x > 0 && point.y > 0;
}

namespace {
/// Whole powers of two around the values.
struct Axis {
  int low = 0, high = 1;
  bool empty = true;
  void include(double value) {
    int below = int(std::floor(std::log2(value))), above = int(std::ceil(std::log2(value)));
    low = empty ? below : std::min(low, below);
    high = std::max(empty ? above : std::max(high, above), low + 1);
    empty = false;
  }
  /// 0 at the low end, 1 at the high one.
  double place(double value) const { return (std::log2(value) - low) / (high - low); }
};

class Drawing {
public:
  Drawing(const PlotPanel &panel, double offset) : panel(panel), offset(offset) {}
  std::string draw();

private:
  double xOf(double value) const {
    return offset + left + x.place(value) * (panelWidth - left - right);
  }
  double yOf(double value) const {
    return panelHeight - bottom - y.place(value) * (panelHeight - top - bottom);
  }
  void drawAxes();
  void drawSeries(const PlotSeries &series, const char *color);
  void drawLegend(size_t row, const PlotSeries &series, const char *color);

  const PlotPanel &panel;
  double offset;
  Axis x, y;
  std::string out;
};
} // namespace

void Drawing::drawAxes() {
  static const char *const grid = "stroke=\"#dddddd\"";
  double x0 = offset + left, x1 = offset + panelWidth - right;
  double y0 = panelHeight - bottom;
  for (int i = x.low; i <= x.high; ++i) {
    double at = xOf(std::exp2(i));
    out += line(at, top, at, y0, grid) + label(at, y0 + 18, "middle", format("%g", std::exp2(i)));
  }
  int step = (y.high - y.low) / 12 + 1; // not more than a dozen labels
  for (int i = y.low; i <= y.high; i += step) {
    double at = yOf(std::exp2(i));
    out += line(x0, at, x1, at, grid) + label(x0 - 8, at + 4, "end", format("%g", std::exp2(i)));
  }
  out += line(x0, y0, x1, y0, "stroke=\"#333333\"") + line(x0, top, x0, y0, "stroke=\"#333333\"");
  out += label((x0 + x1) / 2, y0 + 40, "middle", panel.xLabel);
  double middle = (top + y0) / 2, side = offset + 18;
  out += label(side, middle, "middle", panel.yLabel,
               format(" transform=\"rotate(-90 %.1f %.1f)\"", side, middle).c_str());
  out += label((x0 + x1) / 2, top - 12, "middle", panel.title, " font-weight=\"bold\"");
}

void Drawing::drawSeries(const PlotSeries &series, const char *color) {
  std::string points, marks;
  for (const PlotPoint &point : series.points) {
    if (!canDraw(point))
      continue;
    points += format("%s%.1f,%.1f", points.empty() ? "" : " ", xOf(point.x), yOf(point.y));
    if (!series.ceiling)
      marks += format("<circle cx=\"%.1f\" cy=\"%.1f\" r=\"3.5\" fill=\"%s\"/>\n", xOf(point.x),
                      yOf(point.y), color);
  }
  out += "<polyline points=\"" + points +
         format("\" fill=\"none\" stroke=\"%s\" stroke-width=\"2\"%s/>\n", color,
                series.ceiling ? " stroke-dasharray=\"6 4\"" : "") +
         marks;
}

void Drawing::drawLegend(size_t row, const PlotSeries &series, const char *color) {
  double at = panelHeight - bottom - 12 - 16 * double(row), end = offset + panelWidth - right - 8;
  out += line(end - 26, at - 4, end, at - 4,
              format("stroke=\"%s\" stroke-width=\"2\"%s", color,
                     series.ceiling ? " stroke-dasharray=\"6 4\"" : "")
                  .c_str());
  out += label(end - 32, at, "end", series.name);
}

std::string Drawing::draw() {
  for (const PlotSeries &series : panel.series)
    for (const PlotPoint &point : series.points)
      if (canDraw(point)) {
        x.include(point.x);
        y.include(point.y);
      }
  drawAxes();
  // A ceiling has the colour of what was reached below it: they come in pairs.
  for (size_t i = 0; i < panel.series.size(); ++i) {
    const char *color = colors[i / 2 % std::size(colors)];
    drawSeries(panel.series[i], color);
    drawLegend(panel.series.size() - 1 - i, panel.series[i], color);
  }
  return std::move(out);
}

std::string plotSvg(const std::string &title, const std::vector<PlotPanel> &panels) {
  double width = panelWidth * double(std::max<size_t>(1, panels.size()));
  std::string text = format("<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%g\" height=\"%g\" "
                            "viewBox=\"0 0 %g %g\" font-family=\"sans-serif\" font-size=\"12\">\n",
                            width, panelHeight, width, panelHeight);
  text += format("<rect width=\"%g\" height=\"%g\" fill=\"white\"/>\n", width, panelHeight);
  text += label(width / 2, 24, "middle", title, " font-size=\"15\"");
  for (size_t i = 0; i < panels.size(); ++i)
    text += Drawing(panels[i], panelWidth * double(i)).draw();
  return text + "</svg>\n";
}

} // namespace kvasir::cli
