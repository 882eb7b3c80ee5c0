// Evaluation of the cost table (Module.fbs, struct Cost).
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "Cost.h"

#include "Bandwidth.h"

#include <algorithm>
#include <map>

namespace kvasir::cli {

const artifact::Module &moduleOf(const kvasir_model *model) {
  size_t size = 0;
  return *artifact::GetModule(kvasir_model_table(model, &size));
}

StepCost &StepCost::operator+=(const StepCost &other) {
  weightBytes += other.weightBytes;
  otherBytes += other.otherBytes;
  cacheBytes += other.cacheBytes;
  flops += other.flops;
  return *this;
}

std::vector<TargetPrograms> targetsOf(const artifact::Module &module) {
  std::vector<TargetPrograms> targets;
  if (sizeOf(module.programs()) > 0)
    targets.push_back({&module, "cpu", module.programs(), module.functions(), nullptr});
  for (size_t i = 0; i < sizeOf(module.devices()); ++i) {
    const artifact::Device *device = module.devices()->Get(unsigned(i));
    targets.push_back(
        {&module, textOf(device->target()), device->programs(), device->functions(), device});
  }
  return targets;
}

TargetPrograms programsOf(const kvasir_model *model) {
  std::vector<TargetPrograms> targets = targetsOf(moduleOf(model));
  std::string device = infoOf(model).device; // "cpu", "cuda:0"
  for (const TargetPrograms &target : targets)
    if (target.target == device.substr(0, device.find(':')))
      return target;
  return targets.front();
}

size_t programFor(const TargetPrograms &target, double tokens) {
  for (size_t i = 0; i < sizeOf(target.programs); ++i) {
    uint32_t most = target.program(i).max_tokens();
    if (most == 0 || tokens <= most)
      return i;
  }
  return sizeOf(target.programs) - 1;
}

/// The window of the caches that a row touches; 0: none.
static uint32_t windowOf(const artifact::Module &module, const artifact::Row &row) {
  for (size_t i = 0; i < sizeOf(row.operands()); ++i) {
    const artifact::Operand &operand = *row.operands()->Get(unsigned(i));
    if (operand.kind() == artifact::OperandKind::cache)
      return module.caches()->Get(operand.index())->window();
  }
  return 0;
}

StepCost rowCost(const artifact::Module &module, const artifact::Row &row, const StepShape &shape) {
  StepCost result;
  const artifact::Cost *cost = row.cost();
  if (!cost)
    return result;
  double visible = shape.context;
  if (uint32_t window = windowOf(module, row))
    visible = std::min<double>(visible, window);
  double context = shape.tokens * visible;
  result.weightBytes = double(cost->weight_bytes());
  result.otherBytes = double(cost->bytes_per_token()) * shape.tokens;
  result.cacheBytes = double(cost->cache_bytes_per_context()) * context;
  result.flops = double(cost->flops_per_token()) * shape.tokens +
                 double(cost->flops_per_row()) * shape.rows +
                 double(cost->flops_per_context()) * context;
  return result;
}

StepCost stepCost(const TargetPrograms &target, const StepShape &shape) {
  StepCost total;
  for (const artifact::Row *row : *target.program(programFor(target, shape.tokens)).rows())
    total += rowCost(*target.module, *row, shape);
  return total;
}

std::vector<PhaseGroup> groupPhases(const TargetPrograms &target, size_t program,
                                    const StepShape &shape) {
  std::vector<PhaseGroup> groups;
  std::map<uint32_t, size_t> byFunction;
  const auto &rows = *target.program(program).rows();
  for (size_t i = 0; i < rows.size(); ++i) {
    const artifact::Row &row = *rows.Get(unsigned(i));
    auto [at, isNew] = byFunction.try_emplace(row.function(), groups.size());
    if (isNew)
      groups.push_back({target.functionOf(row), {}, {}});
    groups[at->second].rows.push_back(i);
    groups[at->second].cost += rowCost(*target.module, row, shape);
  }
  return groups;
}

/// Bandwidth and capacity: vendors' data sheets. Peaks of GPUs: dense bf16 on
/// tensor cores with f32 accumulation, without sparsity. Peaks of CPUs: cores
/// x clock under vector load x f32 operations per clock (two FMA units: 32
/// with AVX2, 64 with AVX-512), as stated in each row.
const std::vector<Device> &knownDevices() {
  static const std::vector<Device> devices = {
      {"b200", "NVIDIA B200 (HGX), HBM3e", 8e12, 2250e12, 180e9},
      {"h200", "NVIDIA H200 SXM, HBM3e", 4.8e12, 989e12, 141e9},
      {"h100", "NVIDIA H100 SXM, HBM3", 3.35e12, 989e12, 80e9},
      {"a100", "NVIDIA A100 80 GB SXM, HBM2e", 2.039e12, 312e12, 80e9},
      {"l40s", "NVIDIA L40S, GDDR6", 864e9, 362e12, 48e9},
      {"rtx5090", "NVIDIA GeForce RTX 5090, GDDR7", 1792e9, 209.5e12, 32e9},
      {"rtx4090", "NVIDIA GeForce RTX 4090, GDDR6X", 1008e9, 165e12, 24e9},
      {"desktop-ddr4", "2 channels DDR4-3200, 8 cores AVX2 at 3.6 GHz", 51.2e9, 0.92e12, 0},
      {"desktop-ddr5", "2 channels DDR5-5600, 8 cores AVX2 at 4.5 GHz", 89.6e9, 1.15e12, 0},
      {"server-ddr5-8ch", "8 channels DDR5-4800, 32 cores AVX-512 at 2.5 GHz", 307.2e9, 5.12e12, 0},
      {"server-ddr5-12ch", "12 channels DDR5-4800, 96 cores AVX2-wide at 3.0 GHz", 460.8e9, 9.22e12,
       0},
  };
  return devices;
}

Device findDevice(const std::string &name) {
  if (name == "measured") {
    MachineSpeed speed = measureMachine({});
    return {"measured", format("this machine, %d threads", speed.threads), speed.bandwidth,
            speed.flops, 0};
  }
  std::string all = "measured";
  for (const Device &device : knownDevices()) {
    if (device.name == name)
      return device;
    all += ", " + device.name;
  }
  fail(exitUsage, format("unknown device '%s'; expected one of %s", name.c_str(), all.c_str()));
}

Ceiling ceilingOf(const StepCost &cost, const Device &device) {
  double memory = device.bandwidth > 0 ? cost.bytes() / device.bandwidth : 0;
  double compute = device.peak > 0 ? cost.flops / device.peak : 0;
  return {std::max(memory, compute), memory >= compute};
}

} // namespace kvasir::cli
