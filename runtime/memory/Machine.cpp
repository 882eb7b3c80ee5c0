// Cores and memory, as Linux tells them.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "memory/Machine.h"

#include "support/Status.h"

#include <algorithm>
#include <cinttypes>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <sched.h>
#include <string>
#include <unistd.h>

namespace kvasir::rt {

/// Calls `use` with each line of a small text file; nothing when it cannot be
/// read.
template <class Use> static void eachLine(const char *path, Use use) {
  FILE *file = std::fopen(path, "re");
  if (!file)
    return;
  char line[512];
  while (std::fgets(line, sizeof(line), file))
    use(static_cast<const char *>(line));
  std::fclose(file);
}

/// Directory of this process's control group (version 2); "" without one.
static std::string controlGroup() {
  std::string group;
  eachLine("/proc/self/cgroup", [&](const char *line) {
    if (std::strncmp(line, "0::/", 4) != 0)
      return;
    group = std::string("/sys/fs/cgroup") + (line + 3);
    while (!group.empty() && (group.back() == '\n' || group.back() == '/'))
      group.pop_back();
  });
  // Inside a container the path may be that of the host: the root is ours then.
  if (!group.empty() && access(group.c_str(), R_OK) != 0)
    group = "/sys/fs/cgroup";
  return group;
}

static bool readNumber(const std::string &path, uint64_t &value) {
  bool found = false;
  eachLine(path.c_str(),
           [&](const char *line) { found |= std::sscanf(line, "%" SCNu64, &value) == 1; });
  return found;
}

/// What the control group leaves; its page cache can be given back, so it does
/// not count.
static uint64_t groupMemory() {
  std::string group = controlGroup();
  uint64_t most = 0, used = 0, cached = 0;
  if (group.empty() || !readNumber(group + "/memory.max", most) ||
      !readNumber(group + "/memory.current", used))
    return UINT64_MAX;
  eachLine((group + "/memory.stat").c_str(),
           [&](const char *line) { std::sscanf(line, "file %" SCNu64, &cached); });
  used -= std::min(used, cached);
  return most - std::min(most, used);
}

uint64_t availableMemory() {
  uint64_t available = UINT64_MAX, kilobytes = 0;
  eachLine("/proc/meminfo", [&](const char *line) {
    if (std::sscanf(line, "MemAvailable: %" SCNu64, &kilobytes) == 1)
      available = kilobytes * 1024;
  });
  return std::min(available, groupMemory());
}

/// True when `core` is the first of the logical cores on its physical one.
static bool isFirstSibling(int core) {
  std::string path = format("/sys/devices/system/cpu/cpu%d/topology/thread_siblings_list", core);
  uint64_t first = 0;
  return !readNumber(path, first) || first == static_cast<uint64_t>(core);
}

std::vector<int> usableCores() {
  std::vector<int> cores, siblings;
  cpu_set_t *set = CPU_ALLOC(4096);
  size_t size = CPU_ALLOC_SIZE(4096);
  if (!set)
    return cores;
  if (sched_getaffinity(0, size, set) == 0)
    for (int core = 0; core < 4096; ++core)
      if (CPU_ISSET_S(core, size, set))
        (isFirstSibling(core) ? cores : siblings).push_back(core);
  CPU_FREE(set);
  cores.insert(cores.end(), siblings.begin(), siblings.end());
  return cores;
}

int usableThreads() {
  int cores = std::max<int>(1, static_cast<int>(usableCores().size()));
  double quota = 0, period = 0;
  eachLine((controlGroup() + "/cpu.max").c_str(), [&](const char *line) {
    if (std::sscanf(line, "%lf %lf", &quota, &period) != 2)
      quota = period = 0;
  });
  if (quota > 0 && period > 0)
    cores = std::min(cores, std::max(1, static_cast<int>(std::ceil(quota / period))));
  return cores;
}

} // namespace kvasir::rt
