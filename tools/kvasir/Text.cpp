// Text for people and programs: sizes, tables, JSON, the progress bar.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "Common.h"

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <nlohmann/json.hpp>
#include <unistd.h>

namespace kvasir::cli {

/// Three significant digits and a unit.
static std::string scaled(double value, const char *const *units, size_t unitCount) {
  size_t unit = 0;
  while (unit + 1 < unitCount && value >= 999.5) {
    value /= 1000;
    ++unit;
  }
  int decimals = unit == 0 || value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2;
  if (unit == 0 && value != std::floor(value))
    decimals = value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2;
  std::string text = format("%.*f", decimals, value);
  return *units[unit] ? text + " " + units[unit] : text;
}

std::string formatBytes(double bytes) {
  static const char *const units[] = {"B", "KB", "MB", "GB", "TB", "PB"};
  return scaled(bytes, units, std::size(units));
}

std::string formatCount(double count) {
  static const char *const units[] = {"", "K", "M", "B", "T", "P"};
  return scaled(count, units, std::size(units));
}

std::string formatFlops(double flops) {
  static const char *const units[] = {"", "K", "M", "G", "T", "P"};
  return scaled(flops, units, std::size(units));
}

std::string formatRate(double rate) { return format("%.*f", rate < 100 ? 1 : 0, rate); }

std::string formatSeconds(double seconds) {
  if (seconds >= 1)
    return format("%.3g s", seconds);
  static const char *const units[] = {"ns", "us", "ms"};
  return scaled(seconds * 1e9, units, std::size(units));
}

Table::Table(std::vector<std::string> titles) : titles(std::move(titles)) {
  for (std::string &title : this->titles) {
    left.push_back(!title.empty() && title[0] == '<');
    if (left.back())
      title.erase(0, 1);
  }
}

void Table::add(std::vector<std::string> cells) {
  cells.resize(titles.size());
  rows.push_back(std::move(cells));
}

/// Columns that a terminal gives to a text: code points, which is right for
/// what tables hold.
static size_t displayWidth(const std::string &text) {
  return static_cast<size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

void Table::print(FILE *stream, const char *indent) const {
  std::vector<size_t> widths;
  for (const std::string &title : titles)
    widths.push_back(displayWidth(title));
  for (const auto &row : rows)
    for (size_t i = 0; i < row.size(); ++i)
      widths[i] = std::max(widths[i], displayWidth(row[i]));
  auto printRow = [&](const std::vector<std::string> &cells) {
    std::string line = indent;
    for (size_t i = 0; i < cells.size(); ++i) {
      std::string pad(widths[i] - displayWidth(cells[i]), ' ');
      line += (i ? "  " : "") + (left[i] ? cells[i] + pad : pad + cells[i]);
    }
    line.erase(line.find_last_not_of(' ') + 1);
    std::fprintf(stream, "%s\n", line.c_str());
  };
  printRow(titles);
  for (const auto &row : rows)
    printRow(row);
}

void printJson(const nlohmann::ordered_json &value, bool indented) {
  // Whatever a broken text holds, the output stays valid UTF-8.
  std::string text =
      value.dump(indented ? 2 : -1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fputc('\n', stdout);
}

void flushOutput() {
  if (std::fflush(stdout) != 0 || std::ferror(stdout))
    fail(exitBadInput, format("cannot write to standard output: %s", std::strerror(errno)));
}

Progress::Progress(std::string verb, std::string unit)
    : verb(std::move(verb)), unit(std::move(unit)), visible(isatty(STDERR_FILENO)) {}

void Progress::update(uint64_t done, uint64_t total) {
  double time = now();
  if (!visible || total == 0 || (done < total && time - last < 0.1))
    return;
  last = time;
  if (!drawn) { // what was done before does not count as speed
    start = time;
    before = done;
  }
  drawn = true;
  double share = std::min(1.0, double(done) / double(total));
  size_t filled = static_cast<size_t>(share * 36);
  std::string bar = std::string(filled, '=') + (filled < 36 ? ">" : "");
  bar.resize(36, ' ');
  auto amount = [&](double value) {
    return unit.empty() ? formatBytes(value) : formatCount(value) + " " + unit;
  };
  std::string line = format("%-9s [%s] %s / %s", verb.c_str(), bar.c_str(),
                            amount(double(done)).c_str(), amount(double(total)).c_str());
  double speed = time > start ? double(done - before) / (time - start) : 0;
  if (speed > 0)
    line += format("   %s/s   %.0f s left", amount(speed).c_str(), double(total - done) / speed);
  std::fprintf(stderr, "\r\033[K%s", line.c_str());
  std::fflush(stderr);
}

Progress::~Progress() {
  if (drawn)
    std::fprintf(stderr, "\r\033[K");
}

} // namespace kvasir::cli
