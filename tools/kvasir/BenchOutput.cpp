// Tables and a plot of a measurement.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "BenchOutput.h"

#include "Common.h"
#include "Plot.h"

#include <nlohmann/json.hpp>

namespace kvasir::cli {

using Json = nlohmann::ordered_json;

static std::string percent(const Json &fraction) {
  return fraction.is_null() ? "-" : format("%.0f %%", 100 * fraction.get<double>());
}

static void printPhases(const Json &entry) {
  double step = entry["seconds_per_step"].get<double>();
  std::string context;
  if (entry.contains("context"))
    context = ", context " + entry["context"].dump();
  std::printf("phases at batch %d%s\n", entry["batch"].get<int>(), context.c_str());
  Table table({"<phase", "times", "time per step", "share", "reads"});
  for (const Json &phase : entry["phases"]) {
    double seconds = phase["seconds_per_step"].get<double>();
    double bytes = phase["bytes_per_step"].get<double>();
    table.add({phase["function"].get<std::string>(), phase["rows"].dump(), formatSeconds(seconds),
               format("%.1f %%", 100 * seconds / step),
               seconds > 0 ? formatBytes(bytes / seconds) + "/s" : "-"});
  }
  table.print(stdout);
}

static void printDecode(const Json &result) {
  double bandwidth = result["read_bandwidth"].get<double>();
  std::vector<std::string> titles = {"batch",          "tokens/s",     "time per step",
                                     "bytes per step", "of bandwidth", "ceiling tokens/s"};
  bool contexts = result["context"].is_array();
  if (contexts)
    titles.insert(titles.begin() + 1, "context");
  Table table(titles);
  for (const Json &entry : result["decode"]) {
    double bytes = entry["bytes_per_step"].get<double>();
    std::vector<std::string> cells = {
        entry["batch"].dump(),
        format("%.1f", entry["tokens_per_second"].get<double>()),
        formatSeconds(entry["seconds_per_step"].get<double>()),
        formatBytes(bytes),
        percent(entry["bandwidth_fraction"]),
        bytes > 0 && bandwidth > 0 ? format("%.1f", entry["batch"].get<int>() * bandwidth / bytes)
                                   : "-"};
    if (contexts)
      cells.insert(cells.begin() + 1, entry["context"].dump());
    table.add(std::move(cells));
  }
  if (!result["decode"].empty())
    table.print(stdout);
}

static void printPrefill(const Json &result) {
  Table table({"prefill", "tokens/s", "time", "of int8 peak"});
  for (const Json &entry : result["prefill"])
    table.add({entry["tokens"].dump(), format("%.1f", entry["tokens_per_second"].get<double>()),
               formatSeconds(entry["seconds"].get<double>()), percent(entry["peak_fraction"])});
  if (!result["prefill"].empty())
    table.print(stdout);
}

void printBench(const Json &result) {
  std::printf("%s on %s", result["file"].get<std::string>().c_str(),
              result["place"].get<std::string>().c_str());
  if (result["device"] == "cpu")
    std::printf(", %d threads; reads", result["threads"].get<int>());
  else
    std::printf("; copies");
  std::printf(" %s/s before, %s/s after\n",
              formatBytes(result["read_bandwidth_before"].get<double>()).c_str(),
              formatBytes(result["read_bandwidth_after"].get<double>()).c_str());
  if (double peak = result["int8_peak"].get<double>(); peak > 0)
    std::printf("int8 peak %sOP/s (%s)\n", formatFlops(peak).c_str(),
                result["int8_instruction"].get<std::string>().c_str());
  printDecode(result);
  if (result["device"] == "cpu" && result["weight_bytes"].get<double>() < 256e6)
    std::printf("  note: weights this small stay in a cache, so they may be read "
                "faster than memory\n");
  printPrefill(result);
  if (result.contains("skipped"))
    for (const Json &line : result["skipped"])
      std::printf("  note: %s\n", line.get<std::string>().c_str());
  for (const Json &entry : result["decode"])
    if (entry.contains("phases"))
      printPhases(entry);
}

using Entries = std::vector<const Json *>;

/// What was reached and, where the limit is known, the ceiling that `fraction`
/// says it is a part of.
static void addSeries(PlotPanel &panel, const std::string &name, const char *x,
                      const char *fraction, const Entries &entries) {
  PlotSeries reached{name, {}, false}, ceiling{name + ": ceiling", {}, true};
  for (const Json *entry : entries) {
    double at = (*entry)[x].get<double>();
    double speed = (*entry)["tokens_per_second"].get<double>();
    reached.points.push_back({at, speed});
    if ((*entry)[fraction].is_number())
      ceiling.points.push_back({at, speed / (*entry)[fraction].get<double>()});
  }
  panel.series.push_back(std::move(reached));
  if (!ceiling.points.empty())
    panel.series.push_back(std::move(ceiling));
}

std::string plotBench(const Json &result, const std::vector<int> &contexts) {
  PlotPanel decode{
      "decode: ceiling by bandwidth", "batch (requests)", "tokens/s, all requests", {}};
  for (int context : contexts) {
    Entries entries;
    for (const Json &entry : result["decode"])
      if (!entry.contains("context") || entry["context"] == context)
        entries.push_back(&entry);
    addSeries(decode, format("context %d", context), "batch", "bandwidth_fraction", entries);
  }
  bool hasPeak = result["int8_peak"].get<double>() > 0;
  PlotPanel prefill{
      hasPeak ? "prefill: ceiling by int8 peak" : "prefill", "prompt (tokens)", "tokens/s", {}};
  Entries entries;
  for (const Json &entry : result["prefill"])
    entries.push_back(&entry);
  addSeries(prefill, "prefill", "tokens", "peak_fraction", entries);
  std::vector<PlotPanel> panels;
  if (!result["decode"].empty())
    panels.push_back(std::move(decode));
  if (!result["prefill"].empty())
    panels.push_back(std::move(prefill));
  std::string name = result["file"].get<std::string>();
  name = name.substr(name.rfind('/') + 1);
  std::string speed = formatBytes(result["read_bandwidth"].get<double>()) + "/s";
  std::string title =
      result["device"] == "cpu"
          ? format("%s, %d threads, reads ", name.c_str(), result["threads"].get<int>())
          : name + " on " + result["place"].get<std::string>() + ", copies ";
  return plotSvg(title + speed, panels);
}

} // namespace kvasir::cli
